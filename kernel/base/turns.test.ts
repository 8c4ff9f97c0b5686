import { describe, expect, it, test } from 'vitest';
import { openTurns, type Turns } from './turns.ts';

/** Items are named `<org><number>`. */
const orgOf = (item: string) => item.slice(0, 1);
const pushAll = (turns: Turns<string, string>, items: string) => {
  for (const item of items.split(' ')) turns.push(orgOf(item), item);
};
const takeAll = (turns: Turns<string, string>, done = true) => {
  const taken: string[] = [];
  for (let item = turns.take(); item !== undefined; item = turns.take()) {
    taken.push(item);
    if (done) turns.done(orgOf(item));
  }
  return taken.join(' ');
};

describe('places are given back at once: the order', () => {
  test.each([
    ['of one org is first in, first out', 'a1 a2 a3', 'a1 a2 a3'],
    ['of two is one each', 'a1 a2 a3 b1 b2', 'a1 b1 a2 b2 a3'],
    ['of three begins with who came first', 'c1 a1 a2 b1 c2', 'c1 a1 b1 c2 a2'],
  ])('%s', (_, items, taken) => {
    const turns = openTurns<string, string>(() => 4);
    pushAll(turns, items);
    expect(takeAll(turns)).toBe(taken);
  });

  it('has what was handed back before what its org put there since', () => {
    const turns = openTurns<string, string>(() => 4);
    pushAll(turns, 'a1 a2 b1');
    expect(turns.take()).toBe('a1');
    turns.done('a');
    turns.pushFirst('a', 'a1');
    expect(takeAll(turns)).toBe('b1 a1 a2');
    turns.pushFirst('a', 'a1');
    expect(takeAll(turns)).toBe('a1');
  });

  it('does not have what was removed', () => {
    const turns = openTurns<string, string>(() => 4);
    pushAll(turns, 'a1 a2 a3 b1');
    expect([turns.remove('a2'), turns.remove('b1'), turns.remove('b1')]).toEqual([true, true, false]);
    expect([turns.size(), turns.waitingOf('a'), turns.waitingOf('b')]).toEqual([2, 2, 0]);
    expect(takeAll(turns)).toBe('a1 a3');
  });
});

it('gives everything that waits when it is cleared', () => {
  const turns = openTurns<string, string>(() => 1);
  pushAll(turns, 'a1 a2 b1');
  expect([turns.clear(), turns.size(), turns.take()]).toEqual([['a1', 'a2', 'b1'], 0, undefined]);
});

describe('places are held: the last quarter is for orgs that hold none', () => {
  test.each([
    [1, 'a1 a2 b1', 'a1'],
    [2, 'a1 a2 b1', 'a1 b1'],
    [2, 'a1 a2 a3', 'a1'],
    [4, 'a1 a2 a3 a4', 'a1 a2 a3'],
    [8, 'a1 a2 a3 a4 a5 a6 a7 a8', 'a1 a2 a3 a4 a5 a6'],
    [8, 'a1 a2 a3 a4 a5 a6 a7 b1 b2 b3 b4', 'a1 b1 a2 b2 a3 b3'],
    [8, 'a1 a2 a3 b1 b2 c1 c2 d1 d2 e1 f1 g1', 'a1 b1 c1 d1 e1 f1 g1'],
  ])('of %i places, %s', (places, items, taken) => {
    const turns = openTurns<string, string>(() => places);
    pushAll(turns, items);
    expect(takeAll(turns, false)).toBe(taken);
    expect(turns.mayTake()).toBe(false);
  });

  it('goes on with whoever waits once a place is free', () => {
    const turns = openTurns<string, string>(() => 4);
    pushAll(turns, 'a1 a2 a3 a4 a5');
    expect(takeAll(turns, false)).toBe('a1 a2 a3');
    pushAll(turns, 'b1 b2');
    expect(takeAll(turns, false)).toBe('b1');
    turns.done('b');
    expect(takeAll(turns, false)).toBe('b2');
    turns.done('a');
    expect(takeAll(turns, false)).toBe('');
    turns.done('a');
    expect(takeAll(turns, false)).toBe('a4');
  });

  it('throws when a place comes back that nobody held', () => {
    expect(() => openTurns(() => 1).done('a')).toThrow();
  });
});

