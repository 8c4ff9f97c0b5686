import { digestOf } from '../base/digest.ts';
import type { OrgId } from '../base/id.ts';

/**
 * Where a list goes on: opaque to the client, bound to the list, the org and the filter. It holds the id or name of the
 * last row and nothing else, and only what has the form of one is taken back, so whatever is forged is at worst another
 * place in the same list of the same org; never a key.
 */
const CHECK_BYTES = 8;

/** The longest cursor: the check, and two names of 63 characters with a dot between. */
export const CURSOR_CHARS = Math.ceil(((CHECK_BYTES + 127) * 4) / 3);

export type List = {
  readonly operation: string;
  readonly org: OrgId;
  readonly filter: readonly (string | undefined)[];
  /** What the list is ordered by: the form of the id or name of a row, in ASCII, without a `/`. */
  readonly key: RegExp;
};

export const toCursor = (list: List, key: string): string =>
  Buffer.concat([checkOf(list), Buffer.from(key)]).toString('base64url');

/** @returns the id or name, or undefined when the cursor is none or was made for another list. */
export function fromCursor(list: List, cursor: string): string | undefined {
  const bytes = Buffer.from(cursor, 'base64url');
  const isWhole = bytes.length > CHECK_BYTES && bytes.toString('base64url') === cursor;
  if (!isWhole || !bytes.subarray(0, CHECK_BYTES).equals(checkOf(list))) return undefined;
  const key = bytes.toString('latin1', CHECK_BYTES);
  return list.key.test(key) ? key : undefined;
}

const checkOf = ({ operation, org, filter }: List): Buffer =>
  Buffer.from(
    digestOf(`interlock/cursor/v1\0${JSON.stringify([operation, org, filter])}`).slice(7, 7 + 2 * CHECK_BYTES),
    'hex',
  );
