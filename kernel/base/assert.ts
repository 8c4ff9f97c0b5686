/** A broken invariant: a defect of ours, never a property of the input. It stops the turn. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Stops the turn when something that cannot be false is false. `text` must hold no input. */
export function invariant(condition: unknown, text: string): asserts condition {
  if (!condition) throw new InvariantError(text);
}

/** Ends every switch over a union: the compiler lists what a new member breaks. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${typeof value}`);
}
