import { describe, expect, test } from 'vitest';
import { ERROR_CLASSES, type ErrorClass } from '../../sdk/contract/error.ts';
import { kinds, machine } from '../../test/support/machine.ts';
import type { ActionFacts } from './decision.ts';

/** How a try ends whose requests have left: what may be repeated is, what may not be waits for a person. */
const ONCE = { effect: 'write', idempotent: 'no' } as const;
const CHECK = { effect: 'write', idempotent: 'check' } as const;
const KEY = { effect: 'write', idempotent: 'key' } as const;
const begin = (action: Partial<ActionFacts>) => {
  const m = machine({
    steps: '- { id: a, type: webhook, uses: p/do, retry: { attempts: 3, backoff: 1s..2s } }',
    actions: { 'p/do': action },
  });
  m.start();
  return m;
};
const failed = (errorClass: ErrorClass) => ({ kind: 'failed', error: { class: errorClass, message: 'x' } }) as const;
const CLASSES = Object.keys(ERROR_CLASSES) as ErrorClass[];
const REFUSALS: readonly ErrorClass[] = ['invalid_input', 'unauthorized', 'forbidden', 'not_found', 'conflict'];

describe.each(CLASSES)('an error of class %s', (errorClass) => {
  const FAILED = 'step-failed run-ended';
  const retried = ERROR_CLASSES[errorClass].transient ? 'step-failed step-retry' : FAILED;

  test.each([
    ['may not be repeated', ONCE, 'step-indeterminate'],
    ['is only checked', CHECK, 'step-indeterminate step-retry'],
  ] as const)('after a request of what %s', (_, action, unknown) => {
    const expected = REFUSALS.includes(errorClass) ? FAILED : unknown;
    for (const left of ['answered', 'uncertain'] as const) {
      const m = begin(action);
      expect(kinds(m.outcome('a', { ...failed(errorClass), left }))).toBe(expected);
      // Nothing is due but a check, and the run's own deadline.
      expect(kinds(m.timer(60_000))).toBe(
        expected === FAILED ? 'refused: ended' : action === CHECK ? 'step-checking' : 'refused: stale',
      );
    }
  });

  test('is tried again where that is safe, and where nothing has left', () => {
    expect(kinds(begin(KEY).outcome('a', { ...failed(errorClass), left: 'answered' }))).toBe(retried);
    expect(kinds(begin(ONCE).outcome('a', failed(errorClass)))).toBe(retried);
  });
});

test.each([
  ['may not be repeated, one request not answered', ONCE, 'uncertain', 'step-indeterminate'],
  ['may not be repeated, all requests answered', ONCE, 'answered', 'step-succeeded run-ended'],
  ['may be repeated, one request not answered', KEY, 'uncertain', 'step-succeeded run-ended'],
] as const)('a success of what %s', (_, action, left, expected) => {
  expect(kinds(begin(action).outcome('a', { kind: 'succeeded', output: null, left }))).toBe(expected);
});
