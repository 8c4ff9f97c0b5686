import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lockFolder } from '../../kernel/adapter/file/folder-lock.ts';
import { readConfig } from '../../kernel/config.ts';
import { startKernel } from '../../kernel/main.ts';
import { startWorld, type World } from '../demo/world.ts';
import { blocksOf, ROOT, readDocument } from './documents.ts';
import { type ShellCommand, shellCommandsOf } from './shell.ts';

/**
 * The walk of the README, as a reader types it: every command of the blocks marked `walk`, in order, against a demo
 * world on free ports. What stands for an id is replaced by what the server says.
 */
let folder: string;
let world: World;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interlock-walk-'));
  world = await startWorld({ folder: join(folder, 'demo'), port: 0 });
});
afterAll(async () => {
  await world.stop();
  await rm(folder, { recursive: true, force: true });
});

type Ran = { readonly exit: number; readonly out: string; readonly err: string };

/** `npx` takes most of a second to find the command that is in this checkout. */
const NPX = `npx() { [ "$1" = interlock ] || { echo "the walk runs interlock only" >&2; return 99; }; shift; "$NODE" "$ROOT/sdk/cli/main.ts" "$@"; }`;

const shell = (script: string): Promise<Ran> =>
  new Promise((resolve) => {
    const env = {
      PATH: process.env.PATH ?? '',
      NODE: process.execPath,
      ROOT,
      INTERLOCK_URL: world.url,
      INTERLOCK_TOKEN_FILE: world.tokenFile('operator'),
    };
    execFile('bash', ['--norc', '-c', `${NPX}\n${script}`], { cwd: ROOT, env, timeout: 25_000 }, (error, out, err) =>
      resolve({ exit: error ? Number(error.code ?? 98) : 0, out, err }),
    );
  });

/** Asks until there is one: the run reaches its approval in its own time. */
async function firstOf(list: 'approvals' | 'runs', field: 'approval' | 'run'): Promise<string> {
  for (;;) {
    const headers = { authorization: `Bearer ${world.tokens['operator']}` };
    const answer = await fetch(`${world.url}/v1/orgs/demo/${list}`, { headers });
    const { data } = (await answer.json()) as { data: Record<string, string>[] };
    const found = data.at(-1)?.[field];
    if (found !== undefined) return found;
  }
}

async function ready({ text }: ShellCommand): Promise<string> {
  let command = text
    .replaceAll('.interlock/demo', join(folder, 'demo'))
    .replaceAll('.interlock/', `${folder}/`)
    .replaceAll('http://127.0.0.1:8485', world.firewall.url);
  // The reader types the name of the org; here is no terminal to ask at.
  if (text.startsWith('npx interlock approval approve ')) command += ' --yes';
  if (command.includes('apr_0123...')) command = command.replace('apr_0123...', await firstOf('approvals', 'approval'));
  if (command.includes('run_0123...')) command = command.replace('run_0123...', await firstOf('runs', 'run'));
  return command;
}

describe('the walk of the README', () => {
  const commands = blocksOf(readDocument('README.md'))
    .filter(({ marks }) => marks.includes('walk'))
    .flatMap(shellCommandsOf);
  const ran: (Ran & { readonly text: string })[] = [];
  const resultsOf = (start: string) => ran.filter(({ text }) => text.startsWith(start));

  test('is of some length', () => {
    expect(commands.length).toBeGreaterThan(14);
  });

  test.each(commands)('line $line: $text', async (command) => {
    const result = await shell(await ready(command));
    ran.push({ ...result, text: command.text });
    expect(result, result.err).toMatchObject({ exit: command.exit });
  });

  test('showed what it says', () => {
    const [sent, again] = resultsOf('npx interlock event send test/samples/falco-c2');
    expect(sent?.out).toMatch(/contain-c2\/c2-seen +matched +run_/);
    expect(again?.out).toContain('is known already; nothing changed');
    const [own, other] = resultsOf('npx interlock approval approve');
    expect(own?.err).toContain('Whoever caused the run does not decide on it.');
    expect(other?.out).toMatch(/is approved, 1 of 1/);
    expect(resultsOf('npx interlock trigger explain')[0]?.out).toMatch(/contain-c2\/c2-seen \(version \w+\): /);
    expect(resultsOf('npx interlock stop --reason')[0]?.out).toContain('is stopped: nothing is sent any more');
    expect(resultsOf('npx interlock run show')[0]?.out).toContain('completed');
    const { entries } = JSON.parse(resultsOf('curl')[0]?.out ?? '{}') as { entries: { effect: string; ip: string }[] };
    expect(entries.map(({ effect, ip }) => [effect, ip])).toEqual([['ban', '203.0.113.77']]);
    const [whole, forged] = resultsOf('npx interlock audit verify');
    expect(whole?.out).toMatch(/^valid/);
    expect(forged?.out).toMatch(/TAMPERED \(line \d+\): record \d+ was changed/);
    expect(resultsOf('npx interlock event send test/samples/falco-terminal')[0]?.out).toMatch(/run run_\w+ completed/);
    expect(resultsOf('npx interlock plugin build')[0]?.out).toMatch(/webhook +1\.0\.0 .* sha256:/);
  });
});

