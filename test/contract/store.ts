import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Store } from '../../kernel/port/store.ts';

/** What every Store promises. Bound to each adapter in store.test.ts; `reopen` is absent where nothing survives. */
export function storeContract(name: string, open: () => Promise<{ store: Store; reopen?: () => Promise<Store> }>) {
  describe(`${name} keeps the store contract`, () => {
    const put = (key: string, value: string | null = `v:${key}`) => ({ key, value });

    test('a written value is there, an unwritten one is not, a removed one is gone', async () => {
      const { store } = await open();
      await store.write([put('acme/a'), put('acme/b')]);
      await store.write([put('acme/b', null)]);
      expect([store.get('acme/a'), store.get('acme/b'), store.get('acme/c')]).toEqual([
        'v:acme/a',
        undefined,
        undefined,
      ]);
      await store.close();
    });

    test('the later row of a batch wins', async () => {
      const { store } = await open();
      await store.write([put('k', '1'), put('k', '2'), put('gone', 'x'), put('gone', null)]);
      expect([store.get('k'), store.get('gone')]).toEqual(['2', undefined]);
      await store.close();
    });

    const KEYS = ['a/1', 'a/2', 'a/3', 'b/1'];
    const ranges: [string, Parameters<Store['range']>[0], string[]][] = [
      ['forward, end exclusive', { from: 'a/', to: 'a/3', limit: 9 }, ['a/1', 'a/2']],
      ['start inclusive', { from: 'a/2', to: 'b', limit: 9 }, ['a/2', 'a/3']],
      ['limited', { from: 'a/', to: 'c', limit: 2 }, ['a/1', 'a/2']],
      ['backward, end exclusive', { from: 'a/', to: 'a/3', limit: 9, reverse: true }, ['a/2', 'a/1']],
      ['backward, start inclusive', { from: 'a/1', to: 'b', limit: 9, reverse: true }, ['a/3', 'a/2', 'a/1']],
      ['backward, limited', { from: 'a/', to: 'b', limit: 1, reverse: true }, ['a/3']],
      ['empty', { from: 'x', to: 'y', limit: 9 }, []],
    ];
    test.each(ranges)('range: %s', async (_, range, expected) => {
      const { store } = await open();
      await store.write(KEYS.map((key) => put(key)));
      expect(store.range(range).map((row) => row.key)).toEqual(expected);
      await store.close();
    });

    test('values keep every character', async () => {
      const { store } = await open();
      const value = JSON.stringify({ text: 'ü \u0000 \u2028 😀 "quoted"\n', long: 'x'.repeat(100_000) });
      await store.write([put('k', value)]);
      expect(store.get('k')).toBe(value);
      await store.close();
    });

    test('what a resolved write holds survives a reopen', async () => {
      const { store, reopen } = await open();
      if (!reopen) return expect(name).toBe('memory'); // nothing outlives a process's memory
      await store.write([put('acme/a')]);
      await store.close();
      const again = await reopen();
      expect(again.get('acme/a')).toBe('v:acme/a');
      await again.close();
    });

    test('any sequence of batches reads like a sorted map', async () => {
      const key = fc.stringMatching(/^[a-c]\/[0-9]{1,2}$/);
      const batch = fc.array(fc.tuple(key, fc.option(fc.string(), { nil: null })), { maxLength: 12 });
      await fc.assert(
        fc.asyncProperty(fc.array(batch, { maxLength: 6 }), async (batches) => {
          const { store } = await open();
          const model = new Map<string, string>();
          for (const rows of batches) {
            await store.write(rows.map(([k, value]) => ({ key: k, value })));
            for (const [k, value] of rows) value === null ? model.delete(k) : model.set(k, value);
          }
          const all = [...model.keys()].sort().map((k) => ({ key: k, value: model.get(k) }));
          expect(store.range({ from: 'a', to: 'd', limit: 1_000 })).toEqual(all);
          expect(store.range({ from: 'a', to: 'd', limit: 1_000, reverse: true })).toEqual(all.reverse());
          await store.close();
        }),
        { numRuns: 25 },
      );
    });
  });
}
