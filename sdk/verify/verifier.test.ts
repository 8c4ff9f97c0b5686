import { describe, expect, test } from 'vitest';
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
  sampleLog,
  WHOLE,
  writeLog,
} from './testlog.ts';
import type { FindingCode } from './verdict.ts';
import { createVerifier, type VerifierOptions } from './verifier.ts';

/** Both scopes follow the same rules over their own numbers, so the same table is run over both. */
const whole = sampleLog();
const acme = ofOrg(whole, 'acme');
const SCOPES: [string, readonly string[], VerifierOptions][] = [
  ['a whole log', whole, WHOLE],
  ["one org's export", acme, { scope: 'org', log: LOG, org: 'acme' }],
];

const forged = (line: string, change: object): string =>
  print({ ...parse(line), nonce: `${'f'.repeat(21)}w==`, ...change });

describe.each(SCOPES)('%s', (_name, log, options) => {
  const head = headOf(log);
  const last = log.length - 1;
  const at = (k: number): string => log[k] ?? '';
  const each = Array.from(log.keys());
  const next = (k: number): object =>
    options.scope === 'org' ? { tseq: k + 1, seq: parse(at(k)).seq + 1 } : { seq: k + 1 };
  const linked = (k: number): object => (options.scope === 'org' ? { tprev: leafOf(at(k)) } : { prev: leafOf(at(k)) });

  /** Exactly one finding, of this code, about this record, in these words. */
  const names = (lines: readonly (string | Uint8Array)[], code: FindingCode, seq: number, text: string): void => {
    const verdict = judge(lines, head, options);
    const [finding] = verdict.findings;
    expect({ verdict: verdict.verdict, found: verdict.found }).toEqual({ verdict: 'invalid', found: 1 });
    expect(finding).toMatchObject({ code, seq });
    expect(finding?.text).toContain(text);
  };

  test('untouched is valid, with and without a head', () => {
    expect(judge(log, head, options)).toMatchObject({
      verdict: 'valid',
      records: log.length,
      first: parse(at(0)).seq,
      last: parse(at(last)).seq,
      head: `${last}:${leafOf(at(last))}`,
      findings: [],
    });
    expect(judge(log, undefined, options).verdict).toBe('valid');
  });

  test.each(each)('record %i changed', (k) => {
    const code = k === last ? 'HEAD_MISMATCH' : 'TAMPERED';
    names(log.with(k, print({ ...parse(at(k)), actor: 'system:other' })), code, k, `record ${k}`);
  });

  test.each(['prev', 'tprev', 'seq', 'tseq', 'tenant', 'log', 'time', 'kind', 'nonce', 'v'] as const)(
    '%s changed',
    (key) => {
      for (const k of each) {
        const record = parse(at(k));
        const value = record[key];
        const other = typeof value === 'number' ? value + 3 : value.replace(/^./, (c) => (c === 'q' ? 'r' : 'q'));
        const lines = log.with(k, print({ ...record, [key]: other }));
        const { verdict, findings, found } = judge(lines, head, options);
        expect({ key, k, verdict, found, seq: findings[0]?.seq }).toEqual({
          key,
          k,
          verdict: 'invalid',
          found: 1,
          seq: k,
        });
      }
    },
  );

  test.each(each)('record %i dropped', (k) => {
    names(log.toSpliced(k, 1), k === last ? 'TRUNCATED' : 'GAP', k, `record ${k} is missing`);
  });

  test('several dropped', () => {
    names(log.toSpliced(3, 4), 'GAP', 3, 'records 3 to 6 are missing');
    names(log.slice(0, 5), 'TRUNCATED', 5, `records 5 to ${last} are missing at the end`);
    names([], 'TRUNCATED', 0, `records 0 to ${last} are missing at the end`);
  });

  test.each(each.slice(0, -1))('record %i swapped with the next', (k) => {
    names(log.toSpliced(k, 2, at(k + 1), at(k)), 'OUT_OF_ORDER', k, `records ${k} and ${k + 1} are swapped`);
  });

  test.each(each)('record %i twice', (k) => {
    names(log.toSpliced(k, 0, at(k)), 'DUPLICATE_SEQ', k, `record ${k} stands twice`);
  });

  test.each(each)('record %i again at another place', (k) => {
    const place = (k + 7) % log.length;
    if (place === k || place === k + 1) return;
    const { verdict, findings, found } = judge(log.toSpliced(place, 0, at(k)), head, options);
    expect({ verdict, found, seq: findings[0]?.seq }).toEqual({ verdict: 'invalid', found: 1, seq: k });
    expect(['DUPLICATE_SEQ', 'OUT_OF_ORDER']).toContain(findings[0]?.code);
  });

  test.each(each)('a record forged and inserted after %i', (k) => {
    const well = forged(at(k), { ...linked(k), ...next(k) });
    const badly = forged(at(k), next(k));
    const where = `a record was inserted after record ${k}`;
    if (k === last) names([...log, well], 'HEAD_MISMATCH', k + 1, `record ${k + 1} is not in the head`);
    else names(log.toSpliced(k + 1, 0, well), 'DUPLICATE_SEQ', k + 1, where);
    names(log.toSpliced(k + 1, 0, badly), 'DUPLICATE_SEQ', k + 1, where);
  });

  test.each<[string, string | Uint8Array, FindingCode]>([
    ['an empty line', '', 'NON_CANONICAL'],
    ['another object', '{}', 'SCHEMA'],
    ['bytes that are no text', new Uint8Array([0xff]), 'INVALID_UTF8'],
    ['a line without end', new Uint8Array(65_536), 'LIMIT'],
    ['a record of another log', sampleLog()[0]?.replace('"k1"', '"k2"') ?? '', 'FOREIGN_RECORD'],
  ])('%s inserted or in the place of a record', (_what, line, code) => {
    for (const k of each) {
      names([...log.slice(0, k), line, ...log.slice(k + 1)], code, k, `record ${k} was changed`);
      names(
        [...log.slice(0, k), line, ...log.slice(k)],
        code,
        k,
        k === 0 ? 'in front of record 0' : `after record ${k - 1}`,
      );
    }
  });

  test('a record moved far is named, and where it stands', () => {
    const { findings } = judge(log.toSpliced(4, 1).toSpliced(10, 0, at(4)), head, options);
    expect(findings.map(({ code, seq }) => [code, seq])).toEqual([
      ['GAP', 4],
      ['OUT_OF_ORDER', 4],
    ]);
    expect(findings[1]?.text).toBe('record 4 is out of its place: it stands after record 10');
  });

  test('two far records swapped are both named', () => {
    const { findings } = judge(log.with(4, at(12)).with(12, at(4)), head, options);
    expect(findings.map(({ code, seq }) => [code, seq])).toEqual([
      ['OUT_OF_ORDER', 4],
      ['OUT_OF_ORDER', 12],
    ]);
  });

  test('two faults far from each other are two findings', () => {
    const { findings } = judge(log.toSpliced(12, 1).with(4, '{}'), head, options);
    expect(findings.map(({ code, seq }) => [code, seq])).toEqual([
      ['SCHEMA', 4],
      ['GAP', 12],
    ]);
  });

  test('the log twice in one file', () => {
    expect(judge([...log, ...log], head, options)).toMatchObject({ verdict: 'invalid', found: 1 });
  });

  test('another log: nothing of it fits, in one finding', () => {
    expect(judge(log, head, { ...options, log: 'k2' })).toMatchObject({
      verdict: 'invalid',
      found: 1,
      findings: [{ code: 'FOREIGN_RECORD', seq: 0, line: 1 }],
    });
  });

  test('without a head the last two records can only be named together', () => {
    const lines = log.with(last - 1, print({ ...parse(at(last - 1)), actor: 'system:other' }));
    expect(judge(lines, undefined, options).findings).toMatchObject([{ code: 'CHAIN_BREAK', seq: last - 1 }]);
    expect(judge(log.with(last, '{}'), undefined, options).findings).toMatchObject([{ code: 'SCHEMA', seq: last }]);
    expect(judge(log.toSpliced(last - 2, 1), undefined, options).findings).toMatchObject([
      { code: 'GAP', seq: last - 2 },
    ]);
  });

  test('push returns what it found as soon as it is certain', () => {
    const verifier = createVerifier(options);
    const found = log.with(5, '{}').map((line) => verifier.push(line));
    expect(found.findIndex((finding) => finding !== undefined)).toBe(7);
    expect(found[7]).toMatchObject({ code: 'SCHEMA', seq: 5, line: 6 });
  });

  test('at most 20 findings are listed and all are counted', () => {
    const long = writeLog(Array.from({ length: 200 }, () => ({ tenant: 'acme', kind: 'incident.updated' as const })));
    const lines = long.map((line, k) => (k % 5 === 2 ? '{}' : line));
    const verdict = judge(lines, headOf(long), options);
    expect({ listed: verdict.findings.length, found: verdict.found }).toEqual({ listed: 20, found: 40 });
  });
});

