import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openManualClock } from '../adapter/memory/clock.ts';
import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { openIntake } from './intake.ts';
import { processScheduler } from './scheduler.ts';

const PER_TURN = LIMITS.sharedEventsPerTurn.value;
const UNDER_WAY = LIMITS.sharedEventsUnderWay.value;
const WAITING = LIMITS.eventsWaitingPerOrg.value;

/** What was let in (`org`) and turned away (`org-`), in order; `leave` ends the oldest of an org that is under way. */
function openQueue() {
  const clock = openManualClock(0);
  const intake = openIntake({ clock, scheduler: processScheduler });
  const told: string[] = [];
  const underWay = new Map<string, (() => void)[]>();
  const enter = (org: string, times = 1) => {
    for (let i = 0; i < times; i++)
      intake.enter(org as OrgId).then((leave) => {
        told.push(leave ? org : `${org}-`);
        if (leave) underWay.set(org, [...(underWay.get(org) ?? []), leave]);
      });
  };
  const leave = (org: string) => underWay.get(org)?.shift()?.();
  /** What was told since the last time, `count` turns of the loop later. */
  const turns = async (count = 1) => {
    for (let i = 0; i < count; i++) await setImmediate();
    return told.splice(0);
  };
  return { clock, enter, leave, turns };
}

it('lets in at once what comes from one org alone, as much as may be under way', async () => {
  const { enter, turns } = openQueue();
  enter('acme', LIMITS.eventsUnderWay.value);
  expect((await turns()).length).toBeGreaterThan(UNDER_WAY);
});

it('lets few begin before everything else has its turn, and orgs take turns, while several send', async () => {
  const { enter, turns } = openQueue();
  enter('quiet');
  await turns(2);
  enter('noisy', UNDER_WAY);
  enter('quiet', 2);
  const first = await turns();
  expect(first.length).toBeLessThanOrEqual(2 * PER_TURN);
  // It waits for one turn of the other, and for what had begun before.
  expect([...first, ...(await turns(2))].indexOf('quiet')).toBeLessThanOrEqual(PER_TURN + 1);
});

it('lets few of one org be under way while several send, and another whenever one is over', async () => {
  const { enter, leave, turns } = openQueue();
  enter('quiet');
  enter('noisy', UNDER_WAY + 5);
  expect(await turns(20)).toEqual(['quiet', ...Array(UNDER_WAY).fill('noisy')]);
  enter('quiet');
  expect(await turns(5)).toEqual(['quiet']);
  leave('noisy');
  leave('noisy');
  expect(await turns(5)).toEqual(['noisy', 'noisy']);
});

it('lets many in again when the others have been silent for a while', async () => {
  const { clock, enter, leave, turns } = openQueue();
  enter('quiet');
  enter('noisy', UNDER_WAY + 20);
  await turns(20);
  clock.advance(60_000);
  leave('noisy');
  expect((await turns(5)).length).toBe(20);
});

it('turns away what would wait beyond the limit, of that org and of no other', async () => {
  const { enter, turns } = openQueue();
  enter('quiet');
  enter('noisy', UNDER_WAY);
  await turns(20);
  enter('noisy', WAITING + 3);
  enter('quiet');
  expect(await turns(5)).toEqual(['noisy-', 'noisy-', 'noisy-', 'quiet'].sort());
});
