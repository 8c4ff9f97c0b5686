import type * as Api from '../../../sdk/contract/api-run.ts';
import { own } from '../../base/own.ts';
import { iso } from '../../base/time.ts';
import type { RunSummary } from '../../flow/project.ts';
import { summaryOf } from '../../flow/project.ts';
import type { Graph, Step } from '../../playbook/graph.ts';
import type { Run, StepRun } from '../../run/state.ts';
import { approvalOf } from './approval.ts';

/** Shows runs: dates as text, nothing left out, nothing judged. Steps come in the order of the playbook. */
export function summaryView(summary: RunSummary): Api.RunSummary {
  const { run, org, playbook, digest, state, partial, closure, trigger, event, requester, reason } = summary;
  const startedAt = iso(summary.startedAt);
  const endedAt = summary.endedAt === null ? null : iso(summary.endedAt);
  return { run, org, playbook, digest, state, partial, closure, trigger, event, requester, startedAt, endedAt, reason };
}

/** @param graph of the pinned version; without it (the version is gone) only the steps that were reached are shown. */
export function runView(run: Run, graph: Graph | undefined): Api.Run {
  const reached = Object.values(run.steps);
  const steps = graph
    ? [...graph.steps.values()].map((step) => stepView(step.id, step, own(run.steps, step.id)))
    : reached.map((step) => stepView(step.id, undefined, step));
  return {
    ...summaryView(summaryOf(run)),
    pins: { playbook: run.playbook.digest, policy: run.policy, plugins: run.plugins },
    trace: run.trace,
    inputs: run.inputs,
    deadlineAt: iso(run.deadlineAt),
    startedSeq: run.startedSeq,
    endedSeq: run.ended?.seq ?? null,
    steps,
    approvals: Object.values(run.approvals).map(approvalOf),
  };
}

function stepView(id: string, step: Step | undefined, state: StepRun | undefined): Api.Step {
  return {
    step: id,
    ...kindOf(step),
    state: state?.state ?? 'pending',
    seq: state?.seq ?? null,
    at: state ? iso(state.at) : null,
    waitsFor: state?.state === 'ready' ? state.waitsFor : null,
    retryAt: state?.state === 'ready' && state.waitsFor === 'retry' ? iso(state.retryAt) : null,
    parameters: state?.parameters ?? {},
    plan: state?.plan ?? null,
    approval: state?.approval ?? null,
    attempts: state?.attempts.map((attempt) => ({ ...attempt, intentAt: iso(attempt.intentAt) })) ?? [],
    output: state?.state === 'succeeded' ? state.output : null,
    error: state?.state === 'failed' ? state.error : null,
    reason: state?.state === 'indeterminate' || state?.state === 'skipped' ? state.reason : null,
  };
}

function kindOf(step: Step | undefined): Pick<Api.Step, 'type' | 'uses' | 'tier'> {
  switch (step?.kind) {
    case 'action':
      return { type: step.type, uses: `${step.plugin}/${step.action}`, tier: step.tier };
    case 'update':
      return { type: 'update_state', uses: null, tier: null };
    case 'branch':
      return { type: 'branch', uses: null, tier: null };
    case undefined:
      return { type: null, uses: null, tier: null };
  }
}
