import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { invariant } from './assert.ts';
import type { Digest } from './id.ts';
import type { Json } from './json.ts';

/** SHA-256 over bytes or UTF-8 text. */
export const digestOf = (data: string | Uint8Array): Digest => `sha256:${hash('sha256', data, 'hex')}` as Digest;

/** Canonical JSON text (RFC 8785). The one form in which values are hashed, so that key order never matters. */
function canonicalJson(value: Json): string {
  const text = canonicalize(value);
  invariant(text !== undefined, 'a JSON value has a canonical form');
  return text;
}

/**
 * Digest of a JSON value for one purpose. The purpose is hashed in front, so that a digest made for one thing
 * (an approval's subject) can never pass for another (a playbook version).
 */
export const digestOfJson = (purpose: string, value: Json): Digest =>
  digestOf(`interlock/${purpose}/v1\0${canonicalJson(value)}`);
