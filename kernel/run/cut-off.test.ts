import { describe, expect, test } from 'vitest';
import { calls, kinds, machine, person, START, step } from '../../test/support/machine.ts';
import type { ActionFacts, Input, Outcome } from './decision.ts';
import { replay } from './evolve.ts';
import { closureOf, nextDue, openCalls } from './open-work.ts';

/** What an end of the kernel, a deadline or a clock does to a run that is under way. */
const STEP = '- { id: a, type: webhook, uses: p/do, retry: { attempts: 3, backoff: 1s..30s } }';
const TWO = `${STEP}\n- { id: b, type: notify, uses: p/say }`;
const CONTAIN = '- { id: a, type: contain, tier: high, uses: p/do, retry: { attempts: 3, backoff: 1s..30s } }';
const PLAN = { summary: 'Ban it', targets: [{ kind: 'ip', id: '203.0.113.7' }], reversible: true, details: {} };
const KEY = { effect: 'write', idempotent: 'key' } as const;
const ONCE = { effect: 'write', idempotent: 'no' } as const;
const READ = { effect: 'read', idempotent: 'no' } as const;
const PLANS = { ...KEY, plans: true };

const begin = (action: Partial<ActionFacts>, steps = STEP, timeout = '30m') => {
  const m = machine({ steps, actions: { 'p/do': action, 'p/say': KEY }, timeout });
  m.start();
  return m;
};
type Machine = ReturnType<typeof machine>;
const tried = (m: Machine) => m.run().steps[step('a')]?.attempt ?? 0;
const leave = (m: Machine, attempt = tried(m)) => m.give({ kind: 'leaving', step: step('a'), attempt });
const cancel = (m: Machine) => m.give({ kind: 'cancel', by: person('op'), reason: 'mistake' });
const restart = (m: Machine) => {
  const [open] = openCalls(m.run());
  const op = open?.op === 'run' ? 'execute' : (open?.op ?? 'execute');
  return m.give({ kind: 'recovered', step: step('a'), attempt: open?.attempt ?? 0, op });
};
const answerPlan = (m: Machine, result: Extract<Input, { kind: 'planned' }>['result']) =>
  m.give({ kind: 'planned', step: step('a'), result });
const planFails = (m: Machine, errorClass: 'unavailable' | 'timeout' | 'internal' | 'refused_by_policy' = 'timeout') =>
  answerPlan(m, { kind: 'failed', error: { class: errorClass, message: 'no' } });
const failed: Outcome = { kind: 'failed', error: { class: 'unavailable', message: 'no' } };
const done: Outcome = { kind: 'succeeded', output: {} };
const settled = (m: Machine) =>
  m.give({ kind: 'settle', step: step('a'), by: person('op'), outcome: 'failed', note: 'looked' });

describe('a call that an end of the kernel cut off', () => {
  test.each<[string, Partial<ActionFacts>, boolean, string, string]>([
    ['a write under a key', KEY, false, 'step-indeterminate step-retry', 'execute a #2'],
    ['a read', READ, false, 'step-failed step-retry', 'execute a #2'],
    ['what may not be repeated, and had not left', ONCE, false, 'step-failed step-retry', 'execute a #2'],
    ['what may not be repeated, and may have left', ONCE, true, 'step-indeterminate', ''],

    ['a plan', PLANS, false, 'step-retry', 'plan a #2'],
  ])('%s', (_, action, left, events, next) => {
    const m = begin(action);
    if (left) expect(kinds(leave(m))).toBe('step-leaving');
    const [open] = openCalls(m.run());
    expect(kinds(restart(m))).toBe(events);
    const op = open?.op === 'run' ? 'plan' : (open?.op ?? 'plan');
    const again = m.give({ kind: 'recovered', step: step('a'), attempt: open?.attempt ?? 0, op });
    expect(kinds(again), 'the same restart told twice').toBe('refused: stale');
    expect(m.run().state).toBe('waiting');
    expect(calls(m.timer(1_250))).toBe(next);
    expect(replay(m.turns())).toEqual(m.run());
  });

  test('a record that says nothing of its leaving is not taken for one that did not leave', () => {
    const m = begin(ONCE);
    const turns = JSON.parse(JSON.stringify(m.turns()).replaceAll(/,"recordsLeaving":true/g, ''));
    expect(turns).not.toEqual(m.turns());
    expect(replay(turns)?.steps[step('a')]).toMatchObject({ state: 'intended', mayHaveActed: true });
  });

  test.each([
    ['before it left', false, 'failed', 'closed'],
    ['after it left', true, 'indeterminate', 'needs_review'],
  ] as const)('stopped by a cancellation %s', (_, left, state, closure) => {
    const m = begin(ONCE);
    if (left) leave(m);
    expect(calls(cancel(m))).toBe('abort a');
    expect([m.run().steps[step('a')]?.state, closureOf(m.run())]).toEqual([state, closure]);
  });
});

