import { generateKeyPairSync, sign } from 'node:crypto';
import * as v from 'valibot';
import { beforeAll, describe, expect, test } from 'vitest';
import { PluginManifestSchema } from '../contract/plugin.ts';
import { makeKeyPair, signPlugin } from './sign.ts';
import { PAYLOAD_TYPE, statementOf } from './statement.ts';
import { type Keyless, type KeylessBundle, openKeyless } from './test-keyless.ts';
import { isTrustedRoot, type Known, signerKeyId, verifyBundle } from './verify.ts';

/** Who signed, by the real library. The logs and the authority of the keyless part are our own; no public one is asked. */
const wasm = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const manifest = v.parse(PluginManifestSchema, {
  apiVersion: 'interlock/plugin/v1',
  name: 'p',
  version: '1.0.0',
  title: 'P',
  capabilities: { http: false },
  actions: { act: { title: 'Act', effect: 'none', input: {}, output: {} } },
});
type Json = Record<string, unknown> & {
  dsseEnvelope: Record<string, unknown>;
  verificationMaterial: Record<string, unknown>;
};
const copy = (bundle: object): Json => structuredClone(bundle) as Json;
/** The same bundle about something else. */
const about = (bundle: object, change: (statement: Record<string, unknown>) => void): Json => {
  const changed = copy(bundle);
  const statement = JSON.parse(Buffer.from(String(changed.dsseEnvelope['payload']), 'base64').toString());
  change(statement);
  changed.dsseEnvelope['payload'] = Buffer.from(JSON.stringify(statement)).toString('base64');
  return changed;
};

