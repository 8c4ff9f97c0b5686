/**
 * Runs one HTTP exchange over a pool. Owns its timers and caps, and the answer to the question that decides between
 * "failed" and "nobody knows": may any byte of the request have left?
 */
import type { Dispatcher } from 'undici';
import type { OutboundAnswer, OutboundRequest } from '../../port/egress.ts';
import { type EgressError, failed, isStaleConnection, toEgressError } from './failure.ts';

/** Informational answers (1xx) before the real one; more is a flood. */
const MAX_INFORMATIONAL = 8;
/**
 * Kept connections that may turn out dead before anything was written to them. A request that has not started goes to
 * the next connection; one that has started is never sent again here: that is the kernel's decision.
 */
const MAX_REDIALS = 3;
/** The longest delay of a timer. */
const MAX_TIMER_MS = 2_147_483_647;

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Never rejects. */
export function exchange(pool: Dispatcher, request: OutboundRequest): Promise<OutboundAnswer> {
  const { promise, resolve } = Promise.withResolvers<OutboundAnswer>();
  const { method, signal, maxBodyBytes } = request;
  let controller: Dispatcher.DispatchController | undefined;
  let started = false;
  let settled = false;
  let redials = 0;
  let informational = 0;
  let status = 0;
  let headers: Headers = {};
  let size = 0;
  const chunks: Uint8Array[] = [];

  const settle = (answer: OutboundAnswer): void => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    resolve(answer);
  };
  const fail = (error: EgressError): void => {
    settle(answerOf(error, started));
    controller?.abort(error);
  };
  const onAbort = (): void => fail(failed('unavailable', 'the step was stopped'));
  const timer = setTimeout(
    () => fail(failed('timeout', 'no whole answer came within the time of the step')),
    Math.min(Math.max(0, request.timeoutMs), MAX_TIMER_MS),
  );
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  if (settled) return promise;

  const handler: Dispatcher.DispatchHandler = {
    /**
     * undici calls this right before it writes. It puts requests of a connection that it closed itself back into its
     * queue; a second call would therefore be a request sent twice. Throwing here means that nothing is written.
     */
    onRequestStart: (given) => {
      if (settled || started) throw failed('unavailable', 'the connection was lost after the request was sent');
      started = true;
      controller = given;
    },
    onResponseStart: (_, statusCode, given) => {
      if (statusCode < 200) {
        informational += 1;
        if (informational > MAX_INFORMATIONAL) fail(failed('upstream_error', 'too many informational answers'));
        return;
      }
      status = statusCode;
      headers = given;
      const fault = faultOfHead(given, method, maxBodyBytes);
      if (fault) fail(failed('upstream_error', fault));
    },
    onResponseData: (_, chunk) => {
      size += chunk.length;
      if (size > maxBodyBytes) fail(failed('upstream_error', tooLarge(maxBodyBytes)));
      else chunks.push(chunk);
    },
    onResponseEnd: () => settle({ kind: 'answered', status, headers: flat(headers), body: Buffer.concat(chunks) }),
    onResponseError: (_, error) => {
      if (!started && !settled && redials < MAX_REDIALS && isStaleConnection(error)) {
        redials += 1;
        // Not from inside undici's own error handling.
        queueMicrotask(dispatch);
      } else settle(answerOf(toEgressError(error), started));
    },
  };
  const { url } = request;
  const dispatch = (): void => {
    pool.dispatch(
      {
        path: url.pathname + url.search,
        method,
        headers: { ...request.headers, 'accept-encoding': 'identity' },
        body: request.body,
        // Never pipelined, whatever the method.
        idempotent: false,
      },
      handler,
    );
  };
  dispatch();
  return promise;
}

const tooLarge = (limit: number): string => `the answer is larger than ${limit} bytes`;

/** Encoded bodies are refused rather than opened: a kilobyte can unpack to a gigabyte. */
function faultOfHead(headers: Headers, method: string, maxBodyBytes: number): string | undefined {
  if (method === 'HEAD') return undefined;
  const encoding = headers['content-encoding'];
  const transfer = headers['transfer-encoding'];
  const isPlain = encoding === undefined || /^(?:identity)?$/i.test(String(encoding));
  const isChunked = transfer === undefined || /^chunked$/i.test(String(transfer));
  if (!isPlain || !isChunked) return 'the answer is compressed although that was not accepted';
  return Number(headers['content-length'] ?? 0) > maxBodyBytes ? tooLarge(maxBodyBytes) : undefined;
}

/** Repeated headers as one list (RFC 9110 section 5.3). `fromEntries` keeps even `__proto__` a plain property. */
const flat = (headers: Headers): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  );

const deniedBy = ({ message, hint, block }: EgressError): OutboundAnswer => ({
  kind: 'denied',
  reason: message,
  ...(hint !== undefined && { hint }),
  ...(block !== undefined && { block }),
});

function answerOf(error: EgressError, started: boolean): OutboundAnswer {
  return error.code === 'EGRESS_DENIED' && !started
    ? deniedBy(error)
    : { kind: 'failed', class: error.class, reason: error.message, sent: started };
}
