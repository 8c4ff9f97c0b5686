import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dieWithParent } from '../../kernel/adapter/extism/cell-command.ts';
import { buildPlugin } from '../../sdk/build/build-plugin.ts';
import { apiOf } from '../support/api.ts';

/** `npm start` as a reader runs it, on free ports and in a folder of its own. */
const ROOT = join(import.meta.dirname, '..', '..');
/** The stripped sources, kept between starts: most of the time of a start is theirs. */
const ENV = { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: join(tmpdir(), 'interlock-test-compiled') };
const FREE = ['--port', '0', '--firewall-port', '0', '--reputation-port', '0'];

function start(args: readonly string[]) {
  const [file = '', ...rest] = [...dieWithParent(), process.execPath, join(import.meta.dirname, 'start.ts'), ...args];
  const child = spawn(file, rest, { cwd: ROOT, env: ENV, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  const gone = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, out, err })),
  );
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString('utf8');
  });
  /** What it prints once it listens; rejects when it ends before. */
  const ready = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString('utf8');
      if (out.includes('Ctrl-C stops the kernel.')) resolve(out);
    });
    gone.then((ended) => reject(new Error(`it ended with ${ended.code}: ${ended.err}`)));
  });
  ready.catch(() => undefined);
  const end = (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return gone;
  };
  return { ready, gone, end };
}

type Started = ReturnType<typeof start>;

let folder: string;
const begun: Started[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interlock-start-'));
});
afterAll(async () => {
  await Promise.all(begun.map((one) => one.end('SIGKILL')));
  await rm(folder, { recursive: true, force: true });
});
const begin = (args: readonly string[]): Started => {
  const one = start(args);
  begun.push(one);
  return one;
};

/** What it tells its user: the address, the token, and commands to try. */
function toldBy(printed: string) {
  const [, url = ''] = /listening on (http:\S+)/.exec(printed) ?? [];
  const [, token = ''] = /token +(ilk_\S+)/.exec(printed) ?? [];
  return { url, token, commands: [...printed.matchAll(/^ {2}npx interlock (.+)$/gm)].map(([, text = '']) => text) };
}

/** A plugin that is built as its author builds it. @returns its folder. */
async function ownPlugin(): Promise<string> {
  const path = join(folder, 'my-own');
  await mkdir(path);
  const source = await readFile(join(ROOT, 'plugins/webhook/plugin.ts'), 'utf8');
  const manifest = await readFile(join(ROOT, 'plugins/webhook/manifest.json'), 'utf8');
  await writeFile(join(path, 'plugin.ts'), source.replace(/(?<=\bname: )'webhook'/, "'my-own'"));
  await writeFile(join(path, 'manifest.json'), JSON.stringify({ ...JSON.parse(manifest), name: 'my-own' }));
  const built = await buildPlugin(path);
  if (!built.ok) throw new Error(built.error.message);
  return path;
}

/** A command as it was printed, run by the command line of this checkout. */
function interlock(command: string): Promise<{ code: number | string; out: string; err: string }> {
  const args = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  return new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'sdk/cli/main.ts'), ...args], { cwd: ROOT, env: ENV }, (error, out, err) =>
      resolve({ code: error ? (error.code ?? 'killed') : 0, out, err }),
    );
  });
}

describe('npm start', () => {
  let first: ReturnType<typeof toldBy>;
  let run: string;

  test('prints an address that answers and a token that it knows', async () => {
    const started = begin([...FREE, '--folder', folder]);
    first = toldBy(await started.ready);
    const health = await fetch(`${first.url}/healthz`);
    expect([health.status, await health.json()]).toEqual([200, { data: { status: 'ok' } }]);
    const whoami = await apiOf(first.url, 'demo', first.token).ask('GET', '/v1/whoami');
    expect(whoami.data).toMatchObject({ org: 'demo', principal: 'operator' });
    expect(await readFile(join(folder, 'token'), 'utf8')).toBe(`${first.token}\n`);
    for (const name of ['token', 'token-approver', 'data/secret.key'])
      expect([name, (await stat(join(folder, name))).mode & 0o077]).toEqual([name, 0]);
  });

  test('prints commands that work as they stand', async () => {
    const [send = '', list = '', approve = '', runs = ''] = first.commands;
    const sent = await interlock(send);
    expect(sent).toMatchObject({ code: 0, err: '' });
    run = /run_[0-9a-f]{32}/.exec(sent.out)?.[0] ?? '';
    const api = apiOf(first.url, 'demo', first.token);
    let approval: string | undefined;
    while (approval === undefined) approval = (await api.run(run)).data.approvals[0]?.approval;
    expect((await interlock(list)).out).toContain(approval);
    // A terminal would be asked to confirm; here there is none.
    const approved = await interlock(`${approve.replace(' ID ', ` ${approval} `)} --yes`);
    expect(approved.code, approved.err).toBe(0);
    expect((await api.run(run, '15s')).data.state).toBe('completed');
    expect((await interlock(runs)).out).toContain(run);
  });

  test('a second one on the same folder says what runs where, and how to stop it or choose another place', async () => {
    const { code, out, err } = await begin([...FREE, '--folder', folder]).gone;
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(`it listens on ${first.url} (process `);
    expect(err).toMatch(/kill \d+\)\. For one beside it: npm start -- --port 0/);
    expect(err).toContain(folder);
  });

  test('ends with 0 on SIGTERM, and has everything again on the next start, and a plugin of its user beside', async () => {
    expect(await begun[0]?.end('SIGTERM')).toMatchObject({
      code: 0,
      err: expect.not.stringContaining('has no secret'),
    });
    await expect(fetch(`${first.url}/healthz`)).rejects.toThrow();
    const own = await ownPlugin();
    const again = begin([...FREE, '--folder', folder, '--plugin', own]);
    const second = toldBy(await again.ready);
    expect(second.token).toBe(first.token);
    const api = apiOf(second.url, 'demo', second.token);
    expect((await api.run(run)).data.state).toBe('completed');
    const installed = await api.ask('GET', '/v1/orgs/demo/plugins');
    const names = (installed.data as { name: string }[]).map(({ name }) => name);
    expect(names).toEqual(['edge-firewall', 'http-json', 'my-own', 'webhook']);
    expect(await again.end('SIGINT')).toMatchObject({ code: 0 });
  });
});

describe('what cannot be started', () => {
  const rows: [string, readonly string[], RegExp][] = [
    ['an option that is none', ['--prot', '1'], /Unknown option '--prot'; --help lists the options/],
    ['a port beyond the last', ['--firewall-port', '65536'], /--firewall-port must be a whole number from 0 to 65535/],
  ];
  test.each(rows)('%s', async (_, args, says) => {
    const { code, out, err } = await begin([...args, '--folder', join(folder, 'never')]).gone;
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(says);
    expect(err).not.toContain('    at ');
  });

  test.each(['--port', '--firewall-port', '--reputation-port'])('a port that is taken: %s', async (option) => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const others = FREE.map((arg, index) => (FREE[index - 1] === option ? `${port}` : arg));
    const { code, err } = await begin([...others, '--folder', join(folder, 'taken')]).gone;
    await new Promise((resolve) => taken.close(resolve));
    expect(code).toBe(2);
    expect(err).toMatch(new RegExp(`something else listens on 127\\.0\\.0\\.1:${port}\\b.* choose another port`));
    expect(err).toContain('npm start -- --port 0 --firewall-port 0');
  });
});
