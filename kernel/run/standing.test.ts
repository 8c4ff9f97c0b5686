import { describe, expect, test } from 'vitest';
import { machine, START, step } from '../../test/support/machine.ts';
import { durationMs, unixMs } from '../base/time.ts';
import { type Evidence, standingOf, waitsOf } from './standing.ts';

/** What a run waits for in every state it can be in, and how it stands. */
const MINUTE = 60_000;
const TIMEOUT = durationMs(5_000);
const STEP = '- { id: a, type: contain, uses: p/do, with: {} }';
const PLANS = { actions: { 'p/do': { plans: true } } };
const begin = (options: Partial<Parameters<typeof machine>[0]> = {}) => {
  const m = machine({ steps: STEP, actions: { 'p/do': {} }, ...options });
  m.start();
  return m;
};
const planned = () => {
  const m = begin(PLANS);
  const plan = { summary: 's', targets: [], reversible: true, details: {} };
  m.give({ kind: 'planned', step: step('a'), result: { kind: 'planned', plan } });
  return m;
};
/** Low enough to need nobody. */
const LOW = '- { id: a, type: enrich, uses: p/do, with: {} }';
const failed = () => {
  const m = begin({ steps: LOW });
  m.outcome('a', { kind: 'failed', error: { class: 'unavailable', message: 'no' } });
  return m;
};
const unknown = () => {
  const m = begin({ steps: LOW, actions: { 'p/do': { idempotent: 'no' } } });
  m.outcome('a', { kind: 'indeterminate', reason: 'lost' });
  return m;
};
const parked = () => begin({ steps: LOW, stopped: () => true });
const waits = (m: ReturnType<typeof machine>) => waitsOf(m.run(), () => TIMEOUT);

describe('a run waits for', () => {
  test.each([
    ['the plan that it asked for', () => begin(PLANS), { what: 'plan', until: START + TIMEOUT }],
    ['the answer to a call', () => begin({ steps: LOW }), { what: 'action', until: START + TIMEOUT }],
    ['an approval, until it expires', planned, { what: 'approval', role: 'approver', until: START + 30 * MINUTE }],
    ['the time of its next try', failed, { what: 'retry' }],
    ['a person who settles it, until its deadline', unknown, { what: 'settlement', until: START + 30 * MINUTE }],
  ])('%s', (_, of, expected) => {
    expect(waits(of())).toEqual([expect.objectContaining({ step: 'a', since: START, ...expected })]);
  });

  test.each<[string, Partial<Parameters<typeof machine>[0]>, object[]]>([
    ['its turn, when it is queued', { start: { queued: true } }, [{ step: null, what: 'release' }]],
    ['the end of a stop', { steps: LOW, stopped: () => true }, [{ what: 'release' }]],
    ['a time', { steps: '- { id: a, type: wait, for: 1m }' }, [{ what: 'time', until: START + MINUTE }]],
    [
      'an event',
      { steps: '- { id: a, type: wait, event: { match: { /ip: x } }, timeout: 2m }' },
      [{ what: 'event', until: START + 2 * MINUTE }],
    ],
    ['a gate', { steps: '- { id: a, type: approval, ask: "Go on?" }' }, [{ what: 'approval', role: 'approver' }]],
    [
      'each of its lanes',
      {
        steps: `- id: all
  type: parallel
  lanes:
    one: [{ id: a, type: enrich, uses: p/do, with: {} }]
    two: [{ id: b, type: wait, for: 1m }]`,
      },
      [
        { step: 'a', what: 'action' },
        { step: 'b', what: 'time' },
      ],
    ],
  ])('%s', (_, options, expected) => {
    expect(waits(begin(options))).toMatchObject(expected);
  });

  test('nothing beyond its own deadline', () => {
    const m = begin({ steps: LOW, timeout: '1s' });
    expect(waits(m)).toMatchObject([{ what: 'action', until: START + 1_000 }]);
  });

  test('nothing when it has ended, and no approval that was decided', () => {
    const m = planned();
    m.vote('someone', 'reject');
    expect([m.run().state, waits(m)]).toEqual(['aborted', []]);
  });
});

describe('a run stands', () => {
  const stands = (m: ReturnType<typeof machine>, ms: number, evidence: Partial<Evidence> = {}) => {
    const found = { now: unixMs(START + ms), isUnderWay: () => true, isPaused: false, hasTimer: true, ...evidence };
    return standingOf(m.run(), waits(m), found);
  };
  test.each<[string, () => ReturnType<typeof machine>, number, Partial<Evidence>, string]>([
    ['moving while its call is under way', () => begin({ steps: LOW }), 14_000, {}, 'moving'],
    [
      'moving while its call may be on its way',
      () => begin({ steps: LOW }),
      9_000,
      { isUnderWay: () => false },
      'moving',
    ],
    ['moving while its next try is due', failed, 5_000, {}, 'moving'],
    ['by people alone', planned, 20 * MINUTE, {}, 'person'],
    ['by people alone, of a settlement', unknown, 20 * MINUTE, {}, 'person'],
    ['by people alone, when it is paused', parked, 20 * MINUTE, { isPaused: true }, 'person'],
    ['moving, when a stop keeps it', parked, 20 * MINUTE, {}, 'moving'],
    [
      'moving while it is paused and its call is under way',
      () => begin({ steps: LOW }),
      1_000,
      { isPaused: true },
      'moving',
    ],
    ['late when the call is older than its timeout', () => begin({ steps: LOW }), 16_000, {}, 'late no-answer'],
    ['late when nobody looks at what is due', planned, 31 * MINUTE, {}, 'late overdue'],
    ['stuck without the call', () => begin({ steps: LOW }), 11_000, { isUnderWay: () => false }, 'stuck wait-lost'],
    ['stuck without the timer', planned, 0, { hasTimer: false }, 'stuck no-timer'],
  ])('%s', (_, of, ms, evidence, expected) => {
    expect(Object.values(stands(of(), ms, evidence)).join(' ')).toBe(expected);
  });

  test('stuck when it waits for its turn and stands in no line', () => {
    const queued = begin({ start: { queued: true } });
    expect(stands(queued, 11_000)).toEqual({ kind: 'moving' });
    expect(stands(queued, 11_000, { isUnderWay: () => false })).toEqual({ kind: 'stuck', why: 'wait-lost' });
  });

  test('stuck when it waits for nothing', () => {
    const found = { now: unixMs(START), isUnderWay: () => true, isPaused: false, hasTimer: true };
    expect(standingOf(planned().run(), [], found)).toEqual({ kind: 'stuck', why: 'no-wait' });
  });
});
