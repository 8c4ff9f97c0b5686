import * as v from 'valibot';
import { type Answer, type ClientFault, fail, ok, type Refusal } from './answer.ts';

/**
 * One HTTP exchange with the server over the platform's fetch: bounded in time and size, and never redirected, because
 * fetch would send the token to wherever a redirect points.
 */
export type Ask = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Segments of the path behind the base address; each is encoded. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: { readonly type: string; readonly content: string | Uint8Array<ArrayBuffer> };
  /** How long the server may take on purpose (long polling), on top of the ordinary patience. */
  readonly waitMs?: number;
};

export type Target = {
  /** http or https; a path is kept as prefix. */
  readonly url: URL;
  readonly token: string;
  /** Patience for one exchange, in milliseconds. */
  readonly timeoutMs: number;
};

/** The longest JSON answer that is read. The largest page of the API is far below. */
const ANSWER_BYTES = 16 * 1024 * 1024;

/** Deeper than any answer of the API; printing what is nested without end would overflow the stack. */
const ANSWER_DEPTH = 256;

export type Schema<T> = v.GenericSchema<T>;

/** The whole exchange: a 2xx with JSON that fits `schema`. */
export async function askJson<T>(target: Target, ask: Ask, schema: Schema<T>): Promise<Answer<T>> {
  const watch = startWatch(target, ask);
  const response = await exchange(target, ask, watch);
  if (!response.ok) return response;
  const body = await readJson(response.value, watch);
  if (!body.ok) return body;
  // The value is handed on as it came, so that fields of a later server are not lost on the way.
  if (v.is(schema, body.value)) return ok(body.value);
  return strange(response.value, 'its answer has another shape than this API gives');
}

/** The whole exchange: a 2xx with text of this type. */
export async function askText(target: Target, ask: Ask, type: string): Promise<Answer<string>> {
  const watch = startWatch(target, ask);
  const response = await exchange(target, ask, watch);
  if (!response.ok) return response;
  if (mediaTypeOf(response.value) === type) return readText(response.value, watch);
  await drop(response.value, watch);
  return strange(response.value, `its answer is not ${type}`);
}

export type Streamed = {
  readonly status: number;
  readonly headers: Headers;
  /** Ends with the last byte, or with the fault that kept it from coming. */
  readonly chunks: AsyncIterable<Answer<Uint8Array>>;
};

/** A 2xx whose body is too large to hold. The time limit is for the first byte, then anew for each chunk. */
export async function askStream(target: Target, ask: Ask): Promise<Answer<Streamed>> {
  const watch = startWatch(target, ask);
  const response = await exchange(target, ask, watch);
  if (!response.ok) return response;
  const { status, headers } = response.value;
  return ok({ status, headers, chunks: chunksOf(response.value, watch) });
}

async function* chunksOf(response: Response, watch: Watch): AsyncGenerator<Answer<Uint8Array>, void> {
  try {
    for await (const chunk of response.body ?? []) {
      watch.restart();
      yield ok(chunk);
    }
  } catch (error) {
    yield fail(watch.faultOf(error));
  } finally {
    watch.stop();
  }
}

/** The time limit of one exchange. */
type Watch = {
  readonly signal: AbortSignal;
  readonly restart: () => void;
  readonly stop: () => void;
  readonly faultOf: (error: unknown) => ClientFault;
};

function startWatch(target: Target, ask: Ask): Watch {
  const afterMs = target.timeoutMs + (ask.waitMs ?? 0);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), afterMs);
  // The connection keeps the process alive; a time limit alone must not.
  timer.unref();
  return {
    signal: late.signal,
    restart: () => void timer.refresh(),
    stop: () => clearTimeout(timer),
    faultOf: (error) =>
      late.signal.aborted ? { kind: 'timeout', afterMs } : { kind: 'unreachable', code: codeOf(error) },
  };
}

