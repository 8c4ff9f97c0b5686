import { describe, expect, test } from 'vitest';
import type { LockEntry, TrustPolicy } from '../../sdk/contract/trust.ts';
import { NO_LOCK, NO_TRUST } from '../../sdk/contract/trust.ts';
import { judgeTrust, type Seen } from './judge.ts';
import { type Asked, growth, lockedAs, lockWith, shrinkage } from './lock.ts';

/** What an org takes, and what it is told where it does not. Everything that is not clearly right is a no. */
const digest = (of: string) => `sha256:${of.repeat(64)}`;
const asked: Asked = {
  name: 'p',
  version: '1.2.0',
  digest: digest('a'),
  manifest: digest('b'),
  signer: null,
  capabilities: ['http', 'method:GET'],
  limits: { memoryPages: 16, tableEntries: 10 },
};
const by = { key: digest('c') };
const signed: Seen = {
  kind: 'signed',
  signer: 'platform',
  by,
  until: undefined,
  digest: asked.digest,
  manifest: asked.manifest,
};
const key = '-----BEGIN PUBLIC KEY-----';
const trust = (more: Partial<TrustPolicy> = {}): TrustPolicy => ({
  ...NO_TRUST,
  signers: [{ id: 'platform', key }],
  ...more,
});
const lockOf = (...plugins: LockEntry[]) => ({ ...NO_LOCK, plugins });
const NOW = Date.parse('2026-11-29T00:00:00Z');
const judge = (policy: TrustPolicy, seen: Seen, lock = lockOf(asked), what = asked) =>
  judgeTrust(policy, what, seen, lockedAs(lock, what), NOW);

describe('is taken', () => {
  test('what a signer has signed and the lock has', () => {
    expect(judge(trust(), signed)).toEqual({ ok: true, value: { signer: { id: 'platform', by }, locked: true } });
  });
  test('what is unsigned where the org says so', () => {
    const taken = { ok: true, value: { signer: null, locked: true } };
    expect(judge(trust({ unsigned: 'allow' }), { kind: 'none' })).toEqual(taken);
    // Nobody is trusted to sign, so no signature can be wrong.
    expect(judge(trust({ unsigned: 'allow', signers: [] }), { kind: 'unknown' })).toEqual(taken);
  });
  test('what is not locked where the org says so', () => {
    expect(judge(trust({ unlocked: 'allow' }), signed, NO_LOCK)).toMatchObject({ ok: true, value: { locked: false } });
  });
  test('what asks for less than its entry, by a signer of it', () => {
    const entry = { ...asked, signer: by, capabilities: [...asked.capabilities, 'method:POST'] };
    expect(judge(trust(), signed, lockOf(entry))).toMatchObject({ ok: true });
  });
});

