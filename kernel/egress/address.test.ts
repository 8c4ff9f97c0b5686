import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockContains, blockToOffer, canonicalAddress, faultOfBlock, judgeAddress } from './address.ts';

const isPublic = (address: string) => judgeAddress(address, []).ok;

describe('public addresses are allowed', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.1',
    '192.167.255.255',
    '192.169.0.0',
    '223.255.255.255',
    '2001:4860:4860::8888',
    '2606:4700:4700::1111',
    '2a00:1450:4001:800::200e',
    '::ffff:8.8.8.8',
  ])('%s', (address) => expect(isPublic(address)).toBe(true));
});

describe('every other address is refused', () => {
  it.each([
    ['this network', '0.0.0.0'],
    ['this network', '0.1.2.3'],
    ['private', '10.0.0.1'],
    ['private', '172.16.0.1'],
    ['private', '172.31.255.255'],
    ['private', '192.168.1.1'],
    ['carrier-grade NAT', '100.64.0.1'],
    ['Alibaba metadata', '100.100.100.200'],
    ['loopback', '127.0.0.1'],
    ['loopback', '127.255.255.254'],
    ['cloud metadata', '169.254.169.254'],
    ['link-local', '169.254.0.1'],
    ['protocol assignments', '192.0.0.8'],
    ['Oracle metadata', '192.0.0.192'],
    ['documentation', '192.0.2.1'],
    ['6to4 relay', '192.88.99.1'],
    ['benchmarking', '198.18.0.1'],
    ['benchmarking', '198.19.255.255'],
    ['documentation', '198.51.100.1'],
    ['documentation', '203.0.113.1'],
    ['multicast', '224.0.0.1'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['Azure platform', '168.63.129.16'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['mapped', '::ffff:127.0.0.1'],
    ['mapped', '::ffff:7f00:1'],
    ['mapped', '::ffff:169.254.169.254'],
    ['mapped', '::FFFF:10.0.0.1'],
    ['IPv4-compatible', '::10.0.0.1'],
    ['IPv4-compatible, public inside', '::8.8.8.8'],
    ['IPv4-translated', '::ffff:0:10.0.0.1'],
    ['NAT64', '64:ff9b::10.0.0.1'],
    ['NAT64, public inside', '64:ff9b::8.8.8.8'],
    ['NAT64, local use', '64:ff9b:1::10.0.0.1'],
    ['6to4', '2002:0a00:0001::1'],
    ['6to4, public inside', '2002:808:808::1'],
    ['Teredo', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ['ISATAP', '2606:4700::5efe:10.0.0.1'],
    ['ISATAP, global bit', '2606:4700::200:5efe:10.0.0.1'],
    ['ORCHID', '2001:10::1'],
    ['benchmarking', '2001:2::1'],
    ['documentation', '2001:db8::1'],
    ['documentation', '3fff::1'],
    ['segment routing', '5f00::1'],
    ['discard', '100::1'],
    ['unique local', 'fc00::1'],
    ['AWS metadata', 'fd00:ec2::254'],
    ['link-local', 'fe80::1'],
    ['site-local', 'fec0::1'],
    ['multicast', 'ff02::1'],
    ['unassigned', '4000::1'],
    ['unassigned', 'e000::1'],
  ])('%s: %s', (_, address) => expect(judgeAddress(address, [])).toEqual({ ok: false, error: 'E_PRIVATE_ADDRESS' }));

  it.each([
    '',
    'localhost',
    '127.1',
    '0177.0.0.1',
    '010.0.0.1',
    '0x7f.0.0.1',
    '2130706433',
    '8.8.8',
    '8.8.8.8.8',
    '8.8.8.256',
    ' 8.8.8.8',
    '8.8.8.8/32',
    'fe80::1%eth0',
    '2606:4700::1111%1',
    '[2606:4700::1111]',
    '2606:4700:::1',
    '٨.8.8.8',
  ])('not a plain address: %j', (address) =>
    expect(judgeAddress(address, ['0.0.0.0/0', '::/0'])).toEqual({ ok: false, error: 'E_ADDRESS' }),
  );
});

const octet = fc.integer({ min: 0, max: 255 });
const ipv4 = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join('.'));
const hex = (address: string) =>
  address
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('')
    .replace(/(.{4})(.{4})/, '$1:$2');

describe('an IPv4 address inside an IPv6 one', () => {
  it('is judged as itself when mapped', () => {
    fc.assert(
      fc.property(ipv4, (address) => {
        expect(judgeAddress(`::ffff:${address}`, [])).toEqual(judgeAddress(address, []));
        expect(judgeAddress(`::ffff:${hex(address)}`, [])).toEqual(judgeAddress(address, []));
      }),
    );
  });

  it('is refused in every other form, whatever it is', () => {
    fc.assert(
      fc.property(ipv4, (address) => {
        const forms = [
          `::${address}`,
          `64:ff9b::${address}`,
          `64:ff9b:1::${address}`,
          `2002:${hex(address)}::1`,
          `2001:0:${hex(address)}::1`,
          `2001:0:4136:e378:8000:63bf:${hex(address)}`,
          `2606:4700::5efe:${address}`,
          `fe80::5efe:${address}`,
        ];
        for (const form of forms) expect([form, isPublic(form)]).toEqual([form, false]);
      }),
    );
  });
});

describe('a granted block', () => {
  it.each([
    ['10.1.2.3', ['10.1.2.0/24'], true],
    ['10.1.3.3', ['10.1.2.0/24'], false],
    ['::ffff:10.1.2.3', ['10.1.2.0/24'], true],
    ['127.0.0.1', ['127.0.0.1/32'], true],
    ['127.0.0.2', ['127.0.0.1/32'], false],
    ['fd00:1::5', ['fd00:1::/32'], true],
    ['fd00:2::5', ['fd00:1::/32'], false],
    ['10.1.2.3', ['::/0'], false],
    ['fd00::1', ['0.0.0.0/0'], false],
    ['10.1.2.3', ['::ffff:0:0/96'], false],
    ['10.1.2.3', ['10.1.2.3', '10.1.2.3/', '10.1.2.3/x', '10.1.2.3/33', '10.1.2/24', '010.1.2.0/24', ''], false],
    ['10.1.2.3', ['10.9.0.0/16', '10.1.0.0/16'], true],
    ['8.8.8.8', ['10.0.0.0/8'], true],
  ])('%s in %j: %s', (address, blocks, expected) => expect(judgeAddress(address, blocks).ok).toBe(expected));

  it('of one address opens that address only', () => {
    fc.assert(
      fc.property(ipv4, ipv4, (granted, asked) => {
        const block = `${granted}/32`;
        expect(judgeAddress(granted, [block]).ok).toBe(true);
        expect(blockContains(block, asked)).toBe(granted === asked);
      }),
    );
  });

  it.each([
    ['10.1.2.3', '10.1.2.3/32'],
    ['::ffff:10.1.2.3', '10.1.2.3/32'],
    ['127.0.0.1', '127.0.0.1/32'],
    ['100.64.0.1', '100.64.0.1/32'],
    ['fd00::5', 'fd00::5/128'],
    // Of this machine: public, and refused all the same.
    ['8.8.8.8', '8.8.8.8/32'],
    ['2606:4700::1111', '2606:4700::1111/128'],
    ...[
      ...['169.254.169.254', '169.254.0.1', '::ffff:169.254.169.254', 'fe80::1', '168.63.129.16', '100.100.100.200'],
      ...['192.0.0.192', 'fd00:ec2::254', 'fd20:ce::254', '0.0.0.0', '::', '224.0.0.1', '255.255.255.255', 'ff02::1'],
      ...['64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::1', '::169.254.169.254', '2606:4700::5efe:169.254.169.254', '4000::1'],
      ...['fec0::1', 'localhost'],
    ].map((address) => [address, undefined]),
  ])('is offered for %s: %s', (address, block) => expect(blockToOffer(address ?? '')).toBe(block));

  it.each([
    ['10.0.0.0/8', undefined],
    ['fd00::/8', undefined],
    ['127.0.0.1/32', undefined],
    ['10.0.0.5/8', 'has bits set after its length; write 10.0.0.0/8'],
    ['fd00::1/64', 'has bits set after its length; write fd00::/64'],
    ['::ffff:10.0.0.0/104', expect.stringContaining('write it as IPv4')],
    ['10.0.0.0', expect.stringContaining('not a CIDR block')],
    ['10.0.0.0/33', expect.stringContaining('not a CIDR block')],
    ['10.0.0.0/08', expect.stringContaining('not a CIDR block')],
    ['10.0.0.0/8/8', expect.stringContaining('not a CIDR block')],
    ['fe80::%eth0/10', expect.stringContaining('not a CIDR block')],
    ['intranet/8', expect.stringContaining('not a CIDR block')],
  ])('%s in a policy', (block, fault) => expect(faultOfBlock(block)).toEqual(fault));
});

it('an address has one canonical text', () => {
  expect(canonicalAddress('2606:4700:0:0:0:0:0:1111')).toBe('2606:4700::1111');
  expect(canonicalAddress('::ffff:8.8.8.8')).toBe('8.8.8.8');
  expect(canonicalAddress('api.example.com')).toBeUndefined();
});
