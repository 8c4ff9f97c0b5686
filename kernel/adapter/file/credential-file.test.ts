import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Result } from '../../base/result.ts';
import { openCredentialFiles } from './credential-file.ts';

let folder: string;
let read: (file: string) => Promise<Result<string, string>>;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interlock-credential-'));
  await mkdir(at('data'));
  await mkdir(at('database'));
  const files = ['token', 'data/secret.key', 'database/token', 'own.key', 'shared'];
  for (const name of files) await writeFile(at(name), ' s3cret-credential\n', { mode: 0o600 });
  await writeFile(at('empty'), ' \n', { mode: 0o600 });
  await writeFile(at('large'), 'x'.repeat(65_537), { mode: 0o600 });
  await chmod(at('shared'), 0o640);
  await symlink(at('token'), at('link'));
  await symlink(at('data'), at('folder'));
  await symlink(at('own.key'), at('link-to-key'));
  execFileSync('mkfifo', ['-m', '600', at('pipe')]);
  read = openCredentialFiles([at('data'), at('own.key'), at('not-there')]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a file with what the kernel logs in with', () => {
  it.each(['token', 'link', 'database/token'])('%s is read, without white space around it', async (name) => {
    expect(await read(at(name))).toEqual({ ok: true, value: 's3cret-credential' });
  });

  it.each([
    ['that others can read', 'shared', /chmod 600/],
    ['that is not there', 'none', /cannot be read/],
    ['that is empty', 'empty', /is empty/],
    ['that is large', 'large', /larger than 65536 bytes/],
    ['that is a folder', 'database', /is no file/],
    ['of the data folder', 'data/secret.key', /belongs to the kernel/],
    ['of the data folder, by another way', 'folder/secret.key', /belongs to the kernel/],
    ['of the data folder, by a way of dots', 'database/../data/secret.key', /belongs to the kernel/],
    ['with the key of the secret store', 'own.key', /belongs to the kernel/],
    ['that leads to that key', 'link-to-key', /belongs to the kernel/],
  ])('%s is refused, and nothing of it is said', async (_, name, says) => {
    const answer = await read(at(name));
    expect(answer).toEqual({ ok: false, error: expect.stringMatching(says) });
    expect(JSON.stringify(answer)).not.toContain('s3cret');
  });

  it.runIf(process.platform === 'linux')('is never the environment of the kernel', async () => {
    for (const name of ['environ', 'auxv'])
      expect(await read(`/proc/self/${name}`)).toEqual({ ok: false, error: expect.stringContaining('is empty') });
    expect(await read(`/proc/self/root${at('data/secret.key')}`)).toMatchObject({ ok: false });
  });

  it('that is a pipe is refused, and holds up nobody', async () => {
    const answers = await Promise.all(Array.from({ length: 16 }, () => read(at('pipe'))));
    expect(new Set(answers.map((one) => !one.ok && one.error))).toEqual(new Set([`${at('pipe')} is no file`]));
  });
});
