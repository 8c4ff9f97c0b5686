import type { AuditRecord } from '../contract/audit.ts';
import type { Check } from './order.ts';
import type { Finding, FindingCode } from './verdict.ts';

/**
 * What a sound log cannot tell of a run:
 *
 * S1 an end (succeeded, failed, indeterminate) of a try without the intent of that try;
 * S2 a second end of one try; what an indeterminate try left unknown may be settled once, also when later tries have failed;
 * S3 an intent on a step that was held and has no approval since;
 * S4 tries of one action on a step that are not numbered 1, 2, 3..., or a try that begins before the last one ended.
 *
 * A step that ends without ever being tried (a branch, a wait, a refusal) bears no `attempt` and is left alone.
 */
type Step = {
  /** The action tried last (`ref` of its intent) and the number of that try; an undo is another action. */
  action: string | undefined;
  attempt: number;
  state: 'untried' | 'open' | 'ended';
  /** A try ended indeterminate, and none has succeeded or been settled since. */
  unknown: boolean;
  /** Waiting for an approval; `by` is the approval (`ref` of step.held). */
  held: { readonly by: string | undefined } | null;
};

type Run = { readonly steps: Map<string, Step>; ended: boolean };

/** Runs and steps that are followed at once. A run is let go when it ended and nothing of it is open. */
const FOLLOWED = 524_288;

export function runStates(limit = FOLLOWED): Check {
  const runs = new Map<string, Run>();
  let followed = 0;
  return ({ record, seq, line }) => {
    // What a trigger says of a run moves none of its steps, and comes also when the run has long ended.
    if (record?.run === undefined || record.kind.startsWith('trigger.')) return undefined;
    const found = (code: FindingCode, text: string): Finding => ({ code, seq, line, text: `record ${seq} ${text}` });
    const key = `${record.tenant} ${record.run}`;
    const run = runs.get(key) ?? { steps: new Map<string, Step>(), ended: false };
    const step = record.step === undefined ? undefined : (run.steps.get(record.step) ?? untried());
    const more = (runs.has(key) ? 0 : 1) + (record.step === undefined || run.steps.has(record.step) ? 0 : 1);
    if (followed + more > limit) return found('CAPACITY', 'belongs to more open runs than can be followed');
    followed += more;
    runs.set(key, run);
    if (record.step !== undefined && step) run.steps.set(record.step, step);

    let wrong: string | undefined;
    if (record.kind === 'run.ended') run.ended = true;
    else if (record.kind === 'approval.decided') decide(run, record);
    else if (step) wrong = advance(step, record);
    if (run.ended && isQuiet(run)) {
      runs.delete(key);
      followed -= 1 + run.steps.size;
    }
    return wrong ? found('STATE_VIOLATION', wrong) : undefined;
  };
}

const untried = (): Step => ({ action: undefined, attempt: 0, state: 'untried', unknown: false, held: null });

/** @returns what is wrong with `record` coming now, in words that follow "record n". */
function advance(step: Step, { kind, attempt, ref }: AuditRecord): string | undefined {
  switch (kind) {
    case 'step.held':
      step.held = { by: ref };
      return undefined;
    case 'step.intent':
      return intend(step, attempt, ref);
    case 'step.succeeded':
    case 'step.failed':
    case 'step.indeterminate':
    case 'step.rolled_back':
      return finish(step, attempt, kind);
    case 'step.settled':
      if (!step.unknown || step.state === 'open') return 'settles a try that is not indeterminate';
      step.unknown = false;
      return attempt === undefined || attempt === step.attempt ? undefined : 'settles another try than the last';
    default:
      return undefined;
  }
}

function intend(step: Step, attempt: number | undefined, action: string | undefined): string | undefined {
  const wanted = step.state !== 'untried' && step.action === action ? step.attempt + 1 : 1;
  const open = step.state === 'open';
  step.action = action;
  step.attempt = attempt ?? 0;
  step.state = 'open';
  if (step.held) return 'is the intent of a step that is held and was not approved';
  if (open) return 'is the intent of a new try while the last one is open';
  return attempt === wanted ? undefined : `is the intent of try ${attempt}, where ${wanted} belongs`;
}

function finish(step: Step, attempt: number | undefined, kind: string): string | undefined {
  if (attempt === undefined) return step.state === 'open' ? 'ends a try without its number' : undefined;
  if (step.state === 'untried' || attempt > step.attempt) return 'is the end of a try that was never intended';
  if (step.state !== 'open' || attempt < step.attempt) return 'is the second end of one try';
  step.state = 'ended';
  // That a later try failed says nothing of the one before.
  if (kind !== 'step.failed') step.unknown = kind === 'step.indeterminate';
  return undefined;
}

/** A decision frees the steps that wait for it: the one it names, and those whose approval it is. */
function decide(run: Run, { outcome, ref, step: name }: AuditRecord): void {
  if (outcome !== 'approved') return;
  for (const [id, step] of run.steps) {
    if (step.held && (name === undefined ? step.held.by === ref : id === name)) step.held = null;
  }
}

const isQuiet = (run: Run): boolean => {
  for (const step of run.steps.values()) if (step.state === 'open' || step.unknown) return false;
  return true;
};
