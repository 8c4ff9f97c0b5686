/**
 * Judges the headers of a plugin's request. Owns the list of names that a plugin may set without being asked, and of
 * those that it may never set, and why. Any other name has to be granted by the rule.
 */
import { ok, type Result } from '../base/result.ts';
import { type Refusal, refuse } from './refusal.ts';

const MAX_HEADERS = 32;
const MAX_HEADER_CHARS = 8_192;

/** Set by the broker or the socket: their value is the kernel's statement, not the plugin's. */
const KERNEL_HEADERS: ReadonlySet<string> = new Set([
  'accept-encoding',
  'content-length',
  'host',
  'idempotency-key',
  'traceparent',
  'tracestate',
  'user-agent',
]);

/** Credentials come from a grant's secret and from nowhere else. */
const CREDENTIAL_HEADERS: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization']);

/**
 * Headers that speak to the connection or to something between here and the server (RFC 9110 section 7.6), and
 * headers by which servers are told another method, path, host or caller than the one that was judged.
 */
const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'forwarded',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
  'x-host',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-host',
  'x-original-url',
  'x-real-ip',
  'x-rewrite-url',
]);
const CONNECTION_PREFIXES = ['proxy-', 'sec-', 'x-forwarded-'] as const;

/** What a plugin may say of itself and of what it wants: nothing that a server takes for authority. */
const FREE_HEADERS: ReadonlySet<string> = new Set([
  'accept',
  'accept-language',
  'content-language',
  'content-type',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
]);

/** Those of lower-case names that the rule would have to grant and does not. */
export const ungrantedHeaders = (names: readonly string[], granted: readonly string[] = []): readonly string[] =>
  names.filter((name) => !FREE_HEADERS.has(name) && !granted.includes(name));

/** Whether a rule can grant the name: the kernel's, credentials and what steers a connection are never a plugin's. */
export const canBeGranted = (name: string): boolean =>
  !KERNEL_HEADERS.has(name) && !CREDENTIAL_HEADERS.has(name) && !isConnectionHeader(name);

/** Whether a secret may ride in this header: credentials may, what belongs to the kernel or the connection may not. */
export const canCarrySecret = (name: string): boolean =>
  !KERNEL_HEADERS.has(name) && !isConnectionHeader(name) && name !== 'content-type';

/**
 * @param secretHeaders lower-case names in which any rule of the plugin carries a secret.
 * @returns the headers under lower-case names.
 */
export function judgeHeaders(
  headers: unknown,
  secretHeaders: ReadonlySet<string>,
): Result<Readonly<Record<string, string>>, Refusal> {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    return refuse('E_HEADER', 'headers must be an object of text values');
  }
  const entries = Object.entries(headers);
  if (entries.length > MAX_HEADERS) return refuse('E_HEADER', `more than ${MAX_HEADERS} headers`);
  const judged: Record<string, string> = {};
  let chars = 0;
  for (const [written, value] of entries) {
    const name = written.toLowerCase();
    // Narrower than the token of RFC 9110: `_` and `-` become one variable behind CGI, so `x_forwarded_for` could pass
    // for a name that is refused here; `__proto__` would not even be a header.
    if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(name)) {
      return refuse('E_HEADER', 'a header name must be 1 to 64 ASCII letters, digits and hyphens');
    }
    const fault = faultOfName(name, secretHeaders);
    if (fault) return refuse('E_HEADER', fault);
    if (Object.hasOwn(judged, name)) return refuse('E_HEADER', 'a header is given twice in different spelling');
    if (typeof value !== 'string' || !/^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/.test(value)) {
      return refuse('E_HEADER', 'a header value must be printable ASCII without spaces around it');
    }
    chars += name.length + value.length;
    if (chars > MAX_HEADER_CHARS) return refuse('E_HEADER', `headers hold more than ${MAX_HEADER_CHARS} characters`);
    judged[name] = value;
  }
  return ok(judged);
}

function isConnectionHeader(name: string): boolean {
  return CONNECTION_HEADERS.has(name) || CONNECTION_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** Names only headers of the tables above or of the grants, so that nothing the plugin wrote is repeated. */
function faultOfName(name: string, secretHeaders: ReadonlySet<string>): string | undefined {
  if (KERNEL_HEADERS.has(name)) return `the header ${name} is set by the kernel; leave it out`;
  if (CREDENTIAL_HEADERS.has(name) || secretHeaders.has(name)) {
    return `the header ${name} carries credentials; leave it out and bind a secret to it in the grant`;
  }
  return isConnectionHeader(name)
    ? 'a header that steers the connection, the method or the path past the grant is refused'
    : undefined;
}
