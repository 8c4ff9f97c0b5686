import type { Diagram, DiagramNode } from './diagram.ts';
import { effort, type Layered, layersOf } from './layers.ts';

/** Where everything of a diagram stands, in pixels: boxes in boxes, each block laid out by itself. */
export type Point = { readonly x: number; readonly y: number };
export type Box = Point & { readonly width: number; readonly height: number };
export type Layout = {
  readonly width: number;
  readonly height: number;
  readonly boxes: ReadonlyMap<string, Box>;
  /** Of each edge, in the order of the diagram: where it begins, bends and ends. */
  readonly routes: readonly (readonly Point[])[];
};

export type Measures = {
  /** Of a box without others in it. */
  readonly sizeOf: (node: DiagramNode) => { readonly width: number; readonly height: number };
  /** Around what a box holds; `top` has room for its name. */
  readonly paddingOf: (node: DiagramNode) => { readonly side: number; readonly top: number; readonly bottom: number };
  readonly gap: { readonly x: number; readonly y: number; readonly bend: number };
};

type Part = {
  readonly width: number;
  readonly height: number;
  readonly boxes: Map<string, Box>;
  readonly routes: Map<number, readonly Point[]>;
};

const ROUNDS = 20;
/** What is kept straight first: the way that was taken, then the first way out of each box. */
const WEIGHT = { taken: 16, first: 6, other: 1, onFailure: 0.3 } as const;

export function layOut(diagram: Diagram, measures: Measures): Layout {
  const children = Map.groupBy(diagram.nodes, ({ parent }) => parent);
  const { boxes, routes, width, height } = block(null, children, diagram, measures);
  return { width, height, boxes, routes: diagram.edges.map((_, index) => routes.get(index) ?? []) };
}

function block(
  parent: string | null,
  children: ReadonlyMap<string | null, readonly DiagramNode[]>,
  diagram: Diagram,
  measures: Measures,
): Part {
  const nodes = children.get(parent) ?? [];
  const inner = new Map<string, Part & { readonly top: number }>();
  const sizes = new Map<string, { readonly width: number; readonly height: number }>();
  for (const node of nodes) {
    const own = measures.sizeOf(node);
    if (!children.has(node.id)) {
      sizes.set(node.id, own);
      continue;
    }
    const part = block(node.id, children, diagram, measures);
    const { side, top, bottom } = measures.paddingOf(node);
    inner.set(node.id, { ...part, top });
    sizes.set(node.id, { width: Math.max(own.width, part.width + 2 * side), height: part.height + top + bottom });
  }
  const ids = nodes.map(({ id }) => id);
  const isMine = new Set(ids);
  const mine = [...diagram.edges.entries()].filter(([, { from, to }]) => isMine.has(from) && isMine.has(to));
  const layered = layersOf(
    ids,
    mine.map(([, { from, to, taken, onFailure }], at) => {
      const isFirst = mine.findIndex(([, other]) => other.from === from) === at;
      const plain = onFailure ? WEIGHT.onFailure : isFirst ? WEIGHT.first : WEIGHT.other;
      return { from, to, weight: taken ? WEIGHT.taken : plain };
    }),
  );
  const placed = place(layered, sizes, measures);
  const boxes = new Map(placed.boxes);
  const routes = new Map<number, readonly Point[]>();
  mine.forEach(([index], at) => {
    routes.set(index, placed.routes[at] ?? []);
  });
  for (const [id, part] of inner) {
    const box = boxes.get(id);
    if (!box) continue;
    const dx = box.x + (box.width - part.width) / 2;
    const dy = box.y + part.top;
    for (const [name, { x, y, ...size }] of part.boxes) boxes.set(name, { ...size, x: x + dx, y: y + dy });
    for (const [index, points] of part.routes)
      routes.set(
        index,
        points.map(({ x, y }) => ({ x: x + dx, y: y + dy })),
      );
  }
  return { width: placed.width, height: placed.height, boxes, routes };
}

