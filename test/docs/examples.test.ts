import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ApprovalMatrixSchema } from '../../kernel/approval/matrix.ts';
import { ExecutionPolicySchema } from '../../kernel/call/policy.ts';
import { readConfig, readOrg } from '../../kernel/config.ts';
import { parseEgressPolicy } from '../../kernel/egress/policy.ts';
import { webhooksOf } from '../../kernel/egress/webhook.ts';
import { checkGuardrails } from '../../kernel/guardrail/schema.ts';
import { lintPlaybook } from '../../kernel/playbook/lint.ts';
import { checkRule } from '../../kernel/rule/schema.ts';
import edgeFirewall from '../../plugins/edge-firewall/manifest.json' with { type: 'json' };
import httpJson from '../../plugins/http-json/manifest.json' with { type: 'json' };
import webhook from '../../plugins/webhook/manifest.json' with { type: 'json' };
import { answer } from '../../sdk/author/test-host.ts';
import { buildPlugin } from '../../sdk/build/build-plugin.ts';
import { openSealed } from '../../sdk/build/test-sealed.ts';
import { IncidentPolicySchema } from '../../sdk/contract/incident-policy.ts';
import { LifecyclePolicySchema } from '../../sdk/contract/lifecycle-policy.ts';
import { type PluginManifest, PluginManifestSchema } from '../../sdk/contract/plugin.ts';
import { TrustPolicySchema } from '../../sdk/contract/trust.ts';
import { type Block, blocksOf, DOCUMENTS, ROOT, readDocument } from './documents.ts';

/** Examples in documents are of the form that they are examples of. */
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'interlock-docs-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const BLOCKS = DOCUMENTS.flatMap(blocksOf);
const named = (blocks: readonly Block[]) => blocks.map((block) => ({ ...block, name: `${block.file}:${block.line}` }));
const catalog = {
  plugins: new Map(
    [edgeFirewall, httpJson, webhook].map((manifest): [string, PluginManifest] => {
      const checked = v.parse(PluginManifestSchema, manifest);
      return [checked.name, checked];
    }),
  ),
};

const HEREDOC = /<<'EOF'\n([\s\S]*?)\nEOF\n/;
const playbooks = [
  ...BLOCKS.filter(({ language, text }) => language === 'yaml' && text.includes('kind: Playbook')),
  ...BLOCKS.filter(({ language }) => language === 'sh').flatMap((block) => {
    const text = HEREDOC.exec(block.text)?.[1];
    return text?.includes('kind: Playbook') ? [{ ...block, text }] : [];
  }),
];

test.each(named(playbooks))('the playbook at $name is valid', ({ text }) => {
  const checked = lintPlaybook(text, catalog);
  expect(checked.ok ? [] : checked.error).toEqual([]);
});

test.each(named(BLOCKS.filter(({ language }) => language === 'yaml')))('the YAML at $name can be read', ({ text }) => {
  expect(parse(text)).not.toBeNull();
});

test('the rule of docs/playbooks.md is one', () => {
  const text = readDocument('docs/playbooks.md').text;
  const [condition = ''] = /^\{ fact: event.*$/m.exec(text) ?? [];
  expect(checkRule(parse(condition)).ok).toBe(true);
});

/** `apiVersion` -> what is wrong with such a document. */
const JUDGES: Readonly<Record<string, (value: unknown) => unknown>> = {
  'interlock/incidents/v1': (value) => v.safeParse(IncidentPolicySchema, value).issues ?? [],
  'interlock/lifecycle/v1': (value) => {
    const webhooks = webhooksOf(v.parse(LifecyclePolicySchema, value));
    return webhooks.ok ? [] : webhooks.error;
  },
  'interlock/approval-matrix/v1': (value) => v.safeParse(ApprovalMatrixSchema, value).issues ?? [],
  'interlock/trust/v1': (value) => v.safeParse(TrustPolicySchema, value).issues ?? [],
  'interlock/egress/v1': (value) => {
    const policy = parseEgressPolicy(value);
    return policy.ok ? policy.value.warnings : policy.error;
  },
  'interlock/guardrails/v1': (value) => {
    const set = checkGuardrails(value);
    return set.ok ? [] : set.error;
  },
  'interlock/execution/v1': (value) => v.safeParse(ExecutionPolicySchema, value).issues ?? [],
  'interlock/plugin/v1': (value) => v.safeParse(PluginManifestSchema, value).issues ?? [],
};

describe('JSON', () => {
  test.each(named(BLOCKS.filter(({ language }) => language === 'json')))('at $name', async ({ name, text }) => {
    const lines = text.trim().split('\n');
    const isList = lines.length > 1 && lines.every((line) => line.startsWith('{') && line.endsWith('}'));
    const values = (isList ? lines : [text]).map((one) => JSON.parse(one) as { readonly apiVersion?: string });
    for (const value of values) {
      if (value.apiVersion === 'interlock/config/v1') {
        const file = join(folder, `${name.replaceAll(/\W/g, '-')}.json`);
        await writeFile(file, text);
        expect(await readConfig(file)).toMatchObject({ ok: true });
      } else if (value.apiVersion !== undefined)
        expect(JUDGES[value.apiVersion]?.(value), value.apiVersion).toEqual([]);
    }
  });
});

test('the plugin of docs/plugins.md is sealed without a warning, and works', async () => {
  const files = blocksOf(readDocument('docs/plugins.md')).flatMap(({ marks, text }) => {
    const file = marks.find((mark) => mark.startsWith('file='))?.slice(5);
    return file ? [[file, text] as const] : [];
  });
  const directory = join(folder, 'asset-directory');
  await mkdir(directory);
  for (const [file, text] of files) await writeFile(join(directory, file), text);
  const built = await buildPlugin(directory);
  if (!built.ok) throw new Error(built.error.message);
  expect(built.value.warnings).toEqual([]);

  const asked: string[] = [];
  const sealed = await openSealed(await WebAssembly.compile(await readFile(built.value.wasmPath)), {
    http: ({ method, url }) => {
      asked.push(`${method} ${url}`);
      return answer(200, { owner: 'payments' });
    },
  });
  const call = { action: 'quarantine', input: { host: 'pc-7' }, settings: { endpoint: 'https://assets.example' } };
  expect(await sealed.call({ ...call, op: 'plan' })).toMatchObject({
    ok: true,
    output: {
      summary: 'Put pc-7, which belongs to payments, into quarantine.',
      targets: [{ kind: 'host', id: 'pc-7' }],
    },
  });
  expect(await sealed.call(call)).toEqual({ ok: true, output: {} });
  expect(asked).toEqual(['GET https://assets.example/v1/hosts/pc-7', 'PUT https://assets.example/v1/hosts/pc-7']);
  await sealed.close();
});

test('docker/interlock.json is a configuration whose policies and plugins the kernel takes', async () => {
  await mkdir(join(folder, 'image'));
  for (const part of ['policies', 'plugins', 'docker'])
    await cp(join(ROOT, part), join(folder, 'image', part), { recursive: true });
  const config = await readConfig(join(folder, 'image/docker/interlock.json'));
  if (!config.ok) throw new Error(config.error);
  const orgs = await Promise.all(config.value.orgs.map((org) => readOrg(org, new Set())));
  expect(orgs.map((org) => (org.ok ? org.value.plugins.length : org.error))).toEqual([3]);
});
