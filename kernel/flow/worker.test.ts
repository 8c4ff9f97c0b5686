import * as v from 'valibot';
import { expect, it } from 'vitest';
import type { OrgId, RunId } from '../base/id.ts';
import { ExecutionPolicySchema } from '../call/policy.ts';
import type { Graph } from '../playbook/graph.ts';
import type { Effect } from '../run/decision.ts';
import type { Run } from '../run/state.ts';
import type { Caller } from './caller.ts';
import type { Driver } from './drive.ts';
import type { Org, Registry } from './registry.ts';
import { openWorker } from './worker.ts';

type Call = Extract<Effect, { kind: 'call' }>;
type Deps = Parameters<typeof openWorker>[0];

/** A worker whose calls hang until they are released. */
function workerThatHangs(
  concurrency = { org: 512, connector: 512 },
  parts: { rate?: object; scheduler?: object } = {},
) {
  const carriedOut: OrgId[] = [];
  const stopped = new Set<string>();
  const released = Promise.withResolvers<never>();
  const caller: Caller = {
    call({ org }) {
      carriedOut.push(org);
      return released.promise;
    },
  };
  const driver: Pick<Driver, 'submit'> = { submit: () => released.promise };
  const execution = v.parse(ExecutionPolicySchema, {
    apiVersion: 'interlock/execution/v1',
    concurrency,
    ...(parts.rate && { rate: parts.rate }),
  });
  // A step is named by its number and its connector, such as `7-slow`.
  const steps = { get: (id: string) => ({ kind: 'action', plugin: id.split('-')[1] }) };
  const registry: Pick<Registry, 'graph' | 'org'> = {
    graph: () => ({ steps }) as unknown as Graph,
    org: () => ({ execution }) as Org,
  };
  const stopOf = (org: OrgId) => (stopped.has(org) ? 'org' : null);
  const { scheduler } = parts;
  const worker = openWorker({
    caller,
    driver,
    registry,
    stopOf,
    scheduler,
    report: () => undefined,
  } as unknown as Deps);
  const act = (org: string, step: number, kind: 'call' | 'abort' = 'call', connector = 'any') => {
    const run = { org: org as OrgId, id: 'run' as RunId, playbook: {}, plugins: {} } as unknown as Run;
    worker.act(run, { kind, op: 'execute', step: `${step}-${connector}`, attempt: 1 } as unknown as Call);
  };
  const count = async () => {
    await new Promise(setImmediate);
    return { acme: carriedOut.filter((org) => org === 'acme').length, all: carriedOut.length };
  };
  const stop = (org: string, is: boolean) => {
    if (is) stopped.add(org);
    else stopped.delete(org);
    worker.stopChanged([org as OrgId]);
  };
  return { worker, act, count, stop, release: () => released.resolve(undefined as never) };
}

it('carries out calls of other orgs while those of one hang', async () => {
  const { worker, act, count } = workerThatHangs();
  for (let i = 0; i < 600; i++) act('acme', i);
  expect(await count()).toEqual({ acme: 384, all: 384 });
  for (let i = 0; i < 100; i++) act(`org-${i}`, 0);
  expect(await count()).toEqual({ acme: 384, all: 484 });
  expect(worker.busy()).toBe(700);
});

it('does not carry out a call that was aborted while it waited', async () => {
  const { worker, act, count, release } = workerThatHangs();
  for (let i = 0; i < 600; i++) act('acme', i);
  for (let i = 384; i < 599; i++) act('acme', i, 'abort');
  expect(worker.busy()).toBe(385);
  release();
  expect(await count()).toEqual({ acme: 385, all: 385 });
  expect(worker.busy()).toBe(0);
});

it('lets calls of another connector go past those that wait for theirs, and none of a stopped org', async () => {
  const { worker, act, count, stop } = workerThatHangs({ connector: 32, org: 256 });
  for (let i = 0; i < 100; i++) act('acme', i, 'call', 'slow');
  expect(await count()).toEqual({ acme: 32, all: 32 });
  for (let i = 100; i < 110; i++) act('acme', i, 'call', 'fast');
  expect(await count()).toEqual({ acme: 42, all: 42 });
  const acme = 'acme' as OrgId;
  expect([worker.loadOf(acme, 'slow'), worker.loadOf(acme, 'fast')]).toEqual([
    { inFlight: 32, waiting: 68 },
    { inFlight: 10, waiting: 0 },
  ]);
  stop('globex', true);
  act('globex', 0, 'call', 'fast');
  expect(await count()).toEqual({ acme: 42, all: 42 });
  stop('globex', false);
  expect(await count()).toEqual({ acme: 42, all: 43 });
});

/** Time that the test moves; nothing looks at it again and again, so timers are all there is. */
function timeByHand() {
  let at = 5_000;
  const timers = new Set<{ due: number; task: () => void }>();
  const after = (ms: number, task: () => void) => {
    const timer = { due: at + ms, task };
    timers.add(timer);
    return () => void timers.delete(timer);
  };
  const pass = (ms: number) => {
    at += ms;
    for (const timer of [...timers].filter(({ due }) => due <= at)) {
      timers.delete(timer);
      timer.task();
    }
  };
  return { scheduler: { elapsed: () => at, after }, timers, pass };
}

it('lets no more calls of a connector begin than its rate, and the next ones when there is room', async () => {
  const { scheduler, timers, pass } = timeByHand();
  const rate = { connectors: { slow: '10/m' } };
  const { worker, act, count } = workerThatHangs(undefined, { rate, scheduler });
  for (let i = 0; i < 25; i++) act('acme', i, 'call', 'slow');
  for (let i = 25; i < 30; i++) act('acme', i, 'call', 'fast');
  act('globex', 0, 'call', 'slow');
  expect(await count(), 'others go past').toEqual({ acme: 15, all: 16 });
  const acme = 'acme' as OrgId;
  expect([worker.loadOf(acme, 'slow'), timers.size]).toEqual([{ inFlight: 10, waiting: 15 }, 1]);
  pass(59_000);
  expect((await count()).acme).toBe(15);
  pass(7_000);
  expect([(await count()).acme, timers.size]).toEqual([25, 1]);
  pass(66_000);
  expect([(await count()).acme, worker.loadOf(acme, 'slow').waiting]).toEqual([30, 0]);
  pass(66_000);
  expect(timers.size, 'what is not full has no timer').toBe(0);
});

it('takes back a call that waits for the rate of its connector, which then takes no place', async () => {
  const { scheduler, pass } = timeByHand();
  const { worker, act, count } = workerThatHangs(undefined, { rate: { connector: '1/s' }, scheduler });
  for (let i = 0; i < 3; i++) act('acme', i);
  act('acme', 1, 'abort');
  expect([(await count()).acme, worker.busy()]).toEqual([1, 2]);
  pass(1_100);
  expect([(await count()).acme, worker.busy()]).toEqual([2, 2]);
});
