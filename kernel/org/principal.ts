import { hash, timingSafeEqual } from 'node:crypto';
import type { OrgId, PrincipalId } from '../base/id.ts';
import { toOrgId } from '../base/id.ts';
import type { Role } from './role.ts';

/** Who is asking: bound to one org by the token, never by the URL. */
export type Principal = { readonly org: OrgId; readonly id: PrincipalId; readonly roles: readonly Role[] };

/** Parts of the kernel that start or stop runs by themselves. No token names one: their names have a colon. */
export const SCHEDULE = 'system:schedule' as PrincipalId;
export const RUN_END = 'system:run' as PrincipalId;
export const TRIGGER = 'system:trigger' as PrincipalId;

/** Whether somebody with a token has asked for it, and not the kernel itself. */
export const isPerson = (id: PrincipalId | null): boolean => id !== null && !id.startsWith('system:');

/** As the record names who acted. */
export const actorOf = (id: PrincipalId): string => (id.startsWith('system:') ? id : `principal:${id}`);

/** A token as stored: its hash, never the token. */
export type TokenRecord = Principal & {
  readonly tokenId: string;
  readonly hash: string;
  readonly createdAt: string;
  readonly expiresAt: number | null;
};

/**
 * Form of a token: `ilk_<org>_<token id: 16 hex>_<secret: 43 characters base64url>`. The prefix lets secret scanners
 * find it; org and id are the key under which its record lies.
 */
const TOKEN_PATTERN = /^ilk_([a-z][a-z0-9-]{0,62})_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

export type TokenParts = { readonly org: OrgId; readonly tokenId: string };

export function parseToken(token: string): TokenParts | undefined {
  const [, name = '', tokenId = ''] = TOKEN_PATTERN.exec(token) ?? [];
  const org = toOrgId(name);
  return org && tokenId ? { org, tokenId } : undefined;
}

export const formatToken = (org: OrgId, tokenId: string, secret: string): string => `ilk_${org}_${tokenId}_${secret}`;

/** 256 bits of randomness need no slow hash; SHA-256 keeps a copy of the store from being a bunch of keys. */
export const hashToken = (token: string): string => hash('sha256', `interlock/token/v1\0${token}`, 'hex');

/** Constant-time comparison, and expiry. */
export function acceptsToken(record: TokenRecord, token: string, nowMs: number): boolean {
  const given = Buffer.from(hashToken(token), 'hex');
  const known = Buffer.from(record.hash, 'hex');
  const same = given.length === known.length && timingSafeEqual(given, known);
  return same && (record.expiresAt === null || nowMs < record.expiresAt);
}
