import { setImmediate } from 'node:timers';
import { expect, it } from 'vitest';
import { openManualClock } from '../adapter/memory/clock.ts';
import { openMemoryStore } from '../adapter/memory/store.ts';
import type { Digest, OrgId, StepId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { waitKey } from '../run/scope.ts';
import type { Run } from '../run/state.ts';
import type { NormalEvent } from '../trigger/event.ts';
import { openArrivals } from './arrivals.ts';

const ORG = 'acme' as OrgId;
const DIGEST = 'sha256:1' as Digest;
const EVENT = { type: 'test', data: { case: 'a' } } as unknown as NormalEvent;

/** As large as a rule may be; it holds. */
const LARGEST = {
  all: Array.from({ length: LIMITS.ruleConditions.value }, () => ({
    fact: 'event',
    path: '/case',
    operator: 'equal',
    value: 'a',
  })),
};

/** Every step of the playbook waits for an event of a case, and asks all that it can. `wait` has these begin to, in a run. */
function open() {
  const wait = { kind: 'event', match: { '/case': '' }, where: LARGEST, take: {} };
  const steps = { get: () => ({ kind: 'wait', wait }) };
  const arrivals = openArrivals({
    store: openMemoryStore(),
    ledger: { read: () => undefined, healthy: () => true },
    driver: { load: () => null, submit: async () => ({ ok: false, refusal: { kind: 'stale' } }) },
    registry: { graph: () => ({ steps }) as never },
    clock: openManualClock(0),
    report: () => undefined,
  });
  const waits = (run: string, named: string, names: readonly string[]) =>
    arrivals.noted({
      id: run,
      org: ORG,
      playbook: { name: 'p', digest: DIGEST },
      ended: null,
      steps: Object.fromEntries(
        names.map((id) => [
          id,
          { id, state: 'open', waitsFor: 'event', key: waitKey(DIGEST, id as StepId, { '/case': named }) },
        ]),
      ),
    } as unknown as Run);
  return { ...arrivals, waits };
}

it('looks at an event again for steps that have begun to wait for it, and for no others', async () => {
  const { waits, find, haveMoved } = open();
  waits('r1', 'a', ['one']);
  const found = await find(ORG, EVENT);
  expect(found.wanted).toHaveLength(1);
  waits('r2', 'b', ['one', 'two']);
  waits('r3', 'a', ['one']);
  expect(haveMoved(ORG, EVENT, found)).toBe(false);
  waits('r4', 'a', ['two']);
  expect(haveMoved(ORG, EVENT, found)).toBe(true);
});

it('looks at it again when the first begins to wait for it at a step where others waited for something else', async () => {
  const { waits, find, haveMoved } = open();
  waits('r1', 'b', ['one']);
  const found = await find(ORG, EVENT);
  expect(found.wanted).toEqual([]);
  waits('r2', 'a', ['one']);
  expect(haveMoved(ORG, EVENT, found)).toBe(true);
});

it('lets others have their turn while it asks the rules of many steps', async () => {
  const { waits, find } = open();
  const names = Array.from({ length: 40 }, (_, i) => `s${i}`);
  waits('r1', 'a', names);
  let turns = 0;
  let isOver = false;
  const tick = () => {
    if (isOver) return;
    turns++;
    setImmediate(tick);
  };
  tick();
  const { wanted } = await find(ORG, EVENT);
  isOver = true;
  expect(wanted).toHaveLength(names.length);
  expect(turns).toBeGreaterThan(4);
});

it('counts the steps that wait for the key of an event and ask for more than it says', async () => {
  const { waits, find, unmet } = open();
  waits('r1', 'a', ['one', 'two']);
  waits('r2', 'b', ['one', 'two']);
  waits('r3', 'b', ['one']);
  // The rule holds for a only. Those that it would wake are not counted, also before they are claimed.
  expect(unmet(ORG, await find(ORG, EVENT))).toBe(0);
  expect(unmet(ORG, await find(ORG, { ...EVENT, data: { case: 'b' } }))).toBe(3);
  expect(unmet(ORG, await find(ORG, { ...EVENT, data: { case: 'c' } }))).toBe(0);
});
