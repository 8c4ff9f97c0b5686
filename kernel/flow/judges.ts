import { type Plan, stepTypesOf } from '../../sdk/contract/plugin.ts';
import { invariant } from '../base/assert.ts';
import type { Digest, StepId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import { own } from '../base/own.ts';
import { judgeAction } from '../guardrail/verdict.ts';
import { judge } from '../rule/judge.ts';
import { scopeOf } from '../run/advance.ts';
import type { ActionFacts, Verdict } from '../run/decision.ts';
import type { Run } from '../run/state.ts';
import { KEYS } from './keys.ts';
import type { Registry } from './registry.ts';
import type { StoredEvent } from './stored-event.ts';

/** Gets the judgements that decide asks for: the asynchronous part of a turn, all of it before the decision. */
export type Judges = ReturnType<typeof openJudges>;

export function openJudges(deps: { read: (key: string) => string | undefined; registry: Registry }) {
  const { read, registry } = deps;
  const known = new WeakMap<object, ActionFacts>();

  const actionFacts = (plugin: Digest | undefined, name: string): ActionFacts | undefined => {
    const contract = plugin && registry.plugin(plugin)?.contracts.get(name);
    if (!contract) return undefined;
    const facts = known.get(contract);
    if (facts) return facts;
    const { effect, idempotent, plan } = contract.action;
    const types = stepTypesOf(contract.action);
    const made = { effect, idempotent, plans: plan, types, checkInput: contract.checkInput };
    known.set(contract, made);
    return made;
  };

  return {
    actionFacts,

    /** Whether the predicate holds; `fault` when it could not be judged, which is neither way. */
    async branch(run: Run, id: StepId): Promise<'true' | 'false' | 'fault'> {
      const step = registry.graph(run.org, run.playbook.name, run.playbook.digest)?.steps.get(id);
      invariant(step?.kind === 'branch', 'a branch judgement is about a branch');
      const { inputs, steps } = scopeOf(run);
      const facts: Record<string, Json> = { inputs, event: eventData(run) };
      for (const [name, output] of Object.entries(steps)) facts[`steps.${name}`] = output;
      const judged = await judge([{ id, rule: step.when }], facts);
      const result = judged.ok ? judged.value.get(id) : undefined;
      if (!result || result.notEvaluable) return 'fault';
      return result.matched ? 'true' : 'false';
    },

    /** What the run's pinned guardrails say of an action with exactly these parameters and this plan. */
    async verdict(run: Run, id: StepId, parameters: JsonObject, plan: Plan | null): Promise<Verdict> {
      const step = registry.graph(run.org, run.playbook.name, run.playbook.digest)?.steps.get(id);
      const policy = registry.policy(run.org, run.policy);
      invariant(step?.kind === 'action', 'a verdict is about an action');
      const action = actionFacts(own(run.plugins, step.plugin), step.action);
      if (!policy || !action) return { kind: 'deny', by: 'fault', text: 'the pinned policy or action is not there' };
      const { type, tier, plugin, action: name } = step;
      const granted = registry.org(run.org)?.egress.grants.some((grant) => grant.plugin === plugin) ?? false;
      return judgeAction(policy.guardrails, {
        org: run.org,
        action: { plugin, name, type, tier, effect: action.effect, granted },
        params: parameters,
        plan,
        run: { playbook: run.playbook.name, trigger: run.trigger, requester: run.requester },
      });
    },
  };

  function eventData(run: Run): Json {
    const text = read(KEYS.event(run.org, run.event));
    return text ? (JSON.parse(text) as StoredEvent).event.data : null;
  }
}
