import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKernelFolder, personOf, prepareKernel, ruleFor } from '../test/support/org-files.ts';
import { readConfig, readOrg } from './config.ts';
import { startKernel } from './main.ts';

/** What is wrong with a file of the operator is said with file, place, what is expected; and never with what stands there. */
const ROOT = join(import.meta.dirname, '..');
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interlock-config-'));
});
afterAll(() => rm(folder, { recursive: true }));

const org = { id: 'acme', guardrails: 'g.json', approvals: 'a.json', egress: 'e.json' };
const config = { apiVersion: 'interlock/config/v1', data: './data', orgs: [org] };
const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

describe('the configuration', () => {
  test.each<[string, unknown, readonly string[]]>([
    [
      'a key that is not known, and the one that is missing for it',
      { ...config, orgs: [{ ...org, guardrails: undefined, guardrials: 's3cret' }] },
      [
        '/orgs/0/guardrails is required',
        '/orgs/0/guardrials is not known here; known are: id, guardrails, approvals, egress, incidents, lifecycle, execution, secrets, trust, plugins',
      ],
    ],
    ['a value of the wrong type', { ...config, data: { s3cret: 1 } }, ['/data expected a text']],
    ['a version that is not known', { ...config, apiVersion: 's3cret' }, ['/apiVersion expected interlock/config/v1']],
    ['a port beyond the last', { ...config, listen: { port: 70_000 } }, ['/listen/port expected at most 65535']],
    ['half a port', { ...config, listen: { port: 0.5 } }, ['/listen/port expected a whole number']],
    [
      'a name that is none',
      { ...config, orgs: [{ ...org, id: 'S3cret' }] },
      ['/orgs/0/id expected lower-case letters'],
    ],
    ['no orgs', { ...config, orgs: [] }, ['/orgs expected a length of at least 1']],
    ['a text', '"s3cret"', ['/ expected an object of keys and values']],
    ['JSON that breaks off', '{\n  "data": "s3cret', ['is not valid JSON (line 2, column ']],
    ['JSON with a slip', '{\n  "data" "s3cret"\n}', ['is not valid JSON (line 2, column 10): mend it there']],
    ['a key twice', `{"data":"a","data":"s3cret"}`, ['has a key twice in one object']],
    ['more levels than any document has', `${'['.repeat(100_000)}${']'.repeat(100_000)}`, ['levels deep']],
    ['an empty file', ' \n', ['is empty: a JSON document is expected']],
  ])('%s', async (_name, value, says) => {
    const file = join(folder, 'interlock.json');
    await writeFile(file, text(value));
    const read = await readConfig(file);
    const fault = read.ok ? 'it was taken' : read.error;
    expect(fault.startsWith(file)).toBe(true);
    for (const part of says) expect(fault).toContain(part);
    expect(fault).not.toContain('3cret');
  });

  test('a file that is not there, and a folder in its place', async () => {
    expect(await readConfig(join(folder, 'none.json'))).toMatchObject({
      error: `${join(folder, 'none.json')} does not exist: check the path`,
    });
    expect(await readConfig(folder)).toMatchObject({ error: `${folder} is a folder: name the file in it` });
  });

  test('a pipe in its place, which nobody writes to', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(await readConfig(pipe)).toMatchObject({ error: `${pipe} is no file` });
  });
});

const SHIPPED = {
  g: 'policies/guardrails/baseline.rules.json',
  a: 'policies/approval/matrix.json',
  x: 'policies/execution/default.json',
} as const;

