/** What a name server of somebody who means us ill may say of a granted name. The listener is at 127.0.0.1 and ::1. */
import type { Said } from './name-server.ts';

export const HERE = { a: '127.0.0.1' };
export const PRIVATE = { a: '10.0.0.1' };
export const grantsHere = { addresses: ['127.0.0.1/32'] };
export const many = (count: number, last: { a: string }) => [...Array<{ a: string }>(count).fill(HERE), last];

/** With what the rule grants of addresses: nobody may connect. */
export const NOT_GRANTED: readonly (readonly [what: string, said: Said, grant: { addresses?: string[] }])[] = [
  ['private', { records: [PRIVATE] }, {}],
  ['loopback', { records: [HERE] }, {}],
  ['loopback elsewhere in 127/8', { records: [{ a: '127.8.8.8' }] }, grantsHere],
  ['unspecified', { records: [{ a: '0.0.0.0' }] }, grantsHere],
  ['metadata', { records: [{ a: '169.254.169.254' }] }, {}],
  ['shared (CGNAT)', { records: [{ a: '100.64.0.1' }] }, {}],
  ['IPv6 loopback', { records: [{ aaaa: '::1' }] }, {}],
  ['IPv6 unspecified', { records: [{ aaaa: '::' }] }, {}],
  ['IPv4 mapped into IPv6', { records: [{ aaaa: '::ffff:7f00:1' }] }, {}],
  ['IPv4-compatible IPv6', { records: [{ aaaa: '::7f00:1' }] }, grantsHere],
  ['NAT64', { records: [{ aaaa: '64:ff9b::7f00:1' }] }, grantsHere],
  ['6to4', { records: [{ aaaa: '2002:7f00:1::1' }] }, grantsHere],
  ['unique local', { records: [{ aaaa: 'fd00::1' }] }, {}],
  ['link-local', { records: [{ aaaa: 'fe80::1' }] }, {}],
  ['one private among granted', { records: [HERE, PRIVATE] }, grantsHere],
  ['a private IPv6 address beside a granted IPv4 one', { records: [HERE, { aaaa: 'fd00::1' }] }, grantsHere],
  ['an alias of a private name', { records: [{ cname: 'inner.test' }, PRIVATE] }, {}],
  ['an alias of an alias of loopback', { records: [{ cname: 'b.test' }, { cname: 'c.test' }, HERE] }, {}],
  ['private, not to be kept', { records: [PRIVATE], ttl: 0 }, {}],
  ['private at the end of hundreds', { records: many(300, PRIVATE) }, grantsHere],
];
