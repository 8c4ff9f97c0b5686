import type { OrgId, PrincipalId } from '../base/id.ts';
import { iso } from '../base/time.ts';
import {
  acceptsToken,
  formatToken,
  hashToken,
  type Principal,
  parseToken,
  type TokenRecord,
} from '../org/principal.ts';
import type { Role } from '../org/role.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';

/** Access tokens: made, recognised, withdrawn. Only their hashes are kept. */
export type Tokens = ReturnType<typeof openTokens>;

/** Recognised tokens kept in memory. A withdrawn one is dropped at once. */
const KNOWN = 4_096;

export function openTokens(deps: { store: Store; ledger: Ledger; clock: Clock; entropy: Entropy }) {
  const { store, ledger, clock, entropy } = deps;
  const known = new Map<string, TokenRecord>();

  return {
    /** @returns the token; it is shown once and cannot be had again. */
    async create(
      org: OrgId,
      by: string,
      holder: { readonly id: PrincipalId; readonly roles: readonly Role[]; readonly expiresAt?: number | null },
    ): Promise<{ readonly token: string; readonly tokenId: string }> {
      const tokenId = Buffer.from(entropy.nonce(8), 'base64').toString('hex');
      const token = formatToken(org, tokenId, Buffer.from(entropy.nonce(32), 'base64').toString('base64url'));
      const record: TokenRecord = {
        org,
        id: holder.id,
        roles: holder.roles,
        tokenId,
        hash: hashToken(token),
        createdAt: iso(clock.now()),
        expiresAt: holder.expiresAt ?? null,
      };
      await ledger.stage({
        // Who got which roles is part of the record: a token is how power is handed on.
        audit: [{ org, kind: 'token.created', actor: by, ref: `${tokenId}/${holder.id}/${holder.roles.join('+')}` }],
        rows: [{ key: KEYS.token(org, tokenId), value: JSON.stringify(record) }],
      });
      return { token, tokenId };
    },

    /** @returns who holds this token, or undefined: unknown, withdrawn, expired and malformed are not told apart. */
    recognise(token: string): Principal | undefined {
      const parts = parseToken(token);
      if (!parts) return undefined;
      const key = KEYS.token(parts.org, parts.tokenId);
      let record = known.get(key);
      if (!record) {
        const text = store.get(key);
        if (!text) return undefined;
        record = JSON.parse(text) as TokenRecord;
        if (known.size >= KNOWN) known.delete(known.keys().next().value ?? '');
        known.set(key, record);
      }
      if (!acceptsToken(record, token, clock.now())) return undefined;
      return { org: record.org, id: record.id, roles: record.roles };
    },

    async revoke(by: Principal, tokenId: string): Promise<boolean> {
      const key = KEYS.token(by.org, tokenId);
      if (ledger.read(key) === undefined) return false;
      known.delete(key);
      await ledger.stage({
        audit: [{ org: by.org, kind: 'token.revoked', actor: `principal:${by.id}`, ref: tokenId }],
        rows: [{ key, value: null }],
      });
      known.delete(key);
      return true;
    },
  };
}
