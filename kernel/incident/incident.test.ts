import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { IncidentPolicySchema } from '../../sdk/contract/incident-policy.ts';
import { type EntryKind, INCIDENT_STATES, type IncidentState } from '../../sdk/contract/incident-word.ts';
import type { OrgId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import { unixMs } from '../base/time.ts';
import { findingOf, OCSF_FINDINGS } from './finding.ts';
import { applyChange, type Change, type Incident, mayMove } from './incident.ts';
import { incidentOfRun } from './of-run.ts';
import { readIncident } from './stored.ts';

const ORG = 'acme' as OrgId;
const change = (kind: EntryKind, asked: Change['asked'], at = 1): Change => ({
  incident: 'INC-1',
  entry: { at: unixMs(at), seq: at, kind, by: 'system:engine' },
  ...(asked && { asked }),
});
const apply = (known: Incident | null, one: Change) => applyChange(ORG, known, one);
const at = (state: IncidentState) => apply(null, change('updated', { state })).after;

describe('a state', () => {
  /** By the state it is in: what everybody may make of it, and what only runs and people may. */
  const moves: Readonly<Record<IncidentState, readonly [forward: string, back: string]>> = {
    new: ['triaged contained resolved closed', ''],
    triaged: ['contained resolved closed', ''],
    contained: ['resolved closed', 'triaged'],
    resolved: ['closed', 'triaged'],
    closed: ['', 'triaged'],
  };
  test.each(INCIDENT_STATES)('%s', (from) => {
    const to = (kind: EntryKind) => INCIDENT_STATES.filter((state) => mayMove(from, state, kind)).join(' ');
    const [forward, back] = moves[from];
    const both = INCIDENT_STATES.filter((state) => [...forward.split(' '), back].includes(state)).join(' ');
    expect([to('reported'), to('updated'), to('note')]).toEqual([forward, both, both]);
  });

  test('that may not be is on the timeline and changes nothing', () => {
    const refused = apply(at('contained'), change('reported', { state: 'new' }, 2));
    expect(refused.after).toMatchObject({ state: 'contained', entries: 2 });
    expect(refused.entry).toMatchObject({ outcome: 'refused', state: 'new', from: 'contained' });
  });

  test('that is there already is kept, and the first one is a move', () => {
    const first = apply(null, change('updated', { state: 'new' }));
    expect([first.before, first.entry.outcome]).toEqual([null, 'moved']);
    expect(apply(first.after, change('updated', { state: 'new' })).entry.outcome).toBe('kept');
  });
});

describe('an incident', () => {
  test('keeps what is known where a change says nothing, or says that it does not know', () => {
    const known = apply(null, change('reported', { severity: 'high', confidence: 82, title: 'A', source: 'a' })).after;
    const later = apply(known, change('reported', { severity: 'unknown', source: 'b' }, 2)).after;
    expect(later).toMatchObject({ severity: 'high', confidence: 82, uncertainty: null, title: 'A', source: 'a' });
    expect(later).toMatchObject({ createdAt: 1, updatedAt: 2, entries: 2 });
    expect(apply(later, change('note', { severity: 'unknown' }, 3)).after.severity).toBe('unknown');
  });

  test('is not made older by a clock that was set back', () => {
    const known = apply(null, change('updated', { state: 'triaged' }, 5)).after;
    expect(apply(known, change('run_started', undefined, 3)).after).toMatchObject({ createdAt: 5, updatedAt: 5 });
  });

  test('of a former kernel is read with its timeline', () => {
    const timeline = [{ at: 7, run: 'run_1', state: 'contained', note: 'banned' }];
    const text = JSON.stringify({ incident: 'INC-1', org: ORG, state: 'contained', updatedAt: 9, timeline });
    const { incident, former } = readIncident(text);
    expect(incident).toMatchObject({ state: 'contained', severity: 'unknown', createdAt: 7, updatedAt: 9, entries: 1 });
    expect(former).toEqual([
      {
        at: 7,
        kind: 'updated',
        by: 'system:engine',
        run: 'run_1',
        outcome: 'moved',
        state: 'contained',
        note: 'banned',
      },
    ]);
    expect(readIncident(JSON.stringify(incident))).toEqual({ incident, former: [] });
  });
});

describe('a finding', () => {
  const OCSF = { class_uid: 2004, finding_info: { uid: 'F-1', title: 'C2' }, severity_id: 4 };
  test.each<[string, JsonObject, object | undefined]>([
    ['as it is', OCSF, { incident: 'F-1', asked: { title: 'C2', severity: 'high' } }],
    ['with a status', { ...OCSF, status_id: 2 }, { incident: 'F-1', asked: { state: 'triaged' } }],
    ['with a status that means nothing', { ...OCSF, status_id: 99 }, { incident: 'F-1', asked: { state: undefined } }],
    ['that was closed', { ...OCSF, activity_id: 3 }, { incident: 'F-1', asked: { state: 'resolved' } }],
    ['with a score', { ...OCSF, confidence_score: 71 }, { incident: 'F-1', asked: { confidence: 71 } }],
    ['with a score that is none', { ...OCSF, confidence_score: 'high' }, { asked: { confidence: undefined } }],
    ['of another class', { ...OCSF, class_uid: 2001 }, undefined],
    ['without an id', { ...OCSF, finding_info: {} }, undefined],
    ['with an id of two words', { ...OCSF, finding_info: { uid: 'F 1' } }, undefined],
    ['with an id that is a number', { ...OCSF, finding_info: { uid: 1 } }, undefined],
  ])('%s', (_, data, expected) => {
    const found = findingOf(OCSF_FINDINGS, data);
    if (expected === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject(expected);
  });

  test('is read as the org says, or not at all', () => {
    const policy = v.parse(IncidentPolicySchema, {
      apiVersion: 'interlock/incidents/v1',
      from: [{ at: '/kind', is: 'alert' }],
      id: '/alert/id',
      uncertainty: '/alert/doubt',
      state: [{ at: '/alert/open', values: { true: 'new', false: 'closed' } }],
    });
    const data = { kind: 'alert', alert: { id: 'A-1', doubt: 0.2, open: false } };
    expect(findingOf(policy, data)).toMatchObject({ incident: 'A-1', asked: { state: 'closed', uncertainty: 0.2 } });
    expect(findingOf(policy, { ...data, kind: 'constructor' })).toBeUndefined();
    expect(findingOf({ ...policy, from: [] }, data)).toBeUndefined();
  });

  test('of the shipped policy is what an org gets that has none of its own', () => {
    const file = join(import.meta.dirname, '../../policies/incidents/ocsf.json');
    expect(v.parse(IncidentPolicySchema, JSON.parse(readFileSync(file, 'utf8')))).toEqual(OCSF_FINDINGS);
  });
});

test.each<[string, string | undefined, JsonObject, string | undefined, string | undefined]>([
  ['of the event', undefined, {}, 'F-1', 'F-1'],
  ['of nothing', undefined, {}, undefined, undefined],
  ['of its playbook, before that of the event', 'host-{{ inputs.host }}', { host: 'pc-7' }, 'F-1', 'host-pc-7'],
  ['of none, where its playbook names what is not there', '{{ inputs.host }}', {}, 'F-1', undefined],
  ['of none, where what it names is no id', '{{ inputs.host }}', { host: 'two words' }, 'F-1', undefined],
])('a run is %s', (_, template, inputs, ofEvent, expected) => {
  expect(incidentOfRun(template, inputs, ofEvent)).toBe(expected);
});
