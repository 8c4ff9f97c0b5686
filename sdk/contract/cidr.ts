/**
 * IP addresses and blocks of them, as rules write them: strict text in, numbers out, no network.
 *
 * Only the forms that every reader takes the same way are addresses: four decimal parts without leading zeros, or
 * RFC 4291 section 2.2 text without a zone. `0x7f.1`, `010.0.0.1`, `127.1` and `fe80::1%eth0` are not. An IPv4-mapped
 * IPv6 address (`::ffff:10.0.0.1`) is the IPv4 address it carries, so that a rule about 10.0.0.0/8 also sees it.
 */
export type Address = { readonly family: 4 | 6; readonly value: bigint };
export type Block = Address & { readonly prefix: number };

const WIDTH = { 4: 32, 6: 128 } as const;
const MAPPED = 0xffffn;

/** @returns undefined when `text` is not exactly one address. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > 45) return undefined;
  if (!text.includes(':')) {
    const value = parseIPv4(text);
    return value === undefined ? undefined : { family: 4, value };
  }
  const value = parseIPv6(text);
  if (value === undefined) return undefined;
  return value >> 32n === MAPPED ? { family: 4, value: value & 0xffff_ffffn } : { family: 6, value };
}

/**
 * Reads `address/prefix` (RFC 4632, RFC 4291 section 2.3).
 * @returns undefined when `text` is no block, has bits set behind its prefix (a slip of the pen), or is an
 * IPv4-mapped one (write the IPv4 block).
 */
export function parseCidr(text: string): Block | undefined {
  const match = /^([0-9a-f.:]{2,45})\/(0|[1-9][0-9]{0,2})$/i.exec(text);
  const address = parseAddress(match?.[1] ?? '');
  const prefix = Number(match?.[2]);
  if (!address || prefix > WIDTH[address.family]) return undefined;
  if (address.family === 4 && text.includes(':')) return undefined;
  const rest = BigInt(WIDTH[address.family] - prefix);
  return (address.value >> rest) << rest === address.value ? { ...address, prefix } : undefined;
}

export const isCidr = (text: string): boolean => parseCidr(text) !== undefined;

/** Whether the address lies in the block. A block never holds an address of the other family. */
export function blockHolds(block: Block, address: Address): boolean {
  if (block.family !== address.family) return false;
  const rest = BigInt(WIDTH[block.family] - block.prefix);
  return address.value >> rest === block.value >> rest;
}

function parseIPv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return BigInt(value);
}

function parseIPv6(text: string): bigint | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] ?? '', halves.length === 1);
  const tail = groupsOf(halves[1] ?? '', true);
  if (!head || !tail) return undefined;
  const gap = 8 - head.length - tail.length;
  // `::` stands for at least one group of zeros; without it there are exactly eight.
  if (halves.length === 2 ? gap < 1 : gap !== 0) return undefined;
  return [...head, ...Array<bigint>(gap).fill(0n), ...tail].reduce((sum, group) => (sum << 16n) | group, 0n);
}

/** The 16-bit groups of one side of `::`. Only the very end of an address may be written as IPv4. */
function groupsOf(text: string, isEnd: boolean): bigint[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: bigint[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(BigInt(`0x${part}`));
    else {
      const value = isEnd && index === parts.length - 1 ? parseIPv4(part) : undefined;
      if (value === undefined) return undefined;
      groups.push(value >> 16n, value & 0xffffn);
    }
  }
  return groups;
}
