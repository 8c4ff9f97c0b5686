import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openSealed } from '../../sdk/build/test-sealed.ts';
import { interlock } from './run.ts';

/** `plugin build` and `plugin locate`: need no server and no token. What is built is judged where the sealer is tested. */
// The base of sealed plugins is built on the way where it is not there yet.
vi.setConfig({ testTimeout: 120_000 });

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'interlock-plugin-'));
});
afterAll(() => rm(root, { recursive: true }));

const manifest = {
  apiVersion: 'interlock/plugin/v1',
  name: 'probe',
  version: '1.0.0',
  title: 'Probe',
  capabilities: { http: false },
  actions: { act: { title: 'Act', effect: 'none', input: {}, output: {} } },
};

async function plugin(name: string, source: string): Promise<string> {
  const dir = join(root, name);
  await mkdir(dir);
  await writeFile(join(dir, 'manifest.json'), JSON.stringify(manifest));
  await writeFile(join(dir, 'plugin.ts'), source);
  return dir;
}

test('what is not the folder of a plugin is said for all of them at once, and nothing is sealed', async () => {
  const good = await plugin('untouched', 'export default 1;\n');
  const hollow = await plugin('hollow', '');
  const bare = join(root, 'bare');
  await mkdir(bare);
  const dirs = [good, join(root, 'nowhere'), join(good, 'plugin.ts'), bare, hollow];
  const ran = await interlock(['plugin', 'build', ...dirs], { env: { INTERLOCK_TOKEN: '' } });
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toBe(
    [
      'interlock: name folders that hold plugin.ts and manifest.json. Nothing was sealed.',
      `  ${join(root, 'nowhere')} does not exist`,
      `  ${join(good, 'plugin.ts')} is not a folder`,
      `  ${join(bare, 'manifest.json')} does not exist`,
      `  ${join(hollow, 'plugin.ts')} is empty\n`,
    ].join('\n'),
  );
});

test('what can be sealed is sealed, what cannot is said with its place, and then the answer is no', async () => {
  const action = '{ act: { execute: () => 1 } }';
  const good = await plugin(
    'good',
    `import { definePlugin } from '@interlock/sdk';\nexport default definePlugin({ name: 'probe', version: '1.0.0', actions: ${action} });\n`,
  );
  const bad = await plugin('bad', 'export default (;\n');
  const ran = await interlock(['plugin', 'build', bad, good, '--json'], { env: { INTERLOCK_TOKEN: '' } });
  expect(ran.code).toBe(1);
  expect(ran.stderr).toContain(`interlock: ${bad} cannot be sealed (bundle).\n`);
  expect(ran.stderr).toContain('plugin.ts:1:');
  const [built, ...rest] = JSON.parse(ran.stdout);
  expect(rest).toEqual([]);
  expect(built).toMatchObject({ name: 'probe', version: '1.0.0', wasmPath: join(good, 'dist', 'plugin.wasm') });
  expect(await readFile(built.wasmPath)).toHaveLength(built.bytes);

  const again = await interlock(['plugin', 'build', good]);
  expect(again.code).toBe(0);
  expect(again.stdout).toContain(built.digest);
});

test('a place in the sealed script is said as the place in the source', async () => {
  const source = `import { definePlugin } from '@interlock/sdk';

export default definePlugin({
  name: 'probe',
  version: '1.0.0',
  actions: {
    act: {
      execute: (_ctx, input) => (input as { missing: () => number }).missing(),
    },
  },
});
`;
  const dir = await plugin('faulty', source);
  expect(await interlock(['plugin', 'locate', dir, 'plugin.js:1:1'])).toMatchObject({ code: 2, stdout: '' });
  expect((await interlock(['plugin', 'build', dir])).code).toBe(0);
  const wasm = await readFile(join(dir, 'dist', 'plugin.wasm'));
  const sealed = await openSealed(new WebAssembly.Module(wasm));
  const reply = await sealed.call({ action: 'act', input: {} });
  await sealed.close();
  const message = reply.ok ? '' : reply.error.message;
  expect(message).toMatch(/plugin\.js:\d+:\d+/);

  const located = await interlock(['plugin', 'locate', dir, message]);
  expect(located).toMatchObject({ code: 0, stdout: expect.stringContaining('plugin.ts:8:') });
  const json = await interlock(['plugin', 'locate', dir, message, '--json']);
  expect(JSON.parse(json.stdout).text).toContain('plugin.ts:8:');
  const none = await interlock(['plugin', 'locate', dir, 'elsewhere.js:1:1']);
  expect(none).toMatchObject({ code: 1, stdout: '' });
});
