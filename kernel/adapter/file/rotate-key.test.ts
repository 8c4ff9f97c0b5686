import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OrgId } from '../../base/id.ts';
import { createFile, moveFile, replaceFile } from './durable-file.ts';
import { loadSecretKey } from './key.ts';
import { type Disk, rotateSecretKey, settleKeyFile } from './rotate-key.ts';
import { openSecretStore } from './secret-store.ts';

const SECRETS = [
  ['acme', 'api-key', 'the-first-secret-value'],
  ['acme', 'other-key', 'the-second-secret-value'],
  ['globex', 'api-key', 'a-secret-of-another-org'],
] as const;

let folder: string;
let file: string;
let keyFile: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interlock-rotate-'));
  file = join(folder, 'secrets.json');
  keyFile = join(folder, 'secret.key');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const newKey = () => randomBytes(32).toString('base64');
/** As the kernel starts. */
async function start(env?: string) {
  if (env === undefined) {
    const settled = await settleKeyFile({ file, keyFile });
    if (!settled.ok) return settled;
  }
  const key = await loadSecretKey({ env, file: keyFile, generate: true });
  return key.ok ? openSecretStore({ file, key: key.value }) : key;
}
async function fill(env?: string) {
  const store = await start(env);
  if (!store.ok) throw new Error(store.error);
  for (const [org, name, value] of SECRETS) await store.value.put(org as OrgId, name, value);
}
async function valuesOf(env?: string): Promise<string[]> {
  const store = await start(env);
  if (!store.ok) throw new Error(store.error);
  const values: string[] = [];
  for (const [org, name] of SECRETS) {
    const lease = await store.value.lease(org as OrgId, name, { run: 'r', step: 's' });
    values.push(lease.ok ? lease.value.reveal() : lease.error);
  }
  return values;
}
const VALUES = SECRETS.map(([, , value]) => value);
const rotate = (part: { env?: string; envNext?: string; disk?: Disk } = {}) =>
  rotateSecretKey({ file, keyFile, env: part.env, envNext: part.envNext, ...(part.disk && { disk: part.disk }) });

/** Breaks off before or after its nth write. */
function diskThatEnds(at: number, when: 'before' | 'after'): Disk {
  let writes = 0;
  const guard =
    <Args extends readonly string[]>(write: (...args: Args) => Promise<void>) =>
    async (...args: Args) => {
      writes += 1;
      if (writes === at && when === 'before') throw new Error('cut off');
      await write(...args);
      if (writes === at) throw new Error('cut off');
    };
  return { createFile: guard(createFile), replaceFile: guard(replaceFile), moveFile: guard(moveFile) };
}

