/**
 * A name server on 127.0.0.1 (RFC 1035, over UDP) that says what a test has it say, and the way of Node to ask it: the
 * same resolver code, other servers.
 */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import type { AddressInfo } from 'node:net';
import type { Resolve } from '../../kernel/adapter/undici/resolve.ts';

type Record = { readonly a: string } | { readonly aaaa: string } | { readonly cname: string };
/** `refused`: the name does not exist; `cut`: the answer says that it is not whole; `silent`: nothing comes. */
export type Said =
  | { readonly records: readonly Record[]; readonly ttl?: number; readonly isCut?: true }
  | { readonly code: 'no-such-name' | 'server-failure' }
  | 'silent'
  | 'garbage';

/** What is said to the n-th question for this name, from 1 on; each type of record is a question of its own. */
export type Zone = (name: string, n: number) => Said;

const TYPES = { A: 1, CNAME: 5, AAAA: 28 } as const;
const CODES = { 'no-such-name': 3, 'server-failure': 2 } as const;

/** @param timeoutMs How long the resolver waits for an answer. */
export async function openNameServer(zone: Zone, timeoutMs = 200) {
  const asked: string[] = [];
  const counts = new Map<string, number>();
  const socket = createSocket('udp4');
  socket.on('message', (question, from) => {
    const { name, type, end } = readQuestion(question);
    asked.push(name);
    // The two questions for one resolution (A, AAAA) are told apart by their type.
    const key = `${type} ${name}`;
    const n = (counts.get(key) ?? 0) + 1;
    counts.set(key, n);
    const said = zone(name, n);
    if (said === 'silent') return;
    const answer =
      said === 'garbage' ? Buffer.from([...question.subarray(0, 2), 1, 2, 3]) : answerTo(question, end, type, said);
    socket.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const server = `127.0.0.1:${(socket.address() as AddressInfo).port}`;
  return {
    asked,
    /** Both kinds of address, as the resolver of a machine asks for them. */
    resolve: (async (host) => {
      const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
      resolver.setServers([server]);
      const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
      const found = answers.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
      if (found.length === 0) throw new Error('not found');
      return found;
    }) satisfies Resolve,
    close: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
}

function readQuestion(message: Buffer) {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
}

function answerTo(question: Buffer, end: number, type: number, said: Exclude<Said, string>): Buffer {
  const head = Buffer.alloc(12);
  question.copy(head, 0, 0, 2);
  const isCut = 'isCut' in said && said.isCut === true;
  // An answer of an authority, recursion available.
  head.writeUInt16BE(0x8580 | (isCut ? 0x0200 : 0) | ('code' in said ? CODES[said.code] : 0), 2);
  head.writeUInt16BE(1, 4);
  const records = 'code' in said ? [] : said.records.filter((one) => 'cname' in one || typeOf(one) === type);
  head.writeUInt16BE(records.length, 6);
  const ttl = 'records' in said ? (said.ttl ?? 60) : 0;
  // The owner of every record: the question, or the alias before it.
  let owner: Buffer = Buffer.from([0xc0, 0x0c]);
  const parts = records.map((one) => {
    const data = 'cname' in one ? nameOf(one.cname) : bytesOf('a' in one ? one.a : one.aaaa);
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE(typeOf(one), 0);
    fixed.writeUInt16BE(1, 2);
    fixed.writeUInt32BE(ttl, 4);
    fixed.writeUInt16BE(data.length, 8);
    const record = Buffer.concat([owner, fixed, data]);
    if ('cname' in one) owner = data;
    return record;
  });
  return Buffer.concat([head, question.subarray(12, end), ...parts]);
}

const typeOf = (one: Record): number => ('a' in one ? TYPES.A : 'aaaa' in one ? TYPES.AAAA : TYPES.CNAME);
const nameOf = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ]);

/** An IPv4 address, or an IPv6 address without `::` at its ends and with all eight groups or one `::`. */
function bytesOf(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [before = '', after = ''] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const missing = 8 - groups(before).length - groups(after).length;
  const all = [...groups(before), ...Array<string>(address.includes('::') ? missing : 0).fill('0'), ...groups(after)];
  return Buffer.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]));
}
