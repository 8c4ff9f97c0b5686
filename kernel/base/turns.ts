import { invariant } from './assert.ts';
import { append, type Chain, cut, emptyChain, join, type Link, prepend } from './chain.ts';

/**
 * Who is next, when work of several orgs waits for a limited number of places: pure, and told what happens.
 *
 * Owns: what waits, and how many places each org holds. Whoever takes an item holds a place for its org until `done`.
 * Work goes different ways (the connector that it is for), and an org, or a way of it, may have a limit of its own.
 *
 * - N1 first in, first out within a way of an org, and among those of its ways that have room. Orgs take turns: one that
 *   may go on waits for at most one turn of each other.
 * - N2 the last quarter of the places (at least one, when there are two or more) goes only to orgs that hold none. So
 *   no org can hold them all, and what it holds for long cannot keep the first call of another org waiting.
 * - N3 nothing is kept for an org that has nothing waiting and holds nothing.
 * - N4 every operation is O(1) but for these: `take` and `review` look at the ways of one org; once the last quarter is
 *   begun, `take` and `mayTake` pass over those orgs that hold a place already. Never over what waits.
 * - N5 neither an org nor a way of it ever holds more places than its limit, and what waits for a way without room keeps
 *   no other way of the org waiting.
 */
export type Turns<Org, Item> = {
  readonly size: () => number;
  /** How many items wait, of the org or of one of its ways. */
  readonly waitingOf: (org: Org, way?: string) => number;
  /** How many places are held. */
  readonly heldBy: (org: Org, way?: string) => number;
  /** Puts an item behind those of its org. An item waits at most once at a time. */
  push(org: Org, item: Item, way?: string): void;
  /** Puts an item that was handed back before those of its org. */
  pushFirst(org: Org, item: Item, way?: string): void;
  /** @returns whether it waited. */
  remove(item: Item): boolean;
  /** The limits of the org have changed: whether it may go on is asked anew. */
  review(org: Org): void;
  /** Whether `take` would give something. */
  readonly mayTake: () => boolean;
  /** Takes out what is next, and a place for its org. */
  take(): Item | undefined;
  /** Gives a place of the org back. */
  done(org: Org, way?: string): void;
  /** Takes out everything that waits. No place is taken for it. */
  clear(): readonly Item[];
};

/** How many places an org, or a way of it, may hold at most. Where one changes, `review` has to be called. */
export type Rooms<Org> = {
  readonly ofOrg: (org: Org) => number;
  readonly ofWay: (org: Org, way: string) => number;
};

/** `place` orders the items of an org over its ways. */
type Waiting<Item> = { readonly item: Item; readonly place: number };
type Way<Item> = { readonly name: string; readonly items: Chain<Waiting<Item>>; waiting: number; held: number };
type Lane<Org, Item> = {
  readonly org: Org;
  readonly ways: Map<string, Way<Item>>;
  /** Ways with work and room. */
  readonly ready: Set<Way<Item>>;
  waiting: number;
  held: number;
  /** Its place in the order of turns, while it may take one. */
  turn: Link<Lane<Org, Item>> | undefined;
};
type Where<Org, Item> = {
  readonly link: Link<Waiting<Item>>;
  readonly lane: Lane<Org, Item>;
  readonly way: Way<Item>;
};

const UNBOUNDED = { ofOrg: () => Infinity, ofWay: () => Infinity };

