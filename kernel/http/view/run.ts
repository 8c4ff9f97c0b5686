import type * as Api from '../../../sdk/contract/api-run.ts';
import { partsOfStepRun, type RunId } from '../../base/id.ts';
import { iso } from '../../base/time.ts';
import type { Held } from '../../flow/pause.ts';
import type { RunSummary } from '../../flow/project.ts';
import { summaryOf } from '../../flow/project.ts';
import type { VerdictOf } from '../../flow/query.ts';
import type { Absorbed } from '../../flow/repeat.ts';
import type { Graph, Step } from '../../playbook/graph.ts';
import type { Attempt, Run, StepRun } from '../../run/state.ts';
import type { Trail } from '../../run/trail.ts';
import { approvalOf } from './approval.ts';

/** Shows runs: dates as text, nothing left out, nothing judged. Steps come in the order of the playbook. */
export function summaryView(summary: RunSummary, paused: Held | null): Api.RunSummary {
  const { run, org, playbook, digest, state, partial, closure, trigger, event, requester, reason, failure } = summary;
  return {
    ...{ run, org, playbook, digest, state, partial, undone: summary.undone ?? false, closure },
    ...{ trigger, event, requester, startedAt: iso(summary.startedAt) },
    endedAt: summary.endedAt === null ? null : iso(summary.endedAt),
    reason,
    failure: failure ?? null,
    paused: pauseView(paused),
  };
}

export const pauseView = (paused: Held | null): NonNullable<Api.RunSummary['paused']> | null =>
  paused && { run: paused.run, by: paused.by, at: iso(paused.at), reason: paused.reason };

/** Runs that come after or before one, beside those that it keeps itself. */
type Others = {
  readonly ranAgainAs: RunId | null;
  readonly answers: RunId | null;
  readonly answeredBy: readonly RunId[];
};
const ALONE: Others = { ranAgainAs: null, answers: null, answeredBy: [] };

/**
 * @param graph of the pinned version; without it (the version is gone) only the steps that were reached are shown.
 * @param trail when each thing happened and who did it.
 * @param verdictOf what the guardrails said.
 */
export function runView(
  run: Run,
  graph: Graph | undefined,
  trail: Trail,
  verdictOf: VerdictOf,
  absorbed?: Absorbed,
  others: Others = ALONE,
  paused: Held | null = null,
): Api.Run {
  const show = (id: string, step: Step | undefined, state: StepRun | undefined) =>
    stepView(id, step, state, trail, verdictOf(id));
  const reached = Map.groupBy(Object.values(run.steps), ({ id }) => partsOfStepRun(id).step);
  const steps = graph
    ? [...graph.steps.values()].flatMap((step) => {
        const runs = reached.get(step.id) ?? [];
        // One inside of a foreach is there for each item, once it is reached.
        if (runs.length === 0 && step.each.length === 0) return [show(step.id, step, undefined)];
        return runs.map((one) => show(one.id, step, one));
      })
    : Object.values(run.steps).map((step) => show(step.id, undefined, step));
  const { policy, plugins, playbooks } = run;
  return {
    ...summaryView(summaryOf(run), paused),
    pins: { playbook: run.playbook.digest, policy, plugins, playbooks, kernel: trail.kernel },
    parent: run.parent && { run: run.parent.run, step: run.parent.step },
    startedBy: run.startedBy ? { run: run.startedBy.run, step: run.startedBy.step } : null,
    again: run.again ? { ...run.again, by: run.requester } : null,
    ranAgainAs: others.ranAgainAs,
    answers: others.answers,
    answeredBy: [...others.answeredBy],
    keeps: run.keeps ?? null,
    trace: run.trace,
    inputs: run.inputs,
    deadlineAt: iso(run.deadlineAt),
    startedSeq: run.startedSeq,
    endedSeq: run.ended?.seq ?? null,
    endedBy: trail.of(run.ended?.seq ?? null)?.by ?? null,
    absorbed: absorbed ? { ...absorbed, at: iso(absorbed.at) } : null,
    undoing: run.ended || !run.undo ? null : { state: run.undo.state, reason: run.undo.reason },
    output: run.ended?.output ?? null,
    cancel: trail.cancel && { ...trail.cancel, at: iso(trail.cancel.at) },
    closed: run.closed && { ...run.closed, at: iso(run.closed.at) },
    steps,
    approvals: Object.values(run.approvals).map(approvalOf),
  };
}