describe('the policies of an org', () => {
  const rule = { scheme: 'https', host: 'h.example', port: 443, methods: ['GET'], pathPrefix: '/' };
  const grant = (more: object) => ({
    apiVersion: 'interlock/egress/v1',
    grants: [{ plugin: 'p', rules: [{ ...rule, ...more }] }],
  });

  test.each<[string, 'g' | 'a' | 'e' | 'x', unknown, string]>([
    [
      'a scheme that is none',
      'e',
      grant({ scheme: 's3cret' }),
      'docs/policies.md describes:\n  /grants/0/rules/0/scheme expected one of: https, http',
    ],
    ['a key that is not known', 'e', grant({ hosts: ['s3cret'] }), '/grants/0/rules/0/hosts is not known here'],
    [
      'a host with a wildcard',
      'e',
      grant({ host: '*.s3cret' }),
      '/grants/0/rules/0/host expected lower-case ASCII host',
    ],
    ['a block that is none', 'e', grant({ addresses: ['s3cret'] }), '/grants/0/rules/0/addresses/0 '],
    [
      'a matrix laxer than allowed',
      'a',
      { tiers: { high: { approvers: 0 } } },
      'docs/policies.md describes:\n  /tiers/high expected at least 1 approver for this tier',
    ],
    [
      'a time that is none',
      'x',
      { timeouts: { enrich: 's3cret' } },
      'docs/policies.md describes:\n  /timeouts/enrich expected use a whole number and a unit',
    ],
    ['a rule without an id', 'g', { deny: [{ title: 's3cret' }] }, '/deny/0/id is required'],
  ])('%s', async (_name, file, value, says) => {
    const at = (name: string) => join(folder, `${name}.json`);
    const files = { g: at('g'), a: at('a'), e: at('e'), x: at('x') };
    for (const [name, path] of Object.entries(SHIPPED))
      await writeFile(join(folder, `${name}.json`), await readFile(join(ROOT, path), 'utf8'));
    await writeFile(files.e, JSON.stringify(grant({})));
    const whole = JSON.parse(await readFile(files[file], 'utf8'));
    const changed = value as { tiers?: object };
    await writeFile(
      files[file],
      JSON.stringify({ ...whole, ...changed, ...(changed.tiers && { tiers: { ...whole.tiers, ...changed.tiers } }) }),
    );
    const read = await readOrg(
      { id: 'acme', guardrails: files.g, approvals: files.a, egress: files.e, execution: files.x, plugins: [] },
      new Set(),
    );
    const fault = read.ok ? 'it was taken' : read.error;
    expect(fault.startsWith(files[file])).toBe(true);
    expect(fault).toContain(says);
    expect(fault).not.toContain('3cret');
  });
});

describe('where incidents come from, and where lifecycle events go', () => {
  const hook = (part: object) => ({
    apiVersion: 'interlock/lifecycle/v1',
    webhooks: [{ id: 'siem', url: 'https://siem.example/hook', types: ['interlock.*'], secret: 'key', ...part }],
  });
  const read = async (file: 'incidents' | 'lifecycle', value: unknown) => {
    const path = join(folder, `${file}.json`);
    await writeFile(path, JSON.stringify(value));
    const files = { id: 'acme', guardrails: join(ROOT, SHIPPED.g), approvals: join(ROOT, SHIPPED.a), plugins: [] };
    const egress = join(folder, 'no-grants.json');
    await writeFile(egress, JSON.stringify({ apiVersion: 'interlock/egress/v1', grants: [] }));
    return readOrg({ ...files, egress, [file]: path }, new Set());
  };

  test('are taken in order', async () => {
    const addresses = ['10.0.0.0/8'];
    expect(await read('lifecycle', hook({ addresses }))).toMatchObject({
      ok: true,
      value: { webhooks: [{ id: 'siem', rule: { host: 'siem.example', port: 443, methods: ['POST'], addresses } }] },
    });
    expect(await read('incidents', { apiVersion: 'interlock/incidents/v1' })).toMatchObject({
      ok: true,
      value: { incidents: { from: [], id: '/finding_info/uid' } },
    });
  });

  test.each<['incidents' | 'lifecycle', string, unknown, string]>([
    ['lifecycle', 'an address', hook({ url: 'ftp://siem.example/3cret' }), '/webhooks/0/url only https and http'],
    ['lifecycle', 'credentials', hook({ url: 'https://a:3cret@siem.example/' }), '/webhooks/0/url the URL carries'],
    ['lifecycle', 'a path that climbs', hook({ url: 'https://siem.example/../x' }), '/webhooks/0/url the path has'],
    ['lifecycle', 'a block', hook({ addresses: ['10.0.0.0/8', '3cret'] }), '/webhooks/0/addresses/1 '],
    ['lifecycle', 'a type', hook({ types: ['interlock.3cret.*'] }), '/webhooks/0/types/0 expected a type of lifecycle'],
    ['lifecycle', 'no type', hook({ types: [] }), '/webhooks/0/types expected a length'],
    ['lifecycle', 'a method', hook({ method: 'PUT' }), '/webhooks/0/method is not known here'],
    [
      'lifecycle',
      'one id twice',
      { ...hook({}), webhooks: [...hook({}).webhooks, ...hook({}).webhooks] },
      '/webhooks expected webhooks with ids of their own',
    ],
    [
      'incidents',
      'a state',
      { apiVersion: 'interlock/incidents/v1', state: [{ at: '/s', values: { 1: '3cret' } }] },
      '/state/0/values/1 expected one of: new, triaged',
    ],
    ['incidents', 'a pointer', { apiVersion: 'interlock/incidents/v1', id: '3cret' }, '/id expected a JSON Pointer'],
  ])('%s: %s that is wrong is said where it is', async (file, _, value, says) => {
    const fault = await read(file, value);
    if (fault.ok) throw new Error('it was taken');
    expect(fault.error).toContain(`${file}.json does not have the form that docs/${file}.md describes`);
    expect(fault.error).toContain(says);
    expect(fault.error).not.toContain('3cret');
  });
});

