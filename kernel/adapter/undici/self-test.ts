/** Proves in this process that the guard holds. Owns the three questions that it asks itself. */
import net, { type AddressInfo } from 'node:net';
import type { EgressRule } from '../../../sdk/contract/egress.ts';
import type { EgressClient, OutboundAnswer } from '../../port/egress.ts';
import type { Resolve } from './resolve.ts';

const HOST = 'egress-self-test.invalid';
const LOOPBACK = '127.0.0.1';

type Verdict = { readonly holds: boolean; readonly detail: string };

/**
 * Asks for a loopback listener by a name and by its address without a grant, then with one. The last is the control:
 * without it a client that reaches nothing at all would pass. A runtime that ignores our connector (one that replaces
 * undici by a copy of its own) fails the first question, because it asks the real resolver.
 */
export async function runSelfTest(openClient: (resolve: Resolve) => EgressClient): Promise<Verdict> {
  // A machine on which the test cannot even listen has not proven anything.
  return examine(openClient).catch(() => fails('the self-test could not be carried out on 127.0.0.1'));
}

async function examine(openClient: (resolve: Resolve) => EgressClient): Promise<Verdict> {
  let connections = 0;
  const server = net.createServer((socket) => {
    connections += 1;
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end('HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n'));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, LOOPBACK, resolve));
  const { port } = server.address() as AddressInfo;
  const client = openClient(async () => [LOOPBACK]);
  try {
    const byName = await ask(client, HOST, port, []);
    const byAddress = await ask(client, LOOPBACK, port, []);
    const reached = connections;
    const control = await ask(client, HOST, port, [`${LOOPBACK}/32`]);
    if (reached > 0) return fails('a loopback address without a grant was connected to');
    if (byName.kind !== 'denied') return fails('a name that resolves to loopback was not refused by the guard');
    if (byAddress.kind !== 'denied') return fails('a loopback address was not refused by the guard');
    if (control.kind !== 'answered' || connections !== 1)
      return fails('a granted request did not go through the guard');
    return { holds: true, detail: 'refused loopback by name and by address; a granted request went through' };
  } finally {
    await client.close();
    server.close();
  }
}

const fails = (detail: string): Verdict => ({ holds: false, detail });

function ask(client: EgressClient, host: string, port: number, addresses: string[]): Promise<OutboundAnswer> {
  const rule: EgressRule = { scheme: 'http', host, port, methods: ['GET'], pathPrefix: '/', addresses };
  return client.send({
    rule,
    pool: 'self-test',
    url: new URL(`http://${host}:${port}/`),
    method: 'GET',
    headers: {},
    body: null,
    timeoutMs: 5_000,
    maxBodyBytes: 1_024,
  });
}
