import type { Digest, PrincipalId, RunId, StepRunId } from '../base/id.ts';
import type { Json, JsonObject } from '../base/json.ts';
import type { UnixMs } from '../base/time.ts';

/**
 * A step with `dedup` (dedup.ts) acts once for what its key names within the window, over all runs of the playbook. Whoever comes to it
 * first claims the key; what became of that is asked of the step that claimed it, so that nothing has to be given back
 * when it fails, is stopped or undone, or the kernel ends in between.
 */
export type Claim =
  /** By this very step. */
  | { readonly kind: 'own' }
  /** It may still act, or nobody knows whether it has. */
  | {
      readonly kind: 'under_way';
      readonly run: RunId;
      /** When its run ended, and it may have acted until then. */
      readonly ended?: UnixMs;
    }
  | {
      readonly kind: 'done';
      readonly run: RunId;
      readonly at: UnixMs;
      /** Whose words its output may hold. */
      readonly senders: readonly PrincipalId[];
      readonly parameters: JsonObject;
      readonly output: Json;
    };

/** Claims of a turn in the making, before those that are on record. */
export function openClaims(known: (step: StepRunId, key: Digest) => Claim | undefined) {
  const mine = new Map<Digest, StepRunId>();
  return {
    claimed: (step: StepRunId, key: Digest): void => void mine.set(key, step),
    of(step: StepRunId, key: Digest, run: RunId): Claim | undefined {
      const other = mine.get(key);
      if (other === undefined) return known(step, key);
      return other === step ? { kind: 'own' } : { kind: 'under_way', run };
    },
  };
}
