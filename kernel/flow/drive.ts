import { InvariantError } from '../base/assert.ts';
import type { OrgId, RunId, StepRunId } from '../base/id.ts';
import { own } from '../base/own.ts';
import type { UnixMs } from '../base/time.ts';
import type { Choice } from '../playbook/choose.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import { decide } from '../run/decide.ts';
import type { Decision, Effect, Facts, Input, Need, Refusal, Verdict } from '../run/decision.ts';
import type { Run } from '../run/state.ts';
import { openClaimsOf } from './claims.ts';
import type { EarlierOf } from './earlier.ts';
import type { EndedRuns } from './ended-runs.ts';
import type { Judges } from './judges.ts';
import type { Ledger } from './ledger.ts';
import { pauseAbove } from './pause.ts';
import { openPrepare, type Prepared } from './prepare.ts';
import type { Registry } from './registry.ts';
import { othersFirst, processScheduler, type Scheduler } from './scheduler.ts';
import { readRun } from './stored-run.ts';

/**
 * Drives runs: prefetch -> decide -> commit -> act, one input at a time for each run. The only caller of decide.
 * Effects are handed on once the turn that asks for them is on disk, never before.
 */
export type Start = Extract<Input, { kind: 'start' }>;
export type Submitted = { readonly ok: true; readonly run: Run } | { readonly ok: false; readonly refusal: Refusal };

export type Driver = {
  /** Gets the judgements a start will need. Slow part, no side effect. */
  prefetchStart(start: Start): Promise<Judgements>;
  /**
   * Decides a start now. Stage the result before anything else can run; undefined when a judgement is lacking.
   * @param read what is there after the rows that are staged with it; absent: what is staged.
   */
  prepareStart(
    start: Start,
    judgements: Judgements,
    at: { readonly seq: number; readonly now: UnixMs; readonly read?: Ledger['read'] },
  ): Prepared | undefined;
  /** What a step does once has moved since: the start needs another judgement, so all has to be got anew. */
  lacks(start: Start, judgements: Judgements, now: UnixMs): boolean;
  /** Starts a run by itself: judged, decided and committed. Undefined where its pins are not there. */
  start(start: Start): Promise<Run | undefined>;
  /** With the staging of a prepared start: other inputs may reach the run from now on. */
  keep(run: Run): void;
  /** After the commit of a prepared start: sends its effects. */
  adopt(prepared: Prepared): void;
  /** One input for one run. Resolves when its turn is durable. Rejects only when the ledger failed. */
  submit(org: OrgId, run: RunId, input: Exclude<Input, { kind: 'start' }>): Promise<Submitted>;
  /** The run as last staged; for decisions, never for answers. */
  load(org: OrgId, run: RunId): Run | null;
  /** Whether the run is under way, without a look at the disk. */
  isActive(org: OrgId, run: RunId): boolean;
  /** Told of every run as it is staged, before anything else can run. */
  onStaged(handler: (run: Run) => void): void;
  onEffect(handler: (run: Run, effect: Effect) => void): void;
  onTurn(handler: (run: Run) => void): void;
};

export type Judgements = {
  readonly verdicts: Map<StepRunId, Verdict>;
  readonly branches: Map<StepRunId, Choice>;
};

/** More judgements than steps can be lacking only when something loops. */
const JUDGEMENTS_PER_TURN = 256;
/** Judgements that are got before others have their turn: with each, all is decided anew. */
const JUDGEMENTS_AT_ONCE = 2;

