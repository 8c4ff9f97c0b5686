/**
 * Cases: examples of actions with the verdict they must get. They stand beside every rule set (`*.cases.json`), are run
 * by the tests, and are how a change of policy is reviewed.
 */
import * as v from 'valibot';
import { PlanSchema } from '../../sdk/contract/plugin.ts';
import type { JsonObject } from '../base/json.ts';
import type { GuardrailFacts } from './facts.ts';
import type { GuardrailSet } from './schema.ts';
import { judgeAction, type Verdict } from './verdict.ts';

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(200));
const free = v.record(v.string(), v.unknown());

const Action = v.strictObject({
  plugin: text,
  name: text,
  type: text,
  tier: text,
  effect: v.picklist(['none', 'read', 'write']),
  granted: v.boolean(),
  op: v.optional(v.picklist(['plan', 'execute', 'check', 'rollback'])),
});

export const CasesSchema = v.strictObject({
  $schema: v.optional(v.string()),
  apiVersion: v.literal('interlock/guardrail-cases/v1'),
  /** The action that every case starts from. */
  given: v.strictObject({
    org: text,
    action: Action,
    params: free,
    plan: v.nullable(PlanSchema),
    run: v.looseObject({ playbook: text }),
  }),
  cases: v.pipe(
    v.array(
      v.strictObject({
        title: text,
        /** What differs: `action` is merged into the given one, everything else replaces it. */
        with: v.optional(
          v.strictObject({
            org: v.optional(text),
            action: v.optional(v.partial(Action)),
            params: v.optional(free),
            plan: v.optional(v.nullable(PlanSchema)),
            run: v.optional(v.looseObject({ playbook: text })),
          }),
          {},
        ),
        expect: v.strictObject({ kind: v.picklist(['allow', 'hold', 'deny']), by: text }),
      }),
    ),
    v.minLength(1),
  ),
});
export type Cases = v.InferOutput<typeof CasesSchema>;

export type CaseFailure = {
  readonly title: string;
  readonly expected: { readonly kind: Verdict['kind']; readonly by: string };
  readonly actual: Verdict;
};

/** @returns every case that got another verdict, and every rule that decides no case. Both empty: the set is sound. */
export async function runCases(
  set: GuardrailSet,
  { given, cases }: Cases,
): Promise<{ readonly failures: readonly CaseFailure[]; readonly untested: readonly string[] }> {
  const failures: CaseFailure[] = [];
  const deciding = new Set<string>();
  for (const { title, with: change, expect } of cases) {
    const facts = { ...given, ...change, action: { ...given.action, ...change.action } };
    const actual = await judgeAction(set, toFacts(facts));
    deciding.add(actual.by);
    if (actual.kind !== expect.kind || actual.by !== expect.by) failures.push({ title, expected: expect, actual });
  }
  const rules = [...set.deny, ...set.hold, ...set.allow];
  return { failures, untested: rules.map(({ id }) => id).filter((id) => !deciding.has(id)) };
}

/** A cases file is JSON, so its free parts are. */
const toFacts = (facts: unknown): GuardrailFacts => facts as GuardrailFacts & { readonly params: JsonObject };
