import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { type PluginManifest, PluginManifestSchema } from '../../sdk/contract/plugin.ts';
import { toGraph } from './compile.ts';
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
    expect(issuesOf(minimal(GET, 'incident: "host-{{ inputs.ip }}"'))).toEqual([]);
  });

  test('has texts that only look like tags, directives and inherited keys', () => {
    const description = 'description: |-\n  !!str a\n  %YAML 1.1\n  constructor: 5';
    expect(issuesOf(minimal(GET, description))).toEqual([]);
    expect(issuesOf(minimal(GET, 'description: "!own %x constructor"'))).toEqual([]);
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

test('what is wrong is told from the first line to the last, whatever kind it is of', () => {
  const text = minimal(`${GET.replace('inputs.ip', 'inputs.host')}\n- { id: b, type: mail }`, 'timeout: soon').replace(
    'fact: event',
    'fact: alert',
  );
  const lines = issuesOf(text).map((issue) => Number(/:(\d+) /.exec(issue)?.[1]));
  expect(lines).toEqual(lines.toSorted((a, b) => a - b));
  expect(new Set(lines)).toEqual(new Set([6, 8, 10, 11]));
});

describe('a playbook that is not fine says where, and how to mend it', () => {
  test.each<[string, string, RegExp]>([
    ['not YAML', 'steps: [', /^:1 column 9: the indentation does not fit, or a \[ or \{ is not closed/],
    ['a key twice', `${minimal(GET)}title: again\n`, /^:\d+ column 1: the key stands twice in one mapping/],
    ['an alias', minimal(GET).replace('title: P', 'title: &a P\ndescription: *a'), /aliases/],
    [
      'an unknown key',
      minimal(GET, 'paralel: true'),
      /\/paralel:\d+ this key is not known here; known are: apiVersion, kind, name, title, /,
    ],
    [
      'a state that is none',
      minimal('- { id: a, type: update_state, incident: "{{ inputs.ip }}", set: { state: done } }'),
      /\/steps\/0\/set\/state:\d+ use one of: new, triaged, contained, resolved, closed$/,
    ],
    [
      'a severity that is none',
      minimal('- { id: a, type: update_state, incident: i, set: { state: new, severity: dire } }'),
      /\/steps\/0\/set\/severity:\d+ use one of: unknown, informational, low, medium, high, critical, fatal$/,
    ],
    [
      'an incident of an input that is not there',
      minimal(GET, 'incident: "i-{{ inputs.x }}"'),
      /^\/incident:\d+ inputs\.x /,
    ],
    [
      'an incident of what no run has at its start',
      minimal(GET, 'incident: "{{ steps.get.body }}"'),
      /^\/incident:\d+ use a text in which every reference is of the form \{\{ inputs\.NAME \}\}$/,
    ],
    [
      'a type of step that is none',
      minimal('- { id: a, type: mail }'),
      /\/steps\/0\/type:\d+ use one of: notify, enrich, open_ticket, webhook, contain, update_state, branch, wait, approval, playbook, fail, parallel, foreach, repeat$/,
    ],
    [
      'an operator that is none',
      minimal(GET).replace('operator: equal', 'operator: ">"'),
      /\/triggers\/0\/where\/operator:\d+ use one of: equal, notEqual, contains, .*, inCidr$/,
    ],
    [
      'a rule over a fact that is not there',
      minimal(GET).replace('fact: event', 'fact: alert'),
      /\/where:\d+ expected a rule over the facts that exist here: event, envelope, incident$/,
    ],
    [
      'a reference on a line of its own',
      minimal(
        '- id: a\n  type: enrich\n  uses: http-json/get\n  with:\n    url: http://x\n    headers: { a: "{{ inputs.x }}" }',
      ),
      /^\/steps\/0\/with\/headers\/a:15 inputs\.x is not declared/,
    ],
    ['a directive', `%YAML 1.1\n---\n${minimal(GET)}`, /^:1 a line that begins with % is read as a directive/],
    ['a directive for tags', `# x\n\n%TAG ! x:\n---\n${minimal(GET)}`, /^:3 a line that begins with %/],
    [
      'a merge',
      minimal(GET).replace('title: P', '!!merge <<: { title: P }'),
      /^:4 column \d+: tags .* are not allowed/,
    ],
    ...['!!str P', '!own P', '! P', '!!binary "aGk="', '!!map {}', '!!seq []', '!<tag:yaml.org,2002:int> 1'].map(
      (value): [string, string, RegExp] => [
        `a tag: ${value}`,
        minimal(GET).replace('title: P', `title: ${value}`),
        /^:4 column \d+: tags .* are not allowed/,
      ],
    ),
    ...['constructor', 'prototype', 'toString', '"__proto__"', 'hasOwnProperty'].map(
      (key): [string, string, RegExp] => [
        `a key that would be lost: ${key}`,
        minimal(GET.replace('with: {', `with: { x: [{ ${key}: 5 }],`)),
        /^:10 column \d+: a key that every object has already/,
      ],
    ),
    ...['next: continue', 'next: manual'].map((next): [string, string, RegExp] => [
      `a way of failing as successor: ${next}`,
      minimal(GET.replace(/ \}$/, `, ${next} }`)),
      /^\/steps\/0\/next:10 there is no step (continue|manual)/,
    ]),
    ...['continue', 'manual'].map((way): [string, string, RegExp] => [
      `a no that is taken for a yes: ${way}`,
      minimal(`- { id: ask, type: approval, ask: "Go?", onFailure: ${way} }\n${GET}`),
      /^\/steps\/0\/onFailure:10 a no must lead elsewhere than a yes/,
    ]),
    ['no steps', minimal('  []'), /\/steps/],
    ['a bad duration', minimal(GET, 'timeout: soon'), /\/timeout:\d+ .*whole number and a unit/],
    ['a number for a duration', minimal(GET, 'timeout: 30'), /\/timeout:\d+ use a whole number and a unit, e\.g\. 30m/],
    [
      'a number for the pause of a repeat',
      minimal(
        `- { id: r, type: repeat, pause: 1, until: { fact: inputs, path: /ip, operator: equal, value: x }, steps: [${GET.slice(2)}] }`,
      ),
      /\/steps\/0\/pause:\d+ use a whole number and a unit, e\.g\. 30m/,
    ],
    [
      'a number for the timeout of a call',
      minimal(GET.replace(', with', ', timeout: 5, with')),
      /\/steps\/0\/timeout:\d+ use a whole number and a unit, e\.g\. 5s/,
    ],
    [
      'a number for a window',
      minimal(GET).replace('value: 1 } }', 'value: 1 }, dedup: { key: [/x], window: 5 } }'),
      /\/triggers\/0\/dedup\/window:\d+ expected a duration up to 30d, such as 30m/,
    ],
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
      /\/steps\/1:11 the steps form a cycle: a -> b -> a\. A run must be able to end\n/,
    ],
    [
      'a cycle that is long, behind steps that are none of it',
      minimal(
        [`${GET.replace(/ }$/, ', next: s1 }')}`]
          .concat(
            Array.from({ length: 12 }, (_, n) => {
              const next = n === 11 ? 's2' : `s${n + 1}`;
              return `- { id: s${n}, type: enrich, uses: http-json/get, with: { url: "http://x" }, next: ${next} }`;
            }),
          )
          .join('\n'),
      ),
      /cycle: s2 -> s3 -> s4 -> s5 -> s6 -> s7 -> s8 -> \.\.\. -> s11 -> s2\. /,
    ],
    [
      'a text where an object belongs',
      minimal(GET).replace(/owners: .*/, 'owners: soc'),
      /^\/owners:5 expected an object of keys and values$/,
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
      'a branch on an input that is not there',
      minimal(
        `- { id: b, type: branch, when: { fact: inputs, path: /ipp, operator: equal, value: x }, then: end, else: end }`,
      ),
      /^\/steps\/0\/when:\d+ inputs\.ipp is not declared/,
    ],
    [
      'a branch, deep in a rule, on what a wait does not take',
      minimal(
        `- { id: w, type: wait, event: { match: { /c: x }, take: { verdict: /v } } }
- id: b
  type: branch
  paths:
    - when: { any: [{ not: { fact: steps.w, path: /verdikt/is, operator: equal, value: x } }, { fact: steps.w, path: /verdict/is, operator: equal, value: x }] }
      then: end
  else: end`,
      ),
      /^\/steps\/1\/paths\/0\/when:\d+ steps\.w has no verdikt: its output has event, verdict$/,
    ],
    [
      'a repeat until what an action does not give',
      minimal(
        `- { id: r, type: repeat, until: { fact: steps.c, path: /untill, operator: equal, value: x }, steps: [{ id: c, type: contain, uses: edge-firewall/ban, with: { ip: x, for: 4h } }] }`,
      ),
      /^\/steps\/0\/until:\d+ steps\.c has no untill: its output has ip, until, replaced$/,
    ],
    [
      'a branch on what an action does not give, by a name that must not be repeated',
      minimal(
        `- { id: c, type: contain, uses: edge-firewall/ban, with: { ip: x, for: 4h } }
- { id: b, type: branch, when: { fact: steps.c, path: "/an odd~1 name", operator: equal, value: x }, then: end, else: end }`,
      ),
      /^\/steps\/1\/when:\d+ steps\.c has no \?: its output has ip, until, replaced$/,
    ],
    [
      'a field that a wait does not take',
      minimal(
        `- { id: w, type: wait, event: { match: { /c: x }, take: { verdict: /v } } }
- { id: n, type: update_state, incident: "i", set: { state: new, note: "{{ steps.w.event }} {{ steps.w.verdikt }}" } }`,
      ),
      /^\/steps\/1\/set\/note:\d+ steps\.w has no verdikt: its output has event, verdict$/,
    ],
    [
      'a field of a run that nobody waits for',
      minimal(
        `- { id: s, type: playbook, uses: other, detached: true }
- { id: n, type: update_state, incident: "i", set: { state: new, note: "{{ steps.s.run }} {{ steps.s.score }}" } }`,
      ),
      /\n\/steps\/1\/set\/note:\d+ steps\.s has no score: its output has run$/,
    ],
    [
      'a field that an action does not give, by its manifest',
      minimal(
        `- { id: c, type: contain, uses: edge-firewall/ban, with: { ip: x, for: 4h } }
- { id: n, type: update_state, incident: "i", set: { state: new, note: "{{ steps.c.until }} {{ steps.c.untill }}" } }`,
      ),
      /^\/steps\/1\/set\/note:\d+ steps\.c has no untill: its output has ip, until, replaced$/,
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
    [
      'a containment called a message',
      minimal('- { id: a, type: notify, uses: edge-firewall/ban }'),
      /may not be used as notify: it is contain/,
    ],
    ['containment without a plan', minimal('- { id: a, type: contain, uses: http-json/get }'), /has no plan/],
    ['a document too large', `# ${'x'.repeat(200_000)}`, /larger than/],
    ['a second document', `${minimal(GET)}---\nkind: Other\n`, /^:\d+ column 1: a second document begins/],
    ['a key twice, as text and as a number', minimal(GET, 'description: { 1: a, "1": b }'), /^:8 .*stands twice/],
    ['an explicit key', minimal(GET, '? description\n: x'), /explicit keys/],
    ['a reference without quotes', minimal(GET.replace(/url: ".*?"/, 'url: {{ inputs.ip }}')), /in quotes/],
    ['a number that is none', minimal(GET.replace(/url: ".*?"/, 'url: .nan')), /not one of JSON/],
    ['a number without end', minimal(GET.replace(/url: ".*?"/, 'url: [-.inf]')), /not one of JSON/],
    ['half a character', minimal(GET.replace(/url: ".*?"/, 'url: "\\ud800"')), /surrogate/],
    [
      'a key named __proto__',
      minimal(GET.replace('url:', '__proto__: { a: 1 }, url:')),
      /:10 column 57: a key that every object has already \(__proto__, .* is not allowed/,
    ],
    [
      'a value deeper than 64 levels',
      minimal(GET.replace(/url: ".*?"/, `url: ${'['.repeat(64)}${']'.repeat(64)}`)),
      /deeper/,
    ],
    [
      'an action named like a property of every object',
      minimal(GET.replace('/get', '/constructor')),
      /no action constr/,
    ],
    ['a parameter left out', minimal(GET.replace('/get', '/query')), /\/with:\d+ body is required by http-json\/query/],
    ['no parameters at all', minimal('- { id: a, type: enrich, uses: http-json/get }'), /url is required by http-json/],
    [
      'a parameter misspelt',
      minimal(GET.replace('url:', 'ulr:')),
      /\/with\/ulr:\d+ ulr is no parameter of http-json\/get: it has url/,
    ],
    [
      '65 inputs',
      minimal(GET).replace(
        '{ ip: /ip }',
        `{ ip: /ip, ${Array.from({ length: 64 }, (_, i) => `a${i}: /a`).join(', ')} }`,
      ),
      /\/inputs:\d+ /,
    ],
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

describe('durations are bounded', () => {
  const at = (key: 'run' | 'step' | 'backoff' | 'window', text: string): string => {
    if (key === 'run') return minimal(GET, `timeout: ${text}`);
    if (key === 'step') return minimal(GET.replace('with:', `timeout: ${text}, with:`));
    if (key === 'backoff') return minimal(GET.replace('with:', `retry: { attempts: 2, backoff: ${text} }, with:`));
    return minimal(GET).replace('value: 1 } }', `value: 1 }, dedup: { key: [/x], repeat: drop, window: ${text} } }`);
  };
  test.each<['run' | 'step' | 'backoff' | 'window', string, RegExp]>([
    ['run', '30d', /^$/],
    ['run', '31d', /^\/timeout:\d+ use a whole number and a unit, .* up to 30d$/],
    ['run', '999999999d', /up to 30d/],
    ['run', '0s', /up to 30d/],
    ['run', '5 s', /up to 30d/],
    ['step', '24h', /^$/],
    ['step', '25h', /^\/steps\/0\/timeout:\d+ use a whole number and a unit, .* up to 24h$/],
    ['step', '999999999d', /up to 24h/],
    ['backoff', '1s..24h', /^$/],
    ['backoff', '1s..25h', /^\/steps\/0\/retry\/backoff:\d+ use first..most, .* up to 24h$/],
    ['backoff', '0s..1s', /first..most/],
    ['backoff', '1s..2s..3s', /first..most/],
    ['backoff', `1s..${'9'.repeat(400)}s`, /first..most/],
    ['window', '30d', /^$/],
    ['window', '31d', /^\/triggers\/0\/dedup\/window:\d+ expected a duration up to 30d/],
  ])('%s %s', (key, text, expected) => {
    expect(issuesOf(at(key, text)).join('\n')).toMatch(expected);
  });

  test('a version that was stored before the bounds keeps to them', () => {
    const checked = lintPlaybook(at('step', '5s'), catalog);
    if (!checked.ok) throw new Error('the playbook is refused');
    const stored = JSON.parse(
      JSON.stringify(checked.value.playbook).replace('"5s"', '"999999999d"').replace('"30m"', '"999999999d"'),
    );
    const graph = toGraph(stored);
    expect([graph.timeout, [...graph.steps.values()][0]]).toMatchObject([30 * 86_400_000, { timeout: 24 * 3_600_000 }]);
  });
});

describe('a name that every object has', () => {
  const named = (name: string): readonly [string, string][] => [
    ['a step', minimal(GET.replace('id: get', `id: ${name}`))],
    ['a playbook', minimal(GET).replace('name: p', `name: ${name}`)],
    ['a trigger', minimal(GET).replace('id: t', `id: ${name}`)],
    ['an input', minimal(GET).replace('{ ip: /ip }', `{ ip: /ip, ${name}: /ip }`)],
    ['a parameter', minimal(GET.replace('with: { ', `with: { ${name}: x, `))],
  ];
  const names = [...Object.getOwnPropertyNames(Object.prototype), 'prototype'];
  test.each(names.flatMap((name) => named(name).map(([what, text]) => [name, what, text] as const)))(
    '%s is refused as that of %s',
    (name, _, text) => {
      const issues = issuesOf(text).join('\n');
      expect(issues).not.toBe('');
      if (name === 'constructor') expect(issues).toMatch(/every object has/);
    },
  );

  test.each(names)('%s is refused as that of a plugin or an action', (name) => {
    const sound = manifest('http-json');
    const { get } = sound.actions;
    const actions = JSON.parse(`{ "get": ${JSON.stringify(get)}, "${name}": ${JSON.stringify(get)} }`);
    expect(v.safeParse(PluginManifestSchema, sound).success).toBe(true);
    expect(v.safeParse(PluginManifestSchema, { ...sound, name }).success).toBe(false);
    expect(v.safeParse(PluginManifestSchema, { ...sound, actions }).success).toBe(false);
  });
});

test('all is told at once, by line: structure, what stands between sound parts, parameters', () => {
  const text =
    minimal(`- { id: which, type: branch, when: { fact: inputs, path: /ip, operator: equal, value: x }, then: gone }
- { id: get, type: enrich, uses: http-json/get, with: { url: "{{ inputs.host }}" }, next: nowhere }
- { id: tell, type: notify, uses: pager/send, with: { a: "{{ steps.none.x }}", b: "{{ steps.which.x }}" } }
- { id: get, type: enrich, uses: http-json/get, with: { ulr: x } }`).replace('kind: Playbook\n', '');
  expect(issuesOf(text)).toEqual([
    '/kind:null required, but missing',
    '/steps/0/else:9 required, but missing',
    '/steps/1/next:10 there is no step nowhere: name a step of this playbook, or end',
    '/steps/1/with/url:10 inputs.host is not declared: add it to inputs with its JSON Pointer',
    '/steps/2/with/a:11 there is no step none to take steps.none of',
    '/steps/2/uses:11 the plugin pager is not installed: install it, or check the name',
    '/steps/3/id:12 the id get is used twice: give each its own',
    '/steps/3/with:12 url is required by http-json/get',
    '/steps/3/with/ulr:12 ulr is no parameter of http-json/get: it has url, headers, pick',
  ]);
});

describe('what is wrong in one place hides nothing of another', () => {
  const AWAY = '- { id: gone, type: notify, uses: pager/send, with: { url: "{{ steps.none.x }}" } }';
  test.each<[string, string, readonly string[]]>([
    [
      'a key too many, and the step that has it',
      minimal(AWAY.replace('uses', 'tmeout: 5s, uses')),
      ['/steps/0/tmeout', '/steps/0/with/url', '/steps/0/uses'],
    ],
    [
      'an odd value beside',
      minimal(AWAY.replace('uses', 'timeout: soon, uses')),
      ['/steps/0/timeout', '/steps/0/with/url', '/steps/0/uses'],
    ],
    [
      'a key too many in a block, and the step around it',
      minimal(
        `- { id: all, type: foreach, over: "{{ inputs.ips }}", steps: [{ id: get, type: enrich, ues: x, uses: http-json/none }] }`,
      ),
      ['/steps/0/steps/0/ues', '/steps/0/over', '/steps/0/steps/0/uses'],
    ],
    [
      'a missing title, and a cycle',
      minimal(
        `${GET.replace(' } }', ' }, next: b }')}\n${GET.replace('get', 'b').replace(' } }', ' }, next: get }')}`,
      ).replace('title: P\n', ''),
      ['/title', '/steps/1'],
    ],
    [
      'an odd timeout of a step, and what has not run on every path',
      minimal(
        `- { id: which, type: branch, when: { fact: inputs, path: /ip, operator: equal, value: x }, then: get, else: z }
${GET.replace('with', 'timeout: soon, with')}
- { id: z, type: enrich, uses: http-json/get, with: { url: "{{ steps.get.body }}" } }`,
      ),
      ['/steps/1/timeout', '/steps/2/with/url'],
    ],
    [
      'a step that nothing leads to, and what has not run on every path; of that step itself only what is sure',
      minimal(
        `- { id: which, type: branch, when: { fact: inputs, path: /ip, operator: equal, value: x }, then: get, else: z }
${GET}
- { id: z, type: enrich, uses: http-json/get, with: { url: "{{ steps.get.body }}" }, next: end }
- { id: lost, type: enrich, uses: http-json/get, with: { url: "{{ steps.get.body }}{{ steps.none.x }}" } }`,
      ),
      ['/steps/2/with/url', '/steps/3', '/steps/3/with/url'],
    ],
  ])('%s', (_, text, places) => {
    expect(issuesOf(text).map((issue) => issue.slice(0, issue.indexOf(':')))).toEqual(places);
  });

  test('but a misspelt way is one fault: what it led to is not said to be lost', () => {
    const text =
      minimal(`- { id: which, type: branch, when: { fact: inputs, path: /ip, operator: equal, value: x }, then: a, else: end }
- { id: a, type: enrich, uses: http-json/get, with: { url: x }, nxt: c, next: end }
- { id: c, type: enrich, uses: http-json/get, with: { url: x } }`);
    expect(issuesOf(text)).toEqual([expect.stringMatching(/^\/steps\/1\/nxt:\d+ this key is not known here/)]);
  });
});

describe('what is not YAML is said in words, with line and column, and nothing of it is repeated', () => {
  test.each([
    ['a quote that stays open', 'a: b\nkind: "s3cret', ':2 column 14: a character is missing'],
    ['a tab', 'owners:\n\ts3cret: a', ':2 column 1: a tab stands where the line is indented'],
    ['an escape that is none', 'a: "s3cret \\q"', ':1 column 12: a backslash in double quotes begins no escape'],
    ['an indent that does not fit', 'a:\n    s3cret: 1\n  c: 2', ':3 column 1: the indentation does not fit'],
    ['a text that begins with @', 'a: @s3cret', ':1 column 4: a plain text cannot begin with this character'],
    ['a colon in a plain text', 'title: s3cret: more', ':1 column 8: a mapping begins on the line of another key'],
    ['a bracket too many', 'a: s3cret\nb: ]', ':2 column 4: something stands where nothing can'],
  ])('%s', (_, text, says) => {
    const issues = issuesOf(text);
    expect(issues[0]).toContain(says);
    expect(issues.join()).not.toContain('s3cret');
  });
});

test.each([
  ['too far', '    uses:', '     uses:', 0],
  ['too little', '    uses:', '   uses:', 1],
  ['too little, as the first key of an item', '  - id: reputation', ' - id: reputation', 1],
])('one line that is indented %s is one fault, which says so', (_name, whole, slipped, plus) => {
  const line = SHIPPED.slice(0, SHIPPED.indexOf(whole)).split('\n').length - 1 + plus;
  const issues = issuesOf(SHIPPED.replace(whole, slipped));
  expect(issues).toEqual([
    expect.stringMatching(`^:${line} column \\d+: the indentation of this line or the next does not fit`),
  ]);
});

describe('60 kB that would keep the parser busy for seconds or a minute are refused at once', () => {
  const keys = (count: number) => Array.from({ length: count }, (_, i) => `a${i}: 1`).join(', ');
  test.each<[string, string, RegExp]>([
    ['explicit keys in a row', '? '.repeat(30_000), /explicit keys/],
    ['explicit keys in maps', '{? '.repeat(20_000), /explicit keys/],
    ['a map of very many keys', `{${keys(6_500)}}`, /too many values/],
    ['a list of very many items', `[${'1,'.repeat(30_000)}]`, /too many values/],
    ['tags in a row', '!a '.repeat(20_001), /too many values/],
    ['lists 30,000 deep', `${'['.repeat(30_000)}${']'.repeat(30_000)}`, /too many values/],
    ['lists 9,000 deep', `${'['.repeat(9_000)}${']'.repeat(9_000)}`, /nested too deep|deeper than/],
    ['a reference of blanks', minimal(GET.replace('{{ inputs.ip }}', `{{${' '.repeat(60_000)}x`)), /^$/],
  ])('%s', (_, text, expected) => {
    expect(issuesOf(text).join('\n')).toMatch(expected);
  });

  test('a map of 4,000 keys is read to its end, where one stands twice', () => {
    expect(issuesOf(`{ ${keys(4_000)},\na17: 2 }`)).toEqual([
      ':2 column 1: the key stands twice in one mapping; remove one',
    ]);
  });

  test('a mark of an explicit key inside text is text', () => {
    expect(issuesOf(minimal(GET, 'description: "?"').replace('title: P', 'title: why ? P'))).toEqual([]);
  });

  test('very many things wrong are not all told', () => {
    expect(issuesOf(minimal(GET.replace('{{ inputs.ip }}', '{{a}}'.repeat(10_000)))).length).toBe(50);
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
    'x {{ steps.get.body.deep.x }} y',
    '{{ inputs.__proto__ }}',
    '{{ inputs.constructor }}',
    '{{ inputs.list.length }}',
    '{{ inputs.list.9 }}',
    'x {{ inputs.gone }}',
  ])('%s has no value: refused, not emptied', (value) => {
    expect(bind(value, scope)).toMatchObject({ ok: false, error: { kind: 'missing' } });
  });

  test.each([
    ['x {{ steps.get.body }} y', 'object', 'steps.get.body'],
    ['{{ inputs.list }}{{ inputs.gone }}', 'list', 'inputs.list'],
  ])('%s is no text: refused, not printed', (value, kind, reference) => {
    expect(bind(value, scope)).toEqual({ ok: false, error: { kind, reference } });
  });

  test('a null is a value where it stands alone', () => {
    expect(bind('{{ steps.get.body.deep.x }}', scope)).toEqual({ ok: true, value: null });
  });

  test.each<[string, unknown, unknown]>([
    ['203.0.113.7', 'http://x/{{ inputs.v }}', 'http://x/203.0.113.7'],
    ['x?delete=all', 'http://x/{{ inputs.v }}', 'http://x/x%3Fdelete%3Dall'],
    ['fd00::7', 'http://x/{{ inputs.v }}', 'http://x/fd00::7'],
    ['a&admin=1#b', 'http://x/?q={{ inputs.v }}&n=1', 'http://x/?q=a%26admin%3D1%23b&n=1'],
    ['a/../b', 'http://x/{{ inputs.v }}', 'http://x/a%2F..%2Fb'],
    ['%2e', 'http://x/{{ inputs.v }}', 'http://x/%252e'],
    ['evil.example/', 'http://{{ inputs.v }}x/', 'http://evil.example%2Fx/'],
    ['ü \ud800', 'http://x/{{ inputs.v }}', 'http://x/%C3%BC%20%EF%BF%BD'],
    ['http://y/?a=b', '{{ inputs.v }}', 'http://y/?a=b'],
  ])('in a parameter named url %j is a part of it: %s', (given, url, expected) => {
    const at = { inputs: { v: given as string }, steps: {} };
    expect(bind({ url } as never, at)).toEqual({ ok: true, value: { url: expected } });
    // Any other text takes it as it is.
    const plain = (url as string).replace('{{ inputs.v }}', given as string);
    expect(bind({ text: url, payload: { url }, urls: [url] } as never, at)).toEqual({
      ok: true,
      value: { text: plain, payload: { url: plain }, urls: [plain] },
    });
  });

  describe('a reference is cheap to write and may stand for much: what is bound has a budget', () => {
    const big = { inputs: { text: 'x'.repeat(30_000), list: ['y'.repeat(40_000)] }, steps: {} };
    test.each<[string, unknown, unknown]>([
      ['two texts of 30,000 fit', ['{{ inputs.text }}', '{{ inputs.text }}'], { ok: true }],
      [
        'a third does not',
        Array(3).fill('{{ inputs.text }}'),
        { error: { kind: 'too_large', reference: 'inputs.text' } },
      ],
      [
        'nor inside one text',
        '- {{ inputs.text }}'.repeat(3),
        { error: { kind: 'too_large', reference: 'inputs.text' } },
      ],
      ['nor in objects', { a: '{{ inputs.list }}', b: { c: '{{ inputs.list }}' } }, { error: { kind: 'too_large' } }],
      ['nor as text of the author', ['z'.repeat(65_537)], { error: { kind: 'too_large', reference: '' } }],
      ['what is missing is told apart', '{{ inputs.gone }}', { error: { kind: 'missing', reference: 'inputs.gone' } }],
    ])('%s', (_, value, expected) => {
      expect(bind(value as never, big)).toMatchObject(expected as object);
    });
  });
});

describe('what is done once', () => {
  const once = (dedup: string) =>
    issuesOf(
      minimal(
        `- { id: tell, type: notify, uses: webhook/post, with: { url: "http://x/", payload: {} }, dedup: ${dedup} }`,
      ),
    );
  test.each<[string, string, string]>([
    ['has a key and a window', '{ key: ["{{ inputs.ip }}"], window: 7d }', ''],
    ['may have a key of words', '{ key: [daily], window: 1d }', ''],
    ['needs a window', '{ key: ["{{ inputs.ip }}"] }', 'window'],
    ['needs a key', '{ window: 7d }', 'key'],
    ['needs a part of the key', '{ key: [], window: 7d }', 'key'],
    ['has no window of 31 days', '{ key: ["{{ inputs.ip }}"], window: 31d }', 'window'],
    ['is keyed by what there is', '{ key: ["{{ inputs.host }}"], window: 7d }', 'inputs.host is not declared'],
    ['is not keyed by what comes later', '{ key: ["{{ steps.tell.id }}"], window: 7d }', 'steps.tell has not run'],
  ])('%s', (_, dedup, says) => {
    expect(once(dedup).join('; ')).toMatch(says === '' ? /^$/ : says);
  });

  test('is not a wait', () => {
    const wait = minimal('- { id: w, type: wait, for: 1m, dedup: { key: [x], window: 7d } }');
    expect(issuesOf(wait).join()).toMatch('dedup:');
  });
});
