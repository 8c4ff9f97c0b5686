import type { OrgId } from '../base/id.ts';
import type { Result } from '../base/result.ts';

/** A secret value in the broker's hands for the length of one step. Has no useful string form on purpose. */
export interface SecretLease {
  readonly name: string;
  /** The value, for the socket and the scrubber only. */
  reveal(): string;
  /** Its term has passed and could not be renewed: the value opens nothing any more, and has to be leased anew. */
  isOver(): boolean;
  /**
   * Ends the lease; idempotent, never throws or rejects. `reveal` throws afterwards. Nobody has to wait for what comes of
   * it: the term of the lease is the net below.
   * @returns `ended` when that is all there is to do; else what the provider says in the end of taking the value back.
   */
  revoke(): 'ended' | Promise<'revoked' | 'failed'>;
}

/** What an org has. The values are for the scrubber only. */
export type KnownSecrets = readonly Pick<SecretLease, 'name' | 'reveal'>[];

export interface SecretSource {
  /**
   * Every stored secret of the org with its value now, and what was lent to it and is live or was lately, so that it is
   * found in what comes back, whoever sent it there and when. What is known may not be sent: for that there is `lease`.
   * @returns the same list until one of the values changes, so that what is made of it can be kept; `unavailable` when
   * one of the values cannot be read: then nothing can be said to be free of it.
   */
  known(org: OrgId): Promise<Result<KnownSecrets, 'unavailable'>>;
  lease(
    org: OrgId,
    name: string,
    /** `run` is null where it is for a health check: `step` is its connector and stage then. */
    forWhat: { readonly run: string | null; readonly step: string },
  ): Promise<Result<SecretLease, 'unknown' | 'unavailable'>>;
  /** Stores or replaces a value, encrypted, durable on return. */
  put(org: OrgId, name: string, value: string): Promise<void>;
  list(org: OrgId): Promise<readonly { readonly name: string; readonly updatedAt: string }[]>;
  remove(org: OrgId, name: string): Promise<boolean>;
}
