/**
 * Reads the URL of a plugin's request. Owns the one idea that keeps the allow rules honest: the text must already be in
 * the form in which it is sent. What a parser would silently repair is refused, so that rule, wire and audit agree.
 */
import { ok, type Result } from '../base/result.ts';
import { canonicalAddress } from './address.ts';
import { type Refusal, refuse } from './refusal.ts';

const MAX_URL = 8_192;

export type Target = {
  readonly url: URL;
  readonly scheme: 'https' | 'http';
  /** Lower-case ASCII name, or an IP address without brackets. */
  readonly host: string;
  readonly isAddress: boolean;
  readonly port: number;
  /** Normalised path without the query; begins with `/`. */
  readonly path: string;
};

/** Parses by the URL standard (WHATWG) and refuses every spelling that the standard would have changed. */
export function readTarget(text: unknown): Result<Target, Refusal> {
  if (typeof text !== 'string' || text.length > MAX_URL) {
    return refuse('E_URL', `the URL must be text of at most ${MAX_URL} characters`);
  }
  if (!/^[\x21-\x7e]*$/.test(text) || text.includes('\\')) {
    return refuse(
      'E_URL',
      'the URL has a control character, space, backslash or non-ASCII character; percent-encode it',
    );
  }
  const [, scheme = '', authority = '', rawPath = '', fragment] =
    /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(?:\?[^#]*)?(#.*)?$/i.exec(text) ?? [];
  if (scheme === '') return refuse('E_URL', 'the URL must be absolute, such as https://api.example.com/v1/items');
  if (!/^https?$/i.test(scheme)) return refuse('E_SCHEME', 'only https and http requests can be granted');
  if (authority.includes('@')) return refuse('E_USERINFO', 'the URL carries credentials; a grant carries the secret');
  if (fragment !== undefined) return refuse('E_URL', 'a fragment is never sent; write a literal # as %23');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url) return refuse('E_URL', 'the URL cannot be parsed');
  const faultInHost = faultOfAuthority(authority, url);
  if (faultInHost) return refuse('E_HOST', faultInHost);
  const faultInPath = faultOfPath(rawPath);
  if (faultInPath) return refuse('E_PATH', faultInPath);
  const host = bareHost(url.hostname);
  const isHttps = url.protocol === 'https:';
  return ok({
    url,
    scheme: isHttps ? 'https' : 'http',
    host,
    isAddress: canonicalAddress(host) !== undefined,
    port: url.port === '' ? (isHttps ? 443 : 80) : Number(url.port),
    path: url.pathname,
  });
}

/** An IPv6 host without its brackets: the one form in which hosts are compared. */
export const bareHost = (host: string): string => (host.startsWith('[') ? host.slice(1, -1) : host);

function faultOfAuthority(authority: string, url: URL): string | undefined {
  const [, written] = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::[1-9][0-9]{0,4})?$/i.exec(authority) ?? [];
  if (written === undefined)
    return 'the host must be a plain ASCII name or IP address (IDN as xn--), the port a number';
  if (written.toLowerCase() !== url.hostname) {
    return 'an IP address must be written in its normal form: four decimal parts, or shortest IPv6 in brackets';
  }
  return url.hostname.split('.').includes('') ? 'the host has an empty label or a trailing dot' : undefined;
}

/**
 * Says what is wrong with a path, or undefined. Servers differ in when they decode `%2e` and `%2f`, whether they decode
 * twice, and whether `..;` is a dot segment; a path on which they differ could leave the granted prefix.
 */
function faultOfPath(raw: string): string | undefined {
  const once = raw.replace(/%(?:25)+/g, '%').toLowerCase();
  if (/%(?:2f|5c)/.test(once)) return 'the path has an encoded slash or backslash';
  if (/%(?:[01][0-9a-f]|7f)/.test(once)) return 'the path has an encoded control character';
  const isDots = (segment: string) => /^\.{1,2}$/.test(segment.replaceAll('%2e', '.').replace(/(?:;|%3b).*$/, ''));
  if (once.split('/').some(isDots)) return 'the path has a dot segment (. or ..); write the path that is meant';
  try {
    decodeURIComponent(raw);
    return undefined;
  } catch {
    return 'the path has a broken percent-encoding; encode text as UTF-8, and a literal % as %25';
  }
}