describe('the leaving of a request is recorded once, for a try that may still act', () => {
  test.each<[string, (m: Machine) => unknown, number, string]>([
    ['a first time', () => undefined, 1, 'step-leaving'],
    ['a second time', (m) => leave(m), 1, 'refused: stale'],
    ['for another try', () => undefined, 2, 'refused: stale'],
    ['after the run was cancelled', cancel, 1, 'refused: ended'],
    ['when the try is over', (m) => m.outcome('a', failed), 1, 'refused: stale'],
    ['at the deadline of the run', (m) => m.wait(30 * 60_000), 1, 'step-failed run-ended'],
  ])('%s', (_, before, attempt, events) => {
    const m = begin(ONCE);
    before(m);
    expect(kinds(leave(m, attempt))).toBe(events);
  });

  test.each([
    ['honours the key', KEY],
    ['only reads', READ],
  ] as const)('and not where the action %s', (_, action) => {
    const m = machine({ steps: STEP, actions: { 'p/do': action } });
    expect(m.start().effects).toMatchObject([{ kind: 'call', recordsLeaving: false }]);
  });
});

describe('restarts', () => {
  test.each<[string, Partial<ActionFacts>]>([
    ['a write under a key', KEY],
    ['a read', READ],
    ['what may not be repeated, and never left', ONCE],
    ['a plan', PLANS],
  ])('%s ends the kernel again and again, about a dozen times, until its run has timed out', (_, action) => {
    const m = begin(action);
    let asked = 1;
    while (!m.run().ended) {
      expect(kinds(restart(m))).toMatch(/step-retry$/);
      const due = nextDue(m.run()) ?? 0;
      m.wait(due - m.now());
      if (calls(m.give({ kind: 'timer' })) !== '') asked++;
    }
    expect(m.run().ended?.reason).toBe('run-timeout');
    expect(asked).toBeGreaterThan(8);
    expect(asked).toBeLessThan(13);
  });

  test.each<[string, Partial<ActionFacts>]>([
    ['an action', KEY],
    ['an action that may not be repeated', ONCE],
    ['a plan', PLANS],
  ])('take nothing from the retry budget of %s', (_, action) => {
    const m = begin(action, STEP, '4h');
    const fail = () => (action.plans ? planFails(m) : m.outcome('a', failed));
    const cut = () => {
      restart(m);
      m.timer(60_000);
    };
    for (let i = 0; i < 4; i++) cut();
    for (let i = 0; i < 2; i++) {
      expect(kinds(fail())).toBe('step-failed step-retry');
      m.timer(60_000);
      cut();
    }
    expect(kinds(fail())).toMatch(/^step-failed .*run-ended$/);
  });
});

describe('a plan that fails', () => {
  test.each([
    ['timeout', 'step-failed step-retry', 'waiting'],
    ['unavailable', 'step-failed step-retry', 'waiting'],
    ['internal', 'step-failed run-ended', 'failed'],
    ['refused_by_policy', 'step-failed run-ended', 'aborted'],
  ] as const)('with %s', (errorClass, events, state) => {
    const m = begin(PLANS);
    expect(kinds(planFails(m, errorClass))).toBe(events);
    expect(m.run().state).toBe(state);
  });

  test.each([
    ['honours the key', KEY],
    ['may not be repeated', ONCE],
  ] as const)('is asked for again, as often as the step may be tried, of an action that %s', (_, action) => {
    const m = begin({ ...action, plans: true }, '- { id: a, type: contain, tier: high, uses: p/do }');
    const asked: string[] = [];
    for (;;) {
      planFails(m);
      if (m.run().ended) break;
      expect(nextDue(m.run())).toBeGreaterThanOrEqual(START + 500);
      asked.push(calls(m.timer(20_000)));
    }
    expect(asked).toEqual(['plan a #2', 'plan a #3']);
    expect(m.run().ended?.reason).toBe('plan-failed');
    expect(
      m
        .turns()
        .flatMap((turn) => turn.events)
        .some((event) => event.kind === 'step-intended'),
    ).toBe(false);
  });

  test('leaves the tries of the action untouched, and the approval is for the plan that came', () => {
    const m = begin(PLANS, CONTAIN);
    for (let i = 0; i < 2; i++) {
      planFails(m);
      m.timer(60_000);
    }
    expect(kinds(answerPlan(m, { kind: 'planned', plan: PLAN }))).toBe('step-planned step-held');
    expect(m.vote('other').effects).toMatchObject([{ op: 'execute', attempt: 1, plan: PLAN }]);
    for (let i = 0; i < 2; i++) {
      expect(kinds(m.outcome('a', failed))).toBe('step-failed step-retry');
      m.timer(60_000);
    }
    expect(kinds(m.outcome('a', failed))).toBe('step-failed run-ended');
  });

  test('does not come back after the run was cancelled', () => {
    const m = begin(PLANS);
    planFails(m);
    cancel(m);
    expect([closureOf(m.run()), nextDue(m.run()), kinds(m.timer(60_000))]).toEqual(['closed', null, 'refused: ended']);
  });
});

