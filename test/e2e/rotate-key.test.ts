import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { apiOf, cloudEvent, verifyExport } from '../support/api.ts';
import { type KernelProcess, startKernelProcess } from '../support/kernel-process.ts';
import {
  activatePlaybook,
  type KernelFolder,
  makeKernelFolder,
  prepareKernel,
  ruleFor,
  tokensFor,
} from '../support/org-files.ts';
import { startEcho } from './echo-upstream.ts';

const ORG = 'acme';
const MAIN = join(import.meta.dirname, '../../kernel/main.ts');
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** `node kernel/main.ts --config FILE --rotate-secret-key`, to its end. */
function rotate(config: string, env: Record<string, string> = {}): Promise<{ code: number | null; said: string }> {
  const args = [MAIN, '--config', config, '--rotate-secret-key'];
  const child = spawn(process.execPath, args, { env: { PATH: process.env['PATH'] ?? '', ...env } });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      said += chunk;
    });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })));
}

const PLAYBOOK = `
apiVersion: interlock/v1
kind: Playbook
name: ask
title: Ask
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /path, operator: notEqual, value: "" } }]
inputs: { path: /path }
steps: [{ id: look, type: enrich, uses: http-json/get, with: { url: "{{ inputs.path }}" } }]
`;

async function world() {
  const echo = await startEcho();
  open.push(echo.close);
  const secret = { name: 'api-key', header: 'x-api-key', format: '{}' };
  const rules = [ruleFor(echo.url, { pathPrefix: '/key', secret })];
  const folder: KernelFolder = await makeKernelFolder('rotate', [
    { id: ORG, plugins: ['http-json'], egress: [{ plugin: 'http-json', rules }] },
  ]);
  open.push(folder.remove);
  return { echo, folder };
}

/** Starts the kernel, lets a step ask with the secret, and ends. */
async function ask(folder: KernelFolder, url: string, token: string, n: number, env = {}): Promise<string> {
  const kernel: KernelProcess = startKernelProcess(folder.config, { env });
  open.push(() => kernel.end());
  const api = apiOf(await kernel.listening, ORG, token);
  const answer = await api.publish(cloudEvent(`n${n}`, { path: `${url}/key/forms` }));
  const id = answer.data.events[0]?.triggers.find((one) => one.run)?.run ?? '';
  const { data } = await api.run(id, '20s');
  const { records } = await verifyExport(api, join(folder.path, `export-${n}`));
  expect(records().filter(({ kind }) => kind === 'secret.rekeyed')).toHaveLength(n);
  const busy = await rotate(folder.config);
  expect(busy).toMatchObject({ code: 2, said: expect.stringContaining('stop it first') });
  await kernel.end('SIGTERM');
  return data.state;
}

describe('the key of the secret store', () => {
  it('is rotated by a command while the kernel is stopped, and what was stored is used as before', {
    timeout: 60_000,
  }, async () => {
    const { echo, folder } = await world();
    const value = randomBytes(16).toString('hex');
    let token = '';
    await prepareKernel(folder, async (prepared) => {
      await activatePlaybook(prepared, ORG, PLAYBOOK);
      token = (await tokensFor(prepared, ORG, { all: ['operator', 'admin', 'auditor'] }))['all'] ?? '';
    });
    const kernel = startKernelProcess(folder.config);
    open.push(() => kernel.end());
    expect((await apiOf(await kernel.listening, ORG, token).put('/secrets/api-key', { value })).status).toBe(200);
    await kernel.end('SIGTERM');
    const keyFile = join(folder.data, 'secret.key');
    const old = await readFile(keyFile, 'utf8');
    const done = await rotate(folder.config);
    expect(done).toEqual({
      code: 0,
      said: `interlock: 1 secret is sealed under a new key, which is in ${keyFile}; the old one opens nothing any more\n`,
    });
    expect(await readFile(keyFile, 'utf8')).not.toBe(old);
    expect(await ask(folder, echo.url, token, 1)).toBe('completed');
    expect(echo.received.get('/key/forms')).toContain(value);
    const env = { INTERLOCK_SECRET_KEY: (await readFile(keyFile, 'utf8')).trim() };
    const next = randomBytes(32).toString('base64');
    expect(await rotate(folder.config, env)).toMatchObject({
      code: 2,
      said: expect.stringContaining('INTERLOCK_SECRET_KEY_NEXT'),
    });
    expect(await rotate(folder.config, { ...env, INTERLOCK_SECRET_KEY_NEXT: next })).toMatchObject({ code: 0 });
    expect(await ask(folder, echo.url, token, 2, { INTERLOCK_SECRET_KEY: next })).toBe('completed');
    const stale = startKernelProcess(folder.config, { env });
    await expect(stale.listening).rejects.toThrow('sealed under another key');
  });
});
