import canonicalize from 'canonicalize';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GENESIS } from '../../sdk/contract/audit.ts';
import { AUDIT_KINDS, type AuditKind } from '../../sdk/contract/audit-kind.ts';
import { readLine } from '../../sdk/verify/line.ts';
import { InvariantError } from '../base/assert.ts';
import type { OrgId } from '../base/id.ts';
import { type AuditDraft, type Place, toLine } from './record.ts';

const org = 'acme' as OrgId;
const place: Place = {
  log: 'k1',
  seq: 7,
  prev: GENESIS,
  tseq: 3,
  tprev: GENESIS,
  time: 1_700_000_000_000,
  nonce: 'AAAAAAAAAAAAAAAAAAAAAA==',
};
const small: AuditDraft = { org, kind: 'kernel.started', actor: 'system:kernel' };
const act = `sha256:${'a'.repeat(64)}`;
const full: AuditDraft = {
  ...small,
  kind: 'step.settled',
  actor: 'principal:ann@acme.example',
  run: 'run_1',
  step: 'ban',
  attempt: 2,
  cause: 5,
  outcome: 'succeeded',
  act,
  ref: 'crowdsec/ban-ip',
};

test('a record without options, and one with all of them', () => {
  const links = `"nonce":"${place.nonce}"`;
  expect(toLine(small, place)).toBe(
    `{"actor":"system:kernel","kind":"kernel.started","log":"k1",${links},"prev":"${GENESIS}",` +
      `"seq":7,"tenant":"acme","time":1700000000000,"tprev":"${GENESIS}","tseq":3,"v":1}`,
  );
  expect(toLine(full, place)).toBe(
    `{"act":"${act}","actor":"principal:ann@acme.example","attempt":2,"cause":5,"kind":"step.settled","log":"k1",` +
      `${links},"outcome":"succeeded","prev":"${GENESIS}","ref":"crowdsec/ban-ip","run":"run_1","seq":7,"step":"ban",` +
      `"tenant":"acme","time":1700000000000,"tprev":"${GENESIS}","tseq":3,"v":1}`,
  );
});

test('a cause may be given as the number of drafts back', () => {
  expect(toLine({ ...small, cause: { back: 2 } }, place)).toContain('"cause":5,');
  expect(toLine({ ...small, cause: 0 }, place)).toContain('"cause":0,');
});

/** Visible text of all sorts: what a name may hold. */
const name = fc
  .string({
    unit: fc.oneof(fc.constantFrom('"', '\\', '/', 'ä', '東', '👩', '~'), fc.string({ minLength: 1, maxLength: 1 })),
    minLength: 1,
    maxLength: 30,
  })
  .map((text) => text.normalize('NFC'))
  .filter((text) => text.length > 0 && !/[\p{C}\p{Z}]/u.test(text));
const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });

test('every line is JSON.stringify of the ordered object, canonical, and read by the verifier', () => {
  const kinds = Object.keys(AUDIT_KINDS) as AuditKind[];
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.record({
        actor: name.map((text) => `principal:${text}`),
        run: optional(name),
        step: optional(name),
        ref: optional(name),
        attempt: optional(fc.integer({ min: 1, max: 10 })),
        cause: optional(fc.integer({ min: 0, max: 6 })),
        outcome: optional(fc.constantFrom('timeout', 'not_found', 'needs-review')),
        act: optional(fc.constant(act)),
      }),
      (kind, options) => {
        const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
        const needed: Record<string, string | number> = {};
        for (const need of AUDIT_KINDS[kind].needs) {
          needed[need] = need === 'act' ? act : need === 'attempt' ? 1 : 'x';
        }
        const draft = { org, kind, ...needed, ...given } as AuditDraft;
        const { org: tenant, ...said } = draft;
        const line = toLine(draft, place);
        const record = { ...said, ...place, tenant, v: 1 };
        expect(line).toBe(
          JSON.stringify(Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))),
        );
        expect(line).toBe(canonicalize(record));
        expect(readLine(line, 1, { scope: 'log', log: 'k1', org: null }).fault).toBeNull();
      },
    ),
    { numRuns: 500 },
  );
});

describe('a record that does not fit the format stops the turn', () => {
  test.each<[string, object, object?]>([
    ['a kind that is not in the catalog', { kind: 'moon.landed' }],
    ['a kind from the prototype', { kind: 'constructor' }],
    ['a kind without what it needs', { kind: 'step.intent' }],
    ['an actor of no known sort', { actor: 'ann' }],
    ['an actor without a name', { actor: 'system:' }],
    ['an actor that is too long', { actor: `principal:${'x'.repeat(320)}` }],
    ['a bidi control in a name', { ref: 'a\u202Eb' }],
    ['a line feed in a name', { ref: 'a\nb' }],
    ['a zero-width character in a name', { ref: 'a\u200Bb' }],
    ['a space in a name', { ref: 'a b' }],
    ['half a character', { ref: '\uD83D' }],
    ['a name that is not in normal form', { ref: 'a\u0308' }],
    ['an empty name', { step: '' }],
    ['a run name that is too long', { run: 'x'.repeat(65) }],
    ['a sentence as outcome', { outcome: 'It timed out' }],
    ['an act that is no digest', { act: 'sha256:zz' }],
    ['attempt 0', { attempt: 0 }],
    ['half an attempt', { attempt: 1.5 }],
    ['an org of another form', { org: 'Acme' }],
    ['a cause that is itself', { cause: 7 }],
    ['a cause before the beginning', { cause: { back: 8 } }],
    ['a log of another form', {}, { log: 'K 1' }],
    ['a short nonce', {}, { nonce: 'AAAA' }],
    ['a seq beyond 2^53', {}, { seq: 2 ** 53 }],
    ['a negative seq', {}, { seq: -1 }],
    ['minus zero', {}, { seq: 0, tseq: -0 }],
    ['a time that is no number', {}, { time: Number.NaN }],
    ['tseq above seq', {}, { tseq: 8 }],
  ])('%s', (_name, change, where = {}) => {
    const draft = { ...small, ...change } as AuditDraft;
    expect(() => toLine(draft, { ...place, ...where })).toThrow(InvariantError);
  });

  test('and does not repeat what it was given', () => {
    expect(() => toLine({ ...small, ref: 'canary 4711' }, place)).toThrow(/^(?!.*canary)/s);
  });
});

test('the longest record there can be fits an entry', () => {
  const wide = (chars: number) => '"'.repeat(chars);
  const longest: AuditDraft = {
    ...full,
    actor: `principal:${wide(310)}`,
    ref: wide(512),
    run: wide(64),
    step: wide(128),
    outcome: 'x'.repeat(64),
  };
  const line = toLine(longest, { ...place, seq: Number.MAX_SAFE_INTEGER, time: Number.MAX_SAFE_INTEGER });
  expect(Buffer.byteLength(line)).toBeLessThan(8_192);
});
