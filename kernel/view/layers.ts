/**
 * Layers of a graph, top to bottom, and the order within each: after Sugiyama, Tagawa and Toda (1981). A way that passes
 * layers gets a bend in each of them; ways to one place share their bends, so that they run together.
 */
export type Vertex = {
  readonly layer: number;
  /** A box's own id; null for a bend. */
  readonly id: string | null;
};
export type Link = { readonly from: number; readonly to: number; readonly weight: number };
export type Layered = {
  readonly vertices: readonly Vertex[];
  readonly links: readonly Link[];
  /** Places in `vertices`, left to right, by layer. */
  readonly layers: readonly (readonly number[])[];
  /** Of each way: the vertices that it passes, first and last included. In the order of `ways`. */
  readonly routes: readonly (readonly number[])[];
};
export type Way = { readonly from: string; readonly to: string; readonly weight: number };

/** Beyond it ways go straight, across whatever there is. */
const MOST_BENDS = 3_000;
/** A tangle is not made beautiful by trying longer; what is drawn is drawn while others wait. */
export const effort = (most: number, links: number): number =>
  Math.max(2, Math.min(most, Math.floor((most * 600) / (links + 1))));
const SWEEPS = 8;

export function layersOf(ids: readonly string[], ways: readonly Way[]): Layered {
  const forward = withoutCycles(ids, ways);
  const layerOf = longestPaths(ids, forward);
  const vertices: Vertex[] = ids.map((id) => ({ id, layer: layerOf.get(id) ?? 0 }));
  const indexOf = new Map(ids.map((id, index) => [id, index]));
  const bends = new Map<string, number>();
  const links = new Map<string, Link>();
  const link = (from: number, to: number, weight: number) => {
    const key = `${from} ${to}`;
    links.set(key, { from, to, weight: Math.max(weight, links.get(key)?.weight ?? 0) });
  };
  const spanOf = ({ from, to }: Way) => Math.abs((layerOf.get(to) ?? 0) - (layerOf.get(from) ?? 0));
  const isTangle = ways.reduce((sum, way) => sum + spanOf(way), 0) > MOST_BENDS;
  const routes = ways.map(({ from, to, weight }, index) => {
    const isBack = !forward.has(index);
    const [top, bottom] = isBack ? [to, from] : [from, to];
    const route = [indexOf.get(top) ?? 0];
    const last = layerOf.get(bottom) ?? 0;
    const beyond = (layerOf.get(top) ?? 0) + 1;
    if (isTangle && beyond < last) return [indexOf.get(from) ?? 0, indexOf.get(to) ?? 0];
    for (let layer = beyond; layer < last; layer++) {
      const key = `${layer} ${bottom}`;
      const bend = bends.get(key) ?? vertices.push({ layer, id: null }) - 1;
      bends.set(key, bend);
      route.push(bend);
    }
    route.push(indexOf.get(bottom) ?? 0);
    for (const [at, place] of route.entries()) if (at > 0) link(route[at - 1] as number, place, weight);
    return isBack ? route.toReversed() : route;
  });
  const all = [...links.values()];
  return { vertices, links: all, layers: ordered(vertices, all), routes };
}

/** @returns the places of the ways that lead on: the others, which would lead back, are drawn and not counted. */
function withoutCycles(ids: readonly string[], ways: readonly Way[]): Map<number, Way> {
  const from = Map.groupBy(ways.entries(), ([, way]) => way.from);
  const forward = new Map<number, Way>();
  const state = new Map<string, 'open' | 'done'>();
  for (const root of ids) {
    const stack: { readonly id: string; next: number }[] = [];
    const enter = (id: string) => {
      state.set(id, 'open');
      stack.push({ id, next: 0 });
    };
    if (!state.has(root)) enter(root);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const out = from.get(top.id)?.[top.next++];
      if (!out) {
        state.set(top.id, 'done');
        stack.pop();
        continue;
      }
      const [index, way] = out;
      if (state.get(way.to) === 'open') continue;
      forward.set(index, way);
      if (!state.has(way.to)) enter(way.to);
    }
  }
  return forward;
}

