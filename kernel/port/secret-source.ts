import type { OrgId } from '../base/id.ts';
import type { Result } from '../base/result.ts';

/** A secret value in the broker's hands for the length of one step. Has no useful string form on purpose. */
export interface SecretLease {
  readonly name: string;
  /** The value, for the socket and the scrubber only. */
  reveal(): string;
  /** Ends the lease; idempotent. `reveal` throws afterwards. */
  revoke(): Promise<void>;
}

export interface SecretSource {
  lease(
    org: OrgId,
    name: string,
    forWhat: { readonly run: string; readonly step: string },
  ): Promise<Result<SecretLease, 'unknown' | 'unavailable'>>;
  /** Stores or replaces a value, encrypted, durable on return. */
  put(org: OrgId, name: string, value: string): Promise<void>;
  list(org: OrgId): Promise<readonly { readonly name: string; readonly updatedAt: string }[]>;
  remove(org: OrgId, name: string): Promise<boolean>;
}
