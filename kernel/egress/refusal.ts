/** The one table of reasons for which a plugin's request is refused before anything leaves. Owns the codes. */
import { err, type Result } from '../base/result.ts';

/**
 * Stable codes: tests, counters and people search for them.
 * `E_URL` shape or characters; `E_SCHEME`; `E_USERINFO` credentials in the URL; `E_HOST` spelling of the host;
 * `E_IP_LITERAL` an address that no rule names; `E_PATH` a path that different servers read differently; `E_METHOD`;
 * `E_HEADER` a header that nobody can be granted; `E_HEADER_NOT_ALLOWED` one that the rule does not grant; `E_BODY`;
 * `E_NOT_ALLOWED` well formed, and no rule covers it.
 */
export type RefusalCode =
  | 'E_URL'
  | 'E_SCHEME'
  | 'E_USERINFO'
  | 'E_HOST'
  | 'E_IP_LITERAL'
  | 'E_PATH'
  | 'E_METHOD'
  | 'E_HEADER'
  | 'E_HEADER_NOT_ALLOWED'
  | 'E_BODY'
  | 'E_NOT_ALLOWED';

/**
 * `text` says what is wrong, to whoever may read the run and never to the plugin: the place that the request named and the
 * part of it that no rule covers, but no value of a rule and nothing of the network. `hint` is for the operator alone: how to
 * grant it. Neither ever holds a query string, a header value or a body; a path stands in the hint alone.
 */
export type Refusal = { readonly code: RefusalCode; readonly text: string; readonly hint?: string };

export const refuse = (code: RefusalCode, text: string, hint?: string): Result<never, Refusal> =>
  err({ code, text, ...(hint === undefined ? {} : { hint }) });
