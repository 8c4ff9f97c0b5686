import { expect, test } from 'vitest';
import type { EventId, OrgId, RunId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import type { Run } from '../run/state.ts';
import { openRunAgain } from './again.ts';
import { KEYS } from './keys.ts';

/** What test/http/again.test.ts cannot bring about: an org with as many runs under way as it may have. */
const ORG = 'acme' as OrgId;
const EVENT = `evt_${'0'.repeat(32)}` as EventId;
const OLD = {
  ...{ id: 'run_old' as RunId, org: ORG, event: EVENT, playbook: { name: 'look' }, trigger: 'seen' },
  ...{ requester: 'siem', parent: null, ended: { seq: 7 } },
} as unknown as Run;

test.each([
  [LIMITS.runsInFlightPerOrg.value - 1, 'playbook_busy'],
  [LIMITS.runsInFlightPerOrg.value, 'too_many_runs'],
])('with %i runs of the org under way it is refused as %s', async (count, fault) => {
  const again = openRunAgain({
    ledger: { read: (key: string) => (key === KEYS.event(ORG, EVENT) ? '{}' : undefined) } as never,
    driver: { load: () => OLD } as never,
    registry: {
      org: () => ({ schedules: [], triggers: { of: () => [{ playbook: 'look', trigger: { id: 'seen' } }] } }),
      concurrency: () => ({ limit: 1, over: 'queue' }),
    } as never,
    // Asked last: that it is says that all else was passed.
    pending: { seat: () => ({ kind: 'none' }) } as never,
    entropy: {} as never,
    runsInFlight: () => count,
    isStopped: () => false,
  });
  expect(await again({ org: ORG, id: 'ann' as never, roles: [] }, OLD.id, 'why')).toEqual({ ok: false, error: fault });
});
