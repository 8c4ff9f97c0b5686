import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startVault, type VaultDouble } from '../double/vault.ts';

let vault: VaultDouble;
let folder: string;
beforeAll(async () => {
  vault = await startVault();
  vault.write('soc/edr', { value: 'a-value-of-the-double' });
  folder = await mkdtemp(join(tmpdir(), 'interlock-vault-'));
  await writeFile(join(folder, 'secret-id'), `${vault.ids.secretId}\n`, { mode: 0o600 });
  await writeFile(join(folder, 'wrong'), 'another-secret-id', { mode: 0o600 });
});
afterAll(async () => {
  await vault.close();
  await rm(folder, { recursive: true });
});

function run(args: readonly string[]): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args]);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      said += chunk;
    });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })));
}
const at = (file: string) => [
  ...['--addr', vault.url, '--addresses', '127.0.0.0/8', '--role-id', vault.ids.roleId],
  ...['--secret-id-file', join(folder, file), '--kv-path', 'soc/edr', '--dynamic-path', 'database/creds/soc'],
];

describe('npm run test:vault', () => {
  it('says that a server keeps every check, prints no value, and leaves no lease', async () => {
    const { code, said } = await run(at('secret-id'));
    expect(said).toContain('every check is kept');
    expect(said.match(/^ok {5}(?:kv|dynamic): /gm)?.length).toBe(12);
    expect(code).toBe(0);
    for (const value of ['a-value-of-the-double', vault.ids.secretId, ...vault.seen.secrets])
      expect(said).not.toContain(value);
    expect(vault.live()).toBe(0);
  });

  it('says which are broken, and why', async () => {
    const { code, said } = await run(at('wrong'));
    expect(code).toBe(1);
    expect(said).toContain('FAILED kv: lends a value');
    expect(said).toContain('the server refused the login (400)');
  });

  it('shows how it is called', async () => {
    expect(await run(['--help'])).toMatchObject({ code: 0, said: expect.stringContaining('--secret-id-file FILE') });
    expect(await run([])).toMatchObject({ code: 2 });
    expect(await run(['--kv-path', 'a'])).toMatchObject({ code: 2 });
    expect(await run(['--token', 'x'])).toMatchObject({ code: 2 });
  });
});
