import * as v from 'valibot';
import { expect, test } from 'vitest';
import { neededBy, TriggerSchema } from './schema.ts';

const severe = { fact: 'event', path: '/severity_id', operator: 'greaterThanInclusive', value: 4 };
const EVENT = {
  id: 'c2-seen',
  on: 'event',
  where: severe,
  requires: ['/finding_info/uid', '/device/uid'],
  dedup: { key: ['/finding_info/uid'], window: '30m', repeat: 'coalesce' },
};
const CONDITION = { id: 'risky', on: 'condition', where: severe, crosses: { key: ['/device/uid'] } };
const SCHEDULE = { id: 'morning', on: 'schedule', cron: '0 6 * * 1-5', zone: 'Europe/Vienna' };

const RUN = { id: 'gave-up', on: 'run', ends: ['failed', 'timed_out'] };

const placesOf = (trigger: object) => {
  const parsed = v.safeParse(TriggerSchema, trigger);
  return parsed.success ? [] : parsed.issues.map((issue) => v.getDotPath(issue) ?? '');
};

const limits = (limits: object) => ({ ...EVENT, limits });

test.each<[string, object]>([
  ['without its optional parts', { ...EVENT, requires: undefined, dedup: undefined }],
  ['a window of 30 days', { ...EVENT, dedup: { ...EVENT.dedup, window: '30d' } }],
  ['every policy of repeats', { ...EVENT, dedup: { ...EVENT.dedup, repeat: 'restart' } }],
  [
    'all limits',
    limits({
      rate: ['3/h', '7/d'],
      cooldown: { key: ['/a'], for: '10m' },
      burst: { over: '200/m', then: 'suppress', alert: 'soc-lead' },
    }),
  ],
  ['one rate', limits({ rate: '20/m' })],
  ['a rate over a longer time', limits({ rate: '3/12h' })],
  [
    'an incident',
    { ...EVENT, incident: '/x', where: { fact: 'incident', path: '/state', operator: 'equal', value: 'new' } },
  ],
  ['an incident that no rule asks about', { ...EVENT, incident: '/x' }],
  ['a crossing', CONDITION],
  ['a crossing with an age', { ...CONDITION, crosses: { key: ['/device/uid'], forget: '2h' } }],
  ['a schedule', SCHEDULE],
  ['a schedule in UTC', { ...SCHEDULE, zone: undefined }],
  ['a schedule with everything', { ...SCHEDULE, missed: 'all', jitter: '30s' }],
  ['a schedule by a length of time', { id: 'often', on: 'schedule', every: '90m', missed: 'all', jitter: '30s' }],
  ['a jitter as long as from one time to the next', { id: 'often', on: 'schedule', every: '5m', jitter: '300s' }],
  ['the end of a run', RUN],
  [
    'the end of a run, with all that holds back',
    { ...RUN, where: severe, requires: ['/incident'], dedup: EVENT.dedup },
  ],
  ['a 29 February', { ...SCHEDULE, cron: '0 0 29 2 *' }],
])('%s is accepted', (_, trigger) => {
  expect(placesOf(trigger)).toEqual([]);
});

