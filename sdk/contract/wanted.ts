import * as v from 'valibot';

/**
 * What a schema wants where a value does not fit, in words of ours. Every message of valibot's own quotes what it
 * received, or prints a type; none of them is shown to anyone. What is said here comes from the schema alone.
 */

/** A strict object that says which keys it knows where one is not among them; see `knownKeysOf`. */
export const closedObject = <const Entries extends v.ObjectEntries>(entries: Entries) =>
  v.strictObject(entries, (issue) =>
    isUnknownKey(issue) ? `known are: ${Object.keys(entries).join(', ')}` : issue.message,
  );

/** Whether the fault is a key that the schema does not have. Then the end of the path is of the input's own words. */
export const isUnknownKey = ({ type, expected }: v.BaseIssue<unknown>): boolean =>
  type === 'strict_object' && expected === 'never';

/** For an unknown key, the end of a sentence that says that it is one. */
export const knownKeysOf = ({ message }: v.BaseIssue<unknown>): string =>
  isOurs(message) ? message : 'check its spelling, or remove it';

/** Valibot's wordings all begin like this; ours do not. */
const isOurs = (message: string): boolean => !message.startsWith('Invalid ');

/** The end of a sentence that begins with "expected", such as `one of: low, moderate, high, critical`. */
export function wantedOf({ type, expected, message }: v.BaseIssue<unknown>): string {
  if (isOurs(message)) return message;
  if (type.endsWith('_length')) return `a length of ${inWords(expected ?? '')}`;
  if (type === 'integer') return 'a whole number';
  const words = (expected ?? 'another value').replaceAll(/[()]/g, '').split(' | ').map(inWords);
  return words.length > 1 ? `one of: ${words.join(', ')}` : words.join('');
}

/** The types and bounds of valibot, which name them as code does. A literal stands in quotes there, and here without. */
const WORDS: Readonly<Record<string, string>> = {
  Object: 'an object of keys and values',
  Array: 'a list',
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  null: 'nothing (null)',
};
const BOUNDS: Readonly<Record<string, string>> = {
  '>=': 'at least ',
  '<=': 'at most ',
  '>': 'more than ',
  '<': 'less than ',
};

function inWords(expected: string): string {
  const word = Object.hasOwn(WORDS, expected) ? WORDS[expected] : undefined;
  return word ?? expected.replace(/^(?:>=|<=|>|<)(?=-?[0-9])/, (sign) => BOUNDS[sign] ?? sign).replaceAll('"', '');
}
