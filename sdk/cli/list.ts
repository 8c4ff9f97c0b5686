import type { Command } from 'commander';
import type { Answer } from '../client/answer.ts';
import type { Page, Paging } from '../client/client.ts';
import { complain } from './complain.ts';
import { cannot, ok, type Result } from './ending.ts';
import { note } from './print.ts';
import type { Session } from './session.ts';

/** Lists: as many rows as were asked for, from as many pages as that takes. */
export type Listing = { readonly limit: string; readonly all?: true };

const SHOWN = '50';
/** The most that the server puts on a page. */
const PAGE_ROWS = 200;

export const withListOptions = (command: Command): Command =>
  command.option('--limit <number>', 'at most this many', SHOWN).option('--all', 'all there are');

export async function readList<T>(
  session: Session,
  { limit, all }: Listing,
  page: (paging: Paging) => Promise<Answer<Page<T>>>,
): Promise<Result<readonly T[]>> {
  if (!/^[1-9][0-9]{0,6}$/.test(limit)) return cannot('--limit takes a whole number from 1, or use --all.');
  const { rowsOf } = await import('../client/client.ts');
  const wanted = all ? Number.POSITIVE_INFINITY : Number(limit);
  const rows: T[] = [];
  for await (const row of rowsOf(page, Math.min(PAGE_ROWS, wanted))) {
    if (!row.ok) return complain(row.error, session);
    if (rows.length === wanted) {
      note(`there are more than these ${rows.length}: --limit or --all shows them`);
      break;
    }
    rows.push(row.value);
  }
  return ok(rows);
}
