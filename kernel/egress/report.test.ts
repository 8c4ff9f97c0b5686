import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EgressRule } from '../../sdk/contract/egress.ts';
import type { HttpRequest } from '../../sdk/contract/plugin.ts';
import { unixMs } from '../base/time.ts';
import { judgeRequest, uncovered } from './allow.ts';
import { type ReportedPlace, ruleToPaste, withRefusal, withRequest } from './report.ts';

const ASKER = { action: 'lookup', playbook: 'contain-c2' };
const ask = (url: string, part: Partial<HttpRequest> = {}): HttpRequest => ({
  url,
  method: 'GET',
  headers: {},
  body: null,
  ...part,
});
const reported = (...requests: HttpRequest[]): ReportedPlace => {
  let place: ReportedPlace | undefined;
  for (const [i, one] of requests.entries()) {
    const request = uncovered([], one, ASKER);
    if (!request) throw new Error('it could not be granted');
    place = withRequest(place, { request, plugin: 'tracker', run: `run_${i}`, step: 'ask' }, unixMs(1_000 + i));
    if (!place) throw new Error('not listed');
  }
  if (!place) throw new Error('nothing was asked');
  return place;
};
const pathsOf = (place: ReportedPlace) => place.rules.map(({ pathPrefix }) => pathPrefix);

describe('requests for one place become rules', () => {
  it('one for each path, with all methods and headers, how often, when, and for which run', () => {
    const place = reported(
      ask('https://api.example.com/v1/items'),
      ask('https://api.example.com/v1/items?secret=1', { method: 'POST', headers: { 'X-Region': 'eu', accept: 'x' } }),
      ask('https://api.example.com/v1/users'),
    );
    expect(place).toEqual({
      plugin: 'tracker',
      scheme: 'https',
      host: 'api.example.com',
      port: 443,
      rules: [
        {
          methods: ['GET', 'POST'],
          pathPrefix: '/v1/items',
          headers: ['x-region'],
          requests: 2,
          first: 1_000,
          last: 1_001,
          run: 'run_1',
          step: 'ask',
        },
        expect.objectContaining({ methods: ['GET'], pathPrefix: '/v1/users', requests: 1, run: 'run_2' }),
      ],
    });
    expect(JSON.stringify(place)).not.toContain('secret');
  });

  it.each([
    ['/v1/items/7', '/v1/items'],
    ['/v1/items/0af7651916cd43dd/notes', '/v1/items'],
    ['/v1/items/7b0e7a1c-8d6e-4f55-9f0e-1c2d3e4f5a6b', '/v1/items'],
    ['/v1/ip/203.0.113.9', '/v1/ip'],
    ['/7', '/'],
    ['/', '/'],
    [`/v1/${'a'.repeat(200)}`, '/v1'],
    ['/feedbeef/x', '/feedbeef/x'],
  ])('%s is kept as %s', (path, prefix) => {
    expect(pathsOf(reported(ask(`https://api.example.com${path}`)))).toEqual([prefix]);
  });

  it('with more than eight paths, as the one that they begin with', () => {
    const words = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
    const place = reported(...words.map((word) => ask(`https://api.example.com/v1/${word}`)));
    expect([pathsOf(place), place.rules[0]?.requests, place.rules[0]?.first]).toEqual([['/v1'], 9, 1_000]);
  });

  it('which a policy takes: a request with one header too many for its rule is not listed', () => {
    const named = (from: number, count: number) =>
      ask('https://api.example.com/v1', {
        headers: Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${from + i}`, ''])),
      });
    expect(reported(named(0, 20), named(10, 22)).rules[0]?.headers).toHaveLength(32);
    expect(() => reported(named(0, 20), named(10, 22), named(32, 1))).toThrow('not listed');
  });

  it('that cover every one of them, whatever was asked', () => {
    const segment = fc.constantFrom('v1', 'v2', 'items', 'users', '7', 'a', 'b', 'c', '0af7651916cd43dd', '');
    const path = fc.array(segment, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
    fc.assert(
      fc.property(fc.array(path, { minLength: 1, maxLength: 30 }), (paths) => {
        const requests = paths.map((one) => ask(`https://api.example.com${one}`));
        const place = reported(...requests);
        const rules = place.rules.map(
          (one) => ({ addresses: [], ...ruleToPaste(place, one) }) as unknown as EgressRule,
        );
        expect(rules.length).toBeLessThanOrEqual(8);
        for (const request of requests) expect(judgeRequest(rules, request, ASKER).ok).toBe(true);
      }),
    );
  });
});

