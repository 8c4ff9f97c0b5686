import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NAME_PATTERN } from '../../sdk/contract/name.ts';
import type { OrgId } from '../base/id.ts';
import { CURSOR_CHARS, fromCursor, type List, toCursor } from './cursor.ts';

const key = fc.oneof(fc.stringMatching(/^[a-z][a-z0-9]{0,62}$/), fc.constant('n'.repeat(63)));
const list: fc.Arbitrary<List> = fc.record({
  operation: fc.constantFrom('listRuns', 'listApprovals'),
  org: fc.constantFrom('acme' as OrgId, 'globex' as OrgId),
  filter: fc.array(fc.option(fc.constantFrom('', 'a', 'b', 'running'), { nil: undefined }), { maxLength: 2 }),
  key: fc.constant(NAME_PATTERN),
});
const same = (a: List, b: List) =>
  JSON.stringify([a.operation, a.org, a.filter]) === JSON.stringify([b.operation, b.org, b.filter]);

describe('a cursor', () => {
  test('gives its row back to its own list, and to no other', () => {
    fc.assert(
      fc.property(list, list, key, (mine, other, name) => {
        const cursor = toCursor(mine, name);
        expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(cursor.length).toBeLessThanOrEqual(CURSOR_CHARS);
        expect(fromCursor(mine, cursor)).toBe(name);
        expect(fromCursor(other, cursor)).toBe(same(mine, other) ? name : undefined);
      }),
    );
  });

  test('gives nothing but what has the form of a row, whoever made it', () => {
    const forged = fc.oneof(fc.string(), fc.constantFrom('', 'a/b', '../run', 'a!', 'a\0', '!org/acme', 'é'));
    fc.assert(
      fc.property(list, forged, (at, text) => {
        const found = fromCursor(at, toCursor(at, text));
        expect(found).toBe(NAME_PATTERN.test(text) ? text : undefined);
      }),
    );
  });

  test('is none, whatever else is sent', () => {
    fc.assert(
      fc.property(list, fc.oneof(fc.string(), fc.base64String()), (at, text) => {
        expect(fromCursor(at, text)).toBeUndefined();
      }),
    );
  });
});