describe('docs/examples/secret-leases.ts', () => {
  const commands = blocksOf(readDocument('docs/audit-events.md'))
    .filter(({ language }) => language === 'sh')
    .flatMap(shellCommandsOf);
  const ask = (more: string) => shell(`"$NODE" docs/examples/secret-leases.ts ${folder}/leases ${more}`);
  const TIME = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;

  test('says of an export which secret went to which run and host, and when it was given back', async () => {
    expect(commands.length).toBe(3);
    let last = '';
    for (const command of commands) {
      const result = await shell(await ready(command));
      expect(result, result.err).toMatchObject({ exit: 0 });
      last = result.out;
    }
    const line = `${TIME}  edge-firewall-token  (run_\\w+) ban  rode to 127.0.0.1/authorization  ended ${TIME}`;
    const [, banned = ''] = new RegExp(`^${line}$`, 'm').exec(last) ?? [];
    expect(banned).toMatch(/^run_/);
    expect((await ask(`--run ${banned}`)).out).toMatch(new RegExp(`^(?:${line}\n)+$`));
    expect((await ask('--secret no-such-key')).out).toBe('');
  });

  test('tells a lease that was not given, that of a health check, and one without an end', async () => {
    const own = join(folder, 'told');
    await mkdir(own);
    const head = { actor: 'system:broker', ref: 'key', time: 0 };
    const check = { ...head, step: 'edge-firewall/auth' };
    const records = [
      { ...head, kind: 'secret.leased', run: 'run_1', step: 'ban' },
      { ...head, kind: 'secret.revoked', run: 'run_1', step: 'ban', outcome: 'not_lent' },
      { ...check, kind: 'secret.leased' },
      { ...check, kind: 'secret.used', ref: 'key/fw.test/x-key' },
      { ...check, kind: 'secret.revoked', outcome: 'failed', time: 1_000 },
      { ...head, kind: 'secret.leased', actor: 'system:outbox' },
    ];
    await writeFile(join(own, 'entries.ndjson'), records.map((one) => `${JSON.stringify(one)}\n`).join(''));
    const { out } = await shell(`"$NODE" docs/examples/secret-leases.ts ${own}`);
    expect(out.replaceAll('1970-01-01T00:00:00.000Z', 'T0')).toBe(
      'T0  key  run_1 ban  rode nowhere  was not lent\n' +
        'T0  key  health check edge-firewall/auth  rode to fw.test/x-key  failed 1970-01-01T00:00:01.000Z\n' +
        'T0  key  system:outbox  rode nowhere  has no end here: it goes on, or its kernel died\n',
    );
  });
});

describe('docs/examples/first-token.ts', () => {
  let home: string;
  let file: string;
  beforeAll(async () => {
    home = join(folder, 'own');
    file = join(home, 'interlock.json');
    await mkdir(home);
    const policy = (path: string) => join(ROOT, 'policies', path);
    const org = {
      id: 'acme',
      guardrails: policy('guardrails/baseline.rules.json'),
      approvals: policy('approval/matrix.json'),
      egress: policy('egress/demo.json'),
      trust: policy('trust/demo.json'),
    };
    const listen = { port: 0 };
    await writeFile(file, JSON.stringify({ apiVersion: 'interlock/config/v1', data: './data', listen, orgs: [org] }));
  });

  const make = (changed: Readonly<Record<string, string>> = {}) => {
    const given = {
      config: file,
      org: 'acme',
      principal: 'ann@acme.example',
      role: 'admin',
      out: join(home, 'ann.token'),
    };
    const words = Object.entries({ ...given, ...changed }).map(([name, value]) => `--${name} '${value}'`);
    return shell(`"$NODE" docs/examples/first-token.ts ${words.join(' ')}`);
  };

  test.each([
    ['a principal in upper case', { principal: 'Ann@acme.example' }, /^first-token: --principal takes lower-case/],
    ['a principal with a space', { principal: 'ann smith' }, /^first-token: --principal takes lower-case/],
    ['an unknown role', { role: 'boss' }, /^first-token: --role takes one of source, author/],
    ['an org that is not configured', { org: 'other' }, /^first-token: the configuration has no such org/],
    ['a folder that is not there', { out: '/nowhere/at/all/ann.token' }, /^first-token: the folder of --out is not/],
    ['an unknown option', { rule: 'admin' }, /^first-token: unknown option.* usage: /],
  ])('refuses %s in one line, before anything is made', async (_title, changed, message) => {
    const refused = await make(changed);
    expect(refused).toMatchObject({ exit: 2, out: '' });
    expect(refused.err).toMatch(message);
    expect(refused.err.trim().split('\n')).toHaveLength(1);
    expect(await readdir(home)).toEqual(['interlock.json']);
  });

  test('leaves no file behind when another kernel has the folder', async () => {
    await mkdir(join(home, 'data'));
    const lock = await lockFolder(join(home, 'data'));
    expect(lock.ok).toBe(true);
    expect(await make()).toMatchObject({
      exit: 2,
      err: expect.stringMatching(/^first-token: another kernel uses .*\n$/),
    });
    expect(await readdir(home)).not.toContain('ann.token');
    if (lock.ok) await lock.value.release();
  });

  test('makes a token that the kernel knows, and says where it is', async () => {
    const out = join(home, 'ann.token');
    expect(await make()).toEqual({
      exit: 0,
      out: `the token of ann@acme.example (admin) in org acme is in ${out}\n`,
      err: '',
    });
    const token = await readFile(out, 'utf8');
    expect(await make()).toMatchObject({ exit: 2, err: expect.stringContaining('is there already; name a new one') });
    expect(await readFile(out, 'utf8')).toBe(token);
    expect((await stat(out)).mode & 0o777).toBe(0o600);

    const config = await readConfig(file);
    const running = config.ok ? await startKernel(config.value) : config;
    if (!running.ok) throw new Error(running.error);
    expect(running.value.kernel.tokens.recognise(token.trim())).toEqual({
      org: 'acme',
      id: 'ann@acme.example',
      roles: ['admin'],
    });
    await running.value.stop();
  });
});
