import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { OrgId } from '../base/id.ts';
import { fromCursor, type List, toCursor } from './cursor.ts';

const hex = fc.stringMatching(/^[0-9a-f]{32}$/);
const list: fc.Arbitrary<List> = fc.record({
  operation: fc.constantFrom('listRuns', 'listApprovals'),
  org: fc.constantFrom('acme' as OrgId, 'globex' as OrgId),
  filter: fc.array(fc.option(fc.constantFrom('', 'a', 'b', 'running'), { nil: undefined }), { maxLength: 2 }),
});
const same = (a: List, b: List) =>
  JSON.stringify([a.operation, a.org, a.filter]) === JSON.stringify([b.operation, b.org, b.filter]);

describe('a cursor', () => {
  test('gives its id back to its own list, and to no other', () => {
    fc.assert(
      fc.property(list, list, hex, (mine, other, id) => {
        const cursor = toCursor(mine, `run_${id}`);
        expect(cursor).toMatch(/^[A-Za-z0-9_-]{32}$/);
        expect(fromCursor(mine, cursor, 'run')).toBe(`run_${id}`);
        expect(fromCursor(other, cursor, 'run')).toBe(same(mine, other) ? `run_${id}` : undefined);
      }),
    );
  });

  test('holds nothing but hex digits behind the prefix, whatever is sent', () => {
    fc.assert(
      fc.property(
        list,
        fc.oneof(fc.string(), fc.base64String(), fc.stringMatching(/^[A-Za-z0-9_-]{32}$/)),
        (at, text) => {
          const id = fromCursor(at, text, 'run');
          if (id !== undefined) expect(id).toMatch(/^run_[0-9a-f]{32}$/);
        },
      ),
    );
  });
});
