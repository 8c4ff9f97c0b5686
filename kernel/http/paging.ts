import * as v from 'valibot';
import { LIMITS } from '../base/limits.ts';
import type { Page } from '../flow/query.ts';
import { page, problem } from './answer.ts';
import { CURSOR_CHARS, fromCursor, type List, toCursor } from './cursor.ts';

/** The pages of a list: what every list takes beside its filter, and how one page is made. */
export const DEFAULT_ROWS = 50;

export const paging = {
  /** Rows of one page; more than 200 counts as 200. */
  limit: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^[1-9][0-9]{0,8}$/, 'a whole number from 1'),
      v.transform(Number),
      v.number(),
      v.integer(),
      v.minValue(1),
    ),
  ),
  cursor: v.optional(v.pipe(v.string(), v.maxLength(CURSOR_CHARS))),
};

/** As many rows as were asked for, within what a page may hold. */
export const rowsOf = (limit: number | undefined): number => Math.min(limit ?? DEFAULT_ROWS, LIMITS.pageSize.value);

/**
 * @param read gives at most `limit` rows behind the row that `after` names; its `next` names a row.
 */
export function listPage(
  list: List,
  { limit, cursor }: { readonly limit?: number | undefined; readonly cursor?: string | undefined },
  read: (limit: number, after: string | undefined) => Page<unknown>,
): Response {
  const after = cursor === undefined ? undefined : fromCursor(list, cursor);
  if (cursor !== undefined && after === undefined) return problem('invalid-cursor');
  const { items, next } = read(rowsOf(limit), after);
  return page(items, next === null ? null : toCursor(list, next));
}
