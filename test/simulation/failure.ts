import { story } from './trace.ts';

/** What a person is told of a seed that breaks a rule. */
export const failureText = (
  seed: string,
  { rule, text }: { readonly rule: string; readonly text: string },
  trace: readonly string[],
): string =>
  `seed ${seed}: ${rule}: ${text}\n${story(trace, text)}\nfor all of it: SEED=${seed} npx vitest run test/simulation\n`;
