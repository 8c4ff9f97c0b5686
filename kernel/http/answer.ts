import {
  PROBLEMS,
  type Problem,
  type ProblemError,
  type ProblemKind,
  problemType,
} from '../../sdk/contract/problem.ts';

/**
 * Prints answers: data in its envelope, and problems (RFC 9457). The one place that makes a Response, so that no answer
 * goes out without these headers. Header objects are plain and shared: the listener writes them as they are.
 */
const SECURITY = {
  'cache-control': 'no-store',
  // An answer is data, never a page: whoever opens it in a browser gets no script, no frame and no guessed type.
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

type Headers = Readonly<Record<string, string>>;

const JSON_HEADERS: Headers = { ...SECURITY, 'content-type': 'application/json' };
const PROBLEM_HEADERS: Headers = { ...SECURITY, 'content-type': 'application/problem+json' };

/** `{ "data": value }`. */
export const data = (value: unknown, status = 200, headers?: Headers): Response =>
  text(`{"data":${JSON.stringify(value)}}`, status, headers);

/** One page of a list. */
export const page = (items: readonly unknown[], next: string | null): Response =>
  text(JSON.stringify({ data: items, page: { next } }), 200);

/** JSON text as it is. */
export const text = (json: string, status: number, headers?: Headers): Response =>
  new Response(json, { status, headers: headers ? { ...JSON_HEADERS, ...headers } : JSON_HEADERS });

/** A text of another kind, whole. */
export const document = (words: string, media: string): Response =>
  new Response(words, { status: 200, headers: { ...SECURITY, 'content-type': media } });

/** Whoever asks has it already. */
export const notModified = (headers: Headers): Response =>
  new Response(null, { status: 304, headers: { ...SECURITY, ...headers } });

export const stream = (body: ReadableStream<Uint8Array>, headers: Headers): Response =>
  new Response(body, { status: 200, headers: { ...SECURITY, ...headers } });

export type ProblemParts = {
  /** What to do, where more is known than the table says. Ours, never from the request. */
  readonly detail?: string;
  readonly errors?: readonly ProblemError[];
  readonly headers?: Headers;
  readonly instance?: string;
};

export const problem = (kind: ProblemKind, parts: ProblemParts = {}): Response => {
  const { headers } = parts;
  return new Response(problemText(kind, parts), {
    status: PROBLEMS[kind].status,
    headers: headers ? { ...PROBLEM_HEADERS, ...headers } : PROBLEM_HEADERS,
  });
};

/** A new name for one answer. */
export const newInstance = (): string => `urn:uuid:${crypto.randomUUID()}`;

function problemText(kind: ProblemKind, { detail, errors, instance }: ProblemParts): string {
  const { status, title, detail: usual } = PROBLEMS[kind];
  const body: Problem = {
    type: problemType(kind),
    title,
    status,
    detail: detail ?? usual,
    instance: instance ?? newInstance(),
    ...(errors && errors.length > 0 && { errors: [...errors] }),
  };
  return JSON.stringify(body);
}

/** A problem as bytes of HTTP/1.1, for a connection on which no request could be read. It is closed after that. */
export function rawProblem(kind: ProblemKind): string {
  const body = problemText(kind, {});
  const headers = { ...PROBLEM_HEADERS, 'content-length': String(Buffer.byteLength(body)), connection: 'close' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${PROBLEMS[kind].status} Refused\r\n${lines.join('')}\r\n${body}`;
}
