/**
 * Asks an HTTP proxy for a tunnel (RFC 9110 section 9.3.6). Owns how little of a proxy is believed: a status line, in time
 * and within bounds, with nothing behind its head. What goes through the tunnel is not the proxy's to read where it is TLS.
 */
import type { Socket } from 'node:net';
import { before } from './deadline.ts';
import { denied, failed, toEgressError } from './failure.ts';

const HEAD_BYTES = 8_192;

/**
 * @param socket open, to the proxy; afterwards to the target. Nothing has been read from it.
 * @param target host and port as they stand in a URL, IPv6 in brackets.
 * @param authorization value of `Proxy-Authorization`; null without one.
 */
export async function askForTunnel(
  socket: Socket,
  target: string,
  authorization: string | null,
  deadline: number,
): Promise<void> {
  const { promise, settle } = before<undefined>(deadline, 'the proxy of the org took too long to open a tunnel');
  let head = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end === -1 || end > HEAD_BYTES) {
      if (head.length > HEAD_BYTES) settle(failed('upstream_error', 'the answer of the proxy of the org is too large'));
      return;
    }
    const fault = faultOf(head.toString('latin1', 0, end));
    // A refusal may have a page behind its head. In a tunnel no byte of the target can be there before one of ours:
    // whoever sends one answers in its place.
    const isMore = fault === undefined && end + 4 < head.length;
    settle(isMore ? failed('upstream_error', 'the proxy of the org sent more than its answer') : fault);
  };
  const onError = (error: Error): void => settle(toEgressError(error));
  const onClose = (): void => settle(failed('unavailable', 'the proxy of the org closed the connection'));
  socket.on('data', onData).once('error', onError).once('close', onClose);
  const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`];
  if (authorization !== null) lines.push(`Proxy-Authorization: ${authorization}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  try {
    await promise;
  } finally {
    socket.pause();
    socket.off('data', onData).off('error', onError).off('close', onClose);
  }
}

function faultOf(head: string) {
  const [, status] = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?(?:\r\n|$)/.exec(head) ?? [];
  if (status === undefined) return failed('upstream_error', 'the proxy of the org does not speak HTTP/1.1');
  if (status.startsWith('2')) return undefined;
  if (status === '403') return denied('E_PROXY: the proxy of the org refuses this place');
  if (status === '407') return failed('unavailable', 'the proxy of the org asks for other credentials');
  return failed('unavailable', `the proxy of the org does not open a tunnel: it answered ${status}`);
}