describe('with the key of an organisation', () => {
  const mine = makeKeyPair();
  const other = makeKeyPair();
  const knows = (pem: string): Known[] => [{ signer: { id: 'platform', key: pem } }];
  const signed = signPlugin(manifest, wasm, mine.privateKey);
  const bundle = signed?.bundle ?? {};

  test('the signer is found among others, with what was signed', () => {
    const seen = verifyBundle(bundle, [
      ...knows(other.publicKey),
      { signer: { id: 'second', key: mine.publicKey, until: '2030-01-01T00:00:00Z' } },
    ]);
    expect(seen).toMatchObject({
      kind: 'signed',
      signer: 'second',
      by: { key: signed?.key },
      until: '2030-01-01T00:00:00Z',
      manifest,
    });
    expect(seen).toMatchObject({ digest: 'sha256:93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476' });
  });

  test.each<[string, (bundle: object) => unknown]>([
    [
      'a predicate that was changed',
      (one) =>
        about(one, (statement) => {
          statement['predicate'] = { ...manifest, capabilities: { http: true } };
        }),
    ],
    [
      'a subject that was changed',
      (one) =>
        about(one, (statement) => {
          statement['subject'] = [{ name: 'p', digest: { sha256: '0'.repeat(64) } }];
        }),
    ],
    [
      'no signature',
      (one) => {
        const bare = copy(one);
        bare.dsseEnvelope['signatures'] = [];
        return bare;
      },
    ],
    ['the signature of somebody else', () => signPlugin(manifest, wasm, other.privateKey)?.bundle],
    [
      'the name of our key on the signature of somebody else',
      (one) => {
        const forged = copy(signPlugin(manifest, wasm, other.privateKey)?.bundle ?? {});
        forged.verificationMaterial = copy(one).verificationMaterial;
        return forged;
      },
    ],
    [
      'another type of payload',
      (one) => {
        const odd = copy(one);
        odd.dsseEnvelope['payloadType'] = 'text/plain';
        return odd;
      },
    ],
    ['a text', () => 'signed, honestly'],
    ['nothing', () => null],
    ['an empty object', () => ({})],
  ])('nobody signed %s', (_, change) => {
    expect(verifyBundle(change(bundle), knows(mine.publicKey))).toEqual({ kind: 'unknown' });
  });

  /** What the same key signed on another occasion: whoever holds a key for plugins may sign other things with it. */
  const signedElse = (payload: Uint8Array, type = PAYLOAD_TYPE): Json => {
    const other = copy(bundle);
    const text = Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `);
    const sig = sign('sha256', Buffer.concat([text, payload]), mine.privateKey).toString('base64');
    other.dsseEnvelope = { payload: Buffer.from(payload).toString('base64'), payloadType: type };
    other.dsseEnvelope['signatures'] = [{ sig, keyid: '' }];
    return other;
  };
  const statement = JSON.parse(statementOf(manifest, wasm));
  const asBytes = (value: unknown) => Buffer.from(JSON.stringify(value));

  test.each<[string, Uint8Array, string?]>([
    ['as another type', asBytes(statement), 'application/json'],
    ['as a statement of another kind', asBytes({ ...statement, _type: 'https://in-toto.io/Statement/v0.1' })],
    ['about something else', asBytes({ ...statement, predicateType: 'https://slsa.dev/provenance/v1' })],
    ['for several modules', asBytes({ ...statement, subject: [...statement.subject, ...statement.subject] })],
    ['for no module', asBytes({ ...statement, subject: [] })],
    ['for a module by another digest', asBytes({ ...statement, subject: [{ name: 'p', digest: { sha512: '0' } }] })],
    ['without a manifest', asBytes({ ...statement, predicate: {} })],
    ['in no UTF-8', Buffer.concat([asBytes(statement).subarray(0, -1), Buffer.from([0xff]), Buffer.from('}')])],
    ['as no JSON', Buffer.from('a plugin')],
  ])('what our key signed %s is no signature of a plugin', (_, payload, type) => {
    expect(verifyBundle(signedElse(payload, type), knows(mine.publicKey))).toEqual({ kind: 'unknown' });
  });
  test('what our key signed as a plugin is one', () => {
    expect(verifyBundle(signedElse(asBytes(statement)), knows(mine.publicKey))).toMatchObject({ kind: 'signed' });
  });

  test('nobody is known who is not named', () => {
    expect(verifyBundle(bundle, [])).toEqual({ kind: 'unknown' });
    expect(verifyBundle(bundle, knows(other.publicKey))).toEqual({ kind: 'unknown' });
  });

  test('other curves are no keys', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    expect(signerKeyId(publicKey.export({ type: 'spki', format: 'pem' }).toString())).toBeUndefined();
    expect(signPlugin(manifest, wasm, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())).toBeUndefined();
    expect([signerKeyId(mine.publicKey), signerKeyId('s3cret')]).toEqual([
      expect.stringMatching(/^sha256:/),
      undefined,
    ]);
  });
});

describe('without a key', () => {
  const who = {
    issuer: 'https://token.example',
    identity: 'https://git.example/acme/plugins/.build/release.yml@refs/heads/main',
  };
  let keyless: Keyless;
  let bundle: KeylessBundle;
  beforeAll(async () => {
    keyless = await openKeyless();
    bundle = await keyless.sign(who, manifest, wasm);
  });
  const knows = (more: object = {}, root: object = keyless.root): Known[] => [
    { signer: { id: 'ci', trustedRoot: 'root.json', ...who, ...more }, root },
  ];

  test('the identity is found by name and issuer', () => {
    expect(isTrustedRoot(keyless.root)).toBe(true);
    expect(verifyBundle(bundle, knows())).toMatchObject({ kind: 'signed', signer: 'ci', by: who, manifest });
  });

  test('another issuer, another name, or a part of the name is somebody else', () => {
    for (const more of [
      { issuer: 'https://other.example' },
      { identity: `${who.identity}x` },
      { identity: who.identity.slice(0, -1) },
      { identity: '.*' },
      { identity: who.identity.replace('git.example', 'git-example') },
    ])
      expect(verifyBundle(bundle, knows(more))).toEqual({ kind: 'unknown' });
    // A dot of the policy is a dot.
    expect(verifyBundle(bundle, knows({ identity: who.identity.replace('git.e', 'git\\.e') }))).toEqual({
      kind: 'unknown',
    });
  });

  test('a root of somebody else, a missing proof, or a changed statement is nobody', async () => {
    expect(verifyBundle(bundle, knows({}, (await openKeyless()).root))).toEqual({ kind: 'unknown' });
    const unlogged = copy(bundle);
    unlogged.verificationMaterial['tlogEntries'] = [];
    expect(verifyBundle(unlogged, knows())).toEqual({ kind: 'unknown' });
    expect(
      verifyBundle(
        about(bundle, (statement) => {
          statement['predicate'] = { ...manifest, title: 'Q' };
        }),
        knows(),
      ),
    ).toEqual({ kind: 'unknown' });
    expect(verifyBundle(bundle, knows({}, { ...keyless.root, ctlogs: [] }))).toEqual({ kind: 'unknown' });
  });

  test('a certificate that is in no log of certificates is nobody', async () => {
    const unlisted = await openKeyless(false);
    expect(verifyBundle(await unlisted.sign(who, manifest, wasm), knows({}, unlisted.root))).toEqual({
      kind: 'unknown',
    });
  });

  test('a key in the place of the certificate is nobody', () => {
    const { privateKey } = makeKeyPair();
    expect(verifyBundle(signPlugin(manifest, wasm, privateKey)?.bundle, knows())).toEqual({ kind: 'unknown' });
  });
});
