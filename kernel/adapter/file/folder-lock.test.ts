import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lockFolder } from './folder-lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'interlock-lock-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('one holder at a time, under whatever name the folder is reached', async () => {
  const first = await lockFolder(folder);
  expect(first.ok).toBe(true);
  symlinkSync(folder, `${folder}.link`);
  for (const name of [folder, `${folder}.link`, join(folder, '.')])
    expect(await lockFolder(name)).toMatchObject({ ok: false, error: expect.stringContaining('another kernel uses') });
  rmSync(`${folder}.link`);
  if (first.ok) await first.value.release();
  const next = await lockFolder(folder);
  expect(next.ok).toBe(true);
  if (next.ok) await next.value.release();
});

test('a holder that is killed holds nothing', async () => {
  const code = `import { lockFolder } from ${JSON.stringify(join(import.meta.dirname, 'folder-lock.ts'))};
const lock = await lockFolder(${JSON.stringify(folder)}); console.log(lock.ok); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  expect(String(said)).toContain('true');
  expect((await lockFolder(folder)).ok).toBe(false);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const after = await lockFolder(folder);
  expect(after.ok).toBe(true);
  if (after.ok) await after.value.release();
});
