import * as v from 'valibot';
import { closedObject } from '../../sdk/contract/wanted.ts';
import { type DurationMs, durationMs, isDurationUpTo, LONGEST_WAIT, parseDuration } from '../base/time.ts';
import { ROLES, type Role } from '../org/role.ts';
import type { Tier } from '../playbook/step.ts';

/** The approval matrix (S 6.1): what each tier demands. Data, in policies/approval. */
const Demand = closedObject({
  approvers: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(5)),
  role: v.optional(v.picklist(ROLES), 'approver'),
  expires: v.optional(
    v.pipe(
      v.string(),
      v.check((text) => isDurationUpTo(text, LONGEST_WAIT), 'use a duration up to 30d, e.g. 30m'),
    ),
    '1h',
  ),
});

/** A matrix may be stricter than S 6.1 asks, never laxer. */
const demandOf = (least: number) =>
  v.pipe(
    Demand,
    v.check(
      ({ approvers }) => approvers >= least,
      `at least ${least} ${least === 1 ? 'approver' : 'approvers'} for this tier`,
    ),
  );

export const ApprovalMatrixSchema = closedObject({
  $schema: v.optional(v.string()),
  apiVersion: v.literal('interlock/approval-matrix/v1'),
  tiers: closedObject({ low: Demand, moderate: Demand, high: demandOf(1), critical: demandOf(2) }),
});
export type ApprovalMatrix = v.InferOutput<typeof ApprovalMatrixSchema>;

export type Demanded = { readonly needed: number; readonly role: Role; readonly expiresIn: DurationMs };

/** What a step of this tier demands; a guardrail that says `hold` asks for one person where the tier asks for none. */
export function demandFor(matrix: ApprovalMatrix, tier: Tier, held: boolean): Demanded {
  const { approvers, role, expires } = matrix.tiers[tier];
  return {
    needed: held ? Math.max(1, approvers) : approvers,
    role,
    expiresIn: parseDuration(expires) ?? durationMs(3_600_000),
  };
}
