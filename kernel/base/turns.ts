/**
 * Who is next, when work of several orgs waits for a limited number of places: pure, and told what happens.
 *
 * Owns: what waits, and how many places each org holds. Whoever takes an item holds a place for its org until `done`.
 *
 * - N1 first in, first out within an org. Orgs take turns: one that may go on waits for at most one turn of each other.
 * - N2 the last quarter of the places (at least one, when there are two or more) goes only to orgs that hold none. So
 *   no org can hold them all, and what it holds for long cannot keep the first call of another org waiting.
 * - N3 nothing is kept for an org that has nothing waiting and holds nothing.
 * - N4 every operation is O(1) but `take` and `mayTake` once the last quarter is begun: then they pass over those orgs
 *   that hold a place already, never over what waits.
 */
export type Turns<Org, Item> = {
  readonly size: () => number;
  /** How many items of the org wait. */
  readonly waitingOf: (org: Org) => number;
  /** Puts an item behind those of its org. An item waits at most once at a time. */
  push(org: Org, item: Item): void;
  /** Puts an item that was handed back before those of its org. */
  pushFirst(org: Org, item: Item): void;
  /** @returns whether it waited. */
  remove(item: Item): boolean;
  /** Whether `take` would give something. */
  readonly mayTake: () => boolean;
  /** Takes out what is next, and a place for its org. */
  take(): Item | undefined;
  /** Gives a place of the org back. */
  done(org: Org): void;
  /** Takes out everything that waits. No place is taken for it. */
  clear(): readonly Item[];
};

type Link<T> = { readonly value: T; before: Link<T> | undefined; after: Link<T> | undefined };
type Chain<T> = { first: Link<T> | undefined; last: Link<T> | undefined };
type Lane<Org, Item> = { readonly org: Org; readonly items: Chain<Item>; count: number };

/** @param places How many items may be taken and not done, over all orgs. */
export function openTurns<Org, Item>(places: number): Turns<Org, Item> {
  const shared = places - (places < 2 ? 0 : Math.max(1, Math.floor(places / 4)));
  const lanes = new Map<Org, Link<Lane<Org, Item>>>();
  /** Lanes in the order of their turns. */
  const ring: Chain<Lane<Org, Item>> = emptyChain();
  const whereOf = new Map<Item, { readonly link: Link<Item>; readonly lane: Link<Lane<Org, Item>> }>();
  const heldBy = new Map<Org, number>();
  let held = 0;

  function laneOf(org: Org): Link<Lane<Org, Item>> {
    const known = lanes.get(org);
    if (known) return known;
    const lane = append(ring, { org, items: emptyChain<Item>(), count: 0 });
    lanes.set(org, lane);
    return lane;
  }

  function put(org: Org, item: Item, add: typeof append): void {
    const lane = laneOf(org);
    lane.value.count++;
    whereOf.set(item, { link: add(lane.value.items, item), lane });
  }

  function remove(item: Item): boolean {
    const where = whereOf.get(item);
    if (!where) return false;
    const { link, lane } = where;
    whereOf.delete(item);
    cut(lane.value.items, link);
    if (--lane.value.count === 0) {
      cut(ring, lane);
      lanes.delete(lane.value.org);
    }
    return true;
  }

  function nextLane(): Link<Lane<Org, Item>> | undefined {
    if (held >= places) return undefined;
    let lane = ring.first;
    if (held >= shared) while (lane && heldBy.has(lane.value.org)) lane = lane.after;
    return lane;
  }

  return {
    size: () => whereOf.size,
    waitingOf: (org) => lanes.get(org)?.value.count ?? 0,
    push: (org, item) => put(org, item, append),
    pushFirst: (org, item) => put(org, item, prepend),
    remove,
    mayTake: () => nextLane() !== undefined,
    take() {
      const lane = nextLane();
      const first = lane?.value.items.first;
      if (!lane || !first) return undefined;
      const { org } = lane.value;
      remove(first.value);
      if (lane.value.count > 0 && ring.last !== lane) {
        cut(ring, lane);
        join(ring, lane);
      }
      heldBy.set(org, (heldBy.get(org) ?? 0) + 1);
      held++;
      return first.value;
    },
    done(org) {
      const count = heldBy.get(org);
      if (count === undefined) throw new Error('a place was given back that nobody held');
      if (count === 1) heldBy.delete(org);
      else heldBy.set(org, count - 1);
      held--;
    },
    clear() {
      const items = [...whereOf.keys()];
      items.forEach(remove);
      return items;
    },
  };
}

const emptyChain = <T>(): Chain<T> => ({ first: undefined, last: undefined });

/** Puts a link that is in no chain at the end. */
function join<T>(chain: Chain<T>, link: Link<T>): void {
  link.before = chain.last;
  link.after = undefined;
  if (chain.last) chain.last.after = link;
  else chain.first = link;
  chain.last = link;
}

function append<T>(chain: Chain<T>, value: T): Link<T> {
  const link: Link<T> = { value, before: undefined, after: undefined };
  join(chain, link);
  return link;
}

function prepend<T>(chain: Chain<T>, value: T): Link<T> {
  const link: Link<T> = { value, before: undefined, after: chain.first };
  if (chain.first) chain.first.before = link;
  else chain.last = link;
  chain.first = link;
  return link;
}

function cut<T>(chain: Chain<T>, link: Link<T>): void {
  if (link.before) link.before.after = link.after;
  else chain.first = link.after;
  if (link.after) link.after.before = link.before;
  else chain.last = link.before;
}
