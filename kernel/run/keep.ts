import { digestOfJson } from '../base/digest.ts';
import { partsOfStepRun, type RunId, type StepRunId, stepRunId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import { own } from '../base/own.ts';
import type { Graph, Step, SubPlaybookStep } from '../playbook/graph.ts';
import type { Run, StepRun } from './state.ts';
import type { Turn } from './turn.ts';

/**
 * A run may keep what an ended run before it has done: a step that would do the same at the same place does not act. The
 * ended run never changes, so what it says of a step is a fact and no judgement, the same before and after a restart.
 */
export type Earlier = {
  /** plugin/action, or the playbook and whether the step waits for its run. */
  readonly uses: string;
  /** Null: it was not done, was undone, or may have been. */
  readonly done: {
    /** The run that did it. */
    readonly from: RunId;
    readonly parameters: JsonObject;
    readonly output: Json;
    /** It has changed something outside, by an action of its own. */
    readonly changed: boolean;
  } | null;
  /** The run that it started, done or not. */
  readonly child?: RunId;
};

type Succeeded = Extract<StepRun, { state: 'succeeded' }>;

/**
 * What an ended run says of a step; undefined where it never came to act, so that the run before it may have.
 * @param hasBegun whether a run that a step asked for is on record.
 */
export function earlierIn(
  old: Run,
  graph: Graph,
  at: StepRunId,
  hasBegun: (child: RunId) => boolean,
): Earlier | undefined {
  const run = own(old.steps, at);
  const step = graph.steps.get(partsOfStepRun(at).step);
  if (!run || (step?.kind !== 'action' && step?.kind !== 'playbook')) return undefined;
  const uses = step.kind === 'action' ? `${step.plugin}/${step.action}` : usesOfSub(step);
  const child = run.child !== undefined && { child: run.child };
  // Whether that still holds is for whoever did it to say (dedup.ts).
  if (run.state === 'succeeded' && run.kept && step.kind === 'action' && step.dedup) return undefined;
  if (run.state === 'succeeded') {
    const isLeft = !mayBeUndone(run) && !isAskedAnew(old, graph, step, run);
    const { parameters, output, kept } = run;
    const done = { from: kept?.run ?? old.id, parameters, output, changed: hasChanged(run) };
    return { uses, done: isLeft ? done : null, ...child };
  }
  if (run.state === 'rolled_back') return { uses, done: null };
  if (!child || !hasBegun(child.child)) return undefined;
  const isDetached = step.kind === 'playbook' && step.detached;
  return { uses, done: isDetached ? leftBy(old, run, child.child) : null, ...child };
}

/** A detached step whose run has begun is done, also where its own run ended before it was told so. */
const leftBy = ({ id: from }: Run, { parameters }: StepRun, child: RunId): Earlier['done'] => ({
  from,
  parameters,
  output: { run: child },
  changed: false,
});

/** A step that waits for its run and one that does not have done something else. */
export const usesOfSub = ({ playbook, detached }: Pick<SubPlaybookStep, 'playbook' | 'detached'>): string =>
  detached ? `${playbook} (detached)` : playbook;

const hasChanged = ({ attempts, kept }: Succeeded): boolean =>
  kept?.changed === true || attempts.some(({ effect }) => effect === 'write');

/** Undoing it was tried, and is not known to have failed. */
export const mayBeUndone = ({ undo }: Succeeded): boolean =>
  undo?.attempts.some(({ end }) => end !== 'failed') ?? false;

/** A repeat that came to no end asks what it asked: with the answers of then it would come to none again. */
function isAskedAnew(old: Run, graph: Graph, { each }: Step, run: Succeeded): boolean {
  const { items } = partsOfStepRun(run.id);
  const isInVain = each.some((id, depth) => {
    const around = graph.steps.get(id)?.kind === 'repeat' && own(old.steps, stepRunId(id, items.slice(0, depth)));
    return around && around.state !== 'succeeded';
  });
  const hasOnlyRead = run.kept !== undefined || run.attempts.some(({ end }) => end === 'succeeded');
  return isInVain && run.child === undefined && hasOnlyRead && !hasChanged(run);
}

/** The step is done already: it succeeds with what came of it then, without a verdict, an approval or an intent. */
export function keepDone(turn: Turn, at: StepRunId, uses: string, parameters: JsonObject): boolean {
  const earlier = turn.facts.earlier(at);
  if (!earlier?.done || earlier.uses !== uses || !isSame(earlier.done.parameters, parameters)) return false;
  const { done, child } = earlier;
  const { from, output, changed } = done;
  turn.emit({ kind: 'step-kept', step: at, parameters, from, output, changed, ...(child !== undefined && { child }) });
  return true;
}

/** The run of the same playbook that the step has started before, whose steps the new one is to keep; never one that was on its own. */
export function childToKeep(turn: Turn, at: StepRunId, step: SubPlaybookStep): RunId | undefined {
  const earlier = turn.facts.earlier(at);
  return earlier?.uses === step.playbook && !step.detached ? earlier.child : undefined;
}

const isSame = (a: JsonObject, b: JsonObject): boolean =>
  digestOfJson('parameters', a) === digestOfJson('parameters', b);
