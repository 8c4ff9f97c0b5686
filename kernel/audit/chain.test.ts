import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GENESIS, leafHash } from '../../sdk/contract/audit.ts';
import { createVerifier, type VerifierOptions } from '../../sdk/verify/verifier.ts';
import { InvariantError } from '../base/assert.ts';
import type { OrgId } from '../base/id.ts';
import { unixMs } from '../base/time.ts';
import { append, type ChainHead, type ChainLine, emptyChain, type OrgHead } from './chain.ts';
import { exportHead } from './head.ts';
import type { AuditDraft } from './record.ts';

const ACME = 'acme' as OrgId;
const GLOBEX = 'globex' as OrgId;
const NOW = unixMs(1_700_000_000_000);

const said = (org: OrgId): AuditDraft => ({ org, kind: 'incident.updated', actor: 'system:engine' });
const nonces = (count: number) => Array.from({ length: count }, (_, k) => Buffer.alloc(16, k).toString('base64'));

/** Keeps the heads as the kernel's store does. */
function keeper(start: ChainHead = emptyChain('k1')) {
  const lines: ChainLine[] = [];
  const orgHeads = new Map<OrgId, OrgHead>();
  const kept = {
    head: start,
    lines,
    orgHeads,
    add(drafts: readonly AuditDraft[], now = NOW) {
      const appended = append(kept.head, (org) => orgHeads.get(org), drafts, now, nonces(drafts.length));
      kept.head = appended.head;
      for (const [org, head] of appended.orgHeads) orgHeads.set(org, head);
      lines.push(...appended.lines);
      return appended;
    },
  };
  return kept;
}

function verdictOn(lines: readonly ChainLine[], org: OrgId | null = null) {
  const options: VerifierOptions =
    org === null ? { scope: 'log', log: 'k1' } : { scope: 'org', log: 'k1', org: org as string };
  const verifier = createVerifier(options);
  const of = lines.filter((line) => org === null || line.org === org);
  for (const { line } of of) verifier.push(line);
  return verifier.end(exportHead('k1', org, of.at(-1), NOW));
}

test('the first records of two orgs', () => {
  const { lines, head, orgHeads } = keeper().add([said(ACME), said(GLOBEX), said(ACME)]);
  const [a, b, c] = lines.map(({ line }) => JSON.parse(line));
  expect(a).toMatchObject({ log: 'k1', seq: 0, prev: GENESIS, tenant: 'acme', tseq: 0, tprev: GENESIS, time: NOW });
  expect(b).toMatchObject({ seq: 1, prev: lines[0]?.leaf, tenant: 'globex', tseq: 0, tprev: GENESIS });
  expect(c).toMatchObject({ seq: 2, prev: lines[1]?.leaf, tenant: 'acme', tseq: 1, tprev: lines[0]?.leaf });
  for (const { line, leaf } of lines) expect(leaf).toBe(leafHash(line));
  expect(head).toEqual({ log: 'k1', seq: 3, prev: lines[2]?.leaf, time: NOW });
  expect([...orgHeads]).toEqual([
    [ACME, { tseq: 2, tprev: lines[2]?.leaf }],
    [GLOBEX, { tseq: 1, tprev: lines[1]?.leaf }],
  ]);
});

test('each draft has its own nonce', () => {
  const { lines } = keeper().add([said(ACME), said(ACME)]);
  expect(lines.map(({ line }) => JSON.parse(line).nonce)).toEqual(nonces(2));
});

test('a stored org head is asked for once, and only changed heads come back', () => {
  const asked: OrgId[] = [];
  const stored: OrgHead = { tseq: 41, tprev: leafHash('x') };
  const start: ChainHead = { log: 'k1', seq: 100, prev: leafHash('y'), time: NOW };
  const orgHead = (org: OrgId) => {
    asked.push(org);
    return stored;
  };
  const { lines, orgHeads } = append(start, orgHead, [said(ACME), said(ACME)], NOW, nonces(2));
  expect(asked).toEqual([ACME]);
  expect(lines.map(({ seq, tseq }) => [seq, tseq])).toEqual([
    [100, 41],
    [101, 42],
  ]);
  expect([...orgHeads.keys()]).toEqual([ACME]);
});

test('time never runs backwards, whatever the clock does', () => {
  const kept = keeper();
  kept.add([said(ACME)], unixMs(2_000));
  kept.add([said(ACME)], unixMs(1_000));
  kept.add([said(ACME)], unixMs(3_000));
  expect(kept.lines.map(({ line }) => JSON.parse(line).time)).toEqual([2_000, 2_000, 3_000]);
  expect(verdictOn(kept.lines).verdict).toBe('valid');
});

test('nothing to say leaves the head as it is', () => {
  const start = emptyChain('k1');
  expect(append(start, () => undefined, [], NOW, [])).toEqual({ lines: [], head: start, orgHeads: new Map() });
});

