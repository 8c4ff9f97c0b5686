import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openMemoryStore } from '../../kernel/adapter/memory/store.ts';
import type { OrgId, PrincipalId, RunId } from '../../kernel/base/id.ts';
import { unixMs } from '../../kernel/base/time.ts';
import { KEYS } from '../../kernel/flow/keys.ts';
import { LISTED_FROM_THE_START } from '../../kernel/flow/list-build.ts';
import { approvalListRows, incidentListRow, runListRows } from '../../kernel/flow/list-rows.ts';
import type { ApprovalRow, RunSummary } from '../../kernel/flow/project.ts';
import { openQuery, type RunQuery } from '../../kernel/flow/query.ts';
import type { Store, Write } from '../../kernel/port/store.ts';

/** History is found by what is asked for, in the order of time, without a look at the rest. */
const ORG = 'acme' as OrgId;
const START = 1_800_000_000_000;

/** A store that counts the rows that come out of it. */
function countingStore(): { readonly store: Store; readonly read: () => number } {
  const inner = openMemoryStore();
  let rows = 0;
  const store: Store = {
    ...inner,
    get(key) {
      rows++;
      return inner.get(key);
    },
    range(range) {
      const found = inner.range(range);
      rows += found.length;
      return found;
    },
  };
  return { store, read: () => rows };
}

const runId = (n: number, at = START + n): RunId =>
  `run_${at.toString(16).padStart(12, '0')}${n.toString(16).padStart(20, '0')}` as RunId;

const summary = (n: number, more: Partial<RunSummary> = {}): RunSummary => ({
  run: runId(n),
  org: ORG,
  playbook: 'contain-c2',
  digest: `sha256:${'0'.repeat(64)}`,
  state: 'completed',
  partial: false,
  closure: 'closed',
  trigger: 'c2-seen',
  event: `evt_${'0'.repeat(32)}`,
  requester: 'siem' as PrincipalId,
  startedAt: unixMs(START + n),
  endedAt: unixMs(START + n + 1),
  reason: null,
  ...more,
});

/** As a run's turns write it: started and running first, then what it has become. */
function rowsOf(run: RunSummary): Write[] {
  const open = { ...run, state: 'running', closure: 'open', partial: false } as const;
  return [
    { key: KEYS.run(ORG, run.run), value: JSON.stringify(run) },
    ...runListRows(null, open),
    ...runListRows(open, run),
  ];
}

async function historyOf(runs: readonly RunSummary[], more: readonly Write[] = []) {
  const { store, read } = countingStore();
  await store.write([...runs.flatMap(rowsOf), ...more, { key: KEYS.lists(ORG), value: LISTED_FROM_THE_START }]);
  return { query: openQuery(store), store, read };
}

const all = (query: ReturnType<typeof openQuery>, filter: RunQuery, limit: number): readonly RunSummary[] => {
  const found: RunSummary[] = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = query.runs(ORG, filter, limit, after);
    found.push(...items);
    if (next === null) return found;
    expect(next < (after ?? '~')).toBe(true);
    after = next;
  }
};

const STATES = ['running', 'waiting', 'completed', 'failed', 'cancelled'] as const;
const one = <T>(...of: readonly T[]) => fc.constantFrom(...of);
const randomRun = fc.record({
  /** Only in the lists: a summary does not show it. */
  incident: one(undefined, 'INC-1', 'Ü 2'),
  state: one(...STATES),
  partial: fc.boolean(),
  closure: one('open' as const, 'closed' as const, 'needs_review' as const),
  playbook: one('contain-c2', 'note', 'constructor'),
  trigger: one('c2-seen', 'seen'),
  // Not every principal of an old token has the form of a key.
  requester: one('siem', 'Ünal/K', 'a b').map((name) => name as PrincipalId),
});
const randomFilter = fc.record(
  {
    state: one(...STATES),
    partial: fc.boolean(),
    closure: one('open' as const, 'closed' as const, 'needs_review' as const),
    playbook: one('contain-c2', 'note', 'nowhere'),
    trigger: one('c2-seen', 'seen'),
    requester: one('siem', 'Ünal/K', 'nobody'),
    incident: one('INC-1', 'Ü 2'),
    since: fc.nat(200_000).map((n) => unixMs(START + n)),
    until: fc.nat(200_000).map((n) => unixMs(START + n)),
  },
  { requiredKeys: [] },
);