describe('what links without fault is judged by what it says', () => {
  const rewritten = (at: number, change: object): string[] =>
    rewriteFrom(whole, at, (record) => ({ ...record, ...change }));
  const found = (lines: readonly string[], options = WHOLE) => judge(lines, undefined, options).findings;

  test('a beginning that names a predecessor: the tail of another log', () => {
    const first = print({ ...parse(whole[0] ?? ''), prev: leafOf('x') });
    const lines = [first, ...misnumbered(1, {}, first).slice(1)];
    expect(found(lines)).toMatchObject([{ code: 'CHAIN_BREAK', seq: 0 }]);
    expect(found([first])).toMatchObject([{ code: 'CHAIN_BREAK', seq: 0 }]);
  });

  test('time that runs backwards', () => {
    expect(found(rewritten(9, { time: 5 }))).toMatchObject([{ code: 'CLOCK_REGRESS', seq: 9 }]);
  });

  test('a cause that came later', () => {
    expect(found(rewritten(9, { cause: 8 }))).toEqual([]);
    expect(found(rewritten(9, { cause: 9 }))).toMatchObject([{ code: 'STATE_VIOLATION', seq: 9 }]);
  });

  /** A writer that numbers its orgs wrongly: the log's own chain is whole. */
  const misnumbered = (at: number, change: object, before = whole[at - 1] ?? ''): string[] => {
    const lines = [...whole];
    let prev = leafOf(before);
    for (let k = at; k < lines.length; k++) {
      lines[k] = print({ ...parse(lines[k] ?? ''), ...(k === at ? change : {}), prev });
      prev = leafOf(lines[k] ?? '');
    }
    return lines;
  };
  const { tseq } = parse(whole[9] ?? '');

  test.each<[string, object, FindingCode]>([
    ['skips a number', { tseq: tseq + 1 }, 'GAP'],
    ['uses a number again', { tseq: tseq - 1 }, 'DUPLICATE_SEQ'],
    ['links to another record', { tprev: leafOf('x') }, 'CHAIN_BREAK'],
  ])("an org's chain that %s", (_name, change, code) => {
    expect(found(misnumbered(9, change))[0]).toMatchObject({ code, seq: 9 });
  });

  test('a record that names another predecessor than it has is not blamed on that one', () => {
    const [a, b, c] = writeLog([0, 1, 2].map(() => ({ tenant: 'acme', kind: 'incident.updated' as const })));
    const wrong = print({ ...parse(b ?? ''), prev: leafOf('x') });
    const after = print({ ...parse(c ?? ''), prev: leafOf(wrong), tprev: leafOf(wrong) });
    expect(found([a ?? '', wrong, after])).toMatchObject([{ code: 'CHAIN_BREAK', seq: 1 }]);
  });

  test("an org's records in another order than the log's", () => {
    const one = (seq: number, tseqOf: number, prev: string, tprev: string): string =>
      print({ ...parse(whole[0] ?? ''), tenant: 'acme', seq, tseq: tseqOf, prev, tprev });
    const a = one(7, 0, leafOf('x'), parse(whole[0] ?? '').prev);
    const options: VerifierOptions = { scope: 'org', log: LOG, org: 'acme' };
    expect(found([a, one(7, 1, leafOf('y'), leafOf(a))], options)).toMatchObject([{ code: 'OUT_OF_ORDER', seq: 1 }]);
    expect(found([a, one(8, 1, leafOf('y'), leafOf(a))], options)).toMatchObject([{ code: 'CHAIN_BREAK', seq: 1 }]);
    expect(found([a, one(8, 1, leafOf(a), leafOf(a))], options)).toEqual([]);
    expect(found([a, one(9, 1, leafOf('y'), leafOf(a))], options)).toEqual([]);
  });
});

