/** The self-test has to fail on a client that does not do what ours does: what it says of ours is in test/egress. */
import net from 'node:net';
import { expect, it } from 'vitest';
import type { EgressClient, OutboundAnswer, OutboundRequest } from '../../port/egress.ts';
import { openEgressClient } from './egress-client.ts';
import type { Resolve } from './resolve.ts';
import { runSelfTest } from './self-test.ts';

const clientOf = (send: (request: OutboundRequest) => Promise<OutboundAnswer>): EgressClient => ({
  send,
  selfTest: async () => ({ holds: true, detail: '' }),
  close: async () => undefined,
});
const answered: OutboundAnswer = { kind: 'answered', status: 204, headers: {}, body: new Uint8Array() };
const denied: OutboundAnswer = { kind: 'denied', reason: 'no' };

/** As a runtime does that has a client of its own in the place of undici: the connector is never called. */
const connectAnyway = ({ url }: OutboundRequest): Promise<OutboundAnswer> =>
  new Promise((resolve) => {
    const socket = net.connect(Number(url.port), '127.0.0.1', () => socket.end('GET / HTTP/1.1\r\n\r\n'));
    socket.resume().on('close', () => resolve(answered));
  });

it.each<[string, (request: OutboundRequest) => Promise<OutboundAnswer>, string]>([
  ['connects without asking the guard', connectAnyway, 'a loopback address without a grant was connected to'],
  [
    'connects, and says that it was denied',
    (request) => connectAnyway(request).then(() => denied),
    'a loopback address without a grant was connected to',
  ],
  [
    'asks a resolver of its own, which does not know the name',
    async () => ({ kind: 'failed', class: 'unavailable', reason: 'ENOTFOUND', sent: false }),
    'a name that resolves to loopback was not refused by the guard',
  ],
  ['says that it was answered', async () => answered, 'a name that resolves to loopback was not refused by the guard'],
  [
    'guards names and not addresses',
    async ({ rule }) => (rule.host === '127.0.0.1' ? answered : denied),
    'a loopback address was not refused by the guard',
  ],
  ['reaches nothing at all', async () => denied, 'a granted request did not go through the guard'],
  [
    'throws',
    async () => {
      throw new Error('no');
    },
    'the self-test could not be carried out on 127.0.0.1',
  ],
])('does not hold for a client that %s', async (_, send, detail) => {
  expect(await runSelfTest(() => clientOf(send))).toEqual({ holds: false, detail });
});

it('holds for ours', async () => {
  const open = (resolve: Resolve) => openEgressClient({ resolve, ownAddresses: () => [] });
  expect(await runSelfTest(open)).toMatchObject({ holds: true });
});