export function openDriver(deps: {
  store: Store;
  ledger: Ledger;
  registry: Registry;
  judges: Judges;
  earlierOf: EarlierOf;
  ended: EndedRuns;
  clock: Clock;
  isStopped: (org: OrgId) => boolean;
  scheduler?: Pick<Scheduler, 'soon'>;
}): Driver {
  const { store, ledger, registry, judges, earlierOf, ended, clock, isStopped, scheduler = processScheduler } = deps;
  /** Runs that are under way, by id, as last staged. Dropped once their end is on disk, so this is bounded. */
  const active = new Map<RunId, Run>();
  const queues = new Map<RunId, Promise<unknown>>();
  let act: (run: Run, effect: Effect) => void = () => undefined;
  let staged: (run: Run) => void = () => undefined;
  let turned: (run: Run) => void = () => undefined;

  const load = (org: OrgId, id: RunId): Run | null => {
    const known = active.get(id);
    if (known) return known.org === org ? known : null;
    const run = readRun(store, org, id);
    if (run && !run.ended) active.set(id, run);
    return run;
  };

  const isActive = (org: OrgId, id: RunId) => active.get(id)?.org === org;
  const claimsOf = openClaimsOf({ isActive, load }, ended);

  const factsFor = (
    run: Run | Start,
    judgements: Judgements,
    seq: number,
    now: UnixMs,
    read: Ledger['read'],
  ): Facts | undefined => {
    const graph = registry.graph(run.org, run.playbook.name, run.playbook.digest);
    const policy = registry.policy(run.org, run.policy);
    if (!graph || !policy) return undefined;
    return {
      now,
      seq,
      graph,
      matrix: policy.matrix,
      action: (plugin, action) => judges.actionFacts(own(run.plugins, plugin), action),
      grant: (plugin) => registry.grantDigest(run.org, plugin),
      ...judgements,
      earlier: earlierOf(run),
      claim: claimsOf({ org: run.org, requester: run.requester, run: 'kind' in run ? run.run : run.id }, read, now),
      stopped: isStopped(run.org),
      paused: pauseAbove(ledger.read, { org: run.org, parent: run.parent ?? null }) !== null,
    };
  };

  const noJudgements = (): Judgements => ({ verdicts: new Map(), branches: new Map() });

  const answer = async (need: Need, judgements: Judgements) => {
    if (need.kind === 'branch') judgements.branches.set(need.step, await judges.branch(need.run, need.step));
    else judgements.verdicts.set(need.step, await judges.verdict(need.run, need.step, need.parameters, need.plan));
  };

  const decideNow = (
    run: Run | null,
    input: Input,
    judgements: Judgements,
    seq: number,
    now: UnixMs,
    read = ledger.read,
  ): Decision => {
    const pins = input.kind === 'start' ? input : run;
    const facts = pins && factsFor(pins, judgements, seq, now, read);
    return facts ? decide(run, input, facts) : { kind: 'refused', refusal: { kind: 'stale' } };
  };

  const prepare = openPrepare({ store, registry });

  const adopt = ({ run, effects }: Prepared) => {
    // Not before its end is on disk: whoever loads the run until then must not get what the disk still shows.
    if (run.ended) {
      active.delete(run.id);
      ended.moved(run);
    }
    for (const effect of effects) act(run, effect);
    turned(run);
  };

  const keep = (run: Run) => {
    active.set(run.id, run);
    staged(run);
  };

  const turn = async (org: OrgId, id: RunId, input: Exclude<Input, { kind: 'start' }>): Promise<Submitted> => {
    const judgements = noJudgements();
    for (let judged = 0; judged < JUDGEMENTS_PER_TURN; judged++) {
      const before = load(org, id);
      const seq = ledger.nextSeq();
      const now = clock.now();
      const decision = decideNow(before, input, judgements, seq, now);
      if (decision.kind === 'refused') return { ok: false, refusal: decision.refusal };
      if (decision.kind === 'turn') {
        // Decided and staged without a wait in between: the decision stands on the latest state.
        const prepared = prepare(before, decision, seq, now, ledger.read);
        keep(prepared.run);
        await ledger.stage(prepared);
        adopt(prepared);
        return { ok: true, run: prepared.run };
      }
      await answer(decision.need, judgements);
      if (judged % JUDGEMENTS_AT_ONCE === JUDGEMENTS_AT_ONCE - 1) await othersFirst(scheduler);
    }
    throw new InvariantError('a turn needs no more judgements than it has steps');
  };

  const prefetchStart = async (start: Start): Promise<Judgements> => {
    const judgements = noJudgements();
    for (let judged = 0; judged < JUDGEMENTS_PER_TURN; judged++) {
      const decision = decideNow(null, start, judgements, 0, clock.now());
      if (decision.kind !== 'needs') break;
      await answer(decision.need, judgements);
      if (judged % JUDGEMENTS_AT_ONCE === JUDGEMENTS_AT_ONCE - 1) await othersFirst(scheduler);
    }
    return judgements;
  };

  const lacks: Driver['lacks'] = (start, judgements, now) => {
    const graph = registry.graph(start.org, start.playbook.name, start.playbook.digest);
    if (!graph?.claims) return false;
    return decideNow(null, start, judgements, ledger.nextSeq(), now).kind === 'needs';
  };

  const prepareStart: Driver['prepareStart'] = (start, judgements, { seq, now, read = ledger.read }) => {
    const decision = decideNow(null, start, judgements, seq, now, read);
    if (decision.kind !== 'turn') return undefined;
    return prepare(null, decision, seq, now, read);
  };

  /** One after the other for each run; the same run is not worked on twice at once. */
  const inTurn = <T>(id: RunId, work: () => Promise<T>): Promise<T> => {
    const last = queues.get(id) ?? Promise.resolve();
    const mine = last.then(work);
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    queues.set(id, settled);
    settled.then(() => queues.get(id) === settled && queues.delete(id));
    return mine;
  };

  return {
    prefetchStart,
    lacks,
    prepareStart,
    start: (first) =>
      inTurn(first.run, async () => {
        const known = load(first.org, first.run);
        if (known) return known;
        let judgements = await prefetchStart(first);
        let now = clock.now();
        for (; lacks(first, judgements, now); now = clock.now()) judgements = await prefetchStart(first);
        const prepared = prepareStart(first, judgements, { seq: ledger.nextSeq(), now });
        if (!prepared) return undefined;
        keep(prepared.run);
        await ledger.stage(prepared);
        adopt(prepared);
        return prepared.run;
      }),
    keep,
    adopt,
    submit: (org, id, input) => inTurn(id, () => turn(org, id, input)),
    load,
    isActive,
    onStaged(handler) {
      staged = handler;
    },
    onEffect(handler) {
      act = handler;
    },
    onTurn(handler) {
      turned = handler;
    },
  };
}
