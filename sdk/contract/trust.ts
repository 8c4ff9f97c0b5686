import * as v from 'valibot';
import { NAME_PATTERN } from './name.ts';
import { closedObject } from './wanted.ts';

/**
 * What an org trusts of plugins, and the list of those that were looked at.
 *
 * Signatures say who made a module; the lock says which one somebody has approved, with what it may ask for. Neither gives
 * a plugin anything: what may leave is the egress policy.
 */
const name = v.pipe(v.string(), v.regex(NAME_PATTERN, 'lower-case letters, digits, single hyphens'));
const digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/, 'sha256: and 64 hex digits'));
const reason = v.pipe(v.string(), v.minLength(1), v.maxLength(300));
const text = v.pipe(v.string(), v.minLength(1), v.maxLength(1_024));

/** An instant after which nothing that the signer signed is taken. A signature by a key has no time of its own. */
const until = v.optional(v.pipe(v.string(), v.isoTimestamp('a time such as 2027-01-01T00:00:00Z')));

const KeySigner = closedObject({
  id: name,
  /** Public key, P-256, as PEM. */
  key: v.pipe(v.string(), v.maxLength(1_024), v.startsWith('-----BEGIN PUBLIC KEY-----')),
  until,
});
const KeylessSigner = closedObject({
  id: name,
  /** Who vouched for the identity, and the identity: both, because the same name may be had from another issuer. */
  issuer: text,
  identity: text,
  /** File of a Sigstore trusted root, relative to the policy. Nothing is fetched. */
  trustedRoot: text,
  until,
});
export type Signer = v.InferOutput<typeof KeySigner> | v.InferOutput<typeof KeylessSigner>;

const answer = v.optional(v.picklist(['refuse', 'allow']), 'refuse');

export const TrustPolicySchema = closedObject({
  $schema: v.optional(v.string()),
  apiVersion: v.literal('interlock/trust/v1'),
  /** Modules that no signer of the list has signed. */
  unsigned: answer,
  /** Modules that plugins.lock does not have. */
  unlocked: answer,
  signers: v.optional(
    v.pipe(
      v.array(
        v.union([KeySigner, KeylessSigner], 'a signer with id and key, or with id, issuer, identity and trustedRoot'),
      ),
      v.maxLength(64),
      v.check((all) => new Set(all.map(({ id }) => id)).size === all.length, 'signers with ids of their own'),
    ),
    [],
  ),
  /** Wins over everything: a signature, the lock, `allow`. */
  revoked: v.optional(
    v.pipe(
      v.array(
        v.union(
          [closedObject({ digest, reason }), closedObject({ signer: name, reason })],
          'a digest or a signer, and the reason',
        ),
      ),
      v.maxLength(10_000),
    ),
    [],
  ),
});
export type TrustPolicy = v.InferOutput<typeof TrustPolicySchema>;

/** An org without a policy trusts what is both signed and locked: without signers, nothing. */
export const NO_TRUST: TrustPolicy = {
  apiVersion: 'interlock/trust/v1',
  unsigned: 'refuse',
  unlocked: 'refuse',
  signers: [],
  revoked: [],
};

/** Who signed, as it is locked and shown. `key` is the SHA-256 of the public key (SPKI, DER). */
const SignedBy = v.union([closedObject({ key: digest }), closedObject({ issuer: text, identity: text })]);
export type SignedBy = v.InferOutput<typeof SignedBy>;

const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1_000_000));

const LockEntry = closedObject({
  name,
  version: v.pipe(v.string(), v.regex(/^[0-9]+\.[0-9]+\.[0-9]+$/, 'major.minor.patch')),
  /** SHA-256 of plugin.wasm: what `sha256sum` says, and the subject of a signature. */
  digest,
  /** Of the manifest by its meaning: another manifest is another plugin. */
  manifest: digest,
  /** `null`: nobody had to sign it. */
  signer: v.nullable(SignedBy),
  /** Sorted; what each means is in docs/plugins.md. */
  capabilities: v.pipe(v.array(v.pipe(v.string(), v.maxLength(200))), v.maxLength(1_000)),
  limits: closedObject({ memoryPages: count, tableEntries: count }),
});
export type LockEntry = v.InferOutput<typeof LockEntry>;

export const PluginsLockSchema = closedObject({
  apiVersion: v.literal('interlock/plugins-lock/v1'),
  plugins: v.pipe(
    v.array(LockEntry),
    v.maxLength(10_000),
    v.check(
      (all) => new Set(all.map((one) => `${one.digest} ${one.manifest}`)).size === all.length,
      'each plugin once',
    ),
  ),
});
export type PluginsLock = v.InferOutput<typeof PluginsLockSchema>;
export const NO_LOCK: PluginsLock = { apiVersion: 'interlock/plugins-lock/v1', plugins: [] };
