import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * The world outside of the workloads, a process of its own: `POST` of JSON with a `finding` is answered with 200 and
 * counted by that finding. The bench asks for the counts over the process channel and compares them with its runs.
 */
export const STUB_FAULTS = ['stub-500', 'stub-counts-twice', 'stub-forgets'] as const;
export type StubFault = (typeof STUB_FAULTS)[number];

export type FromStub =
  | { readonly kind: 'listening'; readonly port: number }
  /** Number of requests for each finding since the report before, and of requests that made no sense. */
  | { readonly kind: 'report'; readonly counts: Readonly<Record<string, number>>; readonly strange: number };
export type ToStub = { readonly kind: 'report' };

/** Where it takes findings; everything else is strange. */
export const STUB_PATH = '/v1/findings';

const ANSWER = Buffer.from('{"accepted":true,"score":95}');
const OK = { 'content-type': 'application/json', 'content-length': ANSWER.length };

function startStub(tell: (message: FromStub) => void, fault: string | undefined) {
  let counts = new Map<string, number>();
  let strange = 0;

  const count = (body: string): void => {
    try {
      const { finding } = JSON.parse(body) as { finding: string };
      const times = fault === 'stub-counts-twice' ? 2 : fault === 'stub-forgets' ? 0 : 1;
      if (times > 0) counts.set(finding, (counts.get(finding) ?? 0) + times);
    } catch {
      strange += 1;
    }
  };
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (text) => {
      body += text;
    });
    request.on('end', () => {
      if (request.method === 'POST' && request.url === STUB_PATH) count(body);
      else strange += 1;
      response.writeHead(fault === 'stub-500' ? 500 : 200, OK).end(ANSWER);
    });
  });
  server.keepAliveTimeout = 60_000;
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
  const stub = startStub((message) => void process.send?.(message), process.argv[2]);
  process.on('message', () => stub.report());
  process.on('disconnect', () => process.exit(0));
}
