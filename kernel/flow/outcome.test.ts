import { describe, expect, test } from 'vitest';
import { durationMs } from '../base/time.ts';
import type { CellOutcome } from '../port/cell-host.ts';
import type { BrokerUse } from './broker.ts';
import { type Answered, endOf, outcomeOf, planOf } from './outcome.ts';

const cell = (outcome: object) => ({ logs: [], elapsedMs: 1, ...outcome }) as unknown as CellOutcome;
const replied = (reply: unknown) =>
  cell({ kind: 'replied', reply: typeof reply === 'string' ? reply : JSON.stringify(reply) });
const use = (over: Partial<BrokerUse> = {}): BrokerUse => ({
  requests: 0,
  isInPart: false,
  isHeldBack: false,
  unsafe: 'none',
  denied: null,
  secrets: [],
  retryAfter: null,
  isOverRate: false,
  ...over,
});
const answered = (outcome: CellOutcome, over: Partial<Answered> = {}): Answered => ({
  outcome,
  use: use(),
  effect: 'write',
  checkOutput: () => undefined,
  ...over,
});
const FINE = replied({ ok: true, output: { id: 7 } });
const ERROR = replied({ ok: false, error: { class: 'unavailable', message: 'try later' } });
const CRASH = cell({ kind: 'crashed', reason: 'the module trapped' });

describe('the end of an execute', () => {
  test.each<[string, Answered, string]>([
    ['a reply that fits', answered(FINE, { use: use({ unsafe: 'answered' }) }), 'succeeded'],
    [
      'a reply that fits, by the status of an answer withheld',
      answered(FINE, { use: use({ unsafe: 'uncertain' }) }),
      'succeeded',
    ],
    ['an error that the plugin reports, nothing sent', answered(ERROR), 'failed unavailable'],
    [
      'an error after a whole answer that the plugin read',
      answered(ERROR, { use: use({ unsafe: 'answered' }) }),
      'failed unavailable',
    ],
    [
      'an error after a request without an answer',
      answered(ERROR, { use: use({ unsafe: 'uncertain' }) }),
      'indeterminate',
    ],
    [
      'an error after one of several requests was done',
      answered(ERROR, { use: use({ unsafe: 'answered', isInPart: true }) }),
      'indeterminate',
    ],
    ['a crash before anything was sent', answered(CRASH), 'failed internal'],
    ['a crash after the target answered', answered(CRASH, { use: use({ unsafe: 'answered' }) }), 'indeterminate'],
    [
      'the hard deadline, a request in flight',
      answered(cell({ kind: 'overran', deadline: 'hard' }), { use: use({ unsafe: 'uncertain' }) }),
      'indeterminate',
    ],
    ['the soft deadline, nothing sent', answered(cell({ kind: 'overran', deadline: 'soft' })), 'failed timeout'],
    [
      'stopped while a request was in flight',
      answered(cell({ kind: 'aborted' }), { use: use({ unsafe: 'uncertain' }) }),
      'indeterminate',
    ],
    ['no cell to be had', answered(cell({ kind: 'unavailable', reason: 'busy' })), 'failed unavailable'],
    ['a quota', answered(cell({ kind: 'refused', reason: 'too many logs' })), 'failed refused_by_policy'],
    [
      'a denial that the plugin talks away',
      answered(FINE, { use: use({ denied: 'no rule' }) }),
      'failed refused_by_policy',
    ],
    [
      'a denial after a request that was answered',
      answered(FINE, { use: use({ denied: 'no rule', unsafe: 'answered' }) }),
      'indeterminate',
    ],
    ['an output that does not fit, nothing sent', answered(FINE, { checkOutput: () => 'wrong' }), 'failed internal'],
    [
      'an output that does not fit, after the effect',
      answered(FINE, { checkOutput: () => 'wrong', use: use({ unsafe: 'answered' }) }),
      'indeterminate',
    ],
    [
      'a read that was cut off changes nothing',
      answered(CRASH, { effect: 'read', use: use({ unsafe: 'uncertain' }) }),
      'failed internal',
    ],
    ['a reply that is not JSON', answered(replied('nonsense')), 'failed internal'],
    ['a reply of null', answered(replied('null')), 'failed internal'],
    ['a reply without ok', answered(replied({ output: 1 })), 'failed internal'],
    [
      'a class that does not exist',
      answered(replied({ ok: false, error: { class: 'root', message: 'x' } })),
      'failed internal',
    ],
    [
      'an output that is too large',
      answered(replied({ ok: true, output: 'x'.repeat(70_000) })),
      'failed invalid_input',
    ],
    // What could not be read says nothing of what was done: only the plugin can say that it failed.
    [
      'a reply that is not JSON, after the effect',
      answered(replied('nonsense'), { use: use({ unsafe: 'answered' }) }),
      'indeterminate',
    ],
    [
      'a reply without a sound ok, after the effect',
      answered(replied({ ok: 'yes' }), { use: use({ unsafe: 'answered' }) }),
      'indeterminate',
    ],
    [
      'an output that is too large, after the effect',
      answered(replied({ ok: true, output: 'x'.repeat(70_000) }), { use: use({ unsafe: 'answered' }) }),
      'indeterminate',
    ],
  ])('%s', (_, given, expected) => {
    const outcome = outcomeOf(given);
    expect(outcome.kind === 'failed' ? `failed ${outcome.error.class}` : outcome.kind).toBe(expected);
  });

  test.each<[string, Answered, string | undefined]>([
    ['a success of which all was answered', answered(FINE, { use: use({ unsafe: 'answered' }) }), 'answered'],
    ['a success of which one request was not', answered(FINE, { use: use({ unsafe: 'uncertain' }) }), 'uncertain'],
    ['a success without a request', answered(FINE), undefined],
    ['an error after an answer', answered(ERROR, { use: use({ unsafe: 'answered' }) }), 'answered'],
    ['an error before anything left', answered(ERROR), undefined],
    ['a read that asks by POST', answered(ERROR, { effect: 'read', use: use({ unsafe: 'answered' }) }), undefined],
  ])('says what has left: %s', (_, given, left) => {
    const outcome = outcomeOf(given);
    expect(outcome.kind === 'indeterminate' ? 'indeterminate' : outcome.left).toBe(left);
  });

  test('a message from a plugin is cut and cleaned before it is kept', () => {
    const message = `\u001b[31mred\u001b[0m \u202Eevil\u0000${'x'.repeat(9_000)}\ud800`;
    const outcome = outcomeOf(answered(replied({ ok: false, error: { class: 'not_found', message } })));
    const kept = outcome.kind === 'failed' ? outcome.error.message : '';
    expect(kept.length).toBeLessThanOrEqual(500);
    expect(kept).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(kept.isWellFormed()).toBe(true);
  });
});

