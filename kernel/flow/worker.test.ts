import * as v from 'valibot';
import { expect, it } from 'vitest';
import type { OrgId, RunId } from '../base/id.ts';
import { ExecutionPolicySchema } from '../call/policy.ts';
import type { Effect } from '../run/decision.ts';
import type { Run } from '../run/state.ts';
import type { Driver } from './drive.ts';
import type { Org, Registry } from './registry.ts';
import { openWorker } from './worker.ts';

const UNLIMITED = v.parse(ExecutionPolicySchema, {
  apiVersion: 'interlock/execution/v1',
  concurrency: { org: 512, connector: 512 },
});
type Call = Extract<Effect, { kind: 'call' }>;
type Deps = Parameters<typeof openWorker>[0];

/** A worker whose calls hang until they are released: no step is known, and the run takes no answer before. */
function workerThatHangs() {
  const carriedOut: OrgId[] = [];
  const released = Promise.withResolvers<never>();
  const driver: Pick<Driver, 'submit'> = {
    submit(org) {
      carriedOut.push(org);
      return released.promise;
    },
  };
  const registry: Pick<Registry, 'graph' | 'org'> = {
    graph: () => undefined,
    org: () => ({ execution: UNLIMITED }) as Org,
  };
  const worker = openWorker({ driver, registry, isStopped: () => false, report: () => undefined } as unknown as Deps);
  const act = (org: string, step: number, kind: 'call' | 'abort' = 'call') => {
    const run = { org: org as OrgId, id: 'run' as RunId, playbook: {} } as unknown as Run;
    worker.act(run, { kind, op: 'execute', step: `s${step}`, attempt: 1 } as unknown as Call);
  };
  const count = async () => {
    await new Promise(setImmediate);
    return { acme: carriedOut.filter((org) => org === 'acme').length, all: carriedOut.length };
  };
  return { worker, act, count, release: () => released.resolve(undefined as never) };
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
