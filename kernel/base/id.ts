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
export type ApprovalId = string & { readonly __approval: true };
/** `sha256:` and 64 lower-case hex digits. */
export type Digest = string & { readonly __digest: true };

const ID_PATTERN = /^(evt|run|apr)_[0-9a-f]{32}$/;
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
/** Only for text that the org room has already checked. */
export const principalId = (checked: string): PrincipalId => checked as PrincipalId;