function stepView(
  id: string,
  step: Step | undefined,
  state: StepRun | undefined,
  trail: Trail,
  verdict: ReturnType<VerdictOf>,
): Api.Step {
  return {
    step: id,
    ...kindOf(step),
    state: state?.state ?? 'pending',
    seq: state?.seq ?? null,
    at: state ? iso(state.at) : null,
    by: trail.of(state?.seq ?? null)?.by ?? null,
    ...waitOf(state),
    child: state?.child ?? null,
    parameters: state?.parameters ?? {},
    plan: state?.plan ?? null,
    verdict: verdict ?? null,
    approval: state?.approval ?? null,
    attempts: state?.attempts.map((attempt) => attemptView(attempt, trail)) ?? [],
    event: (state?.state === 'succeeded' && state.event) || null,
    behind: (state?.state === 'ready' && state.waitsFor === 'claim' && state.behind) || null,
    kept: (state?.state === 'succeeded' && state.kept?.run) || null,
    output: state?.state === 'succeeded' || state?.state === 'rolled_back' ? state.output : null,
    error: state?.state === 'failed' || (state?.state === 'open' && state.waitsFor === 'person') ? state.error : null,
    note: trail.noteOf(id) ?? null,
    reason: state?.state === 'indeterminate' || state?.state === 'skipped' ? state.reason : null,
    undo: state?.undo
      ? {
          state: state.undo.state,
          attempts: state.undo.attempts.map((attempt) => attemptView(attempt, trail)),
          error: state.undo.error,
        }
      : null,
  };
}

function attemptView(attempt: Attempt, trail: Trail): Api.Step['attempts'][number] {
  const end = trail.of(attempt.endSeq);
  return {
    ...attempt,
    intentAt: iso(attempt.intentAt),
    endAt: end ? iso(end.at) : null,
    endBy: end?.by ?? null,
  };
}

/** What a step waits for, and until when. */
function waitOf(state: StepRun | undefined): Pick<Api.Step, 'waitsFor' | 'retryAt' | 'until' | 'lanes'> {
  const none = { waitsFor: null, retryAt: null, until: null, lanes: null };
  if (state?.state === 'indeterminate') return { ...none, waitsFor: state.checking ? 'check' : null };
  if (state?.state === 'ready')
    return { ...none, waitsFor: state.waitsFor, retryAt: 'retryAt' in state ? iso(state.retryAt) : null };
  if (state?.state !== 'open') return none;
  const open = { ...none, waitsFor: state.waitsFor };
  switch (state.waitsFor) {
    case 'lanes': {
      const counts = Map.groupBy(state.lanes, (lane) => lane);
      const lanes = Object.fromEntries([...counts].map(([lane, list]) => [lane, list.length]));
      return { ...open, lanes, until: state.notBefore === undefined ? null : iso(state.notBefore) };
    }
    case 'run':
    case 'person':
      return open;
    default:
      return { ...open, until: iso(state.until) };
  }
}

function kindOf(step: Step | undefined): Pick<Api.Step, 'type' | 'uses' | 'tier'> {
  switch (step?.kind) {
    case 'action':
      return { type: step.type, uses: `${step.plugin}/${step.action}`, tier: step.tier };
    case 'update':
      return { type: 'update_state', uses: null, tier: null };
    case 'playbook':
      return { type: 'playbook', uses: step.playbook, tier: null };
    case 'approval':
      return { type: 'approval', uses: null, tier: step.tier };
    default:
      return { type: step?.kind ?? null, uses: null, tier: null };
  }
}