describe('the end', () => {
  const head = headOf(whole);
  const pin = (k: number, of = whole) => ({ seq: k, leaf: leafOf(of[k] ?? '') });
  const dropped = writeLog(whole.map(parse).toSpliced(20, 1) as never);
  const edited = rewriteFrom(whole, 20, (record) => ({ ...record, actor: 'system:other' }));

  test('what is not valid offers no pin', () => {
    expect(judge(whole, head).head).toBe(`39:${leafOf(whole[39] ?? '')}`);
    expect(judge(whole.toSpliced(20, 1), head).head).toBeNull();
  });

  test('a history written anew is only seen against a head', () => {
    expect(judge(edited, headOf(edited)).verdict).toBe('valid');
    expect(judge(edited, head).findings).toMatchObject([{ code: 'HEAD_MISMATCH', seq: 39 }]);
    expect(judge(dropped, head).findings.at(-1)).toMatchObject({ code: 'TRUNCATED', seq: 39 });
  });

  test.each([0, 19, 38, 39])('a pin on record %i is found in the history it came from', (k) => {
    const verdict = judge(whole, head, { ...WHOLE, pin: pin(k) });
    expect(verdict).toMatchObject({ verdict: 'valid', findings: [] });
    expect(verdict.statement).toContain(`pinned record ${k}`);
  });

  test('a pin from before the change does not see it, one from after does', () => {
    expect(judge(edited, headOf(edited), { ...WHOLE, pin: pin(19) }).verdict).toBe('valid');
    for (const k of [20, 30, 39]) {
      const { verdict, findings } = judge(edited, headOf(edited), { ...WHOLE, pin: pin(k) });
      expect({ verdict, findings }).toMatchObject({ verdict: 'invalid', findings: [{ code: 'FORKED', seq: k }] });
    }
  });

  test('a chain shorter than the pin was rolled back', () => {
    const short = whole.slice(0, 30);
    expect(judge(short, headOf(short)).verdict).toBe('valid');
    expect(judge(short, headOf(short), { ...WHOLE, pin: pin(30) }).findings).toMatchObject([
      { code: 'ROLLED_BACK', seq: 30 },
    ]);
    expect(judge([], headOf([]), { ...WHOLE, pin: pin(0) }).findings).toMatchObject([{ code: 'ROLLED_BACK', seq: 0 }]);
    expect(judge([], headOf([])).verdict).toBe('valid');
  });

  test('records after the head', () => {
    const { findings } = judge(whole, headOf(whole.slice(0, 30)));
    expect(findings).toMatchObject([{ code: 'HEAD_MISMATCH', seq: 30, text: 'records 30 to 39 are not in the head' }]);
  });
});

