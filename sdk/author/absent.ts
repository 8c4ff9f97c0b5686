/**
 * Globals of Node and browsers that are not there in a cell, and what to use instead. Plain Node has them, so a test
 * there does not notice; sealing warns, and an error in a cell carries the same advice.
 */
export const ABSENT: Readonly<Record<string, string>> = {
  fetch: 'use ctx.fetch',
  setTimeout: 'a plugin has no timers; waiting and retrying is the playbook',
  setInterval: 'a plugin has no timers; waiting and retrying is the playbook',
  setImmediate: 'a plugin has no timers; await Promise.resolve() lets other promises go first',
  process: 'a plugin has no environment; use ctx.settings',
  Buffer: 'use strings, Uint8Array, btoa and atob',
  crypto: 'a unique value for a call is ctx.idempotencyKey',
  URL: 'take the text apart with a regular expression',
  URLSearchParams: 'use encodeURIComponent',
  TextEncoder: 'use encodeURIComponent, or keep to strings',
  TextDecoder: 'use decodeURIComponent, or keep to strings',
  structuredClone: 'use JSON.parse(JSON.stringify(value))',
  AbortController: 'the kernel ends a call at its deadline',
  Intl: 'there is no locale data; numbers and dates have toString and toISOString',
};
