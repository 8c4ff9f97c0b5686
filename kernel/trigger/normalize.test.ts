import { describe, expect, it } from 'vitest';
import {
  BATCHED,
  BINARY,
  CLOUDEVENT,
  changed,
  FALCO,
  OCSF,
  ORG,
  PLAIN,
  type Sent,
  STRUCTURED,
  TRACE,
  taken,
  takenOne,
} from '../../test/samples/intake.ts';
import type { Json, JsonObject } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { normalizeBody } from './normalize.ts';

describe('a structured CloudEvent', () => {
  it('keeps its names and its finding', () => {
    expect(takenOne({ contentType: STRUCTURED, body: CLOUDEVENT })).toEqual({
      source: 'urn:example:edr:eu-1',
      sourceId: 'edr-9f1b7c52-1',
      type: 'ocsf.detection_finding.create',
      subject: 'FIN-WS-042',
      time: 1_795_185_220_101,
      receivedFormat: 'cloudevents-structured',
      traceparent: TRACE,
      data: CLOUDEVENT.data,
    });
  });

  it.each<[string, Sent, object]>([
    ['as application/json', { body: PLAIN }, { receivedFormat: 'cloudevents-structured' }],
    ['with a charset', { contentType: `${STRUCTURED}; charset="UTF-8"`, body: PLAIN }, { sourceId: 'a-1' }],
    ['type in capitals', { contentType: 'Application/CloudEvents+JSON', body: PLAIN }, { sourceId: 'a-1' }],
    [
      'ce- headers beside it do not count',
      { contentType: STRUCTURED, headers: { 'ce-id': 'b' }, body: PLAIN },
      { sourceId: 'a-1' },
    ],
    [
      'null is absent',
      { body: { ...PLAIN, subject: null, time: null, data_base64: null, ext: null } },
      { subject: null, time: null },
    ],
    ['its org named', { body: { ...PLAIN, tenantid: 'acme' } }, { sourceId: 'a-1' }],
    ['extensions', { body: { ...PLAIN, sequence: 7, sampled: true, partitionkey: 'x' } }, { data: { n: 1 } }],
    [
      'time with an offset',
      { body: { ...PLAIN, time: '2026-11-20T15:33:40.101928374+01:00' } },
      { time: 1_795_185_220_101 },
    ],
    ['JSON as base64', { body: { ...PLAIN, data: undefined, data_base64: btoa('{"n":2}') } }, { data: { n: 2 } }],
    ['data of another class', { body: { ...PLAIN, data: { class_uid: 2005 } } }, { data: { class_uid: 2005 } }],
    ['a trace from the transport', { headers: { traceparent: TRACE }, body: PLAIN }, { traceparent: TRACE }],
    ['a broken trace', { body: { ...PLAIN, traceparent: `ff${TRACE.slice(2)}` } }, { traceparent: null }],
    ['a finding lends its time', { body: { ...PLAIN, data: OCSF } }, { time: OCSF.time, data: OCSF }],
    [
      'a Falco alert within is mapped',
      { body: { ...PLAIN, data: FALCO } },
      { data: expect.objectContaining({ class_uid: 2004, severity_id: 5 }), time: 1_795_185_220_101 },
    ],
  ])('%s', (_, sent, expected) => {
    expect(takenOne(sent)).toMatchObject(expected);
  });
});

