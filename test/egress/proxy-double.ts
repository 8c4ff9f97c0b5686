/** Proxies of an org: one that does what it is asked, and those that do not; each says what it was asked for. */
import net, { type AddressInfo } from 'node:net';

export type ProxyScript = (head: string, socket: net.Socket) => void;

/** @param script is called with the head of each request for a tunnel. */
export async function openProxyDouble(script: ProxyScript = tunnel) {
  const heads: string[] = [];
  const sockets = new Set<net.Socket>();
  let connections = 0;
  const server = net.createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    let head = '';
    const onData = (chunk: Buffer) => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', onData);
      socket.pause();
      heads.push(head);
      script(head, socket);
    };
    socket.on('data', onData);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    heads,
    connections: () => connections,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Where a tunnel was asked to. */
export const targetOf = (head: string): string => /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(head)?.[1] ?? '';

/** Every name leads to this machine. */
export const tunnel: ProxyScript = (head, socket) => leadTo(Number(targetOf(head).split(':').at(-1)))(head, socket);

/** A tunnel to a port of this machine, whatever was asked for. */
export const leadTo =
  (port: number): ProxyScript =>
  (_, socket) => {
    const target = net.connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\nvia: double\r\n\r\n');
      socket.pipe(target).pipe(socket);
    });
    target.on('error', () => socket.destroy());
    socket.on('close', () => target.destroy());
  };
