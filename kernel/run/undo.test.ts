import { describe, expect, test } from 'vitest';
import { calls, kinds, machine, person, step } from '../../test/support/machine.ts';
import { TRIGGER } from '../org/principal.ts';
import type { Outcome } from './decision.ts';
import { replay } from './evolve.ts';
import { closureOf, isPartial, isUndone, nextDue, openCalls } from './open-work.ts';

const done: Outcome = { kind: 'succeeded', output: { id: 7 } };
const no: Outcome = { kind: 'failed', error: { class: 'invalid_input', message: 'no' } };
const busy: Outcome = { kind: 'failed', error: { class: 'unavailable', message: 'busy' } };
const STEPS = `- { id: a, type: webhook, uses: p/do, rollback: true, with: { n: 1 } }
- { id: b, type: webhook, uses: p/do, rollback: true }
- { id: keep, type: webhook, uses: p/do }
- { id: last, type: webhook, uses: p/do }`;

/** Three steps are done, and the last has failed. */
function failed(options: Partial<Parameters<typeof machine>[0]> = {}) {
  const m = machine({ steps: STEPS, actions: { 'p/do': {} }, ...options });
  m.start();
  for (const name of ['a', 'b', 'keep']) m.outcome(name, done);
  return { m, turn: m.outcome('last', no) };
}
const undone = (m: ReturnType<typeof machine>, name: string, result: Outcome = done) =>
  m.give({ kind: 'undone', step: step(name), attempt: m.run().steps[step(name)]?.undo?.attempts.length ?? 0, result });

