import { describe, expect, test } from 'vitest';
import { calls, kinds, machine, person, START, step } from '../../test/support/machine.ts';
import type { RunId } from '../base/id.ts';
import { TRIGGER } from '../org/principal.ts';
import type { Input, Outcome } from './decision.ts';
import { replay } from './evolve.ts';
import { closureOf, isOpenToSettle, isParked, nextDue, openCalls } from './open-work.ts';
import { isTriedAgain } from './retry.ts';

const done: Outcome = { kind: 'succeeded', output: { id: 7 } };
const no: Outcome = { kind: 'failed', error: { class: 'invalid_input', message: 'no' } };
const busy: Outcome = { kind: 'failed', error: { class: 'unavailable', message: 'busy' } };
const PLAN = { summary: 'x', targets: [], reversible: true, details: {} };
const TWO = '- { id: a, type: webhook, uses: p/do, rollback: true }\n- { id: b, type: webhook, uses: p/do }';
const CHILD = `run_${'7'.repeat(32)}` as RunId;

type Options = Partial<Parameters<typeof machine>[0]>;
type Machine = ReturnType<typeof machine>;
const open = (options: Options = {}) => {
  const m = machine({ steps: TWO, actions: { 'p/do': {} }, ...options });
  m.start();
  return m;
};
const pause = (m: Machine) => m.give({ kind: 'pause', by: person('op'), reason: 'look first' });
const resume = (m: Machine) => m.give({ kind: 'end-pause', by: person('op') });
const notSent = (m: Machine, op: 'plan' | 'execute' | 'check' | 'rollback', name = 'a', attempt = 1) =>
  m.give({ kind: 'not-sent', step: step(name), attempt, op });
const recovered = (m: Machine, op: 'plan' | 'execute' | 'check' | 'rollback', name = 'a') =>
  m.give({ kind: 'recovered', step: step(name), attempt: 1, op });
const stateOf = (m: Machine, name: string) => m.run().steps[step(name)]?.state;
const waitOf = (m: Machine, name: string) => {
  const found = m.run().steps[step(name)];
  return found?.state === 'ready' ? found.waitsFor : found?.undo?.state;
};

