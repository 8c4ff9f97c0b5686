import { spawn, spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Double, data, openDouble } from './double.ts';
import { ENV, MAIN } from './run.ts';
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

/** @param keys typed once `prompt` is on the screen. */
async function atTerminal(args: readonly string[], prompt: string, keys: string) {
  const line = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn(SCRIPT, ['--quiet', '--return', '--flush', '--command', line, '/dev/null'], {
    env: { ...ENV, INTERLOCK_URL: server.url, NO_COLOR: '1', TERM: 'xterm' },
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

test.skipIf(!hasTerminal)('a secret that is typed is not shown', async () => {
  server.answers({ 'PUT /v1/orgs/acme/secrets/crowdsec-key': data({ name: 'crowdsec-key' }) });
  const ran = await atTerminal(['secret', 'set', 'crowdsec-key'], '(not shown): ', 'hunterr\u007f-2222\r');
  expect(ran.code).toBe(0);
  expect(ran.screen).not.toContain('unter');
  expect(JSON.parse(server.asked[0]?.body ?? '')).toEqual({ value: 'hunter-2222' });
});
