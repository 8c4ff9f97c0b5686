import type { OutboundAnswer } from './egress.ts';
import type { LendFault } from './secret-lender.ts';

/** Bounds of every exchange with a lender: it is on the way of a step. */
export const LENDER_TIMEOUT_MS = 5_000;
export const LENDER_BODY_BYTES = 262_144;

/** What an exchange without an answer means. The hint is for the operator, as the reason is. */
export function faultOfExchange(answer: Exclude<OutboundAnswer, { kind: 'answered' }>): LendFault {
  if (answer.kind === 'failed') return { kind: 'unavailable', reason: answer.reason };
  const hint = answer.hint === undefined ? '' : `; ${answer.hint}`;
  return { kind: 'unavailable', reason: `the egress guard refused it: ${answer.reason}${hint}` };
}