describe('a pause of a run', () => {
  test('cuts nothing off: what is under way ends, and what would follow is parked until the resume', () => {
    const m = open();
    expect([kinds(pause(m)), m.run().paused]).toEqual(['run-paused', { by: 'op', at: START, reason: 'look first' }]);
    expect(openCalls(m.run())).toHaveLength(1);
    const turn = m.outcome('a', done);
    expect([kinds(turn), calls(turn)]).toEqual(['step-succeeded step-parked', '']);
    expect([waitOf(m, 'b'), isParked(m.run()), openCalls(m.run())]).toEqual(['release', true, []]);
    // Neither the release of a stop nor time makes it go on.
    expect(kinds(m.give({ kind: 'resume' }))).toBe('refused: stale');
    expect(kinds(m.timer(60_000))).toBe('refused: stale');
    const resumed = resume(m);
    expect([kinds(resumed), calls(resumed)]).toEqual(['run-resumed step-intended', 'resume-runs, execute b #1']);
    expect(m.run().paused).toBeUndefined();
    expect(replay(m.turns())).toEqual(m.run());
  });

  test('said twice changes nothing the second time, and the first reason stays', () => {
    const m = open();
    pause(m);
    const again = m.give({ kind: 'pause', by: person('ann'), reason: 'another' });
    expect([kinds(again), m.run().paused?.by]).toEqual(['refused: unchanged', 'op']);
    resume(m);
    expect(kinds(resume(m))).toBe('refused: unchanged');
  });

  test('that has ended refuses', () => {
    const m = open();
    m.give({ kind: 'cancel', by: person('op'), reason: 'x' });
    m.give({ kind: 'undone', step: step('a'), attempt: 1, result: done });
    expect([m.run().state, kinds(pause(m)), kinds(resume(m))]).toEqual([
      'cancelled',
      'refused: ended',
      'refused: ended',
    ]);
  });

  const PLANS: Options = { actions: { 'p/do': { plans: true } } };
  const CHECKS: Options = { actions: { 'p/do': { idempotent: 'check' } } };
  const SUB: Options = {
    steps: '- { id: w, type: wait, for: 1s }\n- { id: s, type: playbook, uses: other }',
    playbooks: { other: `sha256:${'1'.repeat(64)}` as never },
  };
  const LANES: Options = {
    steps:
      '- { id: w, type: wait, for: 1s }\n- { id: p, type: parallel, lanes: { x: [{ id: a, type: webhook, uses: p/do }], y: [{ id: b, type: wait, for: 1s }] } }',
  };
  const GATE: Options = {
    steps: '- { id: g, type: approval, ask: go, tier: moderate, expires: 10m }\n- { id: a, type: webhook, uses: p/do }',
  };
  const HAND: Options = {
    steps: '- { id: h, type: webhook, uses: p/do, onFailure: manual }\n- { id: a, type: webhook, uses: p/do }',
  };
  test.each<[string, Options, (m: Machine) => unknown, (m: Machine) => ReturnType<Machine['give']>, string, string]>([
    ['a retry that falls due', {}, (m) => m.outcome('a', busy), (m) => m.timer(60_000), 'step-parked', 'execute a #2'],
    ['a plan', PLANS, () => 0, (m) => notSent(m, 'plan'), 'step-parked', 'plan a #1'],
    [
      'what a plan leads to',
      PLANS,
      () => 0,
      (m) => m.give({ kind: 'planned', step: step('a'), result: { kind: 'planned', plan: PLAN } }),
      'step-planned step-parked',
      'execute a #1',
    ],
    [
      'a plan that is due again',
      PLANS,
      (m) => m.give({ kind: 'planned', step: step('a'), result: { kind: 'failed', error: busy.error } }),
      (m) => m.timer(60_000),
      'step-parked',
      'plan a #2',
    ],
    [
      'a check',
      CHECKS,
      (m) => m.outcome('a', { kind: 'indeterminate', reason: 'x' }),
      (m) => m.timer(60_000),
      'step-parked',
      'check a #1',
    ],
    ['a run that it starts', SUB, () => 0, (m) => m.timer(1_000), 'step-succeeded step-parked', 'start-run s'],
    [
      'a lane that begins',
      LANES,
      () => 0,
      (m) => m.timer(1_000),
      'step-succeeded step-opened lane-started step-parked lane-started step-opened',
      'execute a #1',
    ],
    [
      'what people agreed to',
      GATE,
      () => 0,
      (m) => m.vote('ben'),
      'approval-voted approval-decided step-succeeded step-parked',
      'execute a #1',
    ],
    [
      'what follows on what was done by hand',
      HAND,
      (m) => m.outcome('h', no),
      (m) => m.give({ kind: 'settle', step: step('h'), by: person('op'), outcome: 'succeeded', note: 'done' }),
      'step-by-hand step-parked',
      'execute a #1',
    ],
    [
      'what follows on a settlement',
      { actions: { 'p/do': { idempotent: 'no' } } },
      (m) => m.outcome('a', { kind: 'indeterminate', reason: 'x' }),
      (m) => m.give({ kind: 'settle', step: step('a'), by: person('op'), outcome: 'succeeded', note: 'seen' }),
      'step-settled step-parked',
      'execute b #1',
    ],
    [
      'what waited for its turn',
      { start: { queued: true } },
      () => 0,
      (m) => m.give({ kind: 'release' }),
      'run-released step-parked',
      'execute a #1',
    ],
  ])('parks %s', (_, options, before, then, parks, goesOn) => {
    const m = open(options);
    before(m);
    pause(m);
    const turn = then(m);
    expect([kinds(turn), calls(turn)]).toEqual([parks, '']);
    expect(nextDue(m.run())).not.toBeNull();
    expect(calls(resume(m))).toContain(goesOn);
    expect(replay(m.turns())).toEqual(m.run());
  });

  test.each<[string, Options, 'plan' | 'execute' | 'check', (m: Machine) => void, string, string]>([
    ['an action', {}, 'execute', () => undefined, 'step-failed step-parked', 'execute a #2'],
    [
      'an action that had said that it leaves',
      { actions: { 'p/do': { idempotent: 'no' } } },
      'execute',
      (m) => m.give({ kind: 'leaving', step: step('a'), attempt: 1 }),
      'step-failed step-parked',
      'execute a #2',
    ],
    ['a plan', PLANS, 'plan', () => undefined, 'step-parked', 'plan a #1'],
    [
      'a check',
      CHECKS,
      'check',
      (m) => {
        m.outcome('a', { kind: 'indeterminate', reason: 'x' });
        m.timer(60_000);
      },
      'step-check-failed step-parked',
      'check a #1',
    ],
  ])('a call that was not sent: %s is parked, and is no try that counts', (_, options, op, first, parks, goesOn) => {
    const m = open(options);
    first(m);
    const spent = m.run().steps[step('a')]?.spent;
    pause(m);
    const turn = notSent(m, op);
    expect([kinds(turn), calls(turn)]).toEqual([parks, '']);
    expect(kinds(notSent(m, op))).toBe('refused: stale');
    // So the timeline of an incident does not say that a containment failed.
    expect(isTriedAgain('a', turn.events)).toBe(true);
    expect(m.run().steps[step('a')]?.spent).toBe(spent);
    expect(calls(resume(m))).toBe(`resume-runs, ${goesOn}`);
    expect(replay(m.turns())).toEqual(m.run());
  });

  test('that is over when a call was found not to be sent lets it go at once', () => {
    const m = open();
    pause(m);
    resume(m);
    const turn = notSent(m, 'execute');
    expect([kinds(turn), calls(turn)]).toEqual(['step-failed step-intended', 'execute a #2']);
  });

  test('does not let a call that records its leaving leave; after it, it may', () => {
    const m = open({ actions: { 'p/do': { idempotent: 'no' } } });
    const leave: Input = { kind: 'leaving', step: step('a'), attempt: 1 };
    pause(m);
    expect(kinds(m.give(leave))).toBe('refused: paused');
    resume(m);
    expect(kinds(m.give(leave))).toBe('step-leaving');
  });

  test('outlives a restart: what was cut off waits for the resume when it is due', () => {
    const m = open();
    pause(m);
    expect(kinds(recovered(m, 'execute'))).toBe('step-indeterminate step-retry');
    const due = m.timer(60_000);
    expect([kinds(due), calls(due)]).toEqual(['step-parked', '']);
    expect(calls(resume(m))).toBe('resume-runs, execute a #2');
  });

  test('does not stop time: an approval expires, and the run times out', () => {
    const gate = open(GATE);
    pause(gate);
    gate.timer((nextDue(gate.run()) ?? 0) - gate.now());
    expect(gate.run().state).toBe('aborted');
    const m = open({
      steps: '- { id: w, type: wait, event: { match: { /x: y } } }\n- { id: a, type: webhook, uses: p/do }',
    });
    pause(m);
    expect([kinds(m.timer(1_800_000)), m.run().state]).toEqual(['steps-skipped run-ended', 'timed_out']);
  });

  test('and a stop: each holds by itself', () => {
    let stopped = true;
    const m = open({ stopped: () => stopped });
    pause(m);
    stopped = false;
    expect(kinds(m.give({ kind: 'resume' }))).toBe('refused: stale');
    stopped = true;
    const resumed = resume(m);
    expect([kinds(resumed), calls(resumed)]).toEqual(['run-resumed', 'resume-runs']);
    stopped = false;
    expect(calls(m.give({ kind: 'resume' }))).toBe('execute a #1');
  });
});

