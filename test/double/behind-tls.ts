import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { createServer } from 'node:tls';
import { CERTIFICATE, KEY } from '../egress/certificate.ts';

/** Puts TLS in front of a double: its certificate is of an authority that nobody trusts who is not told to. */
export async function behindTls(
  url: string,
): Promise<{ readonly url: string; connections(): number; close(): Promise<void> }> {
  let connections = 0;
  const server = createServer({ key: KEY, cert: CERTIFICATE }, (near) => {
    connections += 1;
    const far = connect(Number(new URL(url).port), '127.0.0.1');
    near.on('error', () => far.destroy()).pipe(far);
    far.on('error', () => near.destroy()).pipe(near);
  });
  // Whoever does not trust it says so in the handshake.
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    connections: () => connections,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