describe('a binary CloudEvent', () => {
  it.each<[string, Sent, object]>([
    [
      'headers and body',
      { headers: BINARY, body: { n: 1 } },
      { source: '/edr', sourceId: 'a-1', data: { n: 1 }, receivedFormat: 'cloudevents-binary' },
    ],
    [
      'header names in any case',
      { headers: { 'CE-SpecVersion': '1.0', 'Ce-Id': 'x', 'ce-source': 's', 'ce-type': 't' }, body: {} },
      { sourceId: 'x' },
    ],
    [
      'percent-encoded',
      { headers: { ...BINARY, 'ce-subject': 'Euro%20%E2%82%AC%20%f0%9f%98%80' }, body: {} },
      { subject: 'Euro € 😀' },
    ],
    ['decoded once', { headers: { ...BINARY, 'ce-subject': '%2541' }, body: {} }, { subject: '%41' }],
    [
      'quoted, as older senders do',
      { headers: { ...BINARY, 'ce-subject': '"a \\"b\\" %41"' }, body: {} },
      { subject: 'a "b" A' },
    ],
    ['the body may look like an envelope', { headers: BINARY, body: PLAIN }, { sourceId: 'a-1', data: PLAIN }],
    ['Falco in the body', { headers: BINARY, body: FALCO }, { data: expect.objectContaining({ class_uid: 2004 }) }],
    ['trace as extension', { headers: { ...BINARY, 'ce-traceparent': TRACE }, body: {} }, { traceparent: TRACE }],
    ['any +json type', { contentType: 'application/ocsf+json', headers: BINARY, body: OCSF }, { data: OCSF }],
  ])('%s', (_, sent, expected) => {
    expect(takenOne(sent)).toMatchObject(expected);
  });

  it('without a Content-Type (as over NATS) the attribute says it', () => {
    const body = new TextEncoder().encode('{}');
    const typed = (type: string) =>
      normalizeBody({ contentType: null, headers: { ...BINARY, 'ce-datacontenttype': type }, body, org: ORG }).ok;
    expect(typed('application/json')).toBe(true);
    expect(typed('text/plain')).toBe(false);
    expect(normalizeBody({ contentType: null, headers: BINARY, body, org: ORG }).ok).toBe(true);
  });
});

describe('a batch', () => {
  it('gives its events in order', () => {
    const events = taken({ contentType: BATCHED, body: [PLAIN, { ...PLAIN, id: 'a-2', data: FALCO }] });
    expect(events.map((event) => [event.sourceId, event.receivedFormat])).toEqual([
      ['a-1', 'cloudevents-batch'],
      ['a-2', 'cloudevents-batch'],
    ]);
  });

  it('may hold the most events allowed, and be larger than one event', () => {
    const data = { text: 'x'.repeat(10_000) };
    const body = Array.from({ length: LIMITS.batchEvents.value }, (_, n) => ({ ...PLAIN, id: `${n}`, data }));
    expect(taken({ contentType: BATCHED, body })).toHaveLength(64);
  });
});

describe('a bare OCSF finding', () => {
  it('stands for itself', () => {
    expect(takenOne({ body: OCSF, headers: { traceparent: TRACE } })).toEqual({
      source: 'urn:ocsf:Example:Example%20EDR',
      sourceId: 'det-2026-11-20-000817',
      type: 'ocsf.detection_finding.create',
      subject: null,
      time: 1_795_185_220_101,
      receivedFormat: 'ocsf',
      traceparent: TRACE,
      data: OCSF,
    });
  });

  it('without an event id, an update is another event than the creation', () => {
    const created = changed(OCSF, 'metadata/uid', undefined);
    const updated = { ...created, activity_id: 2, type_uid: 200402 };
    expect(takenOne({ body: created }).sourceId).toBe('edr-9f1b7c52/1/1795185220101');
    expect(takenOne({ body: updated })).toMatchObject({
      sourceId: 'edr-9f1b7c52/2/1795185220101',
      type: 'ocsf.detection_finding.update',
    });
  });
});