describe('a run that undoes what it did', () => {
  /** The second step has failed, and the first is being undone. */
  const undoing = (options: Options = {}) => {
    const m = open(options);
    m.outcome('a', done);
    m.outcome('b', no);
    return m;
  };
  test('may be paused: what is under way ends, and a try that is due is parked', () => {
    const m = undoing();
    pause(m);
    m.give({ kind: 'undone', step: step('a'), attempt: 1, result: busy });
    const due = m.timer(60_000);
    expect([kinds(due), calls(due), waitOf(m, 'a')]).toEqual(['undo-parked', '', 'parked']);
    expect(calls(resume(m))).toBe('resume-runs, rollback a #2');
    expect(replay(m.turns())).toEqual(m.run());
  });
  test('a rollback that was not sent counts against no budget', () => {
    const m = undoing();
    for (let n = 1; n <= 5; n++) {
      pause(m);
      const turn = notSent(m, 'rollback', 'a', n);
      expect([kinds(turn), calls(turn)]).toEqual(['undo-tried undo-retry undo-parked', '']);
      expect(calls(resume(m))).toBe(`resume-runs, rollback a #${n + 1}`);
    }
    expect(kinds(m.give({ kind: 'undone', step: step('a'), attempt: 6, result: busy }))).toBe('undo-tried undo-retry');
  });
  test('gives up at its own deadline, paused or not', () => {
    const m = undoing();
    pause(m);
    notSent(m, 'rollback');
    m.timer(1_800_000);
    expect(m.run().ended).toMatchObject({ state: 'failed' });
    expect(m.run().steps[step('a')]?.undo?.state).toBe('failed');
  });
  test('of a run that timed out while it was paused, what it did is undone after the resume', () => {
    const m = open();
    m.outcome('a', done);
    pause(m);
    m.outcome('b', busy);
    const late = m.timer(1_800_000);
    expect([m.run().state, calls(late), waitOf(m, 'a')]).toEqual(['undoing', '', 'parked']);
    expect(calls(resume(m))).toBe('resume-runs, rollback a #1');
  });
});

