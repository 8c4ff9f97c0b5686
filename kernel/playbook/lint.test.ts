import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PluginManifest } from '../../sdk/contract/plugin.ts';
import { lintPlaybook } from './lint.ts';
import { bind } from './reference.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const manifest = (name: string) =>
  JSON.parse(readFileSync(join(ROOT, 'plugins', name, 'manifest.json'), 'utf8')) as PluginManifest;
const catalog = {
  plugins: new Map(['http-json', 'webhook', 'edge-firewall'].map((name) => [name, { ...manifest(name) }] as const)),
};
const SHIPPED = readFileSync(join(ROOT, 'policies/playbooks/contain-c2.yaml'), 'utf8');

const issuesOf = (text: string) => {
  const checked = lintPlaybook(text, catalog);
  return checked.ok ? [] : checked.error.map(({ at, text: says, line }) => `${at}:${line} ${says}`);
};

const minimal = (steps: string, more = '') => `apiVersion: interlock/v1
kind: Playbook
name: p
title: P
owners: { technical: a, operational: b }
triggers: [{ id: t, on: event, where: { fact: event, path: /x, operator: equal, value: 1 } }]
inputs: { ip: /ip }
${more}
steps:
${steps}
`;
const GET = '- { id: get, type: enrich, uses: http-json/get, with: { url: "http://x/{{ inputs.ip }}" } }';

describe('a playbook that is fine', () => {
  test('passes, as the shipped one does', () => {
    expect(issuesOf(SHIPPED)).toEqual([]);
    expect(issuesOf(minimal(GET))).toEqual([]);
  });

  test('has a digest of its meaning: comments and key order do not matter, a value does', () => {
    const digest = (text: string) => {
      const checked = lintPlaybook(text, catalog);
      return checked.ok ? checked.value.digest : 'refused';
    };
    expect(digest(`# a comment\n${minimal(GET)}`)).toBe(digest(minimal(GET)));
    expect(digest(minimal(GET).replace('title: P\n', '').replace('kind: Playbook', 'title: P\nkind: Playbook'))).toBe(
      digest(minimal(GET)),
    );
    expect(digest(minimal(GET).replace('title: P', 'title: Q'))).not.toBe(digest(minimal(GET)));
  });
});

describe('a playbook that is not fine says where, and how to mend it', () => {
  test.each<[string, string, RegExp]>([
    ['not YAML', 'steps: [', /not valid YAML/],
    ['a key twice', `${minimal(GET)}title: again\n`, /not valid YAML \(DUPLICATE_KEY\)/],
    ['an alias', minimal(GET).replace('title: P', 'title: &a P\ndescription: *a'), /aliases/],
    ['an unknown key', minimal(GET, 'paralel: true'), /\/paralel:\d+ .*not known/],
    ['no steps', minimal('  []'), /\/steps/],
    ['a bad duration', minimal(GET, 'timeout: soon'), /\/timeout:\d+ .*whole number and a unit/],
    ['an unknown plugin', minimal('- { id: a, type: notify, uses: pager/send }'), /pager is not installed/],
    [
      'an unknown action',
      minimal('- { id: a, type: enrich, uses: http-json/put }'),
      /no action put: it has get, query/,
    ],
    ['an id twice', minimal(`${GET}\n${GET}`), /the id get is used twice/],
    [
      'a next that leads nowhere',
      minimal('- { id: a, type: enrich, uses: http-json/get, next: gone }'),
      /no step gone/,
    ],
    [
      'a cycle',
      minimal(
        '- { id: a, type: enrich, uses: http-json/get, next: b }\n- { id: b, type: enrich, uses: http-json/get, next: a }',
      ),
      /cycle/,
    ],
    [
      'a step nothing leads to',
      minimal(
        `${GET.replace(' }', ' }').replace(/ }$/, ', next: end }')}\n- { id: b, type: enrich, uses: http-json/get }`,
      ),
      /no path leads to step b/,
    ],
    ['an undeclared input', minimal(GET.replace('inputs.ip', 'inputs.host')), /inputs.host is not declared/],
    ['a malformed reference', minimal(GET.replace('inputs.ip', '1 + 1')), /malformed/],
    [
      'a step that has not run yet',
      minimal(
        '- { id: a, type: notify, uses: webhook/post, with: { url: "{{ steps.b.x }}" } }\n- { id: b, type: enrich, uses: http-json/get }',
      ),
      /steps.b has not run on every path to a/,
    ],
    [
      'a step that ran on one branch only',
      minimal(
        `- { id: which, type: branch, when: { fact: inputs, path: /ip, operator: equal, value: x }, then: a, else: z }
- { id: a, type: enrich, uses: http-json/get }
- { id: z, type: notify, uses: webhook/post, with: { url: "{{ steps.a.body }}" } }`,
      ),
      /steps.a has not run on every path to z/,
    ],
    [
      'a fact that a branch has not',
      minimal('- { id: w, type: branch, when: { fact: secrets, operator: equal, value: 1 }, then: end, else: end }'),
      /secrets is not a fact/,
    ],
    [
      'a tier below the floor',
      minimal('- { id: a, type: contain, tier: low, uses: edge-firewall/ban }'),
      /contain step is at least high/,
    ],
    [
      'an enrich step that writes',
      minimal('- { id: a, type: enrich, uses: webhook/post }'),
      /may not be used as enrich/,
    ],
    ['a containment called a message', minimal('- { id: a, type: notify, uses: edge-firewall/ban }'), /may not be used as notify: it is contain/],
    ['containment without a plan', minimal('- { id: a, type: contain, uses: http-json/get }'), /has no plan/],
    ['a document too large', `# ${'x'.repeat(200_000)}`, /larger than/],
  ])('%s', (_, text, expected) => {
    expect(issuesOf(text).join('\n')).toMatch(expected);
  });

  test('a rule 20,000 levels deep is refused without a stack overflow', () => {
    const deep = `${'{ not: '.repeat(20_000)}{ fact: inputs, operator: equal, value: 1 }${' }'.repeat(20_000)}`;
    expect(issuesOf(minimal(`- { id: w, type: branch, when: ${deep}, then: end, else: end }`)).length).toBeGreaterThan(
      0,
    );
  });
});

describe('references', () => {
  const scope = {
    inputs: { ip: '203.0.113.7', n: 4, list: ['a', 'b'] },
    steps: { get: { body: { score: 95, deep: { x: null } } } },
  };
  test.each([
    ['a whole string takes the value with its type', '{{ steps.get.body.score }}', 95],
    ['an object too', '{{ steps.get.body.deep }}', { x: null }],
    ['inside text it becomes text', 'score {{ steps.get.body.score }} of {{ inputs.ip }}', 'score 95 of 203.0.113.7'],
    ['an index of a list', '{{ inputs.list.1 }}', 'b'],
    ['in lists and objects', { a: ['{{ inputs.n }}'] }, { a: [4] }],
    ['what is no reference stays', 'plain { } text', 'plain { } text'],
  ])('%s', (_, value, expected) => {
    expect(bind(value as never, scope)).toEqual({ ok: true, value: expected });
  });

  test.each([
    '{{ inputs.gone }}',
    'x {{ steps.get.body }} y',
    '{{ inputs.__proto__ }}',
    '{{ inputs.constructor }}',
    '{{ inputs.list.length }}',
    '{{ inputs.list.9 }}',
  ])('%s has no value: refused, not emptied', (value) => {
    expect(bind(value, scope).ok).toBe(false);
  });
});
