import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unixMs } from '../base/time.ts';
import { begin, calmBy, heldBack, type Limits, meet, type Pace, STILL, settle, suppress } from './pace.ts';

const START = 1_800_000_000_000;
const BURST: Limits = { burst: { over: '4/m', then: 'suppress', alert: 'soc' } };

/** As the flow does it with each match: when runs were started, and what was said of bursts. */
function play(waits: readonly number[], limits: Limits) {
  let now = unixMs(START);
  let pace: Pace = STILL;
  const started: number[] = [];
  const edges: string[] = [];
  for (const wait of waits) {
    now = unixMs(now + wait);
    const met = meet(pace, limits, now);
    if (met.edge) edges.push(met.edge);
    const held = heldBack(met.pace, limits, now);
    if (!held) started.push(now);
    pace = held ? suppress(met.pace) : begin(met.pace, limits, now);
  }
  return { now, pace, started, edges };
}
const waits = fc.array(fc.oneof(fc.nat(50), fc.nat(20_000), fc.nat(5_000_000)), { maxLength: 200 });

describe('rates', () => {
  test('none is passed in any window, whatever comes', () => {
    fc.assert(
      fc.property(waits, (steps) => {
        const { started } = play(steps, { rate: ['3/h', '2/m'] });
        for (const [i, first] of started.entries()) {
          expect(started[i + 3] ?? Infinity).toBeGreaterThanOrEqual(first + 3_600_000);
          expect(started[i + 2] ?? Infinity).toBeGreaterThanOrEqual(first + 60_000);
        }
      }),
    );
  });

  test('another number over the same time finds what was counted', () => {
    const { pace, now } = play([0, 0], { rate: '5/h' });
    expect(heldBack(pace, { rate: '2/h' }, now)?.reason).toBe('rate');
    expect(heldBack(pace, { rate: '3/h' }, now)).toBeUndefined();
  });

  test('without limits nothing is held back, and nothing is kept', () => {
    const { pace, started } = play([0, 0, 0], undefined);
    expect([started.length, pace]).toEqual([3, STILL]);
  });
});

describe('until when a match is held back', () => {
  const held = fc.array(fc.oneof(fc.nat(50), fc.nat(20_000)), { minLength: 6, maxLength: 60 });
  test.each<[string, Limits]>([
    ['rates', { rate: ['3/h', '2/m'] }],
    ['a burst', BURST],
    ['a burst and a rate', { ...BURST, rate: '1/m' }],
  ])('%s: to the millisecond, if nothing more comes', (_, limits) => {
    fc.assert(
      fc.property(held, (steps) => {
        const { pace, now } = play(steps, limits);
        const at = (time: number) => heldBack(meet(pace, limits, unixMs(time)).pace, limits, unixMs(time));
        const first = heldBack(pace, limits, now);
        if (!first) return;
        expect(first.until).toBeGreaterThan(now);
        expect(at(first.until - 1)?.reason).toBe(first.reason);
        expect(at(first.until)?.reason).not.toBe(first.reason);
      }),
    );
  });
});

describe('bursts', () => {
  test('the one that is too many begins it, half as many end it', () => {
    expect(play([0, 0, 0, 0], BURST)).toMatchObject({ edges: [], pace: { burst: null } });
    expect(play([0, 0, 0, 0, 0, 10, 10], BURST)).toMatchObject({
      edges: ['began'],
      started: [START, START, START, START],
      pace: { burst: { since: START, suppressed: 3 } },
    });
    // 66 seconds later all of it is out of the window.
    expect(play([0, 0, 0, 0, 0, 66_001], BURST).edges).toEqual(['began', 'over']);
    expect(play([0, 0, 0, 0, 0, 40_000], BURST).edges).toEqual(['began']);
  });

  test('each beginning has one end, in turn', () => {
    fc.assert(
      fc.property(waits, (steps) => {
        const { edges, pace } = play(steps, BURST);
        for (const [i, edge] of edges.entries()) expect(edge).toBe(i % 2 === 0 ? 'began' : 'over');
        expect(pace.burst !== null).toBe(edges.length % 2 === 1);
      }),
    );
  });

  test('a flow that is just at the limit does not begin and end one after the other', () => {
    // Four and five of them are counted in turn.
    const atTheLimit = Array.from({ length: 500 }, () => 15_500);
    expect(play(atTheLimit, BURST).edges).toEqual(['began']);
  });

  test('is over by the time that is given, if nothing more comes', () => {
    fc.assert(
      fc.property(waits, (steps) => {
        const { pace, now } = play([...steps, 0, 0, 0, 0, 0], BURST);
        expect(settle(pace, BURST, calmBy(BURST, now))).toMatchObject({ edge: 'over', pace: { burst: null } });
      }),
    );
  });

  test('is over when no limit speaks of it any more', () => {
    const { pace, now } = play([0, 0, 0, 0, 0], BURST);
    expect(settle(pace, { rate: '1/h' }, now).edge).toBe('over');
  });
});
