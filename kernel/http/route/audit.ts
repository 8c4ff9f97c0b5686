import { AuditHead, envelope } from '../../../sdk/contract/api.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { data, stream } from '../answer.ts';
import { type Route, route } from '../route.ts';

/** The audit records of the org, exactly as they were hashed, and the head they end in. */
export const auditRoutes = ({ kernel }: { readonly kernel: Kernel }): readonly Route[] => [
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/audit/export',
    operation: 'exportAudit',
    summary: 'All audit records of the org, one a line, in order',
    access: 'audit.read',
    answer: {
      status: 200,
      description: 'The records up to the head in the header; later ones are not part of it. A cut answer is not one.',
      media: 'application/x-ndjson',
      headers: { 'Interlock-Audit-Head': 'The head, as base64url of the JSON of AuditHead.' },
    },
    handle({ by }) {
      const { head, lines } = kernel.auditExport(by.org);
      return stream(linesAsBytes(lines), {
        'content-type': 'application/x-ndjson',
        'content-disposition': `attachment; filename="${by.org}-audit.ndjson"`,
        'interlock-audit-head': Buffer.from(JSON.stringify(head)).toString('base64url'),
      });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/audit/head',
    operation: 'readAuditHead',
    summary: 'Where the audit records of the org end now. Keep it elsewhere: it pins the past',
    access: 'audit.read',
    answer: { status: 200, description: 'The head.', schema: envelope(AuditHead) },
    handle: ({ by }) => data(kernel.auditExport(by.org).head),
  }),
];

/** What is read and sent in one turn of the event loop, in characters. */
const CHUNK_CHARS = 65_536;

/** Reads on only when the socket has taken what was read, and lets others run in between. */
function linesAsBytes(lines: Iterable<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const reading = lines[Symbol.iterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        // A fast reader on the same machine would otherwise keep the loop to himself.
        await new Promise((resolve) => setImmediate(resolve));
        let chunk = '';
        while (chunk.length < CHUNK_CHARS) {
          const line = reading.next();
          if (line.done) {
            if (chunk !== '') controller.enqueue(encoder.encode(chunk));
            controller.close();
            return;
          }
          chunk += `${line.value}\n`;
        }
        controller.enqueue(encoder.encode(chunk));
      },
      cancel: () => void reading.return?.(),
    },
    // Nothing is read before it is asked for.
    { highWaterMark: 0 },
  );
}
