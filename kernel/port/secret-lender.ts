import type { CredentialRef, SecretsPolicy } from '../../sdk/contract/secrets-policy.ts';
import type { Result } from '../base/result.ts';

/** What a provider lends on a term of its own, for one step. */
export type Loan = {
  /** The values by the names that the provider has for them. */
  readonly fields: Readonly<Record<string, string>>;
  /** Milliseconds from now after which the provider takes it back by itself; null when it never does. */
  readonly termMs: number | null;
  /**
   * Asks for another term. Null when the provider gives none. Never rejects.
   * @returns the new `termMs`; `over` when there will be no other.
   */
  readonly renew: (() => Promise<Result<number, 'unavailable' | 'over'>>) | null;
  /** Asks the provider to take it back, once. Null when that cannot be asked for. Never rejects. */
  readonly revoke: (() => Promise<boolean>) | null;
};

/**
 * Why nothing was lent. `unknown`: only a change by an operator helps. `reason` is a sentence of ours for the operator; it
 * repeats nothing of what a server said.
 */
export type LendFault = { readonly kind: 'unknown' | 'unavailable'; readonly reason: string };

/** Lends one thing of a provider. Lenders with the same `key` lend the same thing, so a step borrows it once for both. */
export type Lender = { readonly key: string; lend(): Promise<Result<Loan, LendFault>> };

/** Reads what the kernel logs in to a provider with. `err`: a sentence for the operator. */
export type ReadCredential = (from: CredentialRef) => Promise<Result<string, string>>;

export type Lenders = {
  readonly byName: ReadonlyMap<string, { readonly provider: string; readonly field: string; readonly lender: Lender }>;
  /** Gives back what is held for longer than a step. Never rejects. */
  close(): Promise<void>;
};

/** Makes the lenders of an org out of its policy. Sends nothing yet. @returns a sentence on what to mend when it cannot. */
export type OpenLenders = (policy: SecretsPolicy, readCredential: ReadCredential) => Result<Lenders, string>;
