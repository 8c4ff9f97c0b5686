/** A doubly linked list, for what is put at either end and taken out from anywhere. */
export type Link<T> = { readonly value: T; before: Link<T> | undefined; after: Link<T> | undefined };
export type Chain<T> = { first: Link<T> | undefined; last: Link<T> | undefined };

export const emptyChain = <T>(): Chain<T> => ({ first: undefined, last: undefined });

/** Puts a link that is in no chain at the end. */
export function join<T>(chain: Chain<T>, link: Link<T>): void {
  link.before = chain.last;
  link.after = undefined;
  if (chain.last) chain.last.after = link;
  else chain.first = link;
  chain.last = link;
}

export function append<T>(chain: Chain<T>, value: T): Link<T> {
  const link: Link<T> = { value, before: undefined, after: undefined };
  join(chain, link);
  return link;
}

export function prepend<T>(chain: Chain<T>, value: T): Link<T> {
  const link: Link<T> = { value, before: undefined, after: chain.first };
  if (chain.first) chain.first.before = link;
  else chain.last = link;
  chain.first = link;
  return link;
}

export function cut<T>(chain: Chain<T>, link: Link<T>): void {
  if (link.before) link.before.after = link.after;
  else chain.first = link.after;
  if (link.after) link.after.before = link.before;
  else chain.last = link.before;
}
