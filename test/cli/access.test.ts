import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createProgram } from '../../sdk/cli/program.ts';
import { type Double, data, openDouble, problem } from './double.ts';
import { interlock, type RunOptions, SECRET, TOKEN } from './run.ts';
import * as samples from './samples.ts';

/** Whom the command speaks as, to whom, and what it never shows. Against a double of the API. */
vi.setConfig({ testTimeout: 30_000 });

let server: Double;
let root = '';
beforeAll(async () => {
  server = await openDouble();
  root = await mkdtemp(join(tmpdir(), 'interlock-cli-'));
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true });
});
beforeEach(() => server.answers({ 'GET /v1/whoami': data(samples.whoami) }));

const run = (args: readonly string[], options: RunOptions = {}) => interlock(args, { url: server.url, ...options });
const NO_TOKEN = { INTERLOCK_TOKEN: '' };

let files = 0;
async function tokenFile(content: string, mode = 0o600): Promise<string> {
  const path = join(root, `token-${files++}`);
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
}

describe('the token', () => {
  const other = TOKEN.replace('acme', 'globex');

  test('comes from a file; the one on the command line wins, and one that others may read is warned of', async () => {
    const file = await tokenFile(`${TOKEN}\n`, 0o644);
    const env = { INTERLOCK_TOKEN: other, INTERLOCK_TOKEN_FILE: await tokenFile(other) };
    const ran = await run(['whoami', '--token-file', file], { env });
    expect(ran.code).toBe(0);
    expect(server.asked[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(ran.stderr).toContain('chmod 600');
  });

  test('comes from the file that the environment names', async () => {
    const ran = await run(['whoami'], { env: { ...NO_TOKEN, INTERLOCK_TOKEN_FILE: await tokenFile(TOKEN) } });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(server.asked[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
  });

  test('is that of the demo when there is no other, and only for the address that the demo wrote beside it', async () => {
    const below = join(root, 'work', 'deep', 'down');
    const demo = join(root, 'work', '.interlock', 'demo');
    await mkdir(below, { recursive: true });
    await mkdir(demo, { recursive: true });
    await writeFile(join(demo, 'token'), TOKEN, { mode: 0o600 });
    const ended = await run(['whoami'], { env: NO_TOKEN, cwd: below });
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toContain('the demo is not running');

    await writeFile(join(demo, 'running.json'), JSON.stringify({ url: server.url, pid: 1 }));
    const here = await run(['whoami', '--json'], { env: NO_TOKEN, cwd: below });
    // No terminal, so no word about which token that is.
    expect(here).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(here.stdout)).toEqual(samples.whoami);

    server.answers({});
    const elsewhere = ['https://192.0.2.1', server.url.replace('127.0.0.1', 'localhost'), 'http://127.0.0.1:1'];
    for (const url of elsewhere) {
      const away = await run(['whoami', '--url', url], { env: NO_TOKEN, cwd: below });
      expect(away).toMatchObject({ code: 2, stdout: '' });
      expect(away.stderr).toContain(`the token of the demo goes to its own address alone, ${server.url}.`);
    }
    expect(server.asked).toEqual([]);
  });

  test.each<[string, readonly string[], string]>([
    ['no token at all', [], 'npm start'],
    ['a file that is not there', ['--token-file', '/nowhere/token'], 'does not exist'],
    ['a folder', ['--token-file', '.'], 'is not a file'],
    [
      '--org of another org',
      ['--org', 'globex', '--token-file', 'TOKEN'],
      'the token is for the org acme, not for globex',
    ],
    ['something else than a token', ['--token-file', 'JUNK'], 'is not an access token'],
    ['an address that is none', ['--token-file', 'TOKEN', '--url', 'localhost:8484'], 'must look like http://'],
    [
      'an address with a password',
      ['--token-file', 'TOKEN', '--url', `http://a:${SECRET}@h`],
      'more than scheme, host',
    ],
  ])('%s: says so, and nothing is sent', async (_name, args, text) => {
    const named = { TOKEN: await tokenFile(TOKEN), JUNK: await tokenFile(`x${SECRET}`) };
    const given = args.map((arg) => (Object.hasOwn(named, arg) ? named[arg as keyof typeof named] : arg));
    const ran = await run(['whoami', ...given], { env: NO_TOKEN, cwd: root });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(text);
    expect(server.asked).toEqual([]);
  });
});

describe('usage', () => {
  test('without a command: help on stderr, and not fine', async () => {
    const ran = await run([]);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('Usage: interlock');
  });

  test('--help and --version are answers', async () => {
    const help = await run(['run', 'show', '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('--wait <duration>');
    const version = await run(['--version'], { env: NO_TOKEN });
    expect(version).toMatchObject({ code: 0, stderr: '' });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('every command teaches with examples, and every example is a command that there is', () => {
    const program = createProgram();
    const pages: string[] = [];
    const walk = (command: typeof program) => {
      let page = '';
      command.configureOutput({ writeOut: (text) => (page += text) });
      command.outputHelp();
      pages.push(page);
      command.commands.forEach(walk);
    };
    walk(program);
    expect(pages.length).toBeGreaterThan(25);
    for (const page of pages) expect(page).toContain('\nExamples:\n  $ ');
    const examples = pages.join('\n').matchAll(/^ {2}\$ .*?\binterlock ([a-z]+)(?: ([a-z]+))?/gm);
    for (const [text, first, second] of examples) {
      const group = program.commands.find((command) => command.name() === first);
      expect(group, text).toBeDefined();
      // A group with options of its own needs no subcommand.
      if (group && group.commands.length > 0 && (second !== undefined || group.options.length === 0)) {
        expect(
          group.commands.map((command) => command.name()),
          text,
        ).toContain(second);
      }
    }
  });

  test.each([
    [['run', 'lst'], 'Did you mean list?'],
    [['run', 'show', 'run_1'], 'run_ and 32 hex digits'],
    [['run', 'list', '--limit', '0'], '--limit takes a whole number'],
    [['token', 'create', '--principal', 'x', '--role', 'root'], 'Allowed choices are source'],
    [['token', 'revoke', TOKEN], '16 hex digits'],
    [['whoami', TOKEN], 'too many arguments'],
    [['whoami', 'correct-horse'], 'Expected 0 arguments but got 1.\n'],
    [['whoami', '--password=correct-horse'], "unknown option '--password'"],
    [['whoami', `--token=${TOKEN}`], "unknown option '--token'"],
    [['whoami', '--token-file'], 'argument missing'],
  ])('%j is wrong: says what, repeats no secret, sends nothing', async (args, text) => {
    const ran = await run(args);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(text);
    expect(ran.stderr).not.toContain('horse');
    expect(server.asked).toEqual([]);
  });
});

describe('secrets', () => {
  const route = 'PUT /v1/orgs/acme/secrets/crowdsec-key';
  const value = 'correct-horse-battery';

  test.each([[[value]], [['--value', value]], [[`--value=${value}`]], [[`-${value}`]]])(
    'a value on the command line (%j) is refused and not repeated',
    async (more) => {
      const ran = await run(['secret', 'set', 'crowdsec-key', ...more], { input: 'another' });
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toContain('not taken from the command line');
      expect(ran.stderr).not.toContain('horse');
      expect(server.asked).toEqual([]);
    },
  );

  test('a value from standard input loses one line end, and is never shown, not even when it is refused', async () => {
    const refused = problem(422, 'invalid-body', 'Wrong', {
      errors: [{ pointer: '/value', text: 'has a line break' }],
    });
    server.answers({ [route]: refused });
    const ran = await run(['secret', 'set', 'crowdsec-key'], { input: `${value}\r\n\n` });
    expect(ran).toMatchObject({ code: 1, stdout: '', stderr: 'interlock: Wrong.\n  /value: has a line break\n' });
    expect(JSON.parse(server.asked[0]?.body ?? '')).toEqual({ value: `${value}\r\n` });
  });

  test('no value is sent where there is none', async () => {
    expect(await run(['secret', 'set', 'crowdsec-key'], { input: '\n' })).toMatchObject({ code: 2, stdout: '' });
    expect(server.asked).toEqual([]);
  });
});

describe('a new token', () => {
  const create = (out: string) => run(['token', 'create', '--principal', 'siem', '--role', 'source', '--out', out]);

  test('is written to a file of its own, for its owner alone, and not printed', async () => {
    server.answers({ 'POST /v1/orgs/acme/tokens': data(samples.newToken) });
    const out = join(root, 'siem.token');
    const ran = await create(out);
    expect(ran.code).toBe(0);
    expect(ran.stdout + ran.stderr).not.toContain('NNNN');
    expect(await readFile(out, 'utf8')).toBe(`${samples.newToken.token}\n`);
    expect((await stat(out)).mode & 0o777).toBe(0o600);

    // What is there already is not overwritten, and no token is made that nobody would have.
    server.answers({});
    expect(await create(out)).toMatchObject({ code: 2, stdout: '' });
    expect(server.asked).toEqual([]);
    expect(await readFile(out, 'utf8')).toBe(`${samples.newToken.token}\n`);
  });

  test('that is refused leaves no file', async () => {
    server.answers({ 'POST /v1/orgs/acme/tokens': problem(403, 'forbidden', 'No') });
    const out = join(root, 'none.token');
    expect(await create(out)).toMatchObject({ code: 1 });
    await expect(stat(out)).rejects.toThrow('ENOENT');
  });
});
