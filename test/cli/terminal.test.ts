import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Double, data, openDouble } from './double.ts';
import { ENV, MAIN, TOKEN } from './run.ts';
import * as samples from './samples.ts';

/**
 * Questions are asked at a terminal only, so the command gets one here: `script` of util-linux makes it. Elsewhere (macOS
 * has another `script`) these tests are left out.
 */
vi.setConfig({ testTimeout: 30_000 });
const SCRIPT = 'script';
const hasTerminal = spawnSync(SCRIPT, ['--version']).stdout?.includes('util-linux') === true;

let server: Double;
beforeAll(async () => {
  server = await openDouble();
});
afterAll(() => server.close());

type SpawnOptions = { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string };

/** @param keys typed once `prompt` is on the screen. */
async function atTerminal(args: readonly string[], prompt: string, keys: string, options: SpawnOptions = {}) {
  const line = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn(SCRIPT, ['--quiet', '--return', '--flush', '--command', line, '/dev/null'], {
    env: { ...ENV, INTERLOCK_URL: server.url, NO_COLOR: '1', TERM: 'xterm', ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
  });
  let screen = '';
  let hasTyped = false;
  child.stdout.on('data', (chunk: Buffer) => {
    screen += chunk.toString('utf8');
    if (hasTyped || !screen.includes(prompt)) return;
    hasTyped = true;
    child.stdin.write(keys);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, screen };
}

const approvals = `/v1/orgs/acme/approvals/${samples.APPROVAL_ID}`;
const approve = ['approval', 'approve', samples.APPROVAL_ID, '--rationale', 'x'];

test.skipIf(!hasTerminal).each([
  ['the name of the org', 'acme\r', 0, 1],
  ['the name of another', 'globex\r', 1, 0],
  ['yes', 'y\r', 1, 0],
  ['nothing', '\u0004', 1, 0],
  ['Ctrl-C', '\u0003', 130, 0],
])('whoever decides types %s', async (_name, keys, code, votes) => {
  server.answers({
    [`GET ${approvals}`]: data(samples.approval),
    [`POST ${approvals}/votes`]: data(samples.voted('approve')),
  });
  const ran = await atTerminal(approve, 'Type the name of the org to approve: ', keys);
  expect(ran.code).toBe(code);
  expect(ran.screen).toContain('▄▀▄ ▄▀▀ █▄█ █▀▀');
  expect(server.asked.filter(({ method }) => method === 'POST')).toHaveLength(votes);
});

test.skipIf(!hasTerminal)('a person is told once that the token of the demo is used', async () => {
  server.answers({ 'GET /v1/whoami': data(samples.whoami) });
  const cwd = await mkdtemp(join(tmpdir(), 'interlock-terminal-'));
  const demo = join(cwd, '.interlock', 'demo');
  await mkdir(demo, { recursive: true });
  await writeFile(join(demo, 'token'), TOKEN, { mode: 0o600 });
  await writeFile(join(demo, 'running.json'), JSON.stringify({ url: server.url, pid: 1 }));
  const ran = await atTerminal(['whoami'], 'never', '', { cwd, env: { INTERLOCK_TOKEN: '' } });
  await rm(cwd, { recursive: true });
  expect(ran.code).toBe(0);
  expect(ran.screen.match(/using the demo token \(org acme\)/g)).toHaveLength(1);
});

test.skipIf(!hasTerminal)('a secret that is typed is not shown', async () => {
  server.answers({ 'PUT /v1/orgs/acme/secrets/crowdsec-key': data({ name: 'crowdsec-key' }) });
  const ran = await atTerminal(['secret', 'set', 'crowdsec-key'], '(not shown): ', 'hunterr\u007f-2222\r');
  expect(ran.code).toBe(0);
  expect(ran.screen).not.toContain('unter');
  expect(JSON.parse(server.asked[0]?.body ?? '')).toEqual({ value: 'hunter-2222' });
});

test.skipIf(!hasTerminal)('a picture is a table of the steps at a terminal', async () => {
  server.answers({ [`GET /v1/orgs/acme/runs/${samples.RUN_ID}/graph`]: data(samples.drawn) });
  const ran = await atTerminal(['run', 'graph', samples.RUN_ID], '-', '');
  expect(ran.code).toBe(0);
  expect(ran.screen).toMatch(/STEP +STATE +LEADS TO +DOES/);
  expect(ran.screen).toContain('=> each (score > 70), -> end (else)');
});
