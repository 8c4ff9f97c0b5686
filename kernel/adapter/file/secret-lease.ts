/** A secret value in memory for the length of one step. Owns that it cannot be printed by accident. */
import type { SecretLease } from '../../port/secret-source.ts';

/**
 * The value lives in the closure only, so no inspection of the object finds it.
 * @param bytes taken over: overwritten on revoke.
 */
export function leaseOf(name: string, bytes: Buffer): SecretLease {
  let open = true;
  const mark = `[secret:${name}]`;
  const lease: SecretLease & Record<string | symbol, unknown> = {
    name,
    reveal: (): string => {
      if (!open) throw new Error(`the lease of ${mark} has ended`);
      return bytes.toString('utf8');
    },
    // A stored value has no end of its own.
    isOver: () => false,
    revoke: () => {
      open = false;
      bytes.fill(0);
      return 'ended';
    },
    toString: () => mark,
    toJSON: () => mark,
    [Symbol.for('nodejs.util.inspect.custom')]: () => mark,
  };
  return Object.freeze(lease);
}