describe('the end of a plan', () => {
  const plan = { summary: 'Ban it', targets: [{ kind: 'ip', id: '203.0.113.7' }], reversible: true };
  test.each<[string, unknown, string]>([
    ['a plan', { ok: true, output: plan }, 'planned'],
    ['an error', { ok: false, error: { class: 'not_found', message: 'x' } }, 'failed'],
    ['something else', { ok: true, output: { ...plan, targets: 'all' } }, 'failed'],
    ['a plan with more than a plan has', { ok: true, output: { ...plan, approved: true } }, 'failed'],
  ])('%s', (_, reply, expected) => {
    expect(planOf(answered(replied(reply))).kind).toBe(expected);
  });
});

describe('what the end of a call says of its target', () => {
  const asked = (over: Partial<BrokerUse> = {}) => ({ use: use({ requests: 1, ...over }) });
  const failed = (errorClass: string) => replied({ ok: false, error: { class: errorClass, message: 'm' } });
  test.each<[string, Answered, string]>([
    ['it did what was asked', answered(FINE, asked()), 'well'],
    ...(['timeout', 'unavailable', 'upstream_error', 'rate_limited'] as const).map(
      (errorClass): [string, Answered, string] => [
        `it is ${errorClass}`,
        answered(failed(errorClass), asked()),
        'trouble',
      ],
    ),
    ...(['invalid_input', 'unauthorized', 'forbidden', 'not_found', 'conflict'] as const).map(
      (errorClass): [string, Answered, string] => [
        `it refused (${errorClass})`,
        answered(failed(errorClass), asked()),
        'well',
      ],
    ),
    ['it did not answer a write', answered(failed('timeout'), asked({ unsafe: 'uncertain' })), 'trouble'],
    [
      'the plugin waited for it until the kill',
      answered(cell({ kind: 'overran', deadline: 'hard' }), asked()),
      'trouble',
    ],
    ['the plugin ran out of time by itself', answered(cell({ kind: 'overran', deadline: 'hard' })), 'nothing'],
    ['the plugin says unavailable and asked nobody', answered(ERROR), 'nothing'],
    ['a fault of the plugin', answered(failed('internal'), asked()), 'nothing'],
    ['the module trapped', answered(CRASH, asked()), 'nothing'],
    ['no cell was free', answered(cell({ kind: 'unavailable', reason: 'busy' })), 'nothing'],
    ['the call was stopped', answered(cell({ kind: 'aborted' }), asked()), 'nothing'],
    ['a rate of the grant kept a request back', answered(ERROR, asked({ isOverRate: true })), 'nothing'],
    ['the broker refused', answered(ERROR, asked({ denied: 'E_NOT_ALLOWED: no' })), 'nothing'],
    ['an output that does not fit', answered(FINE, { ...asked(), effect: 'read', checkOutput: () => 'no' }), 'nothing'],
  ])('%s', (_, given, end) => {
    expect(endOf(given, outcomeOf(given))).toBe(end);
  });
});

test('the pause that the target asks for comes with a failure, and with nothing else', () => {
  const retryAfterMs = durationMs(5_000);
  expect(outcomeOf(answered(ERROR, { retryAfterMs }))).toMatchObject({ kind: 'failed', retryAfterMs });
  expect(planOf(answered(ERROR, { retryAfterMs }))).toMatchObject({ kind: 'failed', retryAfterMs });
  expect(outcomeOf(answered(FINE, { retryAfterMs }))).not.toHaveProperty('retryAfterMs');
});
