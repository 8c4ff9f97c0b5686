/**
 * What a call to the server can end in. A refusal is an answer, not an exception; nothing here ever holds the token.
 */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ClientFault };

/** RFC 9457, as sdk/contract/problem.ts says, or as some proxy on the way says it with fewer fields. */
export type Refusal = {
  /** `urn:interlock:problem:<kind>`. */
  readonly type: string;
  readonly title: string;
  /** Of the HTTP answer, which nobody on the way can have set apart from it. */
  readonly status: number;
  readonly detail: string;
  /** Names this one answer in the server's log; may be empty. */
  readonly instance: string;
  readonly errors: readonly { readonly pointer: string; readonly text: string }[];
};

export type ClientFault =
  /** The server understood and said no, or said that it cannot now. Texts are foreign: clean them before printing. */
  | { readonly kind: 'problem'; readonly problem: Refusal; readonly retryAfterSeconds: number | null }
  /** No connection, or it broke. `code` is that of the system or of the TLS library, e.g. ECONNREFUSED; or empty. */
  | { readonly kind: 'unreachable'; readonly code: string }
  | { readonly kind: 'timeout'; readonly afterMs: number }
  /** Not followed, because the token would go along. */
  | { readonly kind: 'redirected'; readonly status: number }
  /** Whatever answered, it does not speak this API. `why` is one clause of our own words. */
  | { readonly kind: 'strange'; readonly status: number; readonly why: string };

export const ok = <T>(value: T): Answer<T> => ({ ok: true, value });
export const fail = <T>(error: ClientFault): Answer<T> => ({ ok: false, error });
