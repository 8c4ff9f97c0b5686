import { copyFileSync, mkdtempSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openLmdbStore } from '../../kernel/adapter/lmdb/store.ts';
import { openMemoryStore } from '../../kernel/adapter/memory/store.ts';
import { storeContract } from './store.ts';

const folders: string[] = [];
const folder = () => {
  const made = mkdtempSync(join(tmpdir(), 'interlock-store-'));
  folders.push(made);
  return made;
};
afterAll(() => {
  for (const made of folders) rmSync(made, { recursive: true, force: true });
});

storeContract('memory', async () => ({ store: openMemoryStore() }));
storeContract('lmdb', async () => {
  const path = folder();
  return { store: openLmdbStore(path), reopen: async () => openLmdbStore(path) };
});

describe('a store that failed', () => {
  test.each(['lost', 'failed-but-done'] as const)(
    'memory: after a write that was %s nothing is written',
    async (kind) => {
      const store = openMemoryStore({ fault: (write) => (write === 1 ? kind : 'none') });
      await store.write([{ key: 'a', value: '1' }]);
      await expect(store.write([{ key: 'b', value: '1' }])).rejects.toThrow('takes no more writes');
      expect(store.get('b')).toBe(kind === 'lost' ? undefined : '1');
      await expect(store.write([{ key: 'c', value: '1' }])).rejects.toThrow('takes no more writes');
      expect(store.get('c')).toBeUndefined();
    },
  );

  test.each([
    ['removed', (file: string) => unlinkSync(file)],
    [
      'replaced by a copy',
      (file: string) => {
        copyFileSync(file, `${file}.bak`);
        unlinkSync(file);
        copyFileSync(`${file}.bak`, file);
      },
    ],
  ])('lmdb: notices that its file was %s, and takes no more writes', async (_, meddle) => {
    const path = folder();
    const store = openLmdbStore(path);
    await store.write([{ key: 'a', value: '1' }]);
    meddle(join(path, 'data.mdb'));
    await expect(store.write([{ key: 'b', value: '1' }])).rejects.toThrow('takes no more writes');
    await expect(store.write([{ key: 'c', value: '1' }])).rejects.toThrow('takes no more writes');
  });
});
