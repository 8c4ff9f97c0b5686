import type { Digest, OrgId, RunId, StepRunId } from '../base/id.ts';
import { after, type DurationMs, type UnixMs } from '../base/time.ts';
import { DEFAULT_EXECUTION, timeoutFor } from '../call/policy.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import { nextDue } from '../run/open-work.ts';
import { type Evidence, type Standing, standingOf, WAITS, type Wait, waitsOf } from '../run/standing.ts';
import type { Run } from '../run/state.ts';
import type { Driver } from './drive.ts';
import { KEYS } from './keys.ts';
import { type Held, pauseOf, pauseOfSummary } from './pause.ts';
import type { RunSummary } from './project.ts';
import type { Page, Query } from './query.ts';
import type { Registry } from './registry.ts';

/**
 * The report of open work: every run that has not ended, what it waits for, and whether that is on its way. It reads
 * the record and asks the worker; it mends nothing. A run is found by its summary, so that one whose timer or call was
 * lost is found all the same.
 */
export type OpenRun = {
  readonly summary: RunSummary;
  /** Null when the run cannot be read. */
  readonly deadlineAt: UnixMs | null;
  readonly waits: readonly Wait[];
  readonly standing: Standing;
  readonly paused: Held | null;
};
export type OpenWorkFilter = {
  readonly only?: Standing['kind'] | undefined;
  /** Only runs that have waited for the same thing for longer than this. */
  readonly longerThan?: DurationMs | undefined;
};
/** How many runs are open, what they wait for, and how many of them do not stand well. */
export type OpenCount = {
  readonly runs: number;
  readonly waits: Readonly<Record<Wait['what'], number>>;
  /** Of the runs, those that wait for their turn; they are not among the waits. */
  readonly queued: number;
  readonly late: number;
  readonly stuck: number;
};

/** Turns that one page folds, more or less: it ends with the run that goes beyond. */
const TURNS = 2_000;
const UNREADABLE = { deadlineAt: null, waits: [], standing: { kind: 'stuck', why: 'unreadable' } } as const;

export function openOpenWork(deps: {
  store: Store;
  query: Query;
  registry: Registry;
  driver: Pick<Driver, 'load'>;
  /** Whether the call of this step is carried out, or queued for it. */
  isCalled: (org: OrgId, run: RunId, step: StepRunId) => boolean;
  /** Whether the event with this key would wake the step, or has come. */
  isAwaited: (org: OrgId, run: RunId, step: StepRunId, key: Digest) => boolean;
  clock: Clock;
}) {
  const { store, query, registry, driver, isCalled, isAwaited, clock } = deps;

  const isUnderWay = ({ org, id, playbook }: Run, wait: Wait): boolean => {
    const { step } = wait;
    if (step === null) return store.get(KEYS.pending(org, playbook.name, id)) !== undefined;
    if (wait.what === 'event') return isAwaited(org, id, step, wait.key);
    if (wait.what === 'run') return driver.load(org, wait.child)?.ended === null;
    return isCalled(org, id, step);
  };

  const look = (run: Run): Omit<OpenRun, 'summary' | 'paused'> => {
    const { org, id, playbook, deadlineAt } = run;
    const graph = registry.graph(org, playbook.name, playbook.digest);
    const execution = registry.org(org)?.execution ?? DEFAULT_EXECUTION;
    const waits = waitsOf(run, (step) => {
      const found = graph?.steps.get(step);
      return found?.kind === 'action' ? timeoutFor(execution, found) : undefined;
    });
    const due = nextDue(run);
    const evidence: Evidence = {
      now: clock.now(),
      isUnderWay: (wait) => isUnderWay(run, wait),
      isPaused: pauseOf(store.get, run) !== null,
      hasTimer: due !== null && store.get(KEYS.timer(due, org, id)) !== undefined,
    };
    return { deadlineAt, waits, standing: standingOf(run, waits, evidence) };
  };

  /** Null when its turns are not there or cannot be folded: a defect that must not hide the others. */
  const readRun = ({ org, run }: RunSummary): Run | null => {
    try {
      return query.run(org, run);
    } catch {
      return null;
    }
  };

  return {
    /** Newest first. A page looks at `limit` open runs at most, whichever of them the filter keeps. */
    list(org: OrgId, { only, longerThan }: OpenWorkFilter, limit: number, behind?: string): Page<OpenRun> {
      const open = query.runs(org, { closure: 'open' }, limit, behind);
      const keeps = ({ standing, waits }: OpenRun) =>
        (only === undefined || standing.kind === only) &&
        (longerThan === undefined || waits.some(({ since }) => after(since, longerThan) < clock.now()));
      const items: OpenRun[] = [];
      let turns = 0;
      for (const summary of open.items) {
        const run = readRun(summary);
        const found = { summary, ...(run ? look(run) : UNREADABLE), paused: pauseOfSummary(store.get, summary) };
        if (keeps(found)) items.push(found);
        turns += run?.version ?? 1;
        if (turns > TURNS) return { items, next: summary.run };
      }
      return { items, next: open.next };
    },

    /** Counts these runs, as last staged: for the log of a start. One that cannot be read counts as stuck. */
    count(runs: Iterable<readonly [OrgId, RunId]>): OpenCount {
      const waits = Object.fromEntries(WAITS.map((what) => [what, 0])) as Record<Wait['what'], number>;
      const counted = { runs: 0, queued: 0, late: 0, stuck: 0 };
      for (const [org, id] of runs) {
        const run = driver.load(org, id);
        if (!run || run.ended) continue;
        const { standing, waits: found } = look(run);
        counted.runs += 1;
        for (const { what, step } of found)
          if (step === null) counted.queued += 1;
          else waits[what] += 1;
        if (standing.kind === 'late' || standing.kind === 'stuck') counted[standing.kind] += 1;
      }
      return { ...counted, waits };
    },
  };
}

/** One line for the log of a start; undefined when nothing is open and nothing was taken up. */
export function openWorkText({
  calls,
  open,
}: {
  readonly calls: number;
  readonly open: OpenCount;
}): string | undefined {
  if (calls === 0 && open.runs === 0) return undefined;
  const waits = WAITS.filter((what) => open.waits[what] > 0).map((what) => `${what} ${open.waits[what]}`);
  const parts = [
    `took up ${calls} calls that were open when the kernel last stopped`,
    `runs open: ${open.runs}${waits.length > 0 ? ` (waiting for: ${waits.join(', ')})` : ''}`,
    ...(open.queued > 0 ? [`queued: ${open.queued}`] : []),
    ...(open.late > 0 ? [`late: ${open.late}`] : []),
    ...(open.stuck > 0 ? [`STUCK: ${open.stuck}`] : []),
  ];
  return parts.join('; ');
}