/** A generator of numbers below `n` that gives the same ones every time. */
function numbersFrom(seed: number) {
  let state = seed;
  return (n: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

describe('limits of an org and of its ways (of one place each for the way x)', () => {
  const openLimited = (ofOrg = 3) =>
    openTurns<string, string>(() => 8, { ofOrg: () => ofOrg, ofWay: (_, way) => (way === 'x' ? 1 : Infinity) });
  /** Items are named `<org><way><number>`. */
  const pushWays = (turns: Turns<string, string>, items: string) => {
    for (const item of items.split(' ')) turns.push(orgOf(item), item, item.slice(1, 2));
  };
  test.each([
    ['what waits for a way without room keeps no other way waiting', 'ax1 ax2 ax3 ay1', 'ax1 ay1'],
    ['ways with room go in the order of their org', 'ay1 ax1 ay2 ax2', 'ay1 ax1 ay2'],
    ['an org without room waits, and others do not', 'ay1 ay2 ay3 ay4 by1', 'ay1 by1 ay2 ay3'],
    ['a way without room costs its org no turn', 'ax1 ax2 bx1 bx2 by1', 'ax1 bx1 by1'],
  ])('%s', (_, items, taken) => {
    const turns = openLimited();
    pushWays(turns, items);
    expect(takeAll(turns, false)).toBe(taken);
  });

  it('goes on in the old order once a place of the way is given back', () => {
    const turns = openLimited();
    pushWays(turns, 'ax1 ax2 ay1');
    expect(takeAll(turns, false)).toBe('ax1 ay1');
    pushWays(turns, 'ay2');
    turns.done('a', 'x');
    expect([turns.waitingOf('a'), turns.waitingOf('a', 'x'), turns.heldBy('a'), turns.heldBy('a', 'y')]).toEqual([
      2, 1, 1, 1,
    ]);
    expect(takeAll(turns, false)).toBe('ax2 ay2');
  });
});

test.each([
  ...[1, 2, 3, 5, 8].map((places) => [places, Infinity, Infinity] as const),
  [3, 1, 1] as const,
  [8, 3, 2] as const,
  [8, 4, 1] as const,
])(
  'whatever happens, with %i places, %d for an org and %d for a way: N1, N2, N3 and N5 hold',
  (places, ofOrg, ofWay) => {
    const below = numbersFrom(places + ofWay);
    const rooms = { ofOrg: () => ofOrg, ofWay: () => ofWay };
    const turns = openTurns<string, string>(() => places, rooms);
    /** In the order in which each org is to go on. Items are named `<org><way><number>`. */
    const queues = new Map<string, string[]>();
    const held: string[] = [];
    /** For each org that waits: what others took since it last did or could not. */
    const passed = new Map<string, string[]>();
    const reserve = places < 2 ? 0 : Math.max(1, Math.floor(places / 4));
    const waitingOf = (org: string) => queues.get(org) ?? [];
    const wayOf = (item: string) => item.slice(1, 2);
    const heldBy = (start: string) => held.filter((item) => item.startsWith(start)).length;
    const firstOf = (org: string) =>
      heldBy(org) < ofOrg ? waitingOf(org).find((item) => heldBy(item.slice(0, 2)) < ofWay) : undefined;
    const mayTake = (org: string) =>
      held.length < places && (held.length < places - reserve || heldBy(org) === 0) && firstOf(org) !== undefined;
    const orgs = ['a', 'b', 'c', 'd', 'e'];
    const ways = ['x', 'y', 'z'];
    const without = (org: string, gone: string | undefined) => waitingOf(org).filter((item) => item !== gone);
    /** An org that cannot go on has no turn to wait for. */
    const forgetWhoCannot = () => {
      for (const org of orgs) if (firstOf(org) === undefined) passed.delete(org);
    };

    for (let i = 0; i < 5_000; i++) {
      const org = orgs[below(orgs.length)] ?? 'a';
      const item = `${org}${ways[below(ways.length)]}${i}`;
      const action = below(10);
      if (action < 4) {
        queues.set(org, [...waitingOf(org), item]);
        turns.push(org, item, wayOf(item));
      } else if (action === 4) {
        const victim = waitingOf(org)[below(waitingOf(org).length)];
        if (victim !== undefined) expect(turns.remove(victim)).toBe(true);
        queues.set(org, without(org, victim));
      } else if (action < 8) {
        const might = orgs.filter(mayTake);
        const expected = new Map(might.map((each) => [each, firstOf(each)]));
        const taken = turns.take();
        expect(taken === undefined).toBe(might.length === 0);
        if (taken === undefined) continue;
        const taker = orgOf(taken);
        expect(taken).toBe(expected.get(taker));
        queues.set(taker, without(taker, taken));
        held.push(taken);
        passed.delete(taker);
        for (const other of orgs) {
          if (other === taker) continue;
          if (!might.includes(other)) passed.delete(other);
          else {
            const before = passed.get(other) ?? [];
            expect(before).not.toContain(taker);
            passed.set(other, [...before, taker]);
          }
        }
      } else if (held.length > 0) {
        const [over = ''] = held.splice(below(held.length), 1);
        turns.done(orgOf(over), wayOf(over));
        if (action === 9) {
          const back = `${over.slice(0, 2)}${i}`;
          queues.set(orgOf(over), [back, ...waitingOf(orgOf(over))]);
          turns.pushFirst(orgOf(over), back, wayOf(over));
        }
      }
      forgetWhoCannot();
      for (const each of orgs) {
        expect(turns.waitingOf(each)).toBe(waitingOf(each).length);
        expect(turns.heldBy(each)).toBe(heldBy(each));
      }
      expect(turns.size()).toBe(orgs.reduce((sum, each) => sum + waitingOf(each).length, 0));
      expect(turns.mayTake()).toBe(orgs.some(mayTake));
    }
  },
);