test.each<[string, object, string]>([
  ['an id with capitals', { ...EVENT, id: 'C2' }, 'id'],
  ['another occasion', { ...EVENT, on: 'timer' }, 'on'],
  ['no rule', { ...EVENT, where: undefined }, 'where'],
  ['a rule with an empty list', { ...EVENT, where: { any: [] } }, 'where.any'],
  ['a rule over facts that triggers do not have', { ...EVENT, where: { not: { ...severe, fact: 'params' } } }, 'where'],
  [
    'a rule over an incident without its pointer',
    { ...EVENT, where: { any: [severe, { not: { ...severe, fact: 'incident' } }] } },
    '',
  ],
  ['an empty list of fields', { ...EVENT, requires: [] }, 'requires'],
  ['a field twice', { ...EVENT, requires: ['/a', '/a'] }, 'requires'],
  ['the whole event as a field', { ...EVENT, requires: [''] }, 'requires.0'],
  ['a dotted path', { ...EVENT, requires: ['device.uid'] }, 'requires.0'],
  ['no key', { ...EVENT, dedup: { ...EVENT.dedup, key: [] } }, 'dedup.key'],
  ['nine keys', { ...EVENT, dedup: { ...EVENT.dedup, key: [...'abcdefghi'].map((c) => `/${c}`) } }, 'dedup.key'],
  ['the time as key', { ...EVENT, dedup: { ...EVENT.dedup, key: ['/time'] } }, 'dedup.key.0'],
  ['a window in words', { ...EVENT, dedup: { ...EVENT.dedup, window: '1 hour' } }, 'dedup.window'],
  ['a window of 31 days', { ...EVENT, dedup: { ...EVENT.dedup, window: '31d' } }, 'dedup.window'],
  ['another way to repeat', { ...EVENT, dedup: { ...EVENT.dedup, repeat: 'start' } }, 'dedup.repeat'],
  ['a field of its own', { ...EVENT, priority: 1 }, 'priority'],
  ['a crossing on an event', { ...EVENT, crosses: CONDITION.crosses }, 'crosses'],
  ['a rate of nothing', limits({ rate: '0/m' }), 'limits.rate'],
  ['a rate in words', limits({ rate: '20 per minute' }), 'limits.rate'],
  ['a rate over 31 days', limits({ rate: '1/31d' }), 'limits.rate'],
  ['two rates of one length', limits({ rate: ['1/h', '2/60m'] }), 'limits.rate'],
  ['five rates', limits({ rate: ['1/s', '2/m', '3/h', '4/d', '5/2d'] }), 'limits.rate'],
  [
    'a burst that does something else',
    limits({ burst: { over: '1/m', then: 'stop', alert: 'a' } }),
    'limits.burst.then',
  ],
  ['a burst that tells nobody', limits({ burst: { over: '1/m', then: 'suppress' } }), 'limits.burst.alert'],
  ['a cooldown without a key', limits({ cooldown: { for: '10m' } }), 'limits.cooldown.key'],
  ['a condition that watches nothing', { ...CONDITION, crosses: undefined }, 'crosses'],
  ['a schedule with a rule', { ...SCHEDULE, where: severe }, 'where'],
  ['six fields', { ...SCHEDULE, cron: '0 0 6 * * 1' }, 'cron'],
  ['a nickname', { ...SCHEDULE, cron: '@daily' }, 'cron'],
  ['no cron at all', { ...SCHEDULE, cron: 'every day at six now' }, 'cron'],
  ['a day that never comes', { ...SCHEDULE, cron: '0 0 30 2 *' }, 'cron'],
  ['a zone that is none', { ...SCHEDULE, zone: 'Mars/Olympus' }, 'zone'],
  ['an offset as zone', { ...SCHEDULE, zone: '+01:00' }, 'zone'],
  ['a run that ends in no way', { ...RUN, ends: [] }, 'ends'],
  ['a run that goes on', { ...RUN, ends: ['waiting'] }, 'ends.0'],
  ['one way to end twice', { ...RUN, ends: ['failed', 'failed'] }, 'ends'],
  ['an event that ends', { ...EVENT, ends: ['failed'] }, 'ends'],
  ['the end of a run by an incident without its pointer', { ...RUN, where: { ...severe, fact: 'incident' } }, ''],
  ['a schedule without times', { ...SCHEDULE, cron: undefined, zone: undefined }, ''],
  ['cron and a length of time', { ...SCHEDULE, zone: undefined, every: '1h' }, ''],
  ['a length of time in a zone', { ...SCHEDULE, cron: undefined, every: '1h' }, ''],
  ['a schedule every second', { id: 'often', on: 'schedule', every: '1s' }, 'every'],
  ['a schedule every 31 days', { id: 'often', on: 'schedule', every: '31d' }, 'every'],
  ['another way to miss', { ...SCHEDULE, missed: 'some' }, 'missed'],
  ['a jitter of two hours', { ...SCHEDULE, jitter: '2h' }, 'jitter'],
  ['a jitter longer than every', { id: 'often', on: 'schedule', every: '5m', jitter: '301s' }, ''],
])('%s is refused', (_, trigger, place) => {
  expect(placesOf(trigger)).toContain(place);
});

test('needed is every field that names the thing', () => {
  const trigger = v.parse(TriggerSchema, {
    ...CONDITION,
    requires: ['/r'],
    dedup: { ...EVENT.dedup, key: ['/d'] },
    limits: { cooldown: { key: ['/c', '/d'], for: '1m' } },
  });
  expect(trigger.on !== 'schedule' && [...neededBy(trigger)]).toEqual(['/r', '/d', '/c', '/device/uid']);
});
