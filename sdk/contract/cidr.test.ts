import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Address, blockHolds, blockHoldsAny, isCidr, parseAddress, parseCidr } from './cidr.ts';

const holds = (block: string, address: string): boolean | undefined => {
  const [parsedBlock, parsedAddress] = [parseCidr(block), parseAddress(address)];
  return parsedBlock && parsedAddress && blockHolds(parsedBlock, parsedAddress);
};

describe('an address', () => {
  it.each([
    ['192.0.2.1', 4, 'c000 0201'],
    ['0.0.0.0', 4, '0000 0000'],
    ['255.255.255.255', 4, 'ffff ffff'],
    ['::', 6, '0000 0000 0000 0000 0000 0000 0000 0000'],
    ['::1', 6, '0000 0000 0000 0000 0000 0000 0000 0001'],
    ['2001:DB8::ff', 6, '2001 0db8 0000 0000 0000 0000 0000 00ff'],
    ['1:2:3:4:5:6:7:8', 6, '0001 0002 0003 0004 0005 0006 0007 0008'],
    ['1::8', 6, '0001 0000 0000 0000 0000 0000 0000 0008'],
    ['1:2:3:4:5:6:7::', 6, '0001 0002 0003 0004 0005 0006 0007 0000'],
    ['64:ff9b::192.0.2.1', 6, '0064 ff9b 0000 0000 0000 0000 c000 0201'],
    ['::ffff:192.0.2.1', 4, 'c000 0201'],
    ['::FFFF:c000:201', 4, 'c000 0201'],
  ] as const)('%s is read', (text, family, groups) => {
    const units = Array.from({ length: parseAddress(text)?.length ?? 0 }, (_, i) => parseAddress(text)?.charCodeAt(i));
    const [first, ...rest] = units.map((unit) => unit ?? Number.NaN);
    expect([first, rest.map((unit) => unit.toString(16).padStart(4, '0')).join(' ')]).toEqual([family, groups]);
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

  it('holds any of a list exactly if it holds one of them', () => {
    const text = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom('10.1.2.3', '10.255.255.255', 'fc00::', 'fdff::1'));
    const blocks = ['10.0.0.0/8', '0.0.0.0/0', '::/0', 'fc00::/7', '10.1.2.3/32', '255.255.255.255/32'];
    fc.assert(
      fc.property(fc.array(text), fc.constantFrom(...blocks), (texts, block) => {
        const addresses = texts.map(parseAddress).filter((address): address is Address => address !== undefined);
        const parsed = parseCidr(block);
        expect(parsed && blockHoldsAny(parsed, addresses.toSorted())).toBe(texts.some((one) => holds(block, one)));
      }),
    );
  });
});
