import { createServer } from 'node:http';
import { verifyWebhook } from '@interlock/sdk/webhook';

/**
 * Receives lifecycle events and prints each once. The secret is in WEBHOOK_SECRET, the port in PORT; 0 takes a free one.
 */
const secret = process.env['WEBHOOK_SECRET'];
if (!secret) throw new Error('WEBHOOK_SECRET is not set');
/** Deliveries come at least once. A receiver of your own keeps these where it keeps what it makes of the events. */
const seen = new Set<string>();

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  // The bytes as they came: parsed and printed again they could be others.
  const verdict = verifyWebhook({ headers: request.headers, body: Buffer.concat(chunks) }, secret);
  if (!verdict.ok) {
    response.writeHead(401).end(verdict.why);
    return;
  }
  if (!seen.has(verdict.id)) {
    seen.add(verdict.id);
    console.log(JSON.stringify(verdict.event));
  }
  // Any 2xx says that it was taken; whatever else, and silence, has it sent again.
  response.writeHead(204).end();
});
server.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1', () => console.log(JSON.stringify(server.address())));
