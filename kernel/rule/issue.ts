/**
 * Turns what valibot found into what may be said: a place and a sentence, both from our own words.
 *
 * A valibot message quotes what it received, and the path of an unknown key *is* what was received. Neither leaves this
 * file. Do not use it on schemas with free keys (`v.record`), whose paths also come from the input.
 */
import type { BaseIssue } from 'valibot';
import { isUnknownKey, knownKeysOf, wantedOf } from '../../sdk/contract/wanted.ts';

export type SchemaIssue = { readonly pointer: string; readonly text: string };

const MAX_ISSUES = 16;

/** @returns at most 16 issues, in the order found. `prefix` is the pointer at which the checked value stands. */
export const toSchemaIssues = (
  issues: readonly BaseIssue<unknown>[],
  prefix = '',
): readonly [SchemaIssue, ...SchemaIssue[]] => {
  const [first = { pointer: prefix, text: 'is not valid' }, ...rest] = issues
    .slice(0, MAX_ISSUES)
    .map((issue) => toSchemaIssue(issue, prefix));
  return [first, ...rest];
};

/**
 * The same for a file of the operator's own: an unknown key is named, and so are free keys, as far as they read like
 * one. Values are never repeated.
 */
export const toFileIssues = (issues: readonly BaseIssue<unknown>[]): readonly SchemaIssue[] =>
  issues.slice(0, MAX_ISSUES).map((issue) => {
    const keys = (issue.path ?? []).map((item) => String(item.key));
    const pointer = keys.map((key) => `/${/^[A-Za-z_$][\w$-]{0,62}$|^[0-9]{1,6}$/.test(key) ? key : '?'}`).join('');
    return { pointer, text: textOf(issue) };
  });

function toSchemaIssue(issue: BaseIssue<unknown>, prefix: string): SchemaIssue {
  const keys = (issue.path ?? []).map((item) => String(item.key));
  const known = isUnknownKey(issue) ? keys.slice(0, -1) : keys;
  const pointer = prefix + known.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  const text = isUnknownKey(issue) ? `has a field that does not belong here; ${knownKeysOf(issue)}` : textOf(issue);
  return { pointer, text };
}

function textOf(issue: BaseIssue<unknown>): string {
  if (isUnknownKey(issue)) return `is not known here; ${knownKeysOf(issue)}`;
  const isMissing = issue.input === undefined;
  if (isMissing && issue.type.endsWith('_object')) return 'is required';
  return isMissing ? `is required: ${wantedOf(issue)}` : `expected ${wantedOf(issue)}`;
}