describe('what was carried out is undone when the run does not complete (S 13.3)', () => {
  test('where it is declared, the last first, with what it was done with, under a key of its own', () => {
    const { m, turn } = failed();
    expect([kinds(turn), calls(turn), m.run().state]).toEqual([
      'step-failed run-undoing undo-intended',
      'rollback b #1',
      'undoing',
    ]);
    const next = undone(m, 'b');
    expect([kinds(next), calls(next)]).toEqual(['step-rolled-back undo-intended', 'rollback a #1']);
    expect(next.effects[0]).toMatchObject({ parameters: { n: 1 }, output: { id: 7 } });
    const keys = [...turn.effects, ...next.effects].map((effect) => (effect.kind === 'call' ? effect.key : ''));
    const forward = m
      .turns()
      .flatMap(({ events }) => events.flatMap((event) => (event.kind === 'step-intended' ? [event.key] : [])));
    expect(new Set([...keys, ...forward]).size).toBe(keys.length + forward.length);
    expect(kinds(undone(m, 'a'))).toBe('step-rolled-back run-ended');
    expect(m.run()).toMatchObject({
      state: 'failed',
      steps: { a: { state: 'rolled_back' }, b: { state: 'rolled_back' }, keep: { state: 'succeeded' } },
    });
    expect(closureOf(m.run())).toBe('needs_review');
    expect(replay(m.turns())).toEqual(m.run());
  });

  const A = '- { id: a, type: webhook, uses: p/do, rollback: true }';
  const LAST = '- { id: last, type: webhook, uses: p/do, retry: { attempts: 1 } }';
  const uncertain: Outcome = { kind: 'indeterminate', reason: 'connection lost' };
  test.each<[string, string, Outcome, Outcome, boolean]>([
    ['and nothing else was done', `${A}\n${LAST}`, no, done, true],
    ['and another step keeps what it did', `${A}\n- { id: keep, type: webhook, uses: p/do }\n${LAST}`, no, done, false],
    ['and nobody knows of the last', `${A}\n${LAST}`, uncertain, done, false],
    ['but could not be', `${A}\n${LAST}`, no, no, false],
  ])('what was done was undone, %s: that all of it was is said where it is known', (_, steps, last, undoing, whole) => {
    const m = machine({ steps, actions: { 'p/do': { idempotent: 'no' } } });
    m.start();
    for (const name of ['a', 'keep'].filter((id) => steps.includes(`id: ${id},`))) m.outcome(name, done);
    m.outcome('last', last);
    if (!m.run().undo) m.give({ kind: 'cancel', by: person('ann'), reason: 'enough' });
    expect(isUndone(m.run())).toBe(false);
    undone(m, 'a', undoing);
    expect([m.run().ended !== null, isPartial(m.run()), isUndone(m.run())]).toEqual([true, true, whole]);
    // Somebody looks at it all the same (S 13.3).
    expect(closureOf(m.run())).toBe('needs_review');
  });

  test('a run that completes undoes nothing', () => {
    const m = machine({ steps: STEPS, actions: { 'p/do': {} } });
    m.start();
    for (const name of ['a', 'b', 'keep']) m.outcome(name, done);
    expect([kinds(m.outcome('last', done)), m.run().state]).toEqual(['step-succeeded run-ended', 'completed']);
  });

  test.each([
    ['cancelled', { kind: 'cancel', by: person('op'), reason: 'x' } as const, 0, 'cancelled'],
    ['timed_out', { kind: 'timer' } as const, 1_800_000, 'timed_out'],
  ])('also when it is %s', (_, input, ms, state) => {
    const m = machine({ steps: STEPS, actions: { 'p/do': {} } });
    m.start();
    m.outcome('a', done);
    m.wait(ms);
    expect(kinds(m.give(input))).toMatch(/step-indeterminate steps-skipped run-undoing undo-intended$/);
    expect(kinds(undone(m, 'a'))).toBe('step-rolled-back run-ended');
    expect(m.run().state).toBe(state);
  });

  test('a failure is tried again within the budget, then is loud, and the others are undone all the same (S 13.3)', () => {
    const { m } = failed();
    expect(kinds(undone(m, 'b', busy))).toBe('undo-tried undo-retry');
    expect(calls(m.timer(60_000))).toBe('rollback b #2');
    undone(m, 'b', busy);
    expect(calls(m.timer(60_000))).toBe('rollback b #3');
    const gaveUp = undone(m, 'b', busy);
    expect([kinds(gaveUp), calls(gaveUp)]).toEqual(['undo-tried undo-failed undo-intended', 'rollback a #1']);
    undone(m, 'a');
    expect(m.run()).toMatchObject({
      state: 'failed',
      steps: { a: { state: 'rolled_back' }, b: { undo: { state: 'failed' } } },
    });
    expect(closureOf(m.run())).toBe('needs_review');
    expect(kinds(m.give({ kind: 'close', by: person('ann'), note: 'lifted by hand' }))).toBe('run-closed');
    expect([closureOf(m.run()), m.run().closed?.note]).toEqual(['closed', 'lifted by hand']);
    expect(kinds(m.give({ kind: 'close', by: person('ann'), note: 'again' }))).toBe('refused: nothing-to-close');
    expect(replay(m.turns())).toEqual(m.run());
  });

  test('it waits as long as the target, or an open circuit, asks for', () => {
    const { m } = failed();
    undone(m, 'b', { ...busy, retryAfterMs: 30_000 });
    expect(nextDue(m.run())).toBe(m.now() + 30_000);
  });

  test('a permanent failure is not tried again', () => {
    const { m } = failed();
    expect(kinds(undone(m, 'b', no))).toBe('undo-tried undo-failed undo-intended');
  });

  test('it is never done twice: the same answer, or one of an earlier try, changes nothing (R4)', () => {
    const { m } = failed();
    undone(m, 'b', busy);
    expect(kinds(undone(m, 'b'))).toBe('refused: stale');
    m.timer(60_000);
    expect(kinds(m.give({ kind: 'undone', step: step('b'), attempt: 1, result: done }))).toBe('refused: stale');
    undone(m, 'b');
    expect(kinds(m.give({ kind: 'undone', step: step('b'), attempt: 2, result: done }))).toBe('refused: stale');
  });

  test.each([
    ['the target honours the key', 'key', 'undo-tried undo-retry'],
    ['nothing makes a repeat safe, and it had left', 'no', 'undo-tried undo-failed undo-intended'],
  ] as const)('cut off by a restart, where %s', (_, idempotent, expected) => {
    const { m } = failed({ actions: { 'p/do': { idempotent } } });
    if (idempotent === 'no')
      expect(kinds(m.give({ kind: 'leaving', step: step('b'), attempt: 1 }))).toBe('step-leaving');
    expect(openCalls(m.run())).toEqual([{ step: 'b', op: 'rollback', attempt: 1 }]);
    expect(kinds(m.give({ kind: 'recovered', step: step('b'), attempt: 1, op: 'rollback' }))).toBe(expected);
    expect(replay(m.turns())).toEqual(m.run());
  });

  test.each([
    ['its time is over', (m: ReturnType<typeof machine>) => m.timer(1_800_000)],
    [
      'somebody cancels it',
      (m: ReturnType<typeof machine>) => m.give({ kind: 'cancel', by: person('op'), reason: 'x' }),
    ],
  ])('undoing ends when %s, and what is not undone is said', (_, end) => {
    const { m } = failed();
    const turn = end(m);
    expect(kinds(turn)).toMatch(/undo-tried undo-failed undo-failed run-ended$/);
    expect(calls(turn)).toBe('abort b');
    expect([m.run().state, closureOf(m.run()), nextDue(m.run())]).toEqual(['failed', 'needs_review', null]);
  });
});

