import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { principalId, toOrgId } from '../../kernel/base/id.ts';
import { readConfig } from '../../kernel/config.ts';
import { startKernel } from '../../kernel/main.ts';
import { ROLES, type Role } from '../../kernel/org/role.ts';

/**
 * Makes the first token of an org: all further ones are made with it (`interlock token create`). Opens the data folder
 * itself, so the kernel must be stopped; whoever can run this owns the folder anyway.
 */
const USAGE =
  'usage: first-token.ts --config FILE --org ORG --principal NAME --role ROLE [--role ROLE...] --out NEW-FILE';

async function main(): Promise<string | undefined> {
  const { values } = parseArgs({
    options: {
      config: { type: 'string' },
      org: { type: 'string' },
      principal: { type: 'string' },
      role: { type: 'string', multiple: true },
      out: { type: 'string' },
    },
  });
  const { config: file, principal, role = [], out } = values;
  const org = toOrgId(values.org ?? '');
  const roles = ROLES.filter((known) => role.includes(known)) as readonly Role[];
  if (!file || !org || !principal || !out || roles.length === 0 || roles.length !== new Set(role).size) return USAGE;
  const config = await readConfig(file);
  if (!config.ok) return config.error;
  if (!config.value.orgs.some(({ id }) => id === org)) return 'the configuration has no such org';
  const { host, port } = config.value.listen;
  const isRunning = await fetch(`http://${host}:${port}/healthz`).then(
    () => true,
    () => false,
  );
  if (isRunning) return 'the kernel is running: stop it first, because two must not share a data folder';

  const started = await startKernel({ ...config.value, listen: { host: '127.0.0.1', port: 0 } });
  if (!started.ok) return started.error;
  // Made before the token, so that no token exists that could not be written down.
  await writeFile(out, '', { flag: 'wx', mode: 0o600 });
  const holder = { id: principalId(principal), roles };
  const { token } = await started.value.kernel.tokens.create(org, 'system:first-token', holder);
  await writeFile(out, `${token}\n`);
  await started.value.stop();
  return undefined;
}

const fault = await main();
if (fault !== undefined) {
  process.stderr.write(`first-token: ${fault}\n`);
  process.exit(2);
}
