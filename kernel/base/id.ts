import { NAME_PATTERN } from '../../sdk/contract/name.ts';

/**
 * Branded ids. Two strings in one call are a swap waiting to happen; a brand makes the compiler see it.
 * Every name a person chooses (org, playbook, step, plugin, secret) has one grammar: `NAME_PATTERN`.
 */
export type OrgId = string & { readonly __org: true };
export type PrincipalId = string & { readonly __principal: true };
export type EventId = string & { readonly __event: true };
export type RunId = string & { readonly __run: true };
export type StepId = string & { readonly __step: true };
/**
 * One execution of a step in a run: the step's id, and inside of a `foreach` the number of the item, `scan[3]`, or
 * `scan[1.3]` where one stands in another.
 */
export type StepRunId = string & { readonly __stepRun: true };
export type ApprovalId = string & { readonly __approval: true };
/** `sha256:` and 64 lower-case hex digits. */
export type Digest = string & { readonly __digest: true };

const ID_PATTERN = /^(evt|run|apr)_[0-9a-f]{32}$/;
/** A name, and in brackets the items; checked further by `isName`. */
const STEP_RUN_PATTERN = /^[a-z][a-z0-9-]{0,62}(?:\[(?:0|[1-9][0-9]{0,3})(?:\.(?:0|[1-9][0-9]{0,3})){0,3}\])?$/;
const isId = (prefix: string, text: string) => ID_PATTERN.test(text) && text.startsWith(prefix);

export const isName = (text: string): boolean => NAME_PATTERN.test(text);
export const toOrgId = (text: string): OrgId | undefined => (isName(text) ? (text as OrgId) : undefined);
export const toRunId = (text: string): RunId | undefined => (isId('run_', text) ? (text as RunId) : undefined);
export const toEventId = (text: string): EventId | undefined => (isId('evt_', text) ? (text as EventId) : undefined);
export const toApprovalId = (text: string): ApprovalId | undefined =>
  isId('apr_', text) ? (text as ApprovalId) : undefined;
export const toDigest = (text: string): Digest | undefined =>
  /^sha256:[0-9a-f]{64}$/.test(text) ? (text as Digest) : undefined;
/** Only for text that the playbook schema has already checked against NAME_PATTERN. */
export const stepId = (checked: string): StepId => checked as StepId;
/** The execution of a step at these items of the `foreach` steps around it, outermost first. */
export const stepRunId = (step: StepId, items: readonly number[]): StepRunId =>
  (items.length === 0 ? step : `${step}[${items.join('.')}]`) as StepRunId;
/** The step, and the items, that a step run's id names. Only for ids that `stepRunId` or `toStepRunId` made. */
export function partsOfStepRun(id: StepRunId): { readonly step: StepId; readonly items: readonly number[] } {
  const at = id.indexOf('[');
  if (at < 0) return { step: id as string as StepId, items: [] };
  return {
    step: id.slice(0, at) as StepId,
    items: id
      .slice(at + 1, -1)
      .split('.')
      .map(Number),
  };
}
/** Names a step run from outside; undefined when it has not the form of one. */
export const toStepRunId = (text: string): StepRunId | undefined =>
  STEP_RUN_PATTERN.test(text) && isName(text.split('[', 1)[0] ?? '') ? (text as StepRunId) : undefined;
/** Only for text that the org room has already checked. */
export const principalId = (checked: string): PrincipalId => checked as PrincipalId;