async function exchange(target: Target, ask: Ask, watch: Watch): Promise<Answer<Response>> {
  const headers: Record<string, string> = {
    authorization: `Bearer ${target.token}`,
    accept: 'application/json, application/schema+json, application/problem+json, application/x-ndjson',
  };
  if (ask.body) headers['content-type'] = ask.body.type;
  const address = addressOf(target.url, ask);
  let response: Response;
  try {
    response = await fetch(address, {
      method: ask.method,
      headers,
      body: ask.body?.content ?? null,
      redirect: 'manual',
      signal: watch.signal,
    });
  } catch (error) {
    watch.stop();
    return fail(watch.faultOf(error));
  }
  if (response.ok) return ok(response);
  if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
    await drop(response, watch);
    return fail({ kind: 'redirected', status: response.status });
  }
  return readRefusal(response, watch);
}

/** @throws RangeError when a segment would lead to another route. */
function addressOf(base: URL, { path, query }: Ask): URL {
  for (const segment of path) {
    // A URL resolves these away, encoded or not, and the request would go to another route.
    if (segment === '' || segment === '.' || segment === '..')
      throw new RangeError('a name must not be empty, . or ..');
  }
  const url = new URL(base);
  url.pathname = [url.pathname.replace(/\/+$/, ''), ...path.map(encodeURIComponent)].join('/');
  for (const [key, value] of Object.entries(query ?? {})) if (value !== undefined) url.searchParams.set(key, value);
  return url;
}

const text = v.optional(v.string(), '');
const RefusalSchema = v.object({
  type: text,
  title: v.string(),
  detail: text,
  instance: text,
  errors: v.optional(v.array(v.object({ pointer: text, text })), []),
});

async function readRefusal(response: Response, watch: Watch): Promise<Answer<Response>> {
  const { status } = response;
  const unexplained = strange<Response>(response, `it answered with status ${status} and no explanation`);
  if (mediaTypeOf(response) !== 'application/problem+json') {
    await drop(response, watch);
    return unexplained;
  }
  const body = await readJson(response, watch);
  if (!body.ok) return body;
  const parsed = v.safeParse(RefusalSchema, body.value);
  if (!parsed.success) return unexplained;
  const problem: Refusal = { ...parsed.output, status };
  return fail({ kind: 'problem', problem, retryAfterSeconds: secondsOf(response.headers.get('retry-after')) });
}

/** Nobody reads the rest. */
async function drop(response: Response, watch: Watch): Promise<void> {
  watch.stop();
  await response.body?.cancel().catch(() => undefined);
}

const secondsOf = (header: string | null): number | null =>
  header !== null && /^[0-9]{1,6}$/.test(header) ? Number(header) : null;

const mediaTypeOf = (response: Response): string =>
  (response.headers.get('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';

const strange = <T>(response: Response, why: string): Answer<T> =>
  fail({ kind: 'strange', status: response.status, why });

async function readJson(response: Response, watch: Watch): Promise<Answer<unknown>> {
  const type = mediaTypeOf(response);
  if (type !== 'application/json' && !type.endsWith('+json')) {
    await drop(response, watch);
    return strange(response, 'its answer is not JSON');
  }
  const json = await readText(response, watch);
  if (!json.ok) return json;
  if (nesting(json.value) > ANSWER_DEPTH)
    return strange(response, `its answer is nested deeper than ${ANSWER_DEPTH} levels`);
  try {
    return ok(JSON.parse(json.value));
  } catch {
    return strange(response, 'its answer is not JSON');
  }
}

async function readText(response: Response, watch: Watch): Promise<Answer<string>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      // Leaving the loop cancels the rest.
      if (size > ANSWER_BYTES) return strange(response, `its answer is larger than ${ANSWER_BYTES / 1024 / 1024} MiB`);
      chunks.push(chunk);
    }
  } catch (error) {
    return fail(watch.faultOf(error));
  } finally {
    watch.stop();
  }
  try {
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    return strange(response, 'its answer is not text');
  }
}

/** Deepest nesting of brackets outside of strings, counted on the text. */
function nesting(json: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const char = json[at];
    if (inString) {
      if (char === '\\') at++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '[' || char === '{') deepest = Math.max(deepest, ++depth);
    else if (char === ']' || char === '}') depth--;
  }
  return deepest;
}

/** The code of the first error in the chain that has one. Messages are left out: some quote what was received. */
function codeOf(error: unknown): string {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const { code } = at as { readonly code?: unknown };
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code)) return code;
  }
  return '';
}