test('any filter finds what a look at every run would find, in the same order, on pages of any size', async () => {
  const cases = fc.tuple(fc.array(randomRun, { maxLength: 120 }), randomFilter, fc.integer({ min: 1, max: 50 }));
  await fc.assert(
    fc.asyncProperty(cases, async ([made, filter, limit]) => {
      const runs = made.map(({ incident: _, ...run }, n) =>
        summary(n, { ...run, run: runId(n, START + n * 2_000), startedAt: unixMs(START + n * 2_000) }),
      );
      const { query } = await historyOf(
        runs,
        made.flatMap(({ incident }, n) =>
          incident === undefined ? [] : [incidentListRow({ org: ORG, id: runId(n, START + n * 2_000) }, incident)],
        ),
      );
      const { since = 0, until = Number.POSITIVE_INFINITY, incident, ...rest } = filter;
      const wanted = runs.filter(
        (run, n) =>
          (incident === undefined || made[n]?.incident === incident) &&
          run.startedAt >= since &&
          run.startedAt < until &&
          Object.entries(rest).every(([field, value]) => run[field as keyof RunSummary] === value),
      );
      expect(all(query, filter, limit)).toEqual(wanted.toReversed());
    }),
    { numRuns: 300 },
  );
});

describe('of 20,000 runs, a filter that few of them pass reads few rows', () => {
  const runs = Array.from({ length: 20_000 }, (_, n) => {
    if (n === 17) return summary(n, { state: 'failed', partial: true, closure: 'needs_review' });
    if (n === 4_000) return summary(n, { requester: 'rare' as PrincipalId });
    if (n === 9_000) return summary(n, { playbook: 'rare', state: 'waiting', closure: 'open' });
    return summary(n, n % 2 ? { playbook: 'note', trigger: 'seen' } : {});
  });
  const history = historyOf(runs, [incidentListRow({ org: ORG, id: runId(5) }, 'INC-7')]);

  test.each<[string, RunQuery, readonly number[]]>([
    ['a state', { state: 'failed' }, [17]],
    ['a closure', { closure: 'needs_review' }, [17]],
    ['partial', { partial: true }, [17]],
    ['an old requester', { requester: 'rare' }, [4_000]],
    ['a playbook', { playbook: 'rare' }, [9_000]],
    ['an incident', { incident: 'INC-7' }, [5]],
    ['nothing at all', { trigger: 'nowhere' }, []],
    ['a rare state of a frequent playbook', { playbook: 'contain-c2', state: 'failed' }, [17]],
    ['a rare state of a rare playbook', { playbook: 'rare', state: 'waiting' }, [9_000]],
    [
      'a rare requester, and two that many pass',
      { requester: 'rare', state: 'completed', trigger: 'c2-seen' },
      [4_000],
    ],
  ])('%s', async (_, filter, wanted) => {
    const { query, read } = await history;
    const before = read();
    const { items, next } = query.runs(ORG, filter, 50);
    const rows = read() - before;
    expect([items.map(({ run }) => run), next]).toEqual([wanted.map((n) => runId(n)), null]);
    expect(rows).toBeLessThan(200);
  });

  test('what few have in common is looked for in bounded steps, and every step comes further', async () => {
    const { query, read } = await history;
    // Ten thousand runs each, and no run in both.
    const filter = { playbook: 'note', trigger: 'c2-seen' };
    const before = read();
    const { items, next } = query.runs(ORG, filter, 50);
    expect(items).toEqual([]);
    expect(next).not.toBeNull();
    expect(read() - before).toBeLessThanOrEqual(2_100);
    expect(all(query, filter, 50)).toEqual([]);
  });

  test('a page in the middle costs what the first one costs', async () => {
    const { query, read } = await history;
    const costs = [undefined, runId(10_000)].map((after) => {
      const before = read();
      expect(query.runs(ORG, { state: 'completed' }, 50, after).items).toHaveLength(50);
      return read() - before;
    });
    expect(Math.abs((costs[0] ?? 0) - (costs[1] ?? 0))).toBeLessThan(64);
    expect(costs[0]).toBeLessThan(250);
  });
});

test('a time bounds what is read from both ends', async () => {
  const hour = 3_600_000;
  const at = (n: number) => unixMs(START + n * hour);
  const runs = Array.from({ length: 5_000 }, (_, n) => summary(n, { run: runId(n, at(n)), startedAt: at(n) }));
  const { query, read } = await historyOf(runs);
  const before = read();
  const found = query.runs(ORG, { since: at(100), until: at(103) }, 50);
  expect([found.items.map(({ startedAt }) => startedAt), found.next]).toEqual([[at(102), at(101), at(100)], null]);
  expect(read() - before).toBeLessThan(20);
});

test('pending approvals are found beside any number of decided ones', async () => {
  const approval = (n: number, state: ApprovalRow['state']) =>
    ({ id: runId(n).replace('run', 'apr'), org: ORG, run: runId(n), state }) as unknown as ApprovalRow;
  const rows = Array.from({ length: 5_000 }, (_, n) => {
    const pending = approval(n, 'pending');
    const now = n === 3 ? pending : approval(n, 'approved');
    const stored = { key: KEYS.approval(ORG, now.id), value: JSON.stringify(now) };
    return [stored, ...approvalListRows(undefined, pending), ...approvalListRows('pending', now)];
  });
  const { query, read } = await historyOf([], rows.flat());
  const before = read();
  const { items, next } = query.approvals(ORG, 'pending', 50);
  expect([items.map(({ run }) => run), next]).toEqual([[runId(3)], null]);
  expect(read() - before).toBeLessThan(10);
});
