import type { HttpRequest } from '../../../sdk/contract/plugin.ts';
import { parseJson } from '../../base/json.ts';
import { err, ok, type Result } from '../../base/result.ts';

/** Bounds of a request's parts, in UTF-16 units. The broker judges what they say; this only gives them a shape. */
const URL_MAX = 8_192;
const METHOD_MAX = 16;
const HEADERS_MAX = 64;
const HEADER_TEXT_MAX = 8_192;

const isText = (value: unknown, max: number): value is string => typeof value === 'string' && value.length <= max;

/**
 * Reads what a plugin asked for. Parsed on the kernel's side, because a cell's word about its plugin is not trusted.
 *
 * @param payload At most the frame maximum; any bytes.
 * @returns the request, or a reason that holds nothing of it.
 */
export function parseHttpRequest(payload: Uint8Array): Result<HttpRequest, string> {
  const parsed = parseJson(payload, { depth: 2, keys: HEADERS_MAX + 8 });
  if (!parsed.ok) return err('A request was not a JSON object of url, method, headers and body.');
  const value = parsed.value;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return err('A request was not a JSON object.');
  const { url, method, headers, body, ...others } = value as Record<string, unknown>;
  if (Object.keys(others).length > 0) return err('A request had more fields than url, method, headers and body.');
  if (!isText(url, URL_MAX)) return err(`A request had no url, or one of more than ${URL_MAX} characters.`);
  if (!isText(method, METHOD_MAX)) return err(`A request had no method, or one of more than ${METHOD_MAX} characters.`);
  if (body !== null && typeof body !== 'string') return err('The body of a request was neither text nor null.');
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    return err('The headers of a request were not an object.');
  }
  const entries = Object.entries(headers);
  if (
    entries.length > HEADERS_MAX ||
    !entries.every(([name, text]) => isText(name, 256) && isText(text, HEADER_TEXT_MAX))
  ) {
    return err(`A request had more than ${HEADERS_MAX} headers, or one that is not text of a sane length.`);
  }
  return ok({ url, method, headers: Object.fromEntries(entries) as Record<string, string>, body });
}
