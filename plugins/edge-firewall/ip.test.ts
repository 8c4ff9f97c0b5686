import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalIp, isHost } from './ip.ts';

test.each([
  ['203.0.113.77', '203.0.113.77'],
  ['2001:db8::1', '2001:db8::1'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
  ['2001:0db8:0000:0000:0001:0000:0000:0001', '2001:db8::1:0:0:1'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['::1:2:3:4:5:6:7', '0:1:2:3:4:5:6:7'],
  ['::', '::'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:c000:201', '192.0.2.1'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
])('%s is %s', (given, canonical) => {
  expect(canonicalIp(given)).toBe(canonical);
});

test.each([
  ...[
    '',
    ' ',
    '203.0.113',
    '203.0.113.256',
    '203.0.113.077',
    '203.0.113.7/32',
    '203.0.113.7 ',
    '3405803853',
    '0xcb.0.113.7',
  ],
  ...[
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    'fe80::1%eth0',
    '[::1]',
  ],
  ...['1.2.3.4::', '::1.2.3.4:5', 'g::', '1:', ':1', 'localhost', '\u0661.2.3.4'],
])('%j is no address', (given) => {
  expect(canonicalIp(given)).toBeUndefined();
});

describe('agrees with the runtime', () => {
  // The URL parser writes IPv6 as RFC 5952 says, so it is the judge here.
  test('on every IPv6 address', () => {
    fc.assert(
      fc.property(fc.ipV6(), (ip) => {
        const canonical = canonicalIp(ip);
        const host = new URL(`http://[${ip}]/`).hostname.slice(1, -1);
        if (canonical?.includes(':')) expect(canonical).toBe(host);
        else expect(host.startsWith('::ffff:')).toBe(true);
      }),
    );
  });

  test('on what is an address at all', () => {
    const part = fc.constantFrom('', '0', '00', '1', 'ff', '1234', '12345', '1.2.3.4', '256.1.1.1');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 10 }), (parts) => {
        const text = parts.join(':');
        expect(canonicalIp(text) !== undefined).toBe(isIP(text) !== 0);
      }),
      { numRuns: 2_000 },
    );
  });
});

test.each(['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', '::', '::1', 'ff02::1'])('%s is no host', (ip) => {
  expect(isHost(ip)).toBe(false);
});
test.each(['10.0.0.1', '192.0.2.1', '223.255.255.255', 'fe80::1', 'fd00::1', '2001:db8::1'])('%s is a host', (ip) => {
  expect(isHost(ip)).toBe(true);
});
