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
function workerThatHangs(concurrency = { org: 512, connector: 512 }) {
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
  const execution = v.parse(ExecutionPolicySchema, { apiVersion: 'interlock/execution/v1', concurrency });
  // A step is named by its number and its connector, such as `7-slow`.
  const steps = { get: (id: string) => ({ kind: 'action', plugin: id.split('-')[1] }) };
  const registry: Pick<Registry, 'graph' | 'org'> = {
    graph: () => ({ steps }) as unknown as Graph,
    org: () => ({ execution }) as Org,
  };
  const stopOf = (org: OrgId) => (stopped.has(org) ? 'org' : null);
  const worker = openWorker({ caller, driver, registry, stopOf, report: () => undefined } as unknown as Deps);
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
