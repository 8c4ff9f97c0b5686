import type { Client } from '../client/client.ts';
import { cannot, ok, type Result } from './ending.ts';
import { clean, note } from './print.ts';
import { findToken } from './token.ts';

/** The options that every command takes. */
export type Globals = {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly org?: string;
  readonly json?: true;
};

/** Whom a command talks to, and as which org. */
export type Session = {
  readonly client: Client;
  readonly org: string;
  /** The base address, for messages. */
  readonly address: string;
  /** Whether stdout is one JSON document. */
  readonly json: boolean;
};

export const DEFAULT_URL = 'http://127.0.0.1:8484';

/** Finds address and token. Nothing is sent yet. */
export async function openSession(options: Globals): Promise<Result<Session>> {
  const url = parseUrl(options.url ?? (process.env.INTERLOCK_URL || DEFAULT_URL));
  if (!url.ok) return url;
  const isLocal = isLoopback(url.value.hostname);
  const found = await findToken({ tokenFile: options.tokenFile, env: process.env, directory: process.cwd() });
  if (!found.ok) return found;
  const { token, org, demo, warnings } = found.value;
  if (demo !== null && demo !== url.value.origin) {
    return cannot(
      `no access token for ${url.value.origin}: the token of the demo goes to its own address alone, ${demo}. ` +
        'Give that with --url, or the token of this server with --token-file.',
    );
  }
  if (options.org !== undefined && options.org !== org) {
    return cannot(`the token is for the org ${org}, not for ${clean(options.org, 63)}. Use the token of that org.`);
  }
  for (const warning of warnings) note(`interlock: warning: ${warning}`);
  // Worth a word to a person; a script that has come so far meant it.
  if (demo !== null && process.stderr.isTTY) note(`interlock: no token was given; using the demo token (org ${org}).`);
  if (url.value.protocol === 'http:' && !isLocal) {
    note('interlock: warning: the token travels unencrypted over http to another machine; use https.');
  }
  const { createClient } = await import('../client/client.ts');
  return ok({
    client: createClient({ url: url.value, token }),
    org,
    address: url.value.origin,
    json: options.json === true,
  });
}

function parseUrl(text: string): Result<URL> {
  const url = URL.parse(text);
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (!url || !isWeb)
    return cannot(`the address of the server must look like ${DEFAULT_URL} (--url or INTERLOCK_URL).`);
  if (url.username || url.password || url.search || url.hash) {
    return cannot('the address of the server holds more than scheme, host, port and path. The token goes in a file.');
  }
  return ok(url);
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(host);
