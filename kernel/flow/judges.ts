import { type Plan, stepTypesOf } from '../../sdk/contract/plugin.ts';
import { invariant } from '../base/assert.ts';
import type { Digest, StepRunId } from '../base/id.ts';
import { partsOfStepRun } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import { own } from '../base/own.ts';
import { judgeAction } from '../guardrail/verdict.ts';
import { type Choice, choosePath, factsOfBranch } from '../playbook/choose.ts';
import type { ActionFacts, Verdict } from '../run/decision.ts';
import { scopeOf } from '../run/scope.ts';
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
    const { effect, idempotent, plan, rollback } = contract.action;
    const types = stepTypesOf(contract.action);
    const made = { effect, idempotent, plans: plan, rollsBack: rollback, types, checkInput: contract.checkInput };
    known.set(contract, made);
    return made;
  };

  return {
    actionFacts,

    /**
     * Of a branch: place of the first path that holds, as many as there are where none does. Of a round of a repeat: 0 when
     * it was the last, else 1. A fault: it could not be judged.
     */
    async branch(run: Run, id: StepRunId): Promise<Choice> {
      const { step: name, items } = partsOfStepRun(id);
      const graph = registry.graph(run.org, run.playbook.name, run.playbook.digest);
      const step = graph?.steps.get(name);
      const isJudged = step?.kind === 'branch' || step?.kind === 'repeat';
      invariant(graph && isJudged, 'such a judgement is about a branch, or a round');
      const [paths, each] =
        step.kind === 'branch' ? [step.paths, step.each] : [[{ when: step.until }], [...step.each, step.id]];
      return choosePath(paths, factsOfBranch(scopeOf(run, graph, { each }, items), eventData(run)));
    },

    /** What the run's pinned guardrails say of an action with exactly these parameters and this plan. */
    async verdict(run: Run, id: StepRunId, parameters: JsonObject, plan: Plan | null): Promise<Verdict> {
      const { step: name } = partsOfStepRun(id);
      const step = registry.graph(run.org, run.playbook.name, run.playbook.digest)?.steps.get(name);
      const policy = registry.policy(run.org, run.policy);
      invariant(step?.kind === 'action', 'a verdict is about an action');
      const action = actionFacts(own(run.plugins, step.plugin), step.action);
      if (!policy || !action) return { kind: 'deny', by: 'fault', text: 'the pinned policy or action is not there' };
      const { type, tier, plugin, action: actionName } = step;
      const granted = registry.org(run.org)?.egress.grants.some((grant) => grant.plugin === plugin) ?? false;
      return judgeAction(policy.guardrails, {
        org: run.org,
        action: { plugin, name: actionName, type, tier, effect: action.effect, granted },
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
