import { expect, test } from 'vitest';
import type { EventId, OrgId, RunId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import type { Run } from '../run/state.ts';
import { openRunAgain } from './again.ts';
import { KEYS } from './keys.ts';

/** What test/http/again.test.ts cannot bring about: an org with as many runs as it may have, and moments between turns. */
const ORG = 'acme' as OrgId;
const EVENT = `evt_${'0'.repeat(32)}` as EventId;
const OLD = {
  ...{ id: 'run_old' as RunId, org: ORG, event: EVENT, playbook: { name: 'look' }, trigger: 'seen' },
  ...{ requester: 'siem', parent: null, ended: { seq: 7 }, steps: {} },
} as unknown as Run;

const openWith = (runs: readonly Run[], more: object = {}) =>
  openRunAgain({
    clock: { now: () => 0 } as never,
    ledger: { read: (key: string) => (key === KEYS.event(ORG, EVENT) ? '{}' : undefined) } as never,
    driver: {
      load: (_: OrgId, id: RunId) => runs.find((run) => run.id === id) ?? null,
      isActive: () => false,
    } as never,
    registry: {
      org: () => ({ schedules: [], triggers: { of: () => [{ playbook: 'look', trigger: { id: 'seen' } }] } }),
      concurrency: () => ({ limit: 1, over: 'queue' }),
      graph: () => undefined,
    } as never,
    // Asked last of what is looked up: that it is says that all else was passed.
    pending: { seat: () => ({ kind: 'none' }) } as never,
    entropy: { id: () => '1' } as never,
    runsInFlight: () => 0,
    isStopped: () => false,
    isStarting: () => false,
    ...more,
  });
const ask = (again: ReturnType<typeof openWith>) => again({ org: ORG, id: 'ann' as never, roles: [] }, OLD.id, 'why');

test.each([
  [LIMITS.runsInFlightPerOrg.value - 1, 'playbook_busy'],
  [LIMITS.runsInFlightPerOrg.value, 'too_many_runs'],
])('with %i runs of the org under way it is refused as %s', async (count, error) => {
  expect(await ask(openWith([OLD], { runsInFlight: () => count }))).toEqual({ ok: false, error });
});

test.each([
  ['is about to begin', true, 'not_ended'],
  ['never began', false, 'impossible'],
])('with a run that a step of it has asked for, and that %s', async (_, isStarting, error) => {
  const old = { ...OLD, steps: { inner: { state: 'skipped', child: 'run_child' } } } as unknown as Run;
  const seat = () => ({ kind: 'now' });
  const again = openWith([old], { pending: { seat }, isStarting: (id: RunId) => isStarting && id === 'run_child' });
  expect(await ask(again)).toEqual({ ok: false, error });
});

test('until its end is on the disk it has not ended: its last turn may have yet to ask for a run', async () => {
  const driver = { load: () => OLD, isActive: () => true };
  expect(await ask(openWith([], { driver }))).toEqual({ ok: false, error: 'not_ended' });
});
