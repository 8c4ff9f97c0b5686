import * as v from 'valibot';
import { expect, it, test } from 'vitest';
import shipped from '../../policies/execution/default.json' with { type: 'json' };
import { durationMs } from '../base/time.ts';
import { breakerFor, callsFor, DEFAULT_EXECUTION, ExecutionPolicySchema, rateFor, timeoutFor } from './policy.ts';

const parse = (parts: object) => v.parse(ExecutionPolicySchema, { apiVersion: 'interlock/execution/v1', ...parts });

it('says the same as the file that is shipped', () => {
  expect(v.parse(ExecutionPolicySchema, shipped)).toEqual(DEFAULT_EXECUTION);
});

test.each([
  ['the default of its kind', {}, null, 30_000],
  ['what the policy says for its kind', { timeouts: { contain: '2m' } }, null, 120_000],
  ['what the playbook says', { timeouts: { contain: '2m' } }, durationMs(5_000), 5_000],
])('a step takes %s', (_, parts, timeout, expected) => {
  expect(timeoutFor(parse(parts), { type: 'contain', timeout })).toBe(expected);
});

it('lets a connector differ in single numbers', () => {
  const policy = parse({
    breaker: { failures: 9, connectors: { slow: { open: '5m' } } },
    concurrency: { connector: 4, connectors: { slow: 1 } },
  });
  expect(breakerFor(policy, 'slow')).toEqual({ failures: 9, windowMs: 60_000, openMs: 300_000, probes: 1 });
  expect(breakerFor(policy, 'other')).toEqual({ failures: 9, windowMs: 60_000, openMs: 30_000, probes: 1 });
  // A name that every object has is no entry.
  expect(breakerFor(policy, 'constructor').openMs).toBe(30_000);
  expect([callsFor(policy, 'slow'), callsFor(policy, 'other'), callsFor(policy, 'constructor')]).toEqual([1, 4, 4]);
});

it('has rates for those connectors alone that it names one for, or for all', () => {
  const one = parse({ rate: { connectors: { slow: '20/m' } } });
  expect([rateFor(one, 'slow'), rateFor(one, 'other'), rateFor(one, 'constructor')]).toEqual([
    { most: 20, span: 60_000 },
    undefined,
    undefined,
  ]);
  const all = parse({ rate: { connector: '600/m', connectors: { slow: '1/2h' } } });
  expect([rateFor(all, 'slow')?.most, rateFor(all, 'other')?.most]).toEqual([1, 600]);
  expect(rateFor(DEFAULT_EXECUTION, 'slow')).toBeUndefined();
});

test.each([
  ['a rate that is none', { rate: { connector: '20' } }],
  ['a key that is none', { retries: 3 }],
  ['a time that is none', { timeouts: { enrich: '10' } }],
  ['a time beyond a day', { breaker: { open: '25h' } }],
  ['a limit of none', { concurrency: { connector: 0 } }],
  ['a limit above that of the kernel', { concurrency: { org: 513 } }],
  ['a name that every object has', JSON.parse('{"concurrency":{"connectors":{"constructor":1}}}')],
  ['a kind that is no action', { timeouts: { branch: '1s' } }],
])('%s is refused', (_, parts) => {
  expect(v.safeParse(ExecutionPolicySchema, { apiVersion: 'interlock/execution/v1', ...parts }).success).toBe(false);
});
