/**
 * Finds items by values that stand at places of a fact: a tree of the names in their paths, with the wanted values where
 * a path ends. It is walked together with the facts, so that finding costs no more than the smaller of the two: neither
 * many places that a small event does not have, nor a large event of which few places matter.
 */
import { childOf } from '../base/json.ts';
import type { Scalar } from '../rule/need.ts';

/** Where something is kept: names from the fact down, and the value there. */
export type Place = { readonly path: readonly string[]; readonly value: Scalar };

type Bucket<Item> = { mentions: number; readonly items: Set<Item> };
type Node<Item> = { children?: Map<string, Node<Item>>; values?: Map<Scalar, Bucket<Item>> };

/** From so many children on it is worth asking which of them the value has. */
const MANY = 32;

export function openIndexTree<Item>() {
  const root: Node<Item> = {};

  const bucketAt = ({ path, value }: Place): Bucket<Item> | undefined => {
    let node: Node<Item> | undefined = root;
    for (const token of path) node = node?.children?.get(token);
    return node?.values?.get(value);
  };

  const bucketFor = ({ path, value }: Place): Bucket<Item> => {
    let node = root;
    for (const token of path) {
      node.children ??= new Map();
      const child: Node<Item> = node.children.get(token) ?? {};
      node.children.set(token, child);
      node = child;
    }
    node.values ??= new Map();
    const bucket = node.values.get(value) ?? { mentions: 0, items: new Set<Item>() };
    node.values.set(value, bucket);
    return bucket;
  };

  /** Takes a bucket that nobody mentions out, with the branch that led only to it. */
  const prune = ({ path, value }: Place, node = root, depth = 0): void => {
    const token = path[depth];
    if (token === undefined) {
      if (node.values?.get(value)?.mentions === 0) node.values.delete(value);
      return;
    }
    const child = node.children?.get(token);
    if (!child) return;
    prune({ path, value }, child, depth + 1);
    if (!child.children?.size && !child.values?.size) node.children?.delete(token);
  };

  return {
    /** Counts one more that wants this value here, whether or not it is kept here. */
    mention(place: Place): void {
      bucketFor(place).mentions++;
    },
    /** One less. Whoever is kept here has been removed before. */
    forget(place: Place): void {
      const bucket = bucketAt(place);
      if (bucket && --bucket.mentions === 0) prune(place);
    },
    mentions: (place: Place): number => bucketAt(place)?.mentions ?? 0,
    add: (place: Place, item: Item): void => void bucketFor(place).items.add(item),
    remove: (place: Place, item: Item): void => void bucketAt(place)?.items.delete(item),

    /** Every item that is kept under a value which stands in the facts. */
    find(facts: unknown): Set<Item> {
      const found = new Set<Item>();
      collect(root, facts, found);
      return found;
    },
    isEmpty: (): boolean => !root.children?.size,
  };
}

/** As deep as the longest path. */
function collect<Item>({ children, values }: Node<Item>, at: unknown, found: Set<Item>): void {
  if (typeof at !== 'object' || at === null) {
    for (const item of values?.get(at as Scalar)?.items ?? []) found.add(item);
    return;
  }
  if (!children) return;
  const isLonger = Array.isArray(at) && at.length >= children.size;
  const keys = children.size < MANY || isLonger ? undefined : Object.keys(at);
  for (const token of keys && keys.length < children.size ? keys : children.keys()) {
    const child = children.get(token);
    const next = child && childOf(at, token);
    if (child && next !== undefined) collect(child, next, found);
  }
}
