import { type FileHandle, open, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import * as v from 'valibot';
import { type OrgId, type PrincipalId, principalId, toOrgId } from '../../kernel/base/id.ts';
import { err, ok, type Result } from '../../kernel/base/result.ts';
import { type Config, readConfig } from '../../kernel/config.ts';
import { startKernel } from '../../kernel/main.ts';
import { ROLES, type Role } from '../../kernel/org/role.ts';
import { PrincipalName } from '../../sdk/contract/api-word.ts';

/**
 * Makes the first token of an org: all further ones are made with it (`interlock token create`). Opens the data folder
 * itself, so the kernel must be stopped; whoever can run this owns the folder anyway.
 */
const USAGE =
  'usage: first-token.ts --config FILE --org ORG --principal NAME --role ROLE [--role ROLE...] --out NEW-FILE';

type Request = {
  readonly config: Config;
  readonly org: OrgId;
  readonly principal: PrincipalId;
  readonly roles: readonly Role[];
  /** Absolute. */
  readonly out: string;
};

function readOptions() {
  try {
    const text = { type: 'string' } as const;
    const roles = { type: 'string', multiple: true } as const;
    const help = { type: 'boolean' } as const;
    return parseArgs({ options: { config: text, org: text, principal: text, role: roles, out: text, help } }).values;
  } catch {
    return undefined;
  }
}

/** Everything that can be judged before anything is made. */
async function readRequest(options: NonNullable<ReturnType<typeof readOptions>>): Promise<Result<Request, string>> {
  const { config: file, org: orgName, principal, role = [], out } = options;
  if (!file || !orgName || !principal || !out || role.length === 0) return err(`something is missing; ${USAGE}`);
  if (!v.is(PrincipalName, principal))
    return err('--principal takes lower-case letters and digits, with . _ @ + - in between, at most 128');
  const roles = ROLES.filter((known) => role.includes(known));
  if (roles.length !== new Set(role).size) return err(`--role takes one of ${ROLES.join(', ')}; repeat it for more`);
  const config = await readConfig(file);
  if (!config.ok) return config;
  const org = toOrgId(orgName);
  if (!org || !config.value.orgs.some(({ id }) => id === org))
    return err('the configuration has no such org; --org takes the id of one of its orgs');
  return ok({ config: config.value, org, principal: principalId(principal), roles, out: resolve(out) });
}

/** The file is made before the token, so that no token exists that could not be written down. */
async function makeFile(path: string): Promise<Result<FileHandle, string>> {
  try {
    return ok(await open(path, 'wx', 0o600));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return err('the file of --out is there already; name a new one');
    if (code === 'ENOENT') return err('the folder of --out is not there; make it first, or name another');
    return err(`the file of --out cannot be made (${code}); name another place`);
  }
}

async function writeToken({ config, org, principal, roles }: Request, file: FileHandle): Promise<Result<null, string>> {
  const started = await startKernel({ ...config, listen: { host: '127.0.0.1', port: 0 } });
  if (!started.ok) return started;
  const { token } = await started.value.kernel.tokens.create(org, 'system:first-token', { id: principal, roles });
  await file.writeFile(`${token}\n`);
  await started.value.stop();
  return ok(null);
}

/** @returns what to say of the token. */
async function makeToken(request: Request): Promise<Result<string, string>> {
  const file = await makeFile(request.out);
  if (!file.ok) return file;
  let written: Result<null, string> | undefined;
  try {
    written = await writeToken(request, file.value);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // The system says no, such as to a data folder that may not be made. Anything else is a defect, with its stack.
    if (code === undefined) throw error;
    written = err(message);
  } finally {
    await file.value.close();
    if (!written?.ok) await rm(request.out, { force: true });
  }
  return written.ok
    ? ok(`the token of ${request.principal} (${request.roles.join(', ')}) in org ${request.org} is in ${request.out}`)
    : written;
}

const options = readOptions();
if (options?.help) {
  process.stdout.write(`${USAGE}\nroles: ${ROLES.join(', ')}\n`);
  process.exit(0);
}
const request = options ? await readRequest(options) : err(`unknown option, stray word or missing value; ${USAGE}`);
const made = request.ok ? await makeToken(request.value) : request;
if (!made.ok) {
  process.stderr.write(`first-token: ${made.error}\n`);
  process.exit(2);
}
process.stdout.write(`${made.value}\n`);