describe('to cancel a run that is paused', () => {
  const paused = () => {
    const m = open();
    m.outcome('a', done);
    pause(m);
    m.outcome('b', busy);
    return m;
  };
  test('ends the pause, where a person does: whoever cancels wants an end', () => {
    const m = paused();
    const turn = m.give({ kind: 'cancel', by: person('ann'), reason: 'enough' });
    expect(kinds(turn)).toBe('run-cancel run-resumed steps-skipped run-undoing undo-intended');
    expect(calls(turn)).toBe('resume-runs, rollback a #1');
    expect(m.run().paused).toBeUndefined();
  });
  test.each([null, TRIGGER])('does not, where the kernel does (%s): a person has it wait', (by) => {
    const m = paused();
    const turn = m.give({ kind: 'cancel', by, reason: 'superseded' });
    expect([kinds(turn), calls(turn)]).toEqual(['run-cancel steps-skipped run-undoing undo-parked', '']);
    expect(calls(resume(m))).toBe('resume-runs, rollback a #1');
  });
});

describe('a run below one that is paused', () => {
  test('is held as if it were paused itself, from its start on, and lets go with it', () => {
    let above = true;
    const m = open({ paused: () => above, start: { parent: { run: CHILD, step: step('s'), depth: 1 } } });
    expect([waitOf(m, 'a'), m.run().paused]).toEqual(['release', undefined]);
    expect(kinds(m.give({ kind: 'resume' }))).toBe('refused: stale');
    // Its own pause is another.
    expect([kinds(pause(m)), kinds(resume(m))]).toEqual(['run-paused', 'run-resumed']);
    above = false;
    expect(calls(m.give({ kind: 'resume' }))).toBe('execute a #1');
  });
  test('paused itself, stays so when the one above goes on', () => {
    let above = true;
    const m = open({ paused: () => above });
    pause(m);
    above = false;
    expect(kinds(m.give({ kind: 'resume' }))).toBe('refused: stale');
    expect(calls(resume(m))).toBe('resume-runs, execute a #1');
  });
});

