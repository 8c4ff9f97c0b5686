import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  aRun,
  headOf,
  judge,
  LOG,
  leafOf,
  ofOrg,
  parse,
  print,
  rewriteFrom,
  type Said,
  WHOLE,
  weave,
  writeLog,
} from './testlog.ts';
import type { FindingCode } from './verdict.ts';
import type { VerifierOptions } from './verifier.ts';

/**
 * Random logs, one random attack each. Whatever the log and wherever the attack, the verdict is invalid and names the
 * record; without an attack it is valid.
 */
const ORGS = ['acme', 'globex', 'initech'];

const run = fc.record({ org: fc.constantFrom(...ORGS), length: fc.integer({ min: 1, max: 15 }) });
const log = fc.tuple(fc.array(run, { maxLength: 6 }), fc.boolean()).map(([runs, woven]) => {
  const told: Said[][] = runs.map(({ org, length }, index) => aRun(org, `r${index}`).slice(0, length));
  // The first org has two records at least, so that there are neighbours to attack in either scope.
  const start: Said[] = [1, 2].map(() => ({ tenant: 'acme', kind: 'incident.updated' }));
  return writeLog([...start, ...(woven ? weave(told) : told.flat())]);
});

const scoped = fc
  .tuple(log, fc.boolean())
  .map(([lines, whole]): { lines: string[]; options: VerifierOptions } =>
    whole
      ? { lines, options: WHOLE }
      : { lines: ofOrg(lines, 'acme'), options: { scope: 'org', log: LOG, org: 'acme' } },
  );

type Attack = (lines: readonly string[], k: number, options: VerifierOptions) => string[];
type Named = { readonly code: FindingCode; readonly seq: number } | null;

const at = (lines: readonly string[], k: number): string => lines[k] ?? '';
const change = (line: string, to: object): string => print({ ...parse(line), ...to });
const placeAfter = (line: string, org: boolean): object => {
  const { seq, tseq } = parse(line);
  return org ? { tseq: tseq + 1, seq: seq + 1, tprev: leafOf(line) } : { seq: seq + 1, prev: leafOf(line) };
};

/** Each attack and what it must be called; null where the attack does not exist at that place. */
const ATTACKS: Record<string, [Attack, (k: number, last: number) => Named]> = {
  change: [
    (lines, k) => lines.with(k, change(at(lines, k), { actor: 'principal:mallory' })),
    (k, last) => ({ code: k === last ? 'HEAD_MISMATCH' : 'TAMPERED', seq: k }),
  ],
  'change the link': [
    (lines, k) => lines.with(k, change(at(lines, k), { prev: leafOf('x'), tprev: leafOf('y') })),
    (k) => ({ code: 'TAMPERED', seq: k }),
  ],
  'change the number': [
    (lines, k) =>
      lines.with(k, change(at(lines, k), { seq: parse(at(lines, k)).seq + 5, tseq: parse(at(lines, k)).tseq + 5 })),
    (k) => ({ code: 'TAMPERED', seq: k }),
  ],
  'add a space': [(lines, k) => lines.with(k, `${at(lines, k)} `), (k) => ({ code: 'NON_CANONICAL', seq: k })],
  'add a field': [
    (lines, k) => lines.with(k, change(at(lines, k), { zone: 'x' })),
    (k) => ({ code: 'SCHEMA', seq: k }),
  ],
  'move to another log': [
    (lines, k) => lines.with(k, change(at(lines, k), { log: 'k2' })),
    (k) => ({ code: 'FOREIGN_RECORD', seq: k }),
  ],
  drop: [(lines, k) => lines.toSpliced(k, 1), (k, last) => ({ code: k === last ? 'TRUNCATED' : 'GAP', seq: k })],
  truncate: [(lines, k) => lines.slice(0, k), (k) => ({ code: 'TRUNCATED', seq: k })],
  repeat: [(lines, k) => lines.toSpliced(k, 0, at(lines, k)), (k) => ({ code: 'DUPLICATE_SEQ', seq: k })],
  swap: [
    (lines, k) => lines.toSpliced(k, 2, at(lines, k + 1), at(lines, k)),
    (k, last) => (k === last ? null : { code: 'OUT_OF_ORDER', seq: k }),
  ],
  forge: [
    (lines, k, { scope }) => {
      const forged = { nonce: 'AAAAAAAAAAAAAAAAAAAAAA==', ...placeAfter(at(lines, k), scope === 'org') };
      return lines.toSpliced(k + 1, 0, change(at(lines, k), forged));
    },
    (k, last) => ({ code: k === last ? 'HEAD_MISMATCH' : 'DUPLICATE_SEQ', seq: k + 1 }),
  ],
};

test('an untouched log is valid', () => {
  fc.assert(
    fc.property(scoped, ({ lines, options }) => {
      expect(judge(lines, headOf(lines), options).findings).toEqual([]);
    }),
    { numRuns: 100 },
  );
});

test.each(Object.entries(ATTACKS))('%s', (_name, [attack, named]) => {
  fc.assert(
    fc.property(scoped, fc.nat(), ({ lines, options }, anywhere) => {
      const k = anywhere % lines.length;
      const expected = named(k, lines.length - 1);
      fc.pre(expected !== null);
      const { verdict, findings, found } = judge(attack(lines, k, options), headOf(lines), options);
      expect({ verdict, found, code: findings[0]?.code, seq: findings[0]?.seq }).toEqual({
        verdict: 'invalid',
        found: 1,
        ...expected,
      });
    }),
    { numRuns: 100 },
  );
});

test('a history written anew from any record on is found by a pin on that record or a later one', () => {
  fc.assert(
    fc.property(log, fc.nat(), fc.nat(), (lines, a, b) => {
      const [from = 0, seq = 0] = [a % lines.length, b % lines.length].sort((x, y) => x - y);
      const anew = rewriteFrom(lines, from, (record) => ({ ...record, actor: 'principal:mallory' }));
      const pin = { seq, leaf: leafOf(at(lines, seq)) };
      expect(judge(anew, headOf(anew), { ...WHOLE, pin }).findings).toMatchObject([{ code: 'FORKED', seq }]);
      expect(judge(lines, headOf(lines), { ...WHOLE, pin }).verdict).toBe('valid');
    }),
    { numRuns: 100 },
  );
});
