import { join } from 'node:path';
import { openLmdbStore } from '../kernel/adapter/lmdb/store.ts';
import type { OrgId, PrincipalId, RunId } from '../kernel/base/id.ts';
import { unixMs } from '../kernel/base/time.ts';
import { KEYS } from '../kernel/flow/keys.ts';
import { LISTED_FROM_THE_START } from '../kernel/flow/list-build.ts';
import { runListRows } from '../kernel/flow/list-rows.ts';
import type { RunSummary } from '../kernel/flow/project.ts';
import { openQuery, type RunQuery } from '../kernel/flow/query.ts';
import type { Store, Write } from '../kernel/port/store.ts';
import type { Bench } from './bench.ts';
import { type Figure, figure } from './figure.ts';

/**
 * Pages of the history of one org with very many runs, as the route reads them, from a record on disk: a page without a
 * filter, one of a filter that ten runs pass, and one of two filters that half of the runs pass each. And what the rows
 * that make this possible cost when a run is stored: `history.lists_us` is for one run, start and end together.
 */
const ORG = 'bench' as OrgId;
const START = 1_700_000_000_000;
const PER_WRITE = 4_096;
const PAGE = 50;
const PAGES_PER_ROUND = 64;

export async function benchHistory({ plan, folder, say }: Bench): Promise<Figure[]> {
  const { runs, rounds } = plan.history;
  say(`history: ${runs} runs are stored`);
  const store = openLmdbStore(join(folder, 'history'));
  try {
    const costs = await fill(store, runs);
    const { runs: read } = openQuery(store);
    const timed = (query: RunQuery, found: (items: number) => boolean): readonly number[] =>
      Array.from({ length: rounds }, () => {
        const began = performance.now();
        for (let page = 0; page < PAGES_PER_ROUND; page++) {
          // Each from another place, so that no page is the one before.
          const after = idOf(Math.floor((runs * (PAGES_PER_ROUND - page)) / PAGES_PER_ROUND), 'f');
          const { items } = read(ORG, query, PAGE, after);
          if (page === 0 && !found(items.length)) throw new Error('a page of the history was not what was stored');
        }
        return (performance.now() - began) / PAGES_PER_ROUND;
      });
    return [
      figure(
        'history.page_ms',
        'ms',
        'lower',
        timed({}, (items) => items === PAGE),
      ),
      figure(
        'history.rare_filter_ms',
        'ms',
        'lower',
        timed({ state: 'failed' }, (items) => items === RARE),
      ),
      figure(
        'history.combined_ms',
        'ms',
        'lower',
        timed({ playbook: 'even', trigger: 'seen-0' }, (items) => items === PAGE),
      ),
      figure('history.lists_us', 'us/run', 'lower', costs),
    ];
  } finally {
    await store.close();
  }
}

const RARE = 10;
const idOf = (n: number, rest = '0'): RunId =>
  `run_${(START + n).toString(16).padStart(12, '0')}${rest.repeat(20)}` as RunId;

/** @returns microseconds for each run that the rows of lists took to make, over the last rounds. */
async function fill(store: Store, runs: number): Promise<readonly number[]> {
  await store.write([{ key: KEYS.lists(ORG), value: LISTED_FROM_THE_START }]);
  const costs: number[] = [];
  for (let first = 0; first < runs; first += PER_WRITE) {
    const some = Array.from({ length: Math.min(PER_WRITE, runs - first) }, (_, n) => summaryOf(first + n, runs));
    const began = performance.now();
    const lists = some.flatMap((run) => {
      const open = { ...run, state: 'running', closure: 'open', partial: false } as const;
      return [...runListRows(null, open), ...runListRows(open, run)];
    });
    costs.push(((performance.now() - began) * 1_000) / some.length);
    const stored = some.map((run): Write => ({ key: KEYS.run(ORG, run.run), value: JSON.stringify(run) }));
    await store.write([...stored, ...lists]);
  }
  return costs.slice(-5);
}

function summaryOf(n: number, runs: number): RunSummary {
  const isRare = n % Math.ceil(runs / RARE) === 0;
  return {
    run: idOf(n),
    org: ORG,
    playbook: n % 2 === 0 ? 'even' : 'odd',
    digest: `sha256:${'0'.repeat(64)}`,
    state: isRare ? 'failed' : 'completed',
    partial: isRare,
    closure: isRare ? 'needs_review' : 'closed',
    trigger: `seen-${(n >> 1) % 2}`,
    event: `evt_${'0'.repeat(32)}`,
    requester: 'pipeline' as PrincipalId,
    startedAt: unixMs(START + n),
    endedAt: unixMs(START + n + 1),
    reason: isRare ? 'step-failed' : 'completed',
  };
}