test.each([null, TRIGGER])(
  'the kernel, which stops a run as %s, does not cut its undoing off, however often it asks',
  (by) => {
    const m = machine({ steps: STEPS, actions: { 'p/do': {} } });
    m.start();
    m.outcome('a', done);
    const cancel = { kind: 'cancel', by, reason: 'nobody waits for it' } as const;
    expect(calls(m.give(cancel))).toBe('abort b, rollback a #1');
    expect(kinds(m.give(cancel))).toBe('refused: stale');
    expect(kinds(undone(m, 'a'))).toBe('step-rolled-back run-ended');
  },
);

describe('the stop switch', () => {
  test('nothing is sent while it is on, and what waited goes on when it is off', () => {
    let stopped = true;
    const m = machine({
      steps:
        '- { id: a, type: contain, uses: p/ban }\n- { id: b, type: webhook, uses: p/do, rollback: true }\n- { id: c, type: webhook, uses: p/do }',
      actions: { 'p/ban': { plans: true }, 'p/do': {} },
      stopped: () => stopped,
    });
    expect([kinds(m.start()), m.run().state]).toEqual(['run-started step-parked', 'waiting']);
    expect(kinds(m.give({ kind: 'resume' }))).toBe('refused: stale');
    stopped = false;
    expect(calls(m.give({ kind: 'resume' }))).toBe('plan a #1');
    const plan = { summary: 'Ban', targets: [], reversible: true, details: {} };
    m.give({ kind: 'planned', step: step('a'), result: { kind: 'planned', plan } });
    stopped = true;
    const voted = m.vote('other');
    expect([kinds(voted), calls(voted)]).toEqual(['approval-voted approval-decided step-parked', '']);
    stopped = false;
    // Judged again, and the approval still stands.
    expect(calls(m.give({ kind: 'resume' }))).toBe('execute a #1');
    m.outcome('a', done);
    m.outcome('b', done);
    stopped = true;
    expect(kinds(m.outcome('c', no))).toMatch(/run-undoing undo-parked$/);
    stopped = false;
    expect(calls(m.give({ kind: 'resume' }))).toBe('rollback b #1');
    expect(replay(m.turns())).toEqual(m.run());
  });

  test('a call that asks whether it may leave is told no', () => {
    let stopped = false;
    const m = machine({
      steps: '- { id: a, type: webhook, uses: p/do }',
      actions: { 'p/do': { idempotent: 'no' } },
      stopped: () => stopped,
    });
    m.start();
    stopped = true;
    expect(kinds(m.give({ kind: 'leaving', step: step('a'), attempt: 1 }))).toBe('refused: stale');
  });

  test('what waits for it ends at the deadline like anything', () => {
    const m = machine({
      steps: '- { id: a, type: webhook, uses: p/do }',
      actions: { 'p/do': {} },
      stopped: () => true,
    });
    m.start();
    m.timer(1_800_000);
    expect(m.run().state).toBe('timed_out');
  });
});
