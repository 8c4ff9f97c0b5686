import type { CellOutcome } from '../../kernel/port/cell-host.ts';
import type { World } from './world.ts';

/** One attack: what it tries, what must happen, and the run that sees what did happen. */
export type Row = {
  readonly id: string;
  readonly tries: string;
  readonly must: string;
  run(world: World): Promise<Held>;
  /** What takes away the defence that the row is about, and not much more: the proof that it can fail. */
  readonly faults: readonly [Fault, ...Fault[]];
};

/** What to plant in the source of the product: `text` stands in `file` exactly once. */
type Defect = { readonly file: string; readonly text: string; readonly becomes: string };
/** Several together where one defence stands behind another. */
export type Fault = readonly Defect[];

/** The fault that a piece of code is not there, or other code in its place. */
export const without = (file: string, text: string, becomes = ''): Fault => [{ file, text, becomes }];

/** `happened` is printed, so it names kinds and reasons of ours, and nothing that a plugin wrote. */
export type Held = {
  readonly held: boolean;
  readonly happened: string;
  /** What this system lacks of the defence, where it does: then the row holds in part. */
  readonly lacks?: string;
};

export const verdict = (held: boolean, happened: string): Held => ({ held, happened });

/** Every part must hold; the first that does not is what is told. */
export function all(parts: readonly Held[]): Held {
  const broken = parts.find(({ held }) => !held);
  return broken ?? verdict(parts.length > 0, [...new Set(parts.map(({ happened }) => happened))].join('; '));
}

export const told = (outcome: CellOutcome): string => {
  if (outcome.kind === 'refused' || outcome.kind === 'crashed') return `${outcome.kind}: ${outcome.reason}`;
  return outcome.kind === 'overran' ? `${outcome.deadline} deadline` : outcome.kind;
};
