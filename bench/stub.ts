import { type AddressInfo, createServer } from 'node:net';
import { openReader } from './http-message.ts';

/**
 * The world outside of the workloads, a process of its own: `POST` of JSON with a `finding` is answered with 200 and
 * counted by that finding. The bench asks for the counts over the process channel and compares them with its runs.
 */
export const STUB_FAULTS = ['stub-500', 'stub-counts-twice'] as const;
export type StubFault = (typeof STUB_FAULTS)[number];

export type FromStub =
  | { readonly kind: 'listening'; readonly port: number }
  /** Number of requests for each finding since the report before, and of requests that made no sense. */
  | { readonly kind: 'report'; readonly counts: Readonly<Record<string, number>>; readonly strange: number };
export type ToStub = { readonly kind: 'report' };

/** Where it takes findings; everything else is strange. */
export const STUB_PATH = '/v1/findings';

const BODY = '{"accepted":true,"score":95}';
const answer = (status: string) =>
  Buffer.from(`HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`);

function startStub(tell: (message: FromStub) => void, fault: string | undefined, delayMs: number) {
  const said = answer(fault === 'stub-500' ? '500 Internal Server Error' : '200 OK');
  const times = fault === 'stub-counts-twice' ? 2 : 1;
  let counts = new Map<string, number>();
  let strange = 0;

  const count = (body: string): void => {
    try {
      const { finding } = JSON.parse(body) as { finding: string };
      counts.set(finding, (counts.get(finding) ?? 0) + times);
    } catch {
      strange += 1;
    }
  };
  const server = createServer({ noDelay: true }, (socket) => {
    const read = openReader();
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      const message = read(chunk);
      if (message === undefined) return;
      if (message !== 'broken' && message.head.startsWith(`POST ${STUB_PATH} HTTP/1.1`)) count(message.body);
      else strange += 1;
      if (message === 'broken') socket.destroy();
      else if (delayMs === 0) socket.write(said);
      else setTimeout(() => socket.write(said), delayMs);
    });
  });
  server.listen(0, '127.0.0.1', () => tell({ kind: 'listening', port: (server.address() as AddressInfo).port }));

  return {
    report: () => {
      tell({ kind: 'report', counts: Object.fromEntries(counts), strange });
      counts = new Map();
      strange = 0;
    },
  };
}

if (import.meta.main) {
  const [, , fault, delayMs = '0'] = process.argv;
  const stub = startStub((message) => void process.send?.(message), fault, Number(delayMs));
  process.on('message', () => stub.report());
  process.on('disconnect', () => process.exit(0));
}
