import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cannot, ok, type Result } from './ending.ts';

/**
 * Where the access token comes from. It is read from a file or from the environment, never from an argument, because
 * arguments are seen by every user of the machine and kept in the history of the shell.
 */
export type Token = {
  readonly token: string;
  /** The org that the token itself names; it acts in no other. */
  readonly org: string;
  /** Origin of the demo that this is the token of; null for any other token. */
  readonly demo: string | null;
  readonly warnings: readonly string[];
};

export type TokenPlaces = {
  readonly tokenFile: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly directory: string;
};

/** `ilk_<org>_<token id: 16 hex>_<secret: 43 characters base64url>`; docs say the same. */
const FORM = /^ilk_([a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,62})_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/;
const TOKEN_FILE_BYTES = 1_024;
const DEMO_FILE = join('.interlock', 'demo', 'token');
/** Beside it while the demo runs: `{ "url": ..., "pid": ... }`. */
const RUNNING_FILE = 'running.json';

/** The first that is given: --token-file, INTERLOCK_TOKEN, INTERLOCK_TOKEN_FILE, the demo's file. An empty one is none. */
export async function findToken({ tokenFile, env, directory }: TokenPlaces): Promise<Result<Token>> {
  if (tokenFile !== undefined) return readToken(tokenFile, '--token-file');
  if (env.INTERLOCK_TOKEN) return parse(env.INTERLOCK_TOKEN, 'INTERLOCK_TOKEN', []);
  if (env.INTERLOCK_TOKEN_FILE) return readToken(env.INTERLOCK_TOKEN_FILE, 'INTERLOCK_TOKEN_FILE');
  const demo = await demoFile(directory);
  if (demo !== undefined) {
    const origin = await demoOrigin(join(dirname(demo), RUNNING_FILE));
    if (origin === undefined)
      return cannot(
        'no access token, and the demo is not running. Start it with `npm start`, or give the file that holds a token ' +
          'with --token-file or INTERLOCK_TOKEN_FILE.',
      );
    const read = await readToken(demo, 'the demo');
    return read.ok ? ok({ ...read.value, demo: origin }) : read;
  }
  return cannot(
    'no access token: give the file that holds it with --token-file, or set INTERLOCK_TOKEN_FILE. ' +
      'To look around, `npm start` makes a demo org, whose token is found by itself.',
  );
}

async function readToken(path: string, named: string): Promise<Result<Token>> {
  const warnings: string[] = [];
  try {
    await using file = await open(path, 'r');
    const status = await file.stat();
    // A pipe is what `--token-file <(pass show interlock)` gives.
    if (!status.isFile() && !status.isFIFO()) return cannot(`the token file that ${named} names is not a file.`);
    if (status.isFile() && process.platform !== 'win32' && (status.mode & 0o077) !== 0) {
      warnings.push('the token file is open to other users of this machine; close it with chmod 600.');
    }
    return parse(await readStart(file), named, warnings);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'does not exist' : code === 'EACCES' ? 'may not be read by you' : 'cannot be read';
    return cannot(`the token file that ${named} names ${why}.`);
  }
}

/** At most TOKEN_FILE_BYTES; more is no token anyway. */
async function readStart(file: FileHandle): Promise<string> {
  const buffer = Buffer.alloc(TOKEN_FILE_BYTES);
  let filled = 0;
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled, null);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.toString('utf8', 0, filled);
}

function parse(text: string, named: string, warnings: readonly string[]): Result<Token> {
  const token = text.trim();
  const org = FORM.exec(token)?.[1];
  if (org !== undefined) return ok({ token, org, demo: null, warnings });
  return cannot(`what ${named} gives is not an access token: a token is one line that begins with ilk_ and its org.`);
}

/**
 * The file that `npm start` writes, in this directory or the nearest one above. One that another user put there is
 * passed over: it would make this command act in that user's name.
 */
async function demoFile(directory: string): Promise<string | undefined> {
  for (let at = directory; ; at = dirname(at)) {
    const path = join(at, DEMO_FILE);
    if (await isOwnFile(path)) return path;
    if (dirname(at) === at) return undefined;
  }
}

async function isOwnFile(path: string): Promise<boolean> {
  const status = await stat(path).catch(() => undefined);
  return status?.isFile() === true && (process.getuid === undefined || status.uid === process.getuid());
}

/** Where the demo listens, as it wrote itself: its token is for that address and no other, not even on this machine. */
async function demoOrigin(path: string): Promise<string | undefined> {
  if (!(await isOwnFile(path))) return undefined;
  try {
    await using file = await open(path, 'r');
    const { url }: { readonly url?: unknown } = JSON.parse(await readStart(file));
    return typeof url === 'string' ? URL.parse(url)?.origin : undefined;
  } catch {
    return undefined;
  }
}

/** Makes text safe to print even where someone put a token into the wrong place. */
export const withoutTokens = (text: string): string =>
  text.replace(/ilk_[a-z0-9-]+_[0-9a-f]{16}_[\w-]*/g, 'ilk_(hidden)');