describe('is refused', () => {
  const until = { ...signed, until: '2026-11-29T00:00:00Z' };
  const other = { ...asked, digest: digest('d'), version: '1.1.0', capabilities: ['http'] };
  test.each<[string, TrustPolicy, Seen, readonly LockEntry[], RegExp]>([
    ['by an org without a policy', NO_TRUST, { kind: 'none' }, [asked], /no signature by a signer/],
    ['without a signature', trust(), { kind: 'none' }, [asked], /no signature by a signer/],
    [
      'with a signature of somebody else',
      trust(),
      { kind: 'unknown' },
      [asked],
      /none of the signers .*made the signature/,
    ],
    [
      'with a wrong signature, unsigned or not',
      trust({ unsigned: 'allow' }),
      { kind: 'unknown' },
      [asked],
      /none of the signers/,
    ],
    [
      'with the signature of another module',
      trust({ unsigned: 'allow' }),
      { ...signed, digest: digest('e') },
      [asked],
      /for another module/,
    ],
    [
      'with the signature of another manifest',
      trust(),
      { ...signed, manifest: digest('e') },
      [asked],
      /for another manifest/,
    ],
    ['by a signer whose time is over', trust(), until, [asked], /trusted until 2026-11-29T00:00:00Z only/],
    ['by a signer whose time is no time', trust(), { ...until, until: 'soon' }, [asked], /trusted until/],
    [
      'by a revoked signer',
      trust({ unsigned: 'allow', unlocked: 'allow', revoked: [{ signer: 'platform', reason: 'key lost' }] }),
      signed,
      [asked],
      /signer platform is revoked \(key lost\)/,
    ],
    [
      'as a revoked module',
      trust({ unsigned: 'allow', unlocked: 'allow', revoked: [{ digest: asked.digest, reason: 'sends too much' }] }),
      { kind: 'none' },
      [asked],
      /this module is revoked \(sends too much\)/,
    ],
    [
      'when the lock does not have it',
      trust(),
      signed,
      [],
      /plugins\.lock does not have it\n {2}new: may ask to send requests\n {2}new: may ask to send GET\n {2}.*interlock plugin lock --config FILE --approve/,
    ],
    [
      'when the lock has another digest',
      trust({ unlocked: 'allow' }),
      signed,
      [other],
      /has 1\.1\.0 with another digest or manifest\n {2}new: may ask to send GET/,
    ],
    [
      'when the lock has another manifest',
      trust(),
      signed,
      [{ ...asked, manifest: digest('f') }],
      /another digest or manifest/,
    ],
    [
      'when it asks for more than its entry',
      trust(),
      signed,
      [{ ...asked, capabilities: ['http'] }],
      /asks for more than its entry in plugins\.lock\n {2}new: may ask to send GET/,
    ],
    [
      'when it may grow further than its entry',
      trust(),
      signed,
      [{ ...asked, limits: { memoryPages: 8, tableEntries: 10 } }],
      /more: memory up to 16 pages instead of 8/,
    ],
    [
      'when the lock has another signer',
      trust(),
      signed,
      [{ ...asked, signer: { key: digest('9') } }],
      /with another signer/,
    ],
    [
      'when the lock has a signer and nobody signed',
      trust({ unsigned: 'allow' }),
      { kind: 'none' },
      [{ ...asked, signer: by }],
      /with another signer/,
    ],
    [
      'when the lock has a person and a key signed',
      trust(),
      signed,
      [{ ...asked, signer: { issuer: 'i', identity: 'x' } }],
      /with another signer/,
    ],
    [
      'when the same bytes are locked under another name',
      trust(),
      signed,
      [{ ...asked, name: 'q' }],
      /does not have it/,
    ],
  ])('%s', (_, policy, seen, entries, says) => {
    const judged = judge(policy, seen, lockOf(...entries));
    expect(judged).toMatchObject({ ok: false });
    if (judged.ok) return;
    expect(judged.error).toMatch(/^p 1\.2\.0 is not loaded: /);
    expect(judged.error).toMatch(says);
  });
});

test('what changes between two entries is said both ways', () => {
  const now = { ...asked, capabilities: ['http', 'method:POST', 'secret:token', 'change:ban', 'start', 'import:x.y'] };
  expect(growth(asked, now)).toEqual([
    'new: may ask to send POST',
    'new: wants the secret token to ride with its requests',
    'new: its action ban changes something outside',
    'new: runs code of its own before any call (in the cell, under the deadline of the call)',
    'new: uses x.y of the host',
  ]);
  expect(shrinkage(asked, now)).toEqual(['no more: may ask to send GET']);
});

test('an entry takes the place of that of its name, and the order is always the same', () => {
  const [a, b] = [
    { ...asked, name: 'a' },
    { ...asked, name: 'b' },
  ];
  const lock = lockWith(lockOf(b), [a]);
  expect(lock.plugins.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(lockWith(lock, [{ ...a, digest: digest('0') }]).plugins.map((one) => one.digest[7])).toEqual(['0', 'a']);
});