describe('what this verifier does not know, it does not judge', () => {
  const strange = rewriteFrom(whole, 9, (record) => ({ ...record, kind: 'moon.landed' }));
  const later = rewriteFrom(whole, 9, (record) => record);
  later[9] = print({ ...parse(later[9] ?? ''), v: 2, zone: 'x' });
  for (let k = 10; k < later.length; k++) {
    // Org links are left as they were: the verifier cannot follow them through a record that it cannot read.
    later[k] = print({ ...parse(later[k] ?? ''), prev: leafOf(later[k - 1] ?? '') });
  }

  test('an unknown kind', () => {
    expect(judge(strange, headOf(strange))).toMatchObject({
      verdict: 'cannot_check',
      findings: [{ code: 'UNKNOWN_KIND', seq: 9 }],
    });
  });

  test('a later version, when the chain vouches for it', () => {
    expect(judge(later, headOf(later))).toMatchObject({
      verdict: 'cannot_check',
      findings: [{ code: 'UNKNOWN_VERSION', seq: 9 }],
    });
    const all = whole.map((line) => line.replace('"v":1', '"v":2'));
    expect(judge(all, { records: 40, leaf: leafOf(all[39] ?? '') }).verdict).toBe('cannot_check');
  });

  test('neither hides a fault', () => {
    expect(judge(strange.toSpliced(20, 1), headOf(strange)).verdict).toBe('invalid');
    expect(judge(whole.with(9, later[9] ?? ''), headOf(whole)).findings).toMatchObject([{ code: 'TAMPERED', seq: 9 }]);
    expect(judge(whole.toSpliced(9, 0, later[9] ?? ''), headOf(whole)).findings).toMatchObject([
      { code: 'TAMPERED', seq: 9 },
    ]);
  });
});

test('an org whose runs are whole has no state finding', () => {
  const lines = writeLog([...aRun('acme', 'r1'), ...aRun('acme', 'r1b')]);
  expect(judge(lines, headOf(lines)).findings).toEqual([]);
});
