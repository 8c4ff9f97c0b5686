import type { Rule } from '../../sdk/contract/rule.ts';
import { type Json, parseJson } from '../base/json.ts';
import { printable } from '../base/printable.ts';
import type { Finding } from '../rule/explain.ts';
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

/** A place among the paths, or why there is none: the conditions on which it hangs, and nothing of what they saw. */
export type Choice = number | { readonly fault: string };

/**
 * @returns the place of the first path whose rule holds, as many as there are paths where none does, and a fault where
 * that hangs on a rule that cannot be judged: it is no reason to go any way.
 */
export async function choosePath(paths: readonly { readonly when: Rule }[], facts: Facts): Promise<Choice> {
  const judged = await judge(
    paths.map(({ when }, i) => ({ id: String(i), rule: when })),
    facts,
  );
  if (!judged.ok) return { fault: judged.error.text };
  for (const [i] of paths.entries()) {
    const result = judged.value.get(String(i));
    if (!result) return { fault: 'the rule has no result' };
    if (result.notEvaluable) return { fault: undecidedText(result.why) };
    if (result.matched) return i;
  }
  return paths.length;
}

/** Conditions that are named, and what of the value that each compares with. */
const NAMED = 3;
const EXPECTED_CHARS = 60;

/** In the words in which a trigger that did not fire is explained. The value that was seen may be secret or personal. */
function undecidedText(why: readonly Finding[]): string {
  const texts = why.slice(0, NAMED).map(({ fact, path, operator, expected, reason }) => {
    const wanted = `${operator} ${printable(JSON.stringify(expected), EXPECTED_CHARS)}`;
    const seen = reason === 'missing' ? 'is missing, which is asked for' : 'has the wrong type for';
    return `${printable([fact, path].filter((part) => part !== '').join(' '), 120)} ${seen} ${wanted}`;
  });
  return why.length > NAMED ? `${texts.join('; ')}; and ${why.length - NAMED} more` : texts.join('; ');
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
      const chosen = facts.ok
        ? await choosePath(branch.paths, facts.value as Facts)
        : { fault: 'they are no sound JSON of bounded shape' };
      const text =
        typeof chosen === 'object'
          ? `the branch cannot be judged on these facts: ${chosen.fault}`
          : wayText((branch.paths[chosen] ?? { to: branch.otherwise }).to ?? 'end', then);
      if (text !== undefined) issues.push({ at: `${at}/cases/${i}`, text });
    }
  }
  return issues;
}

const wayText = (to: string, wanted: string): string | undefined =>
  to === wanted ? undefined : `the branch goes to ${to}, not ${wanted}`;
