/**
 * Judges IP addresses: which ones a connection may go to. Owns the one rule about addresses and everything that reads
 * CIDR blocks. A name is never judged here: a name means nothing until it has been resolved.
 */
import ipaddr from 'ipaddr.js';
import { err, ok, type Result } from '../base/result.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** `E_ADDRESS`: not an IP address at all. `E_PRIVATE_ADDRESS`: not public, and no granted block contains it. */
export type AddressRefusal = 'E_ADDRESS' | 'E_PRIVATE_ADDRESS';

/**
 * Where clouds answer their own machines, with credentials among the rest: AWS, Azure and others; AWS and Google over IPv6;
 * Alibaba; Oracle. That of Azure is public unicast by number.
 */
const METADATA_ADDRESSES: ReadonlySet<string> = new Set([
  ...['169.254.169.254', '168.63.129.16', '100.100.100.200', '192.0.0.192'],
  ...['fd00:ec2::254', 'fd20:ce::254'],
]);

/** Ranges in which people have hosts of their own. */
const INNER_RANGES: ReadonlySet<string> = new Set(['private', 'carrierGradeNat', 'loopback', 'uniqueLocal']);

/** All of global unicast IPv6 that IANA has opened (RFC 4291 section 2.4). */
const GLOBAL_UNICAST: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];

/**
 * Judges one resolved address. Allowed: global unicast, or inside a granted block. An IPv6 address that carries an IPv4
 * address inside (6to4, Teredo, NAT64, ISATAP) is refused, because some router would unwrap it to a place not judged.
 * An IPv4-mapped one is judged as the IPv4 address that it is.
 * @param allowedBlocks CIDR blocks of the rule; one that cannot be read allows nothing.
 * @returns the canonical text of the address, which is what a connection must be opened to.
 */
export function judgeAddress(address: string, allowedBlocks: readonly string[]): Result<string, AddressRefusal> {
  const parsed = parseAddress(address);
  if (!parsed) return err('E_ADDRESS');
  return isPublic(parsed) || allowedBlocks.some((block) => contains(block, parsed))
    ? ok(parsed.toString())
    : err('E_PRIVATE_ADDRESS');
}

/** Canonical text of an IP address, IPv4-mapped IPv6 as IPv4; undefined when `text` is not a plain address. */
export const canonicalAddress = (text: string): string | undefined => parseAddress(text)?.toString();

/**
 * Block that holds exactly this address, for the line an operator is told to paste. Undefined for one that should not be
 * allowed because a log says how: link-local, a metadata service, what wraps an IPv4 address, multicast. Whoever owns a name
 * chooses where it leads, and could have it offered.
 */
export function blockToOffer(address: string): string | undefined {
  const parsed = parseAddress(address);
  if (!parsed || METADATA_ADDRESSES.has(parsed.toString())) return undefined;
  if (!INNER_RANGES.has(parsed.range()) && !isPublic(parsed)) return undefined;
  return `${parsed}/${parsed instanceof ipaddr.IPv4 ? 32 : 128}`;
}

/** What is said in the place of that block. */
export const NOT_BY_HABIT =
  'link-local, the metadata service of a cloud, or special in another way: such an address is not to be allowed by habit, so ' +
  'no rule is offered here';

export const blockContains = (block: string, address: string): boolean => {
  const parsed = parseAddress(address);
  return parsed !== undefined && contains(block, parsed);
};

/** Says what is wrong with a CIDR block in a policy and how to write it, or undefined when it is good. */
export function faultOfBlock(block: string): string | undefined {
  const cidr = parseBlock(block);
  if (!cidr) return 'not a CIDR block; write an address and a length, such as 10.20.0.0/16 or fd00:1::/32';
  const [address, bits] = cidr;
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()) {
    return 'an IPv4 block inside IPv6; write it as IPv4, such as 10.20.0.0/16';
  }
  const network = networkOf(address, bits);
  return network === address.toString() ? undefined : `has bits set after its length; write ${network}/${bits}`;
}

/** Only the two plain spellings: four decimal parts, or IPv6 without a zone. Octal, hex and short forms are refused. */
function parseAddress(text: string): Address | undefined {
  // Names come here with every request; ipaddr.js answers them by an exception, which is slow.
  if (!/^[0-9a-f.:]+$/i.test(text)) return undefined;
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  const address = parseIPv6(text);
  return address?.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

/** ipaddr.js takes `::10.0.0.1` for a mapped address; it is an IPv4-compatible one (RFC 4291 section 2.5.5.1). */
function parseIPv6(text: string): ipaddr.IPv6 | undefined {
  if (text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  return ipaddr.IPv6.parse(text.replace(/^::(?=[0-9]+\.)/, '0::'));
}

function parseBlock(block: string): [Address, number] | undefined {
  const [text = '', bits = '', ...rest] = block.split('/');
  if (rest.length > 0 || !/^(?:0|[1-9][0-9]{0,2})$/.test(bits)) return undefined;
  const network = ipaddr.IPv4.isValidFourPartDecimal(text) ? ipaddr.IPv4.parse(text) : parseIPv6(text);
  if (!network || Number(bits) > (network instanceof ipaddr.IPv4 ? 32 : 128)) return undefined;
  return [network, Number(bits)];
}

function networkOf(address: Address, bits: number): string {
  const bytes = address.toByteArray().map((byte, i) => {
    const kept = Math.min(8, Math.max(0, bits - i * 8));
    return byte & (0xff << (8 - kept));
  });
  return ipaddr.fromByteArray(bytes).toString();
}

function contains(block: string, address: Address): boolean {
  const cidr = parseBlock(block);
  if (!cidr) return false;
  const [network, bits] = cidr;
  if (network instanceof ipaddr.IPv4) return address instanceof ipaddr.IPv4 && address.match(network, bits);
  return address instanceof ipaddr.IPv6 && address.match(network, bits);
}

function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast' || METADATA_ADDRESSES.has(address.toString())) return false;
  return address instanceof ipaddr.IPv4 || (address.match(...GLOBAL_UNICAST) && !isIsatap(address));
}

/** ISATAP (RFC 5214 section 6.1): an IPv4 address behind `0:5efe` or `200:5efe` under any prefix. */
const isIsatap = (address: ipaddr.IPv6): boolean => {
  const [, , , , fifth = 0, sixth = 0] = address.parts;
  return sixth === 0x5efe && (fifth & ~0x0200) === 0;
};
