import { digestOf } from '../base/digest.ts';
import type { OrgId } from '../base/id.ts';

/**
 * Where a list goes on: opaque to the client, bound to the list, the org and the filter. It holds 16 bytes of an id and
 * nothing else, so whatever is forged is at worst another place in the same list of the same org; never a key.
 */
const CHECK_BYTES = 8;
const ID_BYTES = 16;

export type List = {
  readonly operation: string;
  readonly org: OrgId;
  readonly filter: readonly (string | undefined)[];
};

/** @param id `<prefix>_` and 32 hex digits. */
export const toCursor = (list: List, id: string): string =>
  Buffer.concat([checkOf(list), Buffer.from(id.slice(id.indexOf('_') + 1), 'hex')]).toString('base64url');

/** @returns the id with its prefix, or undefined when the cursor is none or was made for another list. */
export function fromCursor(list: List, cursor: string, prefix: string): string | undefined {
  const bytes = Buffer.from(cursor, 'base64url');
  const isWhole = bytes.length === CHECK_BYTES + ID_BYTES && bytes.toString('base64url') === cursor;
  if (!isWhole || !bytes.subarray(0, CHECK_BYTES).equals(checkOf(list))) return undefined;
  return `${prefix}_${bytes.toString('hex', CHECK_BYTES)}`;
}

const checkOf = ({ operation, org, filter }: List): Buffer =>
  Buffer.from(
    digestOf(`interlock/cursor/v1\0${JSON.stringify([operation, org, filter])}`).slice(7, 7 + 2 * CHECK_BYTES),
    'hex',
  );