test('appending at once or in pieces gives the same chain', () => {
  const drafts = [said(ACME), said(GLOBEX), said(GLOBEX), said(ACME)];
  const whole = append(emptyChain('k1'), () => undefined, drafts, NOW, nonces(4));
  const first = append(emptyChain('k1'), () => undefined, drafts.slice(0, 2), NOW, nonces(2));
  const rest = append(first.head, (org) => first.orgHeads.get(org), drafts.slice(2), NOW, nonces(4).slice(2));
  expect([...first.lines, ...rest.lines]).toEqual(whole.lines);
  expect(rest.head).toEqual(whole.head);
});

test.each([
  ['too few nonces', () => append(emptyChain('k1'), () => undefined, [said(ACME)], NOW, [])],
  ['too many nonces', () => append(emptyChain('k1'), () => undefined, [said(ACME)], NOW, nonces(2))],
  [
    'a head that is no hash',
    () => append({ ...emptyChain('k1'), prev: '' }, () => undefined, [said(ACME)], NOW, nonces(1)),
  ],
  [
    'an org head that is no hash',
    () => append(emptyChain('k1'), () => ({ tseq: 0, tprev: '' }), [said(ACME)], NOW, nonces(1)),
  ],
])('%s is a defect', (_name, act) => {
  expect(act).toThrow(InvariantError);
});

test('what is appended, in whatever pieces, is valid for the log and for every org', () => {
  const orgs = ['acme', 'globex', 'initech'] as OrgId[];
  const piece = fc.tuple(fc.array(fc.constantFrom(...orgs), { maxLength: 5 }), fc.nat(10_000));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const kept = keeper();
      for (const [names, at] of pieces) kept.add(names.map(said), unixMs(at));
      expect(verdictOn(kept.lines)).toMatchObject({ verdict: 'valid', records: kept.lines.length });
      for (const org of orgs) expect(verdictOn(kept.lines, org).verdict).toBe('valid');
    }),
    { numRuns: 100 },
  );
});

/** A kernel that goes on from a head it should not have: what each such defect would look like to an auditor. */
describe('a writer that makes a mistake is caught', () => {
  const findingsIf = (change: (kept: ReturnType<typeof keeper>) => void) => {
    const kept = keeper();
    kept.add([said(GLOBEX), said(ACME), said(GLOBEX), said(ACME)]);
    change(kept);
    kept.add([said(ACME), said(GLOBEX), said(ACME)]);
    return verdictOn(kept.lines).findings;
  };

  test('the right heads', () => {
    expect(findingsIf(() => {})).toEqual([]);
  });

  test('a wrong prev', () => {
    const findings = findingsIf((kept) => {
      kept.head = { ...kept.head, prev: leafHash('another line') };
    });
    expect(findings).toMatchObject([
      { code: 'CHAIN_BREAK', seq: 4, text: expect.stringContaining('record 3 is unchanged') },
    ]);
  });

  test('a head that is one record old', () => {
    const findings = findingsIf((kept) => {
      kept.head = { ...kept.head, seq: 3, prev: kept.lines[2]?.leaf ?? '' };
    });
    expect(findings).toMatchObject([{ code: 'DUPLICATE_SEQ', seq: 3 }]);
  });

  test('a number left out', () => {
    const findings = findingsIf((kept) => {
      kept.head = { ...kept.head, seq: 5 };
    });
    expect(findings).toMatchObject([{ code: 'GAP', seq: 4 }]);
  });

  test('an org head that is lost', () => {
    expect(findingsIf((kept) => kept.orgHeads.delete(ACME))).toMatchObject([{ code: 'DUPLICATE_SEQ', seq: 4 }]);
  });

  test('an org head that is one record old', () => {
    const findings = findingsIf((kept) => kept.orgHeads.set(GLOBEX, { tseq: 1, tprev: kept.lines[0]?.leaf ?? '' }));
    expect(findings).toMatchObject([{ code: 'DUPLICATE_SEQ', seq: 5 }]);
  });

  test('an org head of another org', () => {
    const findings = findingsIf((kept) => kept.orgHeads.set(GLOBEX, { tseq: 2, tprev: kept.lines[3]?.leaf ?? '' }));
    expect(findings).toMatchObject([{ code: 'CHAIN_BREAK', seq: 5 }]);
  });
});

test('the head of an export says where it ends', () => {
  const { lines } = keeper().add([said(GLOBEX), said(ACME)]);
  const of = { format: 'interlock/audit-head/v1', log: 'k1', exportedAt: '2023-11-14T22:13:20.000Z' };
  const leaf = lines[1]?.leaf;
  expect(exportHead('k1', null, lines[1], NOW)).toEqual({ ...of, scope: 'log', org: null, records: 2, seq: 1, leaf });
  expect(exportHead('k1', ACME, lines[1], NOW)).toEqual({ ...of, scope: 'org', org: 'acme', records: 1, seq: 1, leaf });
  const empty = { records: 0, seq: null, leaf: GENESIS };
  expect(exportHead('k1', ACME, undefined, NOW)).toEqual({ ...of, scope: 'org', org: 'acme', ...empty });
});
