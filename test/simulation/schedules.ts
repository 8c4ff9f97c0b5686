import type { StoredEvent } from '../../kernel/flow/stored-event.ts';
import type { TriggerState } from '../../kernel/flow/trigger-state.ts';
import type { World } from './world.ts';

/**
 * Schedules: each fires at the times that its playbook names and at no other, never before them, none of them twice, and
 * what it missed only as it says. The times are told by hand here: minutes of one hour of one day.
 */
export type Schedule = { readonly minutes: readonly number[]; readonly missed: 'skip' | 'once' | 'all' };

const HOUR = Date.UTC(2027, 0, 15, 8);
/** Later than this a time counts as missed, and a write may take so long. */
const GRACE_MS = 60_000;
const SLOW_MS = 10_000;

/** @returns what is checked when all time has passed. */
export function openScheduleRules({ fail, trace, time, watch, clock, playbooks }: World): () => void {
  const schedules = new Map(playbooks.map(({ name, schedule }) => [name, schedule]));
  /** Times that have fired, by org and playbook. */
  const fired = new Map<string, number[]>();
  /** The first time for which the schedule was set. */
  const placed = new Map<string, number>();
  let sets = 0;
  let setAt = -Infinity;

  const onFire = (org: string, { id, receivedAt, event, triggers }: StoredEvent) => {
    const data = event.data as { readonly playbook: string; readonly scheduledFor: string };
    const at = Date.parse(data.scheduledFor);
    const schedule = schedules.get(data.playbook);
    const key = `${org} ${data.playbook}`;
    const name = `${trace.name(id)} of ${key} at ${data.scheduledFor}`;
    const before = fired.get(key) ?? [];
    fired.set(key, [...before, at]);
    if (!schedule?.minutes.some((minute) => HOUR + minute * 60_000 === at))
      fail('schedule', `${name} is no time of it`);
    if (before.some((one) => one >= at)) fail('schedule', `${name} fires again, or after a later one`);
    if (triggers.length !== 1 || triggers[0]?.playbook !== data.playbook)
      fail('schedule', `${name} is taken for an event of other triggers`);
    if (time.elapsed() < setAt + SLOW_MS) return;
    if (receivedAt < at) fail('schedule', `${name} fires before its time`);
    if (schedule?.missed === 'skip' && receivedAt > at + GRACE_MS + SLOW_MS)
      fail('schedule', `${name} was missed, and is made up for`);
  };

  watch.listenRows((org, what, id, value) => {
    if (sets !== clock.sets()) {
      sets = clock.sets();
      setAt = time.elapsed();
    }
    if (value === null) return;
    if (what === 'event') {
      const stored = JSON.parse(value) as StoredEvent;
      if (stored.event.receivedFormat === 'schedule') onFire(org, stored);
    }
    const [playbook = '', trigger] = id.split('/');
    if (what !== 'trigger' || trigger !== 'due') return;
    const { place } = JSON.parse(value) as TriggerState;
    const key = `${org} ${playbook}`;
    if (place && !placed.has(key)) placed.set(key, place.at);
  });

  return () => {
    for (const [key, from] of placed) {
      const schedule = schedules.get(key.split(' ')[1] ?? '');
      const times = (schedule?.minutes ?? []).map((minute) => HOUR + minute * 60_000).filter((at) => at >= from);
      const done = fired.get(key) ?? [];
      const left = times.find((at) => !done.includes(at));
      if (left !== undefined && schedule?.missed === 'all')
        fail('schedule', `${key} never fired at ${new Date(left).toISOString()}`);
      if (times.length > 0 && done.length === 0 && schedule?.missed === 'once') fail('schedule', `${key} never fired`);
    }
  };
}
