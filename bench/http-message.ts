/**
 * Reads one HTTP/1.1 message whose body has a Content-Length (RFC 9112, section 6.3), or has none at all. The driver and
 * the stub share two cores with what they measure, so they do the least that is correct; anything else is `broken`.
 */
export type Message = {
  /** The first line and all headers, without the empty line. */
  readonly head: string;
  readonly body: string;
};

/** @returns undefined while bytes are missing. More than one message is broken: nobody here pipelines. */
function readMessage(bytes: Buffer): Message | 'broken' | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = bytes.toString('latin1', 0, end);
  if (/\r\ntransfer-encoding:/i.test(head)) return 'broken';
  const whole = end + 4 + Number(/\r\ncontent-length: *([0-9]+)/i.exec(head)?.[1] ?? 0);
  if (bytes.length < whole) return undefined;
  return bytes.length > whole ? 'broken' : { head, body: bytes.toString('utf8', end + 4, whole) };
}

/** Bytes of a connection, until they are a message. */
export function openReader(): (chunk: Buffer) => Message | 'broken' | undefined {
  let received: Buffer | undefined;
  return (chunk) => {
    received = received ? Buffer.concat([received, chunk]) : chunk;
    const message = readMessage(received);
    if (message) received = undefined;
    return message;
  };
}
