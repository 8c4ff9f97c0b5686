import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OrgId } from '../../base/id.ts';
import type { SecretLease, SecretSource } from '../../port/secret-source.ts';
import { loadSecretKey } from './key.ts';
import { seal } from './secret-box.ts';
import { openSecretStore } from './secret-store.ts';

const acme = 'acme' as OrgId;
const globex = 'globex' as OrgId;
const step = { run: 'run_1', step: 'ban' };
const VALUE = 'correct-horse-battery-staple';

let folder: string;
let file: string;
const key = randomBytes(32);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interlock-secret-'));
  file = join(folder, 'secrets.json');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function openStore(with_: Uint8Array = key): Promise<SecretSource> {
  const opened = await openSecretStore({ file, key: with_ });
  if (!opened.ok) throw new Error(opened.error);
  return opened.value;
}
async function leaseOf(store: SecretSource, org: OrgId, name: string): Promise<SecretLease> {
  const leased = await store.lease(org, name, step);
  if (!leased.ok) throw new Error(leased.error);
  return leased.value;
}
const reveal = async (store: SecretSource, org: OrgId, name: string) => (await leaseOf(store, org, name)).reveal();

describe('what is put', () => {
  it('is leased again, also after the store was opened anew', async () => {
    await (await openStore()).put(acme, 'api-key', VALUE);
    expect(await reveal(await openStore(), acme, 'api-key')).toBe(VALUE);
  });

  it('belongs to one org', async () => {
    const store = await openStore();
    await store.put(acme, 'api-key', VALUE);
    await store.put(globex, 'api-key', 'another-value');
    expect(await reveal(store, acme, 'api-key')).toBe(VALUE);
    expect(await store.list(globex)).toMatchObject([{ name: 'api-key' }]);
    expect(await store.remove(globex, 'api-key')).toBe(true);
    expect(await store.lease(globex, 'api-key', step)).toEqual({ ok: false, error: 'unknown' });
    expect(await reveal(store, acme, 'api-key')).toBe(VALUE);
  });

  it('is replaced, listed by name and date without its value, and removed', async () => {
    let now = Date.parse('2030-01-01T00:00:00Z');
    const opened = await openSecretStore({ file, key, now: () => now });
    if (!opened.ok) throw new Error(opened.error);
    const store = opened.value;
    await store.put(acme, 'b-key', 'first-value');
    now += 1_000;
    await store.put(acme, 'a-key', 'other-value');
    await store.put(acme, 'b-key', 'second-value');
    expect(await store.list(acme)).toEqual([
      { name: 'a-key', updatedAt: '2030-01-01T00:00:01.000Z' },
      { name: 'b-key', updatedAt: '2030-01-01T00:00:01.000Z' },
    ]);
    expect(await reveal(store, acme, 'b-key')).toBe('second-value');
    expect([await store.remove(acme, 'b-key'), await store.remove(acme, 'b-key')]).toEqual([true, false]);
    expect(await (await openStore()).list(acme)).toMatchObject([{ name: 'a-key' }]);
  });

  it('is known to its org as it is now, as one list until something changes', async () => {
    const store = await openStore();
    const known = async (org: OrgId) => {
      const read = await store.known(org);
      return read.ok ? read.value : [];
    };
    const values = async (org: OrgId) => (await known(org)).map((one) => `${one.name}=${one.reveal()}`);
    expect(await values(acme)).toEqual([]);
    await store.put(acme, 'api-key', 'first-value');
    await store.put(globex, 'api-key', 'foreign-value');
    const first = await known(acme);
    expect(await values(acme)).toEqual(['api-key=first-value']);
    await store.put(globex, 'more', 'foreign-value');
    expect(await known(acme)).toBe(first);
    expect(inspect(first) + JSON.stringify(first)).not.toContain('first-value');
    await store.put(acme, 'api-key', 'second-value');
    expect(await values(acme)).toEqual(['api-key=second-value']);
    const [kept] = await known(acme);
    await store.put(acme, 'other-key', 'another-value');
    // What did not change is the same object: what was made of it need not be made again.
    expect((await known(acme)).find(({ name }) => name === 'api-key')).toBe(kept);
    await store.remove(acme, 'other-key');
    await store.remove(acme, 'api-key');
    expect(await values(acme)).toEqual([]);
    expect(await values(globex)).toEqual(['api-key=foreign-value', 'more=foreign-value']);
  });

  it('by many writers at once is all there', async () => {
    const store = await openStore();
    const names = Array.from({ length: 20 }, (_, i) => `key-${i}`);
    await Promise.all(names.map((name) => store.put(acme, name, `value-of-${name}`)));
    const again = await openStore();
    expect(await Promise.all(names.map((name) => reveal(again, acme, name)))).toEqual(
      names.map((name) => `value-of-${name}`),
    );
  });

  it.each([
    ['a short value', 'api-key', 'hunter2', /shorter than 8/],
    ['a line break', 'api-key', `${VALUE}\n`, /line break/],
    ['a name that is no name', 'Api Key', VALUE, /name/],
  ])('%s is not stored, and the error does not hold it', async (_, name, value, text) => {
    const store = await openStore();
    const error = await store.put(acme, name, value).catch((thrown: Error) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toMatch(text);
    expect(String(error)).not.toContain(value);
    expect(await store.list(acme)).toEqual([]);
  });

  it('is not there when the disk refused it, and the next write works', async () => {
    const store = await openStore();
    await rm(folder, { recursive: true });
    await expect(store.put(acme, 'api-key', VALUE)).rejects.toThrow();
    expect(await store.list(acme)).toEqual([]);
    expect(await store.lease(acme, 'api-key', step)).toEqual({ ok: false, error: 'unknown' });
  });
});

describe('the file', () => {
  it('is private, holds no value in any plain form, and leaves nothing beside it', async () => {
    const store = await openStore();
    await store.put(acme, 'api-key', VALUE);
    const text = await readFile(file, 'utf8');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    for (const form of ['utf8', 'base64', 'hex'] as const)
      expect(text).not.toContain(Buffer.from(VALUE).toString(form));
    expect(await readdir(folder)).toEqual(['secrets.json']);
  });

  it('is replaced whole: a torn write of a crashed process is neither read nor kept', async () => {
    await (await openStore()).put(acme, 'api-key', VALUE);
    await writeFile(`${file}.new`, '{"format":"interlock/sec');
    const store = await openStore();
    await store.put(acme, 'b-key', VALUE);
    expect(await readdir(folder)).toEqual(['secrets.json']);
  });

  it('is not written through a link that waits in its place', async () => {
    const store = await openStore();
    const bait = join(folder, 'bait');
    await writeFile(bait, 'untouched');
    await symlink(bait, `${file}.new`);
    await store.put(acme, 'api-key', VALUE);
    expect(await readFile(bait, 'utf8')).toBe('untouched');
  });

  it('does not open with another key, and says so', async () => {
    await openStore();
    const opened = await openSecretStore({ file, key: randomBytes(32) });
    expect(opened).toEqual({ ok: false, error: expect.stringContaining('another key') });
  });

  it('does not open when others can read it, and says what to run', async () => {
    await openStore();
    await chmod(file, 0o640);
    expect(await openSecretStore({ file, key })).toEqual({
      ok: false,
      error: expect.stringContaining(`chmod 600 ${file}`),
    });
  });

  it.each([
    '',
    'null',
    '[]',
    '{}',
    '{"format":"interlock/secrets/v1"}',
    '{"format":"interlock/secrets/v9","entries":[]}',
  ])('does not open when it is damaged: %j', async (text) => {
    await writeFile(file, text, { mode: 0o600 });
    expect(await openSecretStore({ file, key })).toEqual({ ok: false, error: expect.stringContaining('damaged') });
  });

  it('does not open without its folder, or with a key of another length', async () => {
    expect((await openSecretStore({ file: join(folder, 'no', 'secrets.json'), key })).ok).toBe(false);
    expect((await openSecretStore({ file, key: new Uint8Array(16) })).ok).toBe(false);
  });

  it('that someone edited gives nothing: not moved, renamed, turned back, taken out, brought back or changed', async () => {
    const store = await openStore();
    await store.put(acme, 'api-key', VALUE);
    await store.put(acme, 'removed-key', 'a-value-that-was-removed');
    const before = JSON.parse(await readFile(file, 'utf8'));
    await store.put(acme, 'api-key', 'the-newer-value');
    await store.remove(acme, 'removed-key');
    await store.put(globex, 'api-key', 'a-value-of-globex');
    const original = await readFile(file, 'utf8');
    type Edited = { serial: number; entries: { [key: string]: unknown }[] };
    const edits: Readonly<Record<string, (document: Edited) => void>> = {
      'boxes swapped': ({ entries: [first, second] }) => {
        if (first && second) [first['box'], second['box']] = [second['box'], first['box']];
      },
      'orgs swapped': ({ entries: [first, second] }) => {
        if (first && second) [first['org'], second['org']] = [second['org'], first['org']];
      },
      'another version': ({ entries: [first] }) => {
        if (first) first['version'] = 7;
      },
      'a former box': ({ entries: [first] }) => {
        if (first) first['box'] = before.entries[0].box;
      },
      'a former entry': ({ entries }) => void entries.splice(0, 1, before.entries[0]),
      'a former entry beside the new one': ({ entries }) => void entries.unshift(before.entries[0]),
      'a removed entry': ({ entries }) => void entries.push(before.entries[1]),
      'no entry': ({ entries }) => void entries.pop(),
      'another date': ({ entries: [first] }) => {
        if (first) first['updatedAt'] = '2020-01-01T00:00:00.000Z';
      },
      'a box with other bits': ({ entries: [first] }) => {
        if (first) first['box'] = `${String(first['box']).slice(0, -8)}AAAAAAA=`;
      },
      'no box': ({ entries: [first] }) => {
        if (first) first['box'] = '';
      },
      'another serial': (document) => {
        document.serial -= 1;
      },
      'the seal of an earlier file': (document) => void Object.assign(document, { seal: before.seal }),
      'the form of before, with its entries': (document) => {
        Object.assign(document, { format: 'interlock/secrets/v1', seal: undefined });
        document.entries.push(before.entries[1]);
      },
    };
    for (const [name, change] of Object.entries(edits)) {
      const document = JSON.parse(original);
      change(document);
      await writeFile(file, JSON.stringify(document));
      const opened = await openSecretStore({ file, key });
      expect(opened, name).toEqual({ ok: false, error: expect.stringContaining('changed by something else') });
    }
  });

  it('of an earlier kernel opens, and is of the present form from then on', async () => {
    const entry = { org: acme, name: 'api-key', version: 1, updatedAt: '2030-01-01T00:00:00.000Z' };
    const box = seal(key, [acme, 'api-key', '1'], Buffer.from(VALUE));
    const check = seal(key, ['check'], Buffer.from('this key opens this file'));
    const former = { format: 'interlock/secrets/v1', check, serial: 1, entries: [{ ...entry, box }] };
    await writeFile(file, JSON.stringify(former), { mode: 0o600 });
    expect(await reveal(await openStore(), acme, 'api-key')).toBe(VALUE);
    expect(await readFile(file, 'utf8')).toContain('interlock/secrets/v2');
    expect(await reveal(await openStore(), acme, 'api-key')).toBe(VALUE);
  });
});

describe('a lease', () => {
  it('ends: nothing is revealed after it, twice is once', async () => {
    const store = await openStore();
    await store.put(acme, 'api-key', VALUE);
    const lease = await leaseOf(store, acme, 'api-key');
    expect(lease.reveal()).toBe(VALUE);
    await lease.revoke();
    await lease.revoke();
    expect(() => lease.reveal()).toThrow('the lease of [secret:api-key] has ended');
    expect(await reveal(store, acme, 'api-key')).toBe(VALUE);
  });

  it('does not end with another lease of the same secret', async () => {
    const store = await openStore();
    await store.put(acme, 'api-key', VALUE);
    const [one, other] = [await leaseOf(store, acme, 'api-key'), await leaseOf(store, acme, 'api-key')];
    await one.revoke();
    expect(other.reveal()).toBe(VALUE);
  });

  it('cannot be printed by accident', async () => {
    const store = await openStore();
    await store.put(acme, 'api-key', VALUE);
    const lease = await leaseOf(store, acme, 'api-key');
    const prints = [
      `${lease}`,
      String(lease),
      JSON.stringify({ lease }),
      inspect(lease, { depth: null, showHidden: true, getters: true }),
      inspect({ lease: [lease] }, { customInspect: false, depth: null, showHidden: true }),
      String(new Error(`failed with ${lease}`)),
      inspect(new Error('failed', { cause: lease })),
      JSON.stringify(Object.getOwnPropertyDescriptors(lease)),
      inspect(store, { depth: null, showHidden: true }),
      JSON.stringify(store),
    ].join('\n');
    expect(prints).toContain('[secret:api-key]');
    expect(prints).not.toContain(VALUE);
  });
});

describe('the key', () => {
  const text = key.toString('base64');
  const load = (part: Partial<Parameters<typeof loadSecretKey>[0]>) =>
    loadSecretKey({ env: undefined, file: undefined, generate: false, ...part });
  const keyFile = () => join(folder, 'secret.key');

  it('comes from the environment before the file', async () => {
    await writeFile(keyFile(), randomBytes(32).toString('base64'), { mode: 0o600 });
    expect(await load({ env: text, file: keyFile() })).toEqual({ ok: true, value: key });
  });

  it('comes from a private file', async () => {
    await writeFile(keyFile(), `${text}\n`, { mode: 0o600 });
    expect(await load({ file: keyFile() })).toEqual({ ok: true, value: key });
  });

  it('is made once when asked to, and is private', async () => {
    const made = await load({ file: keyFile(), generate: true });
    expect(made.ok && made.value.length).toBe(32);
    expect((await stat(keyFile())).mode & 0o777).toBe(0o600);
    expect(await load({ file: keyFile(), generate: true })).toEqual(made);
    expect(await load({ env: '', file: keyFile() })).toEqual(made);
  });

  it.each([
    ['short', randomBytes(16).toString('base64')],
    ['not base64', 'x'.repeat(44)],
    ['hex', key.toString('hex')],
    ['unpadded', text.slice(0, -1)],
  ])('in the environment that is %s is refused, never replaced by the file', async (_, env) => {
    await writeFile(keyFile(), text, { mode: 0o600 });
    expect(await load({ env, file: keyFile() })).toEqual({ ok: false, error: expect.stringContaining('openssl rand') });
  });

  it('file that others can read is refused', async () => {
    await writeFile(keyFile(), text, { mode: 0o600 });
    await chmod(keyFile(), 0o644);
    expect(await load({ file: keyFile() })).toEqual({ ok: false, error: expect.stringContaining('chmod 600') });
  });

  it('file that is missing or damaged is refused, and not made anew over a damaged one', async () => {
    expect(await load({ file: keyFile() })).toEqual({ ok: false, error: expect.stringContaining('does not exist') });
    await writeFile(keyFile(), 'damaged', { mode: 0o600 });
    expect((await load({ file: keyFile(), generate: true })).ok).toBe(false);
    expect(await readFile(keyFile(), 'utf8')).toBe('damaged');
    expect((await load({})).ok).toBe(false);
  });
});
