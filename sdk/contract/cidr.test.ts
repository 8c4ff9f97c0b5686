import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockHolds, isCidr, parseAddress, parseCidr } from './cidr.ts';

const holds = (block: string, address: string): boolean | undefined => {
  const [parsedBlock, parsedAddress] = [parseCidr(block), parseAddress(address)];
  return parsedBlock && parsedAddress && blockHolds(parsedBlock, parsedAddress);
};

describe('an address', () => {
  it.each([
    ['192.0.2.1', 4, 0xc0000201n],
    ['0.0.0.0', 4, 0n],
    ['255.255.255.255', 4, 0xffffffffn],
    ['::', 6, 0n],
    ['::1', 6, 1n],
    ['2001:DB8::ff', 6, 0x20010db80000000000000000000000ffn],
    ['1:2:3:4:5:6:7:8', 6, 0x00010002000300040005000600070008n],
    ['1::8', 6, 0x00010000000000000000000000000008n],
    ['1:2:3:4:5:6:7::', 6, 0x00010002000300040005000600070000n],
    ['64:ff9b::192.0.2.1', 6, 0x0064ff9b0000000000000000c0000201n],
    ['::ffff:192.0.2.1', 4, 0xc0000201n],
    ['::FFFF:c000:201', 4, 0xc0000201n],
  ] as const)('%s is read', (text, family, value) => {
    expect(parseAddress(text)).toEqual({ family, value });
  });

  it.each([
    ['', 'nothing'],
    ['localhost', 'a name'],
    ['127.1', 'short form'],
    ['2130706433', 'one number'],
    ['0x7f.0.0.1', 'hexadecimal'],
    ['010.0.0.1', 'leading zero: octal to some readers'],
    ['256.0.0.1', 'part too large'],
    ['1.2.3.4.5', 'five parts'],
    ['1.2.3.4 ', 'a space'],
    ['1.2.3.4\n', 'a line feed'],
    ['10.0.0.0/8', 'a block'],
    ['fe80::1%eth0', 'a zone'],
    ['[::1]', 'brackets'],
    [':::', 'three colons'],
    ['1::2::3', 'two gaps'],
    ['1:2:3:4:5:6:7', 'seven groups'],
    ['1:2:3:4:5:6:7:8:9', 'nine groups'],
    ['1:2:3:4:5:6:7::8', 'a gap of nothing'],
    ['12345::', 'group too long'],
    ['192.0.2.1::', 'IPv4 not at the end'],
    ['::192.0.2.1:1', 'IPv4 not at the end'],
    ['１.2.3.4', 'a full-width digit'],
  ])('%j is none: %s', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe('a block', () => {
  it.each([
    ['10.0.0.0/8', '10.255.255.255', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['0.0.0.0/0', '203.0.113.7', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['192.0.2.1/32', '192.0.2.1', true],
    ['192.0.2.1/32', '192.0.2.0', false],
    ['fc00::/7', 'fdff::1', true],
    ['fc00::/7', 'fe00::1', false],
    ['::/0', '::1', true],
    ['::/0', '127.0.0.1', false],
    ['::1/128', '::1', true],
  ])('%s holds %s: %s', (block, address, expected) => {
    expect(holds(block, address)).toBe(expected);
  });

  it.each([
    ['10.0.0.1/8', 'bits behind the prefix'],
    ['10.0.0.0', 'no prefix'],
    ['10.0.0.0/33', 'prefix too long'],
    ['10.0.0.0/08', 'leading zero'],
    ['::/129', 'prefix too long'],
    ['::ffff:10.0.0.0/104', 'IPv4 in IPv6 clothes'],
    ['10.0.0.0/255.0.0.0', 'a mask'],
    ['/8', 'no address'],
  ])('%j is none: %s', (text) => {
    expect(isCidr(text)).toBe(false);
  });

  it('holds exactly the addresses that share its first bits', () => {
    const address = fc.nat({ max: 0xffffffff });
    const dotted = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
    fc.assert(
      fc.property(address, address, fc.integer({ min: 1, max: 32 }), (base, other, prefix) => {
        const mask = (0xffffffff << (32 - prefix)) >>> 0;
        const block = `${dotted((base & mask) >>> 0)}/${prefix}`;
        expect(holds(block, dotted(other))).toBe((base & mask) >>> 0 === (other & mask) >>> 0);
      }),
    );
  });
});
