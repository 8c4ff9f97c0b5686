import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openManualClock } from '../adapter/memory/clock.ts';
import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { openIntake, type Turn } from './intake.ts';
import { processScheduler } from './scheduler.ts';

const UNDER_WAY = LIMITS.sharedEventsUnderWay.value;
const WAITING = LIMITS.eventsWaitingPerOrg.value;

/**
 * What was let in (`org`) and turned away (`org-`), in order; `end` ends the oldest of an org that is under way, `again`
 * goes on with it. `work` says how long the event loop has worked and rested.
 */
function openQueue() {
  const clock = openManualClock(0);
  let worked = { workMs: 0, restMs: 0 };
  const intake = openIntake({ clock, scheduler: { ...processScheduler, worked: () => worked } });
  const told: string[] = [];
  const underWay = new Map<string, Turn[]>();
  const begun = (org: string, turn: Turn) => {
    told.push(org);
    underWay.set(org, [...(underWay.get(org) ?? []), turn]);
  };
  const enter = (org: string, times = 1) => {
    for (let i = 0; i < times; i++)
      intake.enter(org as OrgId).then((turn) => (turn ? begun(org, turn) : told.push(`${org}-`)));
  };
  const end = (org: string) => underWay.get(org)?.shift()?.end();
  const again = (org: string) => {
    const turn = underWay.get(org)?.shift();
    turn?.again().then(() => begun(org, turn));
  };
  /** What was told since the last time, `count` turns of the loop later. */
  const turns = async (count = 1) => {
    for (let i = 0; i < count; i++) await setImmediate();
    return told.splice(0);
  };
  const work = (workMs: number, restMs: number) => {
    worked = { workMs: worked.workMs + workMs, restMs: worked.restMs + restMs };
  };
  return { clock, enter, end, again, turns, work };
}

it('lets in at once what comes from one org alone, as much as may be under way', async () => {
  const { enter, turns } = openQueue();
  enter('acme', LIMITS.eventsUnderWay.value);
  expect((await turns()).length).toBeGreaterThan(UNDER_WAY);
});

it('lets one begin before everything else has its turn, and orgs take turns, while several send', async () => {
  const { enter, turns } = openQueue();
  enter('quiet');
  await turns(2);
  enter('noisy', UNDER_WAY);
  enter('quiet', 2);
  const first = await turns();
  expect(first.length).toBeLessThanOrEqual(2);
  // It waits for one turn of the other, and for what had begun before.
  expect([...first, ...(await turns(2))].indexOf('quiet')).toBeLessThanOrEqual(2);
});

it('lets few of one org be under way while several send, and another whenever one is over', async () => {
  const { enter, end, turns } = openQueue();
  enter('quiet');
  enter('noisy', UNDER_WAY + 5);
  expect(await turns(20)).toEqual(['quiet', ...Array(UNDER_WAY).fill('noisy')]);
  enter('quiet');
  expect(await turns(5)).toEqual(['quiet']);
  end('noisy');
  end('noisy');
  expect(await turns(5)).toEqual(['noisy', 'noisy']);
});

it('lets one of each org be under way while the event loop has worked more than it rested', async () => {
  const { enter, end, turns, work } = openQueue();
  enter('quiet');
  await turns(2);
  end('quiet');
  work(1_000, 100);
  enter('noisy', 10);
  enter('quiet', 2);
  expect((await turns(20)).sort()).toEqual(['noisy', 'quiet']);
  end('noisy');
  // Its place is kept while the loop rests a little.
  expect(await turns()).toEqual([]);
  await sleep(20);
  expect(await turns(20)).toEqual(['noisy']);
  work(0, 100);
  end('noisy');
  expect(await turns(20)).toEqual(Array(UNDER_WAY).fill('noisy'));
});

it('lets others have their turn between the events of one request', async () => {
  const { enter, again, turns, work } = openQueue();
  enter('quiet');
  work(1_000, 0);
  enter('noisy', 2);
  expect(await turns(5)).toEqual(['quiet', 'noisy']);
  again('noisy');
  enter('other');
  again('quiet');
  await sleep(20);
  expect(await turns(5)).toEqual(['other', 'noisy', 'quiet']);
  again('noisy');
  await sleep(20);
  expect(await turns(5)).toEqual(['noisy']);
});

it('goes on with a request that has begun before others of its org begin, and no more of them are read', async () => {
  const scheduler = { ...processScheduler, worked: () => ({ workMs: 0, restMs: 0 }) };
  const intake = openIntake({ clock: openManualClock(0), scheduler });
  await intake.enter('quiet' as OrgId);
  let open = 0;
  let most = 0;
  const batches = Array.from({ length: 3 * UNDER_WAY }, async () => {
    const turn = await intake.enter('noisy' as OrgId);
    most = Math.max(most, ++open);
    for (let i = 0; i < 3; i++) {
      if (i > 0) await turn?.again();
      await setImmediate();
    }
    turn?.end();
    open--;
  });
  await Promise.all(batches);
  expect(most).toBeLessThanOrEqual(UNDER_WAY);
});

it('lets many in again when the others have been silent for a while', async () => {
  const { clock, enter, end, turns } = openQueue();
  enter('quiet');
  enter('noisy', UNDER_WAY + 20);
  await turns(20);
  clock.advance(60_000);
  end('noisy');
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
