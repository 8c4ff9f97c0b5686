/** Errors that travel through undici and back to us. Owns how each kind of trouble is told to the caller. */
import { errors } from 'undici';
import type { ErrorClass } from '../../../sdk/contract/error.ts';

/**
 * Thrown by our own code inside undici. Its codes must never be undici's `UND_ERR_INFO` or `UND_ERR_SOCKET`: undici
 * takes those for "connect again and send the queue", and a refused address would be asked for without end.
 */
export class EgressError extends Error {
  override readonly name = 'EgressError';
  readonly code: 'EGRESS_DENIED' | 'EGRESS_FAILED';
  readonly class: ErrorClass;
  /** For the operator alone. */
  readonly hint: string | undefined;
  readonly block: string | undefined;

  constructor(code: EgressError['code'], errorClass: ErrorClass, reason: string, hint?: string, block?: string) {
    super(reason);
    this.code = code;
    this.class = errorClass;
    this.hint = hint;
    this.block = block;
  }
}

export const denied = (reason: string, hint?: string, block?: string): EgressError =>
  new EgressError('EGRESS_DENIED', 'refused_by_policy', reason, hint, block);
export const failed = (errorClass: ErrorClass, reason: string): EgressError =>
  new EgressError('EGRESS_FAILED', errorClass, reason);

/** Codes of Node and undici, told in words of ours. Text of an error is not repeated: it may hold what a server sent. */
const KNOWN: Readonly<Record<string, readonly [ErrorClass, string]>> = {
  ECONNREFUSED: ['unavailable', 'the host refused the connection; is the service running and the port right?'],
  ECONNRESET: ['unavailable', 'the host reset the connection'],
  EPIPE: ['unavailable', 'the host closed the connection'],
  EHOSTUNREACH: ['unavailable', 'the host cannot be reached from here'],
  ENETUNREACH: ['unavailable', 'the network of the host cannot be reached from here'],
  ETIMEDOUT: ['timeout', 'the connection timed out'],
  UND_ERR_SOCKET: ['unavailable', 'the host closed the connection before a whole answer came'],
  UND_ERR_HEADERS_TIMEOUT: ['timeout', 'no answer began in time'],
  UND_ERR_BODY_TIMEOUT: ['timeout', 'the answer stopped in the middle'],
  UND_ERR_HEADERS_OVERFLOW: ['upstream_error', 'the headers of the answer are too large'],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ['upstream_error', 'the answer is shorter or longer than it says'],
  UND_ERR_DESTROYED: ['unavailable', 'the kernel is shutting down'],
  UND_ERR_CLOSED: ['unavailable', 'the kernel is shutting down'],
};

/**
 * Whether an error before the request started means that a kept connection was dead. Trouble with a new connection is
 * not meant: our connector reports that itself, as an EgressError.
 */
export function isStaleConnection(error: unknown): boolean {
  if (error instanceof EgressError) return false;
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET';
}

/** Any error as one of ours. */
export function toEgressError(error: unknown): EgressError {
  if (error instanceof EgressError) return error;
  if (error instanceof errors.HTTPParserError)
    return failed('upstream_error', 'the answer breaks the HTTP/1.1 protocol');
  const code = (error as { code?: unknown } | null)?.code;
  const text = typeof code === 'string' ? code : '';
  const known = KNOWN[text];
  if (known) return failed(...known);
  // Node's names for a certificate that does not verify (X509_V_ERR_*, tls.checkServerIdentity) and for a failed handshake.
  if (/^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_|HOSTNAME_MISMATCH)/.test(text)) {
    return failed('upstream_error', `the certificate of the host does not verify (${text})`);
  }
  if (/^(?:ERR_SSL_|EPROTO)/.test(text)) return failed('upstream_error', 'the TLS handshake with the host failed');
  return failed('unavailable', 'the exchange with the host failed');
}