describe('a start', () => {
  /** Starts, stops and removes a kernel. */
  const saidByStart = async (files: Awaited<ReturnType<typeof makeKernelFolder>>): Promise<readonly string[]> => {
    const read = await readConfig(files.config);
    const said: string[] = [];
    const running = read.ok ? await startKernel(read.value, (line) => said.push(line)) : read;
    if (!running.ok) throw new Error(running.error);
    await running.value.stop();
    await files.remove();
    return said;
  };

  test('warns of a grant for a plugin that the org has not, and goes on', async () => {
    const grants = ['edge-firewal', '\u001b[2J'].map((plugin) => ({ plugin, rules: [ruleFor('http://127.0.0.1:9')] }));
    const files = await makeKernelFolder('idle', [{ id: 'acme', plugins: ['webhook'], egress: grants }]);
    const said = await saidByStart(files);
    const warned = said.filter((line) => line.startsWith('warning: ') && !line.includes('takes plugins'));
    expect(warned.map((line) => line.replace(files.path, ''))).toEqual([
      expect.stringMatching(
        /^warning: \/acme-egress\.json: \/grants\/0\/plugin: the org acme has no plugin edge-firewal, so this grant is never/,
      ),
      expect.stringContaining('/grants/1/plugin: the org acme has no plugin of this name'),
    ]);
  });

  test('warns of a secret that a grant names and nobody has, once, and not of those that are stored or lent', async () => {
    const carries = (name: string, pathPrefix: string) =>
      ruleFor('http://127.0.0.1:9', { pathPrefix, secret: { name, header: 'authorization', format: '{}' } });
    const rules = ['stored-key', 'lent-key', 'no-such-key', 'no-such-key'].map((name, at) => carries(name, `/${at}`));
    const egress = [{ plugin: 'webhook', rules }];
    const provider = {
      kind: 'vault',
      name: 'vault',
      url: 'http://127.0.0.1:9',
      login: { method: 'approle', roleId: 'role', secretId: { secret: 'stored-key' } },
      secrets: [{ name: 'lent-key', engine: 'kv', path: 'soc/key', field: 'key' }],
    };
    const files = await makeKernelFolder('absent', [
      { id: 'acme', plugins: ['webhook'], egress, providers: [provider] },
    ]);
    await prepareKernel(files, (kernel) =>
      kernel.secrets.put(personOf('acme', 'ann', ['admin']), 'stored-key', 'a-value-of-it'),
    );
    const said = await saidByStart(files);
    const warnings = said.filter((line) => /^warning: .*\/secret: /.test(line));
    expect(warnings.map((line) => line.replace(files.path, ''))).toEqual([
      'warning: /acme-egress.json: /grants/0/rules/2/secret: the org acme has no secret no-such-key, so requests under this ' +
        'rule are refused: store it with interlock secret set no-such-key (role admin)',
    ]);
  });

  test.each([
    ['a setting that is missing', {}, 'the setting /endpoint is missing: the plugin requires it'],
    ['one too many', { endpoint: 'http://127.0.0.1', sit: 's3cret' }, "/sit is not known to the plugin's schema"],
    ['one of another form', { endpoint: 's3cret' }, "/endpoint does not fit the plugin's schema"],
  ])('%s is said before anything is called', async (_, settings, says) => {
    const egress = [{ plugin: 'edge-firewall', settings, rules: [ruleFor('http://127.0.0.1:9')] }];
    const files = await makeKernelFolder('settings', [{ id: 'acme', plugins: ['edge-firewall'], egress }]);
    const read = await readConfig(files.config);
    const refused = read.ok ? await startKernel(read.value) : read;
    await files.remove();
    expect(refused).toEqual({
      ok: false,
      error: expect.stringMatching(/acme-egress\.json .*:\n {2}\/grants\/0\/settings /),
    });
    expect(!refused.ok && refused.error).toContain(says);
    expect(!refused.ok && refused.error).not.toContain('s3cret');
  });

  test('on a port that is taken is refused in words, and leaves the folder free', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { readonly port: number };
    const files = await makeKernelFolder('taken', [{ id: 'acme', plugins: ['webhook'], egress: [] }]);
    const read = await readConfig(files.config);
    if (!read.ok) throw new Error(read.error);
    const refused = await startKernel({ ...read.value, listen: { host: '127.0.0.1', port } });
    expect(refused).toEqual({
      ok: false,
      error: expect.stringContaining(`something else listens on 127.0.0.1:${port}`),
    });
    await new Promise((resolve) => taken.close(resolve));
    const running = await startKernel({ ...read.value, listen: { host: '127.0.0.1', port } });
    expect(running).toMatchObject({ ok: true, value: { url: `http://127.0.0.1:${port}` } });
    if (running.ok) await running.value.stop();
    await files.remove();
  });
});