describe('a request that did not leave', () => {
  it('is counted at its rule, and the place has the blocks that it needed, up to eight', () => {
    const place = reported(ask('http://wiki.test/v1/items/7'), ask('http://wiki.test/v1'), ask('http://wiki.test/v2'));
    const refused = withRefusal(withRefusal(place, '/v1/items/7', '10.0.0.7/32'), '/v1/items/9', '10.0.0.7/32');
    expect(refused.rules.map((one) => [one.pathPrefix, one.refused])).toEqual([
      ['/v1/items', 2],
      ['/v1', undefined],
      ['/v2', undefined],
    ]);
    const [first] = refused.rules;
    expect(first && ruleToPaste(refused, first)?.addresses).toEqual(['10.0.0.7/32']);
    expect(withRefusal(place, '/v1', undefined)).not.toHaveProperty('addresses');
    const many = Array.from({ length: 20 }, (_, i) => `10.0.0.${i}/32`);
    expect(many.reduce((one, block) => withRefusal(one, '/v1', block), place).addresses).toHaveLength(8);
  });

  it('stays counted where its rules become one, and with the next request', () => {
    const words = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((word) => ask(`http://wiki.test/v1/${word}`));
    const refused = withRefusal(reported(...words), '/v1/b', '10.0.0.7/32');
    const request = uncovered([], ask('http://wiki.test/v1/i'), ASKER);
    if (!request) throw new Error('it could not be granted');
    const next = withRequest(refused, { request, plugin: 'tracker', run: 'run_9', step: 'ask' }, unixMs(2_000));
    expect(next).toMatchObject({ addresses: ['10.0.0.7/32'], rules: [{ pathPrefix: '/v1', requests: 9, refused: 1 }] });
  });
});

describe('a rule to paste beside those in force', () => {
  const inForce = (part: Partial<EgressRule> = {}): EgressRule => ({
    scheme: 'https',
    host: 'api.example.com',
    port: 443,
    methods: ['GET'],
    pathPrefix: '/v1',
    addresses: [],
    ...part,
  });
  const secret = { name: 'k', header: 'x-key', format: '{}' };
  const left = [['GET', 'POST']];
  it.each<[string, EgressRule[], readonly (readonly string[])[]]>([
    ['is left as it is where none is for the place', [inForce({ host: 'api.example.org' })], left],
    ['nor for its path', [inForce({ pathPrefix: '/v1/items/7' })], left],
    [
      'nor for everybody',
      [inForce({ methods: ['GET', 'POST'], secret: { ...secret, for: { actions: ['x'] } } })],
      left,
    ],
    ['has the other methods only', [inForce()], [['POST']]],
    ['is not there where all is granted', [inForce({ methods: ['POST'] }), inForce({ pathPrefix: '/v1/items' })], []],
  ])('%s', (_, rules, methods) => {
    const place = reported(
      ask('https://api.example.com/v1/items/7'),
      ask('https://api.example.com/v1/items/8', { method: 'POST' }),
    );
    expect(place.rules.flatMap((one) => ruleToPaste(place, one, rules) ?? []).map((one) => one.methods)).toEqual(
      methods,
    );
  });
});

describe('what could never be granted is not let out either', () => {
  const rule: EgressRule = {
    scheme: 'https',
    host: 'api.example.com',
    port: 443,
    methods: ['GET'],
    pathPrefix: '/v1',
    addresses: ['10.0.0.0/8'],
    secret: { name: 'k', header: 'x-key', format: '{}' },
  };
  it.each<[string, HttpRequest]>([
    ['a scheme', ask('ftp://api.example.org/')],
    ['credentials in the URL', ask('https://a@api.example.org/')],
    ['a path that climbs', ask('https://api.example.org/../x')],
    ['a method', ask('https://api.example.org/', { method: 'TRACE' })],
    ['a header of the kernel', ask('https://api.example.org/', { headers: { host: 'x' } })],
    ['the header of a secret', ask('https://api.example.org/', { headers: { 'X-Key': 'x' } })],
    ['a body with GET', ask('https://api.example.org/', { body: 'x' })],
    [
      'a header that a rule which covers the rest does not grant',
      ask('https://api.example.com/v1', { headers: { 'x-a': 'b' } }),
    ],
    ['what a rule covers', ask('https://api.example.com/v1')],
  ])('%s', (_, request) => expect(uncovered([rule], request, ASKER)).toBeUndefined());

  it('nor with the secret or the address blocks of the rule beside it', () => {
    const beside = uncovered([rule], ask('https://api.example.com/v2', { headers: { 'X-A': 'b' } }), ASKER);
    expect(beside?.rule).toEqual({
      scheme: 'https',
      host: 'api.example.com',
      port: 443,
      methods: ['GET'],
      pathPrefix: '/',
      addresses: [],
      headers: ['x-a'],
    });
    expect(beside?.headers).toEqual({ 'x-a': 'b' });
  });
});
