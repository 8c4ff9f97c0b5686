import { invariant } from '../base/assert.ts';
import type { StoredTurn } from './event.ts';

/**
 * Reads turns as they were stored, by whatever version of the kernel, and gives them in today's form: the one place
 * that knows older forms. A new form is a new `v`, and a step here that lifts the one before it; the rows stay as they
 * are. What only adds an optional field is no new form: evolve.ts says what its absence means.
 */
type Form = { readonly v: number };
/** From the form of this version to the next. Empty: there has been one so far. */
const LIFTS: Readonly<Record<number, (turn: Form) => Form>> = {};
const TODAY = 1 satisfies StoredTurn['v'];

/** @throws InvariantError for a turn of a later kernel: it must not be half understood. */
export const readTurn = (text: string): StoredTurn => liftTurn(JSON.parse(text) as Form);

/** @param lifts those of the kernel, but in tests. */
export function liftTurn(stored: Form, lifts = LIFTS, today: number = TODAY): StoredTurn {
  let turn = stored;
  invariant(turn.v <= today, 'a turn of a later version of the kernel is not read by this one');
  while (turn.v < today) {
    const lift = lifts[turn.v];
    invariant(lift, 'every older form of a turn has a step to the next');
    turn = lift(turn);
  }
  return turn as StoredTurn;
}
