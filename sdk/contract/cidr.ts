/**
 * IP addresses and blocks of them, as rules write them: strict text in, comparable values out, no network.
 *
 * Only the forms that every reader takes the same way are addresses: four decimal parts without leading zeros, or
 * RFC 4291 section 2.2 text without a zone. `0x7f.1`, `010.0.0.1`, `127.1` and `fe80::1%eth0` are not. An IPv4-mapped
 * IPv6 address (`::ffff:10.0.0.1`) is the IPv4 address it carries, so that a rule about 10.0.0.0/8 also sees it.
 */

/**
 * The family, then the groups of 16 bits (two or eight), one UTF-16 code unit each: so `<` and sort() order addresses,
 * those of a family together, and a block is all that lies between two of them. An event may name 20,000 addresses;
 * numbers of 128 bits would cost ten times as much.
 */
export type Address = string & { readonly address: unique symbol };
/** From the first address of a block to its last. */
export type Block = { readonly first: Address; readonly last: Address };

const GROUPS = { 4: 2, 6: 8 } as const;
const MAPPED = [0, 0, 0, 0, 0, 0xffff] as const;

/** @returns undefined when `text` is not exactly one address. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > 45) return undefined;
  if (!text.includes(':')) return toAddress(4, parseIPv4(text));
  const groups = parseIPv6(text);
  if (groups && MAPPED.every((group, index) => groups[index] === group)) return toAddress(4, groups.slice(6));
  return toAddress(6, groups);
}

const toAddress = (family: 4 | 6, groups: readonly number[] | undefined): Address | undefined =>
  groups && (String.fromCharCode(family, ...groups) as Address);

/**
 * Reads `address/prefix` (RFC 4632, RFC 4291 section 2.3).
 * @returns undefined when `text` is no block, has bits set behind its prefix (a slip of the pen), or is an
 * IPv4-mapped one (write the IPv4 block).
 */
export function parseCidr(text: string): Block | undefined {
  const match = /^([0-9a-f.:]{2,45})\/(0|[1-9][0-9]{0,2})$/i.exec(text);
  const family = text.includes(':') ? 6 : 4;
  const groups = (family === 4 ? parseIPv4 : parseIPv6)(match?.[1] ?? '');
  const prefix = Number(match?.[2]);
  if (!groups || prefix > GROUPS[family] * 16) return undefined;
  /** The bits of a group that are behind the prefix. */
  const rest = (index: number) => 0xffff >> Math.min(16, Math.max(0, prefix - index * 16));
  const first = parseAddress(match?.[1] ?? '');
  const last = toAddress(
    family,
    groups.map((group, index) => group | rest(index)),
  );
  if (!first || !last || first.length !== last.length) return undefined;
  return groups.some((group, index) => group & rest(index)) ? undefined : { first, last };
}

export const isCidr = (text: string): boolean => parseCidr(text) !== undefined;

/** Whether the address lies in the block. A block never holds an address of the other family. */
export const blockHolds = ({ first, last }: Block, address: Address): boolean => first <= address && address <= last;

/** Whether any of the addresses, which sort() has put in order, lies in the block. Looks at a few of them only. */
export function blockHoldsAny(block: Block, sorted: readonly Address[]): boolean {
  let from = 0;
  let to = sorted.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((sorted[middle] as Address) < block.first) from = middle + 1;
    else to = middle;
  }
  const next = sorted[from];
  return next !== undefined && blockHolds(block, next);
}

/** Two groups of 16 bits. */
function parseIPv4(text: string): readonly number[] | undefined {
  const match = /^(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})$/.exec(text);
  if (!match) return undefined;
  const [a, b, c, d] = [Number(match[1]), Number(match[2]), Number(match[3]), Number(match[4])];
  return a > 255 || b > 255 || c > 255 || d > 255 ? undefined : [a * 256 + b, c * 256 + d];
}

/** Eight groups of 16 bits. */
function parseIPv6(text: string): readonly number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] ?? '', halves.length === 1);
  const tail = groupsOf(halves[1] ?? '', true);
  if (!head || !tail) return undefined;
  const gap = 8 - head.length - tail.length;
  // `::` stands for at least one group of zeros; without it there are exactly eight.
  if (halves.length === 2 ? gap < 1 : gap !== 0) return undefined;
  return [...head, ...Array<number>(gap).fill(0), ...tail];
}

/** The 16-bit groups of one side of `::`. Only the very end of an address may be written as IPv4. */
function groupsOf(text: string, isEnd: boolean): readonly number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else {
      const value = isEnd && index === parts.length - 1 ? parseIPv4(part) : undefined;
      if (value === undefined) return undefined;
      groups.push(...value);
    }
  }
  return groups;
}