describe('what came due while nobody looked', () => {
  /** `high` expires after an hour. */
  const held = (timeout: string) => {
    const m = begin(PLANS, CONTAIN, timeout);
    answerPlan(m, { kind: 'planned', plan: PLAN });
    return m;
  };
  const retrying = (timeout: string) => {
    const m = begin(KEY, STEP, timeout);
    m.outcome('a', failed);
    return m;
  };
  const retryingPlan = (timeout: string) => {
    const m = begin(PLANS, CONTAIN, timeout);
    planFails(m);
    return m;
  };
  const HOUR = 3_600_000;

  test.each<[string, (timeout: string) => Machine, string, number, string, string | undefined, string]>([
    ['an expiry', held, '4h', 2 * HOUR, 'approval-decided step-failed run-ended', 'approval-expired', ''],
    [
      'an expiry, then the deadline',
      held,
      '4h',
      9 * HOUR,
      'approval-decided step-failed run-ended',
      'approval-expired',
      '',
    ],
    [
      'the deadline, then an expiry',
      held,
      '30m',
      9 * HOUR,
      'approval-decided steps-skipped run-ended',
      'run-timeout',
      '',
    ],
    ['both at once', held, '1h', 9 * HOUR, 'approval-decided steps-skipped run-ended', 'run-timeout', ''],
    ['a retry', retrying, '1h', 30 * 60_000, 'step-intended', undefined, 'execute a #2'],
    ['a retry, then the deadline', retrying, '1h', 2 * HOUR, 'run-ended', 'run-timeout', ''],
    ['a retry of a plan', retryingPlan, '1h', 30 * 60_000, 'step-ready', undefined, 'plan a #2'],
    [
      'a retry of a plan, then the deadline',
      retryingPlan,
      '1h',
      2 * HOUR,
      'steps-skipped run-ended',
      'run-timeout',
      '',
    ],
  ])('%s', (_, make, timeout, away, events, reason, next) => {
    const m = make(timeout);
    const due = nextDue(m.run()) ?? 0;
    // The clock was set back: it is not due yet, and stays on the record.
    expect(kinds(m.timer(-HOUR))).toBe('refused: stale');
    expect(nextDue(m.run())).toBe(due);
    const turn = m.timer(HOUR + away);
    expect([kinds(turn), m.run().ended?.reason, calls(turn)]).toEqual([events, reason, next]);
    expect(replay(m.turns())).toEqual(m.run());
  });
});

describe('at its deadline a run sends nothing more, whatever arrives before its timer does', () => {
  const LATE = 30 * 60_000;
  test.each<[string, () => ReturnType<Machine['give']>, string]>([
    [
      'an outcome, with a step to go',
      () => {
        const m = begin(KEY, TWO);
        m.wait(LATE);
        return m.outcome('a', done);
      },
      'step-succeeded steps-skipped run-ended timed_out',
    ],
    [
      'an outcome, with something to note',
      () => {
        const note = '- { id: n, type: update_state, incident: x, set: { state: contained } }';
        const m = begin(KEY, `${STEP}\n${note}`);
        m.wait(LATE);
        return m.outcome('a', done);
      },
      'step-succeeded steps-skipped run-ended timed_out',
    ],
    [
      'the outcome of the last step',
      () => {
        const m = begin(KEY);
        m.wait(LATE);
        return m.outcome('a', done);
      },
      'step-succeeded run-ended completed',
    ],
    [
      'a plan',
      () => {
        const m = begin(PLANS, STEP);
        m.wait(LATE);
        return answerPlan(m, { kind: 'planned', plan: PLAN });
      },
      'step-planned steps-skipped run-ended timed_out',
    ],
    [
      'a settlement',
      () => {
        const m = begin(ONCE, TWO);
        leave(m);
        m.outcome('a', { kind: 'indeterminate', reason: 'lost' });
        m.wait(LATE);
        return m.give({ kind: 'settle', step: step('a'), by: person('op'), outcome: 'succeeded', note: 'looked' });
      },
      'step-settled steps-skipped run-ended timed_out',
    ],
  ])('%s', (_, arrive, expected) => {
    const turn = arrive();
    const ended = turn.events.findLast((event) => event.kind === 'run-ended');
    expect([`${kinds(turn)} ${ended?.state}`, calls(turn)]).toEqual([expected, '']);
  });
});

test('a try that was cut off, and then denied another, can be settled when the run has ended; once', () => {
  let allowed = true;
  const m = machine({
    steps: STEP,
    actions: { 'p/do': KEY },
    verdict: () => (allowed ? { kind: 'allow', by: 'x' } : { kind: 'deny', by: 'x', text: 'no' }),
  });
  m.start();
  restart(m);
  expect(kinds(settled(m)), 'while it may still be tried').toBe('refused: not-indeterminate');
  allowed = false;
  m.timer(60_000);
  expect([m.run().state, closureOf(m.run())]).toEqual(['aborted', 'needs_review']);
  expect(kinds(settled(m))).toBe('step-settled');
  expect([m.run().state, closureOf(m.run())]).toEqual(['aborted', 'closed']);
  expect(kinds(settled(m))).toBe('refused: not-indeterminate');
});