/** Each box one layer below the lowest that leads to it. */
function longestPaths(ids: readonly string[], ways: ReadonlyMap<number, Way>): ReadonlyMap<string, number> {
  const layerOf = new Map(ids.map((id) => [id, 0]));
  const into = new Map(ids.map((id) => [id, 0]));
  for (const { to } of ways.values()) into.set(to, (into.get(to) ?? 0) + 1);
  const out = Map.groupBy(ways.values(), (way) => way.from);
  const free = ids.filter((id) => into.get(id) === 0);
  for (let id = free.shift(); id !== undefined; id = free.shift())
    for (const { to } of out.get(id) ?? []) {
      layerOf.set(to, Math.max(layerOf.get(to) ?? 0, (layerOf.get(id) ?? 0) + 1));
      const left = (into.get(to) ?? 1) - 1;
      into.set(to, left);
      if (left === 0) free.push(to);
    }
  return layerOf;
}

/** Puts each vertex near the middle of those that it is linked to, downwards and upwards in turn; keeps the best. */
function ordered(vertices: readonly Vertex[], links: readonly Link[]): readonly (readonly number[])[] {
  const depth = Math.max(0, ...vertices.map(({ layer }) => layer)) + 1;
  const layers: number[][] = Array.from({ length: depth }, () => []);
  vertices.forEach(({ layer }, index) => {
    layers[layer]?.push(index);
  });
  const above = Map.groupBy(links, ({ to }) => to);
  const below = Map.groupBy(links, ({ from }) => from);
  let best = layers.map((layer) => [...layer]);
  let fewest = crossings(best, below);
  const sweeps = effort(SWEEPS, links.length);
  for (let sweep = 0; sweep < sweeps && fewest > 0; sweep++) {
    const isDown = sweep % 2 === 0;
    const places = new Map(layers.flatMap((layer) => layer.map((vertex, place) => [vertex, place] as const)));
    for (let step = 1; step < depth; step++) {
      const layer = layers[isDown ? step : depth - 1 - step] ?? [];
      const middles = new Map(
        layer.map((vertex) => {
          const others = isDown
            ? (above.get(vertex) ?? []).map(({ from }) => places.get(from) ?? 0)
            : (below.get(vertex) ?? []).map(({ to }) => places.get(to) ?? 0);
          const middle = others.reduce((sum, place) => sum + place, 0) / others.length;
          return [vertex, others.length === 0 ? (places.get(vertex) ?? 0) : middle] as const;
        }),
      );
      layer.sort((a, b) => (middles.get(a) ?? 0) - (middles.get(b) ?? 0));
      layer.forEach((vertex, place) => {
        places.set(vertex, place);
      });
    }
    const now = crossings(layers, below);
    if (now < fewest) [best, fewest] = [layers.map((layer) => [...layer]), now];
  }
  return best;
}

/** How many pairs of links cross: inversions of their lower ends, in the order of their upper ones. */
function crossings(layers: readonly (readonly number[])[], below: ReadonlyMap<number, readonly Link[]>): number {
  let count = 0;
  for (const [depth, layer] of layers.entries()) {
    const next = layers[depth + 1] ?? [];
    const places = new Map(next.map((vertex, place) => [vertex, place]));
    // A Fenwick tree of the ends seen so far.
    const seen = new Int32Array(next.length + 1);
    let total = 0;
    for (const vertex of layer) {
      const ends = (below.get(vertex) ?? []).map(({ to }) => places.get(to) ?? 0);
      for (const end of ends) {
        let upTo = 0;
        for (let at = end + 1; at > 0; at -= at & -at) upTo += seen[at] ?? 0;
        count += total - upTo;
      }
      for (const end of ends) {
        total++;
        for (let at = end + 1; at <= next.length; at += at & -at) seen[at] = (seen[at] ?? 0) + 1;
      }
    }
  }
  return count;
}