/** @param places How many items may be taken and not done, over all orgs, at present. */
export function openTurns<Org, Item>(places: () => number, rooms: Rooms<Org> = UNBOUNDED): Turns<Org, Item> {
  const lanes = new Map<Org, Lane<Org, Item>>();
  /** Lanes that may take a turn, in the order of their turns. */
  const ring: Chain<Lane<Org, Item>> = emptyChain();
  const whereOf = new Map<Item, Where<Org, Item>>();
  let held = 0;
  let last = 0;
  let first = 0;

  function laneOf(org: Org): Lane<Org, Item> {
    const known = lanes.get(org);
    if (known) return known;
    const lane = { org, ways: new Map(), ready: new Set<Way<Item>>(), waiting: 0, held: 0, turn: undefined };
    lanes.set(org, lane);
    return lane;
  }

  function wayOf(lane: Lane<Org, Item>, name: string): Way<Item> {
    const known = lane.ways.get(name);
    if (known) return known;
    const way = { name, items: emptyChain<Waiting<Item>>(), waiting: 0, held: 0 };
    lane.ways.set(name, way);
    return way;
  }

  /** After whatever changed in a way: whether it, and with it the org, may go on, and whether either is kept at all. */
  function settle(lane: Lane<Org, Item>, way: Way<Item>): void {
    if (way.waiting > 0 && way.held < rooms.ofWay(lane.org, way.name)) lane.ready.add(way);
    else lane.ready.delete(way);
    const mayGo = lane.ready.size > 0 && lane.held < rooms.ofOrg(lane.org);
    if (mayGo) lane.turn ??= append(ring, lane);
    else if (lane.turn) {
      cut(ring, lane.turn);
      lane.turn = undefined;
    }
    if (way.waiting + way.held === 0) lane.ways.delete(way.name);
    if (lane.waiting + lane.held === 0) lanes.delete(lane.org);
  }

  function put(org: Org, item: Item, name: string, place: number, add: typeof append): void {
    const lane = laneOf(org);
    const way = wayOf(lane, name);
    lane.waiting++;
    way.waiting++;
    whereOf.set(item, { link: add(way.items, { item, place }), lane, way });
    settle(lane, way);
  }

  function takeOut(item: Item): Where<Org, Item> | undefined {
    const where = whereOf.get(item);
    if (!where) return undefined;
    const { link, lane, way } = where;
    whereOf.delete(item);
    cut(way.items, link);
    lane.waiting--;
    way.waiting--;
    return where;
  }

  function remove(item: Item): boolean {
    const where = takeOut(item);
    if (where) settle(where.lane, where.way);
    return where !== undefined;
  }

  function nextLane(): Lane<Org, Item> | undefined {
    const all = places();
    if (held >= all) return undefined;
    let turn = ring.first;
    if (held >= all - keptOf(all)) while (turn && turn.value.held > 0) turn = turn.after;
    return turn?.value;
  }

  function firstOf({ ready }: Lane<Org, Item>): Item | undefined {
    let found: Waiting<Item> | undefined;
    for (const { items } of ready) {
      const head = items.first?.value;
      if (head && (!found || head.place < found.place)) found = head;
    }
    return found?.item;
  }

  return {
    size: () => whereOf.size,
    waitingOf: (org, way) => countsOf(lanes.get(org), way)?.waiting ?? 0,
    heldBy: (org, way) => countsOf(lanes.get(org), way)?.held ?? 0,
    push: (org, item, way = '') => put(org, item, way, ++last, append),
    pushFirst: (org, item, way = '') => put(org, item, way, --first, prepend),
    remove,
    review(org) {
      const lane = lanes.get(org);
      if (lane) for (const way of [...lane.ways.values()]) settle(lane, way);
    },
    mayTake: () => nextLane() !== undefined,
    take() {
      const next = nextLane();
      const item = next && firstOf(next);
      const where = item !== undefined && takeOut(item);
      if (!where) return undefined;
      const { lane, way } = where;
      held++;
      lane.held++;
      way.held++;
      if (lane.turn && ring.last !== lane.turn) {
        cut(ring, lane.turn);
        join(ring, lane.turn);
      }
      settle(lane, way);
      return item;
    },
    done(org, name = '') {
      const lane = lanes.get(org);
      const way = lane?.ways.get(name);
      invariant(lane && way && way.held > 0, 'a place that is given back was held');
      held--;
      lane.held--;
      way.held--;
      settle(lane, way);
    },
    clear() {
      const items = [...whereOf.keys()];
      items.forEach(remove);
      return items;
    },
  };
}

/** Places that are for orgs which hold none. */
const keptOf = (places: number) => (places < 2 ? 0 : Math.max(1, Math.floor(places / 4)));

const countsOf = <Org, Item>(lane: Lane<Org, Item> | undefined, way: string | undefined) =>
  way === undefined ? lane : lane?.ways.get(way);
