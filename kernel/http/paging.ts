import * as v from 'valibot';
import { Instant } from '../../sdk/contract/api-word.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { unixMs } from '../base/time.ts';
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

/** An instant as a filter: one that is on the calendar. */
export const Bound = v.pipe(
  Instant,
  v.check((text) => Number.isFinite(Date.parse(text)), 'an instant such as 2026-01-31T12:00:00Z'),
);
export const instantOf = (text: string | undefined) => (text === undefined ? undefined : unixMs(Date.parse(text)));

/** As many rows as were asked for, within what a page may hold. */
export const rowsOf = (limit: number | undefined): number => Math.min(limit ?? DEFAULT_ROWS, LIMITS.pageSize.value);

/**
 * @param read gives at most `limit` rows behind the row that `after` names; its `next` names a row.
 */
export function listPage(
  list: List,
  query: Paging,
  read: (limit: number, after: string | undefined) => Page<unknown>,
): Response {
  const place = placeOf(list, query);
  return place.ok ? pageOf(list, read(place.value.limit, place.value.after)) : place.error;
}

/** The same where the rows have to be waited for. */
export async function listPageLater(
  list: List,
  query: Paging,
  read: (limit: number, after: string | undefined) => Promise<Page<unknown>>,
): Promise<Response> {
  const place = placeOf(list, query);
  return place.ok ? pageOf(list, await read(place.value.limit, place.value.after)) : place.error;
}

type Paging = { readonly limit?: number | undefined; readonly cursor?: string | undefined };
type Place = { readonly limit: number; readonly after: string | undefined };

function placeOf(list: List, { limit = DEFAULT_ROWS, cursor }: Paging): Result<Place, Response> {
  const after = cursor === undefined ? undefined : fromCursor(list, cursor);
  if (cursor !== undefined && after === undefined) return err(problem('invalid-cursor'));
  return ok({ limit: Math.min(limit, LIMITS.pageSize.value), after });
}

const pageOf = (list: List, { items, next }: Page<unknown>): Response =>
  page(items, next === null ? null : toCursor(list, next));
