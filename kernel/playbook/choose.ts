import type { Rule } from '../../sdk/contract/rule.ts';
import { type Json, parseJson } from '../base/json.ts';
import { judge } from '../rule/judge.ts';
import type { Graph } from './graph.ts';
import type { Unplaced } from './issue.ts';
import type { Parts } from './part.ts';
import type { Scope } from './reference.ts';

/** Chooses the path of a branch: in a run, and in the cases by which its author tests it. */
type Facts = Readonly<Record<string, Json>>;

export function factsOfBranch({ inputs, steps, item, index }: Scope, event: Json): Facts {
  const outputs = Object.entries(steps).map(([name, output]) => [`steps.${name}`, output]);
  return {
    ...Object.fromEntries(outputs),
    inputs,
    event,
    ...(item !== undefined && { item }),
    ...(index !== undefined && { index }),
  };
}

/**
 * @returns the place of the first path whose rule holds, as many as there are paths where none does, and `fault` where
 * that hangs on a rule that cannot be judged: it is no reason to go any way.
 */
export async function choosePath(paths: readonly { readonly when: Rule }[], facts: Facts): Promise<number | 'fault'> {
  const judged = await judge(
    paths.map(({ when }, i) => ({ id: String(i), rule: when })),
    facts,
  );
  if (!judged.ok) return 'fault';
  for (const [i] of paths.entries()) {
    const result = judged.value.get(String(i));
    if (!result || result.notEvaluable) return 'fault';
    if (result.matched) return i;
  }
  return paths.length;
}

/** The cases of every branch, each against what the branch chooses (S 5.2: predicates are testable alone). */
export async function caseIssues({ steps }: Parts, graph: Graph): Promise<readonly Unplaced[]> {
  const issues: Unplaced[] = [];
  for (const { step, at } of steps) {
    if (step?.type !== 'branch') continue;
    const branch = [...graph.steps.values()].find(({ id }) => id === step.id);
    if (branch?.kind !== 'branch') continue;
    for (const [i, { given, then }] of (step.cases ?? []).entries()) {
      // As it would come from outside: a case cannot hold what a run cannot.
      const facts = parseJson(Buffer.from(JSON.stringify(given)), { depth: 64, keys: 20_000 });
      const chosen = facts.ok ? await choosePath(branch.paths, facts.value as Facts) : 'fault';
      const to = chosen === 'fault' ? undefined : ((branch.paths[chosen] ?? { to: branch.otherwise }).to ?? 'end');
      if (to !== then)
        issues.push({
          at: `${at}/cases/${i}`,
          text:
            to === undefined ? 'the branch cannot be judged on these facts' : `the branch goes to ${to}, not ${then}`,
        });
    }
  }
  return issues;
}