describe('a key in a file', () => {
  it('is replaced: everything opens with the new one, nothing with the old one', async () => {
    await fill();
    const old = await readFile(keyFile, 'utf8');
    const before = await readFile(file, 'utf8');
    const done = await rotate();
    expect(done.ok && done.value).toContain('3 secrets are sealed under a new key');
    expect(await readFile(keyFile, 'utf8')).not.toBe(old);
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
    expect(await valuesOf()).toEqual(VALUES);
    expect((await readdir(folder)).sort()).toEqual(['secret.key', 'secrets.json']);
    const underOld = await openSecretStore({ file, key: Buffer.from(old, 'base64') });
    expect(underOld).toEqual({ ok: false, error: expect.stringContaining('another key') });
    for (const { box } of JSON.parse(before).entries) expect(await readFile(file, 'utf8')).not.toContain(box);
  });

  const POINTS = [1, 2, 3].flatMap((at) => (['before', 'after'] as const).map((when) => [when, at] as const));
  it.each(POINTS)(
    'that was cut off %s write %d: the next start has every secret, and so has the next try',
    async (when, at) => {
      await fill();
      const old = await readFile(keyFile, 'utf8');
      expect((await rotate({ disk: diskThatEnds(at, when) })).ok).toBe(false);
      expect(await valuesOf()).toEqual(VALUES);
      expect((await readdir(folder)).sort()).toEqual(['secret.key', 'secrets.json']);
      // Whether it counts: from the moment at which the file was replaced.
      const isDone = at === 3 || (at === 2 && when === 'after');
      expect((await readFile(keyFile, 'utf8')) === old).toBe(!isDone);
      expect((await rotate()).ok).toBe(true);
      expect(await valuesOf()).toEqual(VALUES);
    },
  );

  it.each(POINTS)('that was cut off %s write %d, and once more by the next try, loses nothing', async (when, at) => {
    await fill();
    await rotate({ disk: diskThatEnds(at, when) });
    for (let again = 1; again <= 4; again++) await rotate({ disk: diskThatEnds(again, 'after') });
    expect(await valuesOf()).toEqual(VALUES);
  });

  it('of which a torn copy is left over is still the old one', async () => {
    await fill();
    await writeFile(`${keyFile}.next`, 'c29tZSBieXRl', { mode: 0o600 });
    expect(await valuesOf()).toEqual(VALUES);
    expect(await readdir(folder)).not.toContain('secret.key.next');
  });

  it('of which neither copy opens the secrets is not guessed at', async () => {
    await fill();
    await writeFile(keyFile, newKey());
    await writeFile(`${keyFile}.next`, newKey(), { mode: 0o600 });
    expect(await start()).toEqual({ ok: false, error: expect.stringContaining('neither') });
    expect((await readdir(folder)).sort()).toEqual(['secret.key', 'secret.key.next', 'secrets.json']);
  });

  it('stays when somebody edited the secrets: one would be lost', async () => {
    await fill();
    const document = JSON.parse(await readFile(file, 'utf8'));
    document.entries[1].box = document.entries[0].box;
    await writeFile(file, JSON.stringify(document));
    const [key, secrets] = [await readFile(keyFile, 'utf8'), await readFile(file, 'utf8')];
    expect(await rotate()).toEqual({ ok: false, error: expect.stringContaining('changed by something else') });
    expect([await readFile(keyFile, 'utf8'), await readFile(file, 'utf8')]).toEqual([key, secrets]);
  });

  it('is not made where there is none, nor where others can read it', async () => {
    expect((await rotate()).ok).toBe(false);
    expect(await readdir(folder)).toEqual([]);
    await fill();
    await chmod(keyFile, 0o644);
    expect(await rotate()).toEqual({ ok: false, error: expect.stringContaining('chmod 600') });
  });
});

describe('a key in the environment', () => {
  it('is replaced by the next one, which is told; a second time changes nothing', async () => {
    const [env, envNext] = [newKey(), newKey()];
    await fill(env);
    const done = await rotate({ env, envNext });
    expect(done.ok && done.value).toContain('INTERLOCK_SECRET_KEY_NEXT');
    expect(await valuesOf(envNext)).toEqual(VALUES);
    expect(await start(env)).toEqual({ ok: false, error: expect.stringContaining('another key') });
    const text = await readFile(file, 'utf8');
    expect(await rotate({ env, envNext })).toEqual({ ok: true, value: expect.stringContaining('already') });
    expect(await readFile(file, 'utf8')).toBe(text);
    expect(await readdir(folder)).toEqual(['secrets.json']);
  });

  it.each(['before', 'after'] as const)('that was cut off %s its write opens with one of both', async (when) => {
    const [env, envNext] = [newKey(), newKey()];
    await fill(env);
    await rotate({ env, envNext, disk: diskThatEnds(1, when) });
    expect(await valuesOf(when === 'before' ? env : envNext)).toEqual(VALUES);
    expect((await rotate({ env, envNext })).ok).toBe(true);
    expect(await valuesOf(envNext)).toEqual(VALUES);
  });

  it('needs the next one, and one that is a key', async () => {
    const env = newKey();
    await fill(env);
    expect(await rotate({ env })).toEqual({ ok: false, error: expect.stringContaining('openssl rand') });
    expect(await rotate({ env, envNext: 'short' })).toEqual({
      ok: false,
      error: expect.stringMatching(/^INTERLOCK_SECRET_KEY_NEXT is not/),
    });
    expect(await rotate({ envNext: newKey() })).toEqual({ ok: false, error: expect.stringContaining('goes with') });
    expect(await rotate({ env: newKey(), envNext: newKey() })).toEqual({
      ok: false,
      error: expect.stringContaining('another key'),
    });
  });
});