function place(
  { vertices, links, layers, routes }: Layered,
  sizes: ReadonlyMap<string, { readonly width: number; readonly height: number }>,
  { gap }: Measures,
) {
  const sizeOf = (vertex: number) => {
    const id = vertices[vertex]?.id ?? null;
    return (id === null ? undefined : sizes.get(id)) ?? { width: 0, height: 0 };
  };
  const centres = centresOf(layers, links, (left, right) => {
    const isBend = vertices[left]?.id === null || vertices[right]?.id === null;
    return (sizeOf(left).width + sizeOf(right).width) / 2 + (isBend ? gap.bend : gap.x);
  });
  const left = Math.min(0, ...vertices.map((_, vertex) => (centres[vertex] ?? 0) - sizeOf(vertex).width / 2));
  const tops: number[] = [];
  const heights = layers.map((layer) => Math.max(0, ...layer.map((vertex) => sizeOf(vertex).height)));
  let y = 0;
  for (const height of heights) {
    tops.push(y);
    y += height + gap.y;
  }
  const boxes = new Map<string, Box>();
  let right = 0;
  vertices.forEach(({ id, layer }, vertex) => {
    const size = sizeOf(vertex);
    const x = (centres[vertex] ?? 0) - left - size.width / 2;
    right = Math.max(right, x + size.width);
    if (id === null) return;
    boxes.set(id, { ...size, x, y: tops[layer] ?? 0 });
  });
  return {
    width: right,
    height: Math.max(0, y - gap.y),
    boxes,
    routes: routes.map((route) => route.flatMap((vertex, at) => pointsAt(vertex, at, route))),
  };

  /** Sideways only between layers: through a layer each way runs straight down, beside whatever is tall there. */
  function pointsAt(vertex: number, at: number, route: readonly number[]): readonly Point[] {
    const layer = vertices[vertex]?.layer ?? 0;
    const x = (centres[vertex] ?? 0) - left;
    const top = tops[layer] ?? 0;
    const lower = { x, y: top + (heights[layer] ?? 0) };
    const isDown = (vertices[route[0] as number]?.layer ?? 0) <= (vertices[route.at(-1) as number]?.layer ?? 0);
    const isInner = at > 0 && at < route.length - 1;
    if (isInner) return isDown ? [{ x, y: top }, lower] : [lower, { x, y: top }];
    // A box stands at the top of its layer: it is left at its lower edge and met at its upper one, or the reverse.
    if ((at === 0) === isDown) {
      const edge = { x, y: top + sizeOf(vertex).height };
      return isDown ? [edge, lower] : [lower, edge];
    }
    return [{ x, y: top }];
  }
}

/** Puts each vertex near the middle of its neighbours, as far as the distances within its layer allow. */
function centresOf(
  layers: Layered['layers'],
  links: Layered['links'],
  distance: (left: number, right: number) => number,
): readonly number[] {
  const centres: number[] = [];
  for (const layer of layers) {
    let x = 0;
    layer.forEach((vertex, at) => {
      const before = layer[at - 1];
      if (before !== undefined) x += distance(before, vertex);
      centres[vertex] = x;
    });
  }
  const above = Map.groupBy(links, ({ to }) => to);
  const below = Map.groupBy(links, ({ from }) => from);
  const rounds = effort(ROUNDS, links.length);
  for (let round = 0; round < rounds; round++) {
    const isDown = round % 2 === 0;
    for (const layer of isDown ? layers : layers.toReversed()) {
      const wanted = layer.map((vertex) => {
        const sides = [
          ...(isDown || round > rounds / 2
            ? (above.get(vertex) ?? []).map(({ from, weight }) => [from, weight] as const)
            : []),
          ...(!isDown || round > rounds / 2
            ? (below.get(vertex) ?? []).map(({ to, weight }) => [to, weight] as const)
            : []),
        ];
        const sum = sides.reduce((total, [, weight]) => total + weight, 0);
        if (sum === 0) return { at: centres[vertex] ?? 0, weight: 0.1 };
        return {
          at: sides.reduce((total, [other, weight]) => total + (centres[other] ?? 0) * weight, 0) / sum,
          weight: sum,
        };
      });
      spread(layer, wanted, distance).forEach((x, at) => {
        centres[layer[at] as number] = x;
      });
    }
  }
  return centres;
}

/** The places nearest to those wanted that keep order and distances: neighbours that would collide move as one. */
function spread(
  layer: readonly number[],
  wanted: readonly { readonly at: number; readonly weight: number }[],
  distance: (left: number, right: number) => number,
): readonly number[] {
  const offsets: number[] = [];
  layer.forEach((vertex, at) => {
    const before = layer[at - 1];
    offsets.push(before === undefined ? 0 : (offsets[at - 1] ?? 0) + distance(before, vertex));
  });
  const groups: { at: number; weight: number; count: number }[] = [];
  wanted.forEach(({ at, weight }, index) => {
    let group = { at: at - (offsets[index] ?? 0), weight, count: 1 };
    for (let last = groups.at(-1); last && last.at > group.at; last = groups.at(-1)) {
      const sum = last.weight + group.weight;
      group = {
        at: (last.at * last.weight + group.at * group.weight) / sum,
        weight: sum,
        count: last.count + group.count,
      };
      groups.pop();
    }
    groups.push(group);
  });
  return groups
    .flatMap(({ at, count }) => Array.from({ length: count }, () => at))
    .map((at, index) => at + (offsets[index] ?? 0));
}
