import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PluginManifest } from '../../sdk/contract/plugin.ts';
import { lintPlaybook } from './lint.ts';
import { type Granted, grantWarnings } from './lint-grant.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const manifest = (name: string) =>
  JSON.parse(readFileSync(join(ROOT, 'plugins', name, 'manifest.json'), 'utf8')) as PluginManifest;
const catalog = { plugins: new Map(['http-json', 'webhook'].map((name) => [name, manifest(name)] as const)) };

const minimal = (steps: string) => `apiVersion: interlock/v1
kind: Playbook
name: p
title: P
owners: { technical: a, operational: b }
triggers: [{ id: t, on: event, where: { fact: event, path: /x, operator: equal, value: 1 } }]
inputs: { ip: /ip }

steps:
${steps}
`;
const GET = '- { id: get, type: enrich, uses: http-json/get, with: { url: "http://x/{{ inputs.ip }}" } }';

describe('a step whose plugin has no egress grant', () => {
  const anywhere: Granted = { hosts: ['x'], faultOf: () => undefined };
  const warned = (text: string, ...granted: string[]) =>
    grantWarnings(text, catalog, (plugin) => (granted.includes(plugin) ? anywhere : undefined)).map(
      ({ at, line, text: says }) => `${at}:${line} ${says}`,
    );
  const BOTH = `${GET}\n- { id: all, type: foreach, over: "{{ inputs.ip }}", steps: [{ id: tell, type: notify, uses: webhook/post }] }`;

  test('is warned of where it stands, also in a block and where the playbook is not valid; nothing is refused', () => {
    const says = 'has no egress grant in this org, so this step can send nothing: ask an operator for one';
    expect(warned(minimal(BOTH))).toEqual([
      `/steps/0/uses:10 the plugin http-json ${says}`,
      `/steps/1/steps/0/uses:11 the plugin webhook ${says}`,
    ]);
    expect(warned(minimal(BOTH).replace('title: P\n', ''), 'http-json')).toEqual([
      `/steps/1/steps/0/uses:10 the plugin webhook ${says}`,
    ]);
    expect(lintPlaybook(minimal(GET), catalog).ok).toBe(true);
  });

  test('is not, where it has one, is not known, or sends nothing', () => {
    expect(warned(minimal(BOTH), 'http-json', 'webhook')).toEqual([]);
    expect(warned(minimal('- { id: a, type: notify, uses: pager/send }'))).toEqual([]);
    expect(warned('steps: [')).toEqual([]);
    const deaf = { ...manifest('webhook'), capabilities: { http: false, secrets: [] } };
    expect(grantWarnings(minimal(BOTH), { plugins: new Map([['webhook', deaf]]) }, () => undefined)).toEqual([]);
  });
});

describe('a step whose URL is written out', () => {
  /** What the grant is asked, and what is warned of. */
  const warned = (url: string, hosts: readonly string[] = ['api.example', 'hook.example'], more = '') => {
    const asked: unknown[] = [];
    const faultOf: Granted['faultOf'] = (...one) => {
      asked.push(one);
      return 'no rule is for it';
    };
    const steps = `- { id: a, type: enrich, uses: http-json/get, with: { url: "${url}"${more} } }`;
    const issues = grantWarnings(minimal(steps), catalog, () => ({ hosts, faultOf }));
    return { asked, says: issues.map(({ at, line, text }) => `${at}:${line} ${text}`) };
  };
  const SAYS =
    '/steps/0/with/url:10 the egress grant of http-json does not cover this URL, so this step will be refused: ';

  test('is held against the grant with the headers that it gives', () => {
    const { asked } = warned('https://api.example/v1', [], ', headers: { X-Region: eu, x-unit: "7" }');
    expect(asked).toEqual([['https://api.example/v1', ['GET', 'HEAD'], true, ['X-Region', 'x-unit']]]);
  });

  test.each<[string, string, boolean]>([
    ['https://api.example/v1/x?y=1', 'https://api.example/v1/x?y=1', true],
    ['api.example/v1', 'api.example/v1', true],
    ['https://api.example:8443/v1/{{ inputs.ip }}', 'https://api.example:8443/', false],
    ['HTTPS://api.example?q={{ inputs.ip }}', 'HTTPS://api.example/', false],
  ])('is held against the grant: %s', (url, known, isWhole) => {
    expect(warned(url)).toEqual({
      asked: [[known, ['GET', 'HEAD'], isWhole, []]],
      says: [`${SAYS}no rule is for it; its rules are for api.example, hook.example`],
    });
  });

  test.each([
    'https://{{ inputs.ip }}/v1',
    'https://api.{{ inputs.ip }}/v1',
    '{{ inputs.ip }}',
    'https://x{{ inputs.ip }}',
  ])('is not where only a run knows its host: %s', (url) => {
    expect(warned(url)).toEqual({ asked: [], says: [] });
  });

  test('few of many hosts are named, and that there are none', () => {
    const many = Array.from({ length: 9 }, (_, i) => `h${i}.example`);
    expect(warned('https://x.example/', many).says[0]).toMatch(
      /; its rules are for h0\.example, .*h4\.example and 4 more$/,
    );
    expect(warned('https://x.example/', []).says[0]).toMatch(/; it has no rules$/);
  });
});
