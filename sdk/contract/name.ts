import * as v from 'valibot';

/**
 * The one grammar of every name that a person chooses (org, playbook, step, plugin, action, secret), and the names that
 * nobody may choose for what becomes a key: each object has a property of that name already.
 */
/** Lower case, digits, single hyphens; 1-63 characters; starts with a letter. Safe in keys, URLs and file names. */
export const NAME_PATTERN = /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,62}$/;

const TAKEN: readonly string[] = [...Object.getOwnPropertyNames(Object.prototype), 'prototype'];
const TAKEN_TEXT = 'every object has a property of this name: choose another';

/** Whether every object has a property of this name already. */
export const isTaken = (name: string): boolean => TAKEN.includes(name);

/** For the pipe of a name that becomes a key. */
export const notTaken = v.regex(new RegExp(`^(?!(?:${TAKEN.join('|')})$)`), TAKEN_TEXT);

/** For the pipe before a `v.record`, which would leave such keys out without a word. */
export const noKeyTaken = v.check<unknown, string>(
  (value) => typeof value !== 'object' || value === null || !TAKEN.some((name) => Object.hasOwn(value, name)),
  'a key here has a name that every object has, such as constructor: choose another',
);