describe('a bare Falco alert', () => {
  it('becomes a finding', () => {
    expect(takenOne({ body: FALCO })).toEqual({
      source: 'https://falco.org',
      sourceId: '0c8e4a55-7a1e-4ae1-8a1d-bb1d4d7f3b20',
      type: 'falco.rule.output.v1',
      subject: 'node-eu-3',
      time: 1_795_185_220_101,
      receivedFormat: 'falco',
      traceparent: null,
      data: {
        activity_id: 1,
        category_uid: 2,
        class_uid: 2004,
        type_uid: 200401,
        severity_id: 5,
        status_id: 1,
        time: 1_795_185_220_101,
        message: FALCO.output,
        metadata: {
          version: '1.8.0',
          uid: '0c8e4a55-7a1e-4ae1-8a1d-bb1d4d7f3b20',
          product: { name: 'Falco', vendor_name: 'The Falco Project' },
          original_time: '2026-11-20T14:33:40.101928374Z',
          log_name: 'syscall',
        },
        finding_info: {
          uid: '0c8e4a55-7a1e-4ae1-8a1d-bb1d4d7f3b20',
          title: 'Outbound Connection to C2 Servers',
          attacks: [{ technique: { uid: 'T1071' } }, { tactic: { uid: 'TA0011', name: 'Command and Control' } }],
        },
        device: {
          hostname: 'node-eu-3',
          uid: 'node-eu-3',
          type_id: 0,
          container: { uid: '3f2c9d1e0b7a', name: 'payments-api' },
        },
        actor: { process: { name: 'curl', cmd_line: 'curl -sk https://203.0.113.77/b' }, user: { name: 'www-data' } },
        observables: [{ name: 'dst_endpoint.ip', type_id: 2, type: 'IP Address', value: '203.0.113.77' }],
        unmapped: { falco: FALCO },
      },
    });
  });

  it.each(
    Object.entries({
      Emergency: 6,
      Alert: 5,
      Critical: 5,
      Error: 4,
      Warning: 3,
      Notice: 2,
      Informational: 1,
      Debug: 1,
      critical: 5,
    }),
  )('priority %s is severity %d', (priority, severity_id) => {
    expect(takenOne({ body: { ...FALCO, priority } }).data).toMatchObject({ severity_id });
  });

  it.each<[string, JsonObject, unknown]>([
    ['the server end', { 'fd.sip': '2001:db8::7', 'fd.sip.name': 'c2.bad.example' }, ['2001:db8::7', 'c2.bad.example']],
    ['the remote end first', { 'fd.sip': '203.0.113.1', 'fd.rip': '203.0.113.2' }, ['203.0.113.2']],
    ['the address of the C2 rule', { c2_addr: '203.0.113.3', c2_domain: 'x.example' }, ['203.0.113.3', 'x.example']],
    ['nothing that is no address', { 'fd.rip': '203.0.113.3:443', 'fd.sip.name': '' }, []],
    ['nothing of a wrong type', { 'fd.rip': 3405803851, 'fd.sip': ['203.0.113.1'] }, []],
  ])('observables: %s', (_, output_fields, values) => {
    const { observables } = takenOne({ body: { ...FALCO, output_fields } }).data;
    expect((observables as { value: string }[]).map(({ value }) => value)).toEqual(values);
  });

  it.each<[string, Json, unknown]>([
    ['sub-technique', ['T1059.004'], [{ technique: { uid: 'T1059' }, sub_technique: { uid: 'T1059.004' } }]],
    ['tags of no attack', ['container', 'maturity_stable', 'mitre_', 'T10591', 'constructor'], []],
    ['null, as Go writes an empty list', null, []],
  ])('attacks: %s', (_, tags, attacks) => {
    expect(takenOne({ body: { ...FALCO, tags } }).data).toMatchObject({ finding_info: { attacks } });
  });

  it('without a uuid its content names it, so that a repeat is the same event', () => {
    const bare = changed(FALCO, 'uuid', undefined);
    const id = (body: JsonObject) => takenOne({ body }).sourceId;
    expect(id(bare)).toMatch(/^sha256:/);
    expect(id(bare)).toBe(id(Object.fromEntries(Object.entries(bare).reverse())));
    expect(id(bare)).not.toBe(id({ ...bare, output: 'other' }));
  });

  it('without host, process and fields there are none in the finding', () => {
    const { data } = takenOne({ body: { ...FALCO, hostname: '', output_fields: null } });
    expect(data).toMatchObject({ actor: {}, observables: [] });
    expect(data).not.toHaveProperty('device');
  });
});