test('a run that ended while it was paused says so, and lets go what it had started when it is resumed', () => {
  const m = open({ steps: '- { id: w, type: wait, event: { match: { /x: y } } }' });
  pause(m);
  m.timer(1_800_000);
  expect([m.run().state, m.run().paused?.by]).toEqual(['timed_out', 'op']);
  expect(kinds(pause(m))).toBe('refused: ended');
  const resumed = resume(m);
  expect([kinds(resumed), calls(resumed)]).toEqual(['run-resumed', 'resume-runs']);
  expect([m.run().state, m.run().paused, kinds(resume(m))]).toEqual(['timed_out', undefined, 'refused: ended']);
  expect(stateOf(m, 'w')).toBe('skipped');
});

describe('what nobody knows', () => {
  const unknown: Outcome = { kind: 'indeterminate', reason: 'no answer came' };
  const circuit: Outcome = { kind: 'failed', error: { class: 'unavailable', message: 'circuit' } };
  test.each<[string, (m: Machine) => unknown]>([
    [
      'was held back by a pause, and cancelled',
      (m) => {
        m.timer(10_000);
        pause(m);
        notSent(m, 'execute', 'a', 2);
        m.give({ kind: 'cancel', by: person('op'), reason: 'x' });
      },
    ],
    [
      'never left, because the circuit was open',
      (m) => {
        m.timer(10_000);
        m.outcome('a', circuit);
        m.timer(60_000);
        m.outcome('a', circuit);
      },
    ],
  ])('stays open to settle when the try after it %s', (_, later) => {
    const m = open();
    m.outcome('a', unknown);
    later(m);
    const run = m.run();
    const a = run.steps[step('a')];
    expect([a?.state, a && isOpenToSettle(run, a), closureOf(run)]).toEqual(['failed', true, 'needs_review']);
    expect(
      kinds(m.give({ kind: 'settle', step: step('a'), by: person('op'), outcome: 'succeeded', note: 'seen' })),
    ).toBe('step-settled');
  });
});

describe('what comes late', () => {
  const UNDO = '- { id: a, type: webhook, uses: p/do, rollback: true }\n- { id: b, type: wait, for: 1h }';
  test('cancelling a paused run that has timed out meanwhile has it undone; cancelling it again ends that', () => {
    const m = open({ steps: UNDO });
    m.outcome('a', done);
    pause(m);
    m.timer(31 * 60_000);
    expect([m.run().state, waitOf(m, 'a')]).toEqual(['undoing', 'parked']);
    const cancelled = m.give({ kind: 'cancel', by: person('op'), reason: 'enough' });
    expect([kinds(cancelled), calls(cancelled)]).toEqual([
      'run-cancel run-resumed undo-intended',
      'resume-runs, rollback a #1',
    ]);
    expect(kinds(m.give({ kind: 'cancel', by: person('op'), reason: 'now' }))).toContain('run-ended');
  });
  test('a resume after the time for undoing sends no rollback', () => {
    const m = open({ steps: UNDO });
    m.outcome('a', done);
    pause(m);
    m.timer(31 * 60_000);
    m.wait(31 * 60_000);
    const late = resume(m);
    expect(calls(late)).not.toContain('rollback');
    expect(m.run().ended).not.toBeNull();
  });
  test('a release after the deadline starts and sends nothing', () => {
    let stopped = true;
    const m = open({ stopped: () => stopped });
    stopped = false;
    m.wait(31 * 60_000);
    const late = m.give({ kind: 'resume' });
    expect([kinds(late), calls(late)]).toEqual(['steps-skipped run-ended', '']);
    expect(m.run().state).toBe('timed_out');
  });
});
