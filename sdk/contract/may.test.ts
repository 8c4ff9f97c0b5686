import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { EgressPolicySchema } from './egress.ts';
import { capabilitiesOf, capabilityText, HTTP_IMPORT, type ModuleFacts, mayOf, sizeOf } from './may.ts';
import { PluginManifestSchema } from './plugin.ts';

/** What a plugin may do, in words that somebody decides on. */
const action = (effect: string, more: object = {}) => ({ title: 'A', effect, input: {}, output: {}, ...more });
const manifest = (actions: object, http = true, secrets: readonly string[] = []) =>
  v.parse(PluginManifestSchema, {
    apiVersion: 'interlock/plugin/v1',
    name: 'p',
    version: '1.0.0',
    title: 'P',
    capabilities: { http, secrets },
    actions,
  });
const facts = (more: Partial<ModuleFacts> = {}): ModuleFacts => ({
  imports: [HTTP_IMPORT, 'extism:host/env.alloc'],
  memory: { pagesMin: 2, pagesMax: 16 },
  tables: [],
  functions: 3,
  startFunction: false,
  ...more,
});
const grant = (rules: readonly object[], more: object = {}) =>
  v.parse(EgressPolicySchema, { apiVersion: 'interlock/egress/v1', grants: [{ plugin: 'p', rules, ...more }] })
    .grants[0];
const rule = { scheme: 'https', host: 'api.x.example', port: 443, methods: ['GET', 'POST'], pathPrefix: '/v1' };

describe('what it may do', () => {
  const ask = manifest({ look: action('read') });
  const ban = manifest({ ban: action('write', { methods: ['POST'] }) }, true, ['token']);
  test.each<[string, ReturnType<typeof mayOf>, readonly string[]]>([
    [
      'a plugin that computes',
      mayOf(manifest({ a: action('none') }, false), facts()),
      ['computes only: cannot send anything'],
    ],
    [
      'a module that cannot send, whatever it says',
      mayOf(ask, facts({ imports: [] })),
      ['computes only: cannot send anything'],
    ],
    [
      'one that is not granted anything',
      mayOf(ask, facts(), null),
      ['may send nothing: the egress policy has no rule for what it asks'],
    ],
    [
      'one whose grant is for what it does not send',
      mayOf(ask, facts(), grant([{ ...rule, methods: ['POST'] }])),
      ['may send nothing: the egress policy has no rule for what it asks'],
    ],
    ['a read under a rule', mayOf(ask, facts(), grant([rule])), ['may send GET to api.x.example:443 under /v1']],
    [
      'a write with a secret',
      mayOf(ban, facts(), grant([{ ...rule, rate: '20/m', secret: { name: 'token', header: 'authorization' } }])),
      [
        'may send POST to api.x.example:443 under /v1, at most 20/m',
        'may use the secret token in the header authorization there',
        'its action ban changes something outside',
        'its action ban cannot be undone',
        'its action ban may be a step of type contain',
        'its action ban makes no plan of what it changes',
      ],
    ],
    [
      'an inner target without TLS',
      mayOf(ask, facts(), grant([{ ...rule, scheme: 'http', addresses: ['10.0.0.0/8'] }])),
      ['may send GET to api.x.example:443 under /v1 unencrypted, also where that is 10.0.0.0/8'],
    ],
    [
      'a grant in report mode',
      mayOf(ask, facts(), grant([], { mode: 'report' })),
      ['may send GET, HEAD to any public place that no rule covers, without secrets: its grant is in report mode'],
    ],
    [
      'nobody was asked for a grant',
      mayOf(ban, facts()),
      [
        'may ask to send POST to where the egress policy of an org lets it',
        'its action ban changes something outside',
        'its action ban cannot be undone',
        'wants the secret token to ride with its requests',
        'its action ban may be a step of type contain',
        'its action ban makes no plan of what it changes',
      ],
    ],
    [
      'code that runs at once',
      mayOf(manifest({ a: action('none') }, false), facts({ startFunction: true })),
      ['computes only: cannot send anything', capabilityText('start')],
    ],
  ])('%s', (_, said, expected) => expect(said).toEqual(expected));
});

test('the list is sorted, and has what a newer host would give', () => {
  const one = manifest({ b: action('write', { methods: ['PUT'] }), a: action('read') }, true, ['k']);
  expect(
    capabilitiesOf(
      one,
      facts({
        imports: [HTTP_IMPORT, 'interlock:host/v2.disk', 'wasi_snapshot_preview1.fd_write'],
        startFunction: true,
      }),
    ),
  ).toEqual([
    'change:b',
    'final:b',
    'http',
    'import:interlock:host/v2.disk',
    'method:GET',
    'method:HEAD',
    'method:PUT',
    'secret:k',
    'start',
    'step:b:contain',
    'unplanned:b',
  ]);
  expect(capabilityText('import:interlock:host/v2.disk')).toBe('uses interlock:host/v2.disk of the host');
});

test('its size is said', () => {
  expect(sizeOf(facts({ tables: [{ entriesMax: 7 }], startFunction: true }))).toEqual([
    'memory up to 16 pages of 64 KiB, 2 at first',
    'tables up to 7 entries',
    '3 functions',
    'has a start function',
  ]);
});
