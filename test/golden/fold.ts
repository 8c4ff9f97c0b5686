import { join } from 'node:path';
import { replay } from '../../kernel/run/evolve.ts';
import { readTurn } from '../../kernel/run/upcast.ts';

export const FOLDER = join(import.meta.dirname, 'histories');

/**
 * A run that was folded from its turns, as text with sorted keys. Fields that hold nothing are left out, so that a later
 * version may add one that says nothing of an old run without changing a byte.
 */
export const foldedText = (turns: readonly string[]): string =>
  `${JSON.stringify(saying(replay(turns.map(readTurn))), null, 1)}\n`;

function saying(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(saying);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value)
    .map(([name, inner]) => [name, saying(inner)] as const)
    .filter(([, inner]) => !holdsNothing(inner));
  return Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const holdsNothing = (value: unknown): boolean =>
  value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0);
