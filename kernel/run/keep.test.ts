import { describe, expect, test } from 'vitest';
import { calls, kinds, type MachineOptions, machine, person, step } from '../../test/support/machine.ts';
import type { Digest, RunId } from '../base/id.ts';
import type { Outcome } from './decision.ts';
import { replay } from './evolve.ts';
import { earlierIn } from './keep.ts';
import { closureOf, isPartial, isUndone } from './open-work.ts';

const ACTIONS = { 'p/do': { plans: true }, 'p/say': {} };
const done: Outcome = { kind: 'succeeded', output: { id: 7 } };
const no: Outcome = { kind: 'failed', error: { class: 'invalid_input', message: 'no' } };
const lost: Outcome = { kind: 'indeterminate', reason: 'connection lost' };

type M = ReturnType<typeof machine>;
const open = (steps: string, more: Partial<MachineOptions> = {}) => {
  const m = machine({ steps, actions: ACTIONS, ...more });
  return { m, start: m.start() };
};
/** A run that goes on from what another has done. */
const goOn = (old: M, steps: string, more: Partial<MachineOptions> = {}, hasBegun = () => true) =>
  open(steps, {
    earlier: (at) => earlierIn(old.run(), old.graph, at, hasBegun),
    start: { run: `run_${'4'.repeat(32)}` as RunId, keeps: old.run().id },
    ...more,
  });
const settle = (m: M, name: string, outcome: 'succeeded' | 'failed' = 'succeeded') =>
  m.give({ kind: 'settle', step: step(name), by: person('ann'), outcome, note: 'looked' });

const SAY = '- { id: a, type: notify, uses: p/say, with: { text: "{{ inputs.ip }}", n: { x: 1, y: 2 } } }';
const LAST = '- { id: last, type: notify, uses: p/say, with: { id: "{{ steps.a.id }}" } }';

/** The first step is done, and the last has failed. */
const failed = (steps = `${SAY}\n${LAST}`, more: Partial<MachineOptions> = {}) => {
  const { m } = open(steps, more);
  m.outcome('a', done);
  m.outcome('last', no);
  return m;
};

describe('a step that an ended run has done', () => {
  test('does not act, and what follows has its output; stored, it is the same run', () => {
    const old = failed();
    const { m, start } = goOn(old, `${SAY}\n${LAST}`);
    expect([kinds(start), calls(start)]).toEqual(['run-started step-kept step-intended', 'execute last #1']);
    expect(start.effects).toMatchObject([{ parameters: { id: 7 } }]);
    m.outcome('last', done);
    expect(m.run()).toMatchObject({
      state: 'completed',
      steps: { a: { output: { id: 7 }, kept: { run: old.run().id, changed: true }, attempts: [] } },
    });
    expect(replay(m.turns())).toEqual(m.run());
  });

  test('is neither planned, nor judged, nor held; and not held up by a stop', () => {
    const ban = '- { id: a, type: contain, uses: p/do }';
    const { m: old } = open(`${ban}\n- { id: last, type: notify, uses: p/say }`);
    const plan = { summary: 's', targets: [], reversible: true, details: {} };
    old.give({ kind: 'planned', step: step('a'), result: { kind: 'planned', plan } });
    old.vote('bob');
    old.outcome('a', done);
    old.outcome('last', no);
    const verdict = () => ({ kind: 'deny', by: 'x', text: 'no' }) as const;
    const { m, start } = goOn(old, ban, { verdict, stopped: () => true });
    expect([kinds(start), calls(start), m.run().state]).toEqual(['run-started step-kept run-ended', '', 'completed']);
  });

  const rows: [string, string, string][] = [
    ['with its keys in another order', SAY.replace('x: 1, y: 2', 'y: 2, x: 1'), 'step-kept'],
    [
      'of another tier, with other words about failure',
      SAY.replace('with:', 'tier: low, onFailure: continue, with:'),
      'step-kept',
    ],
    ['with another value', SAY.replace('x: 1', 'x: 3'), 'step-intended'],
    ['with one more', SAY.replace('x: 1', 'x: 1, z: 1'), 'step-intended'],
    ['by another action', SAY.replace('p/say', 'p/tell'), 'step-intended'],
    ['under another id', SAY.replace('id: a', 'id: b'), 'step-intended'],
  ];
  test.each(rows)('%s', (_, steps, what) => {
    const { start } = goOn(failed(), steps, { actions: { 'p/say': {}, 'p/tell': {} } });
    expect(kinds(start).split(' ')[1]).toBe(what);
  });

  test('with a reference that comes to something else is done anew', () => {
    const { start } = goOn(failed(), `${SAY}\n${LAST}`, { inputs: { ip: '203.0.113.8' } });
    expect(kinds(start)).toBe('run-started step-intended');
  });

  test('its definition is checked all the same', () => {
    const { m } = goOn(failed(), SAY, { actions: {} });
    expect(m.run().steps[step('a')]).toMatchObject({ state: 'failed', attempts: [] });
  });
});

describe('what counts as done', () => {
  const once = { actions: { 'p/say': { idempotent: 'no' } } } as const;
  const rows: [string, string, (m: M) => void, boolean][] = [
    ['what succeeded', SAY, (m) => m.outcome('a', done), true],
    ['what failed', SAY, (m) => m.outcome('a', no), false],
    [
      'what failed and was gone past',
      SAY.replace('with:', 'onFailure: continue, with:'),
      (m) => m.outcome('a', no),
      false,
    ],
    ['what was settled as succeeded', SAY, (m) => [m.outcome('a', lost), settle(m, 'a')], true],
    ['what was settled as failed', SAY, (m) => [m.outcome('a', lost), settle(m, 'a', 'failed')], false],
    [
      'what was done by hand',
      SAY.replace('with:', 'onFailure: manual, with:'),
      (m) => [m.outcome('a', no), settle(m, 'a')],
      true,
    ],
    ['what was under way', SAY, (m) => m.give({ kind: 'cancel', by: person('ann'), reason: 'x' }), false],
  ];
  test.each(rows)('%s', (_, steps, live, isDone) => {
    const { m: old } = open(`${steps}\n- { id: gate, type: approval, ask: so }`, once);
    live(old);
    if (!old.run().ended) old.give({ kind: 'cancel', by: person('ann'), reason: 'x' });
    expect(earlierIn(old.run(), old.graph, step('a'), () => true)?.done ?? null).toEqual(
      isDone ? expect.anything() : null,
    );
    expect(kinds(goOn(old, steps, once).start).split(' ')[1]).toBe(isDone ? 'step-kept' : 'step-intended');
  });

  const UNDO = SAY.replace('with:', 'rollback: true, with:');
  const undone: [string, Outcome | 'stopped', boolean][] = [
    ['was undone', done, false],
    ['could not be undone, which is known', no, true],
    ['may have been undone', lost, false],
    ['was to be undone, and nobody began', 'stopped', true],
  ];
  test.each(undone)('what %s', (_, outcome, isDone) => {
    let stopped = false;
    const more = { actions: { 'p/say': { idempotent: 'no' } }, stopped: () => stopped } as const;
    const { m: old } = open(`${UNDO}\n- { id: gate, type: approval, ask: so }`, more);
    old.outcome('a', done);
    stopped = outcome === 'stopped';
    old.give({ kind: 'cancel', by: person('ann'), reason: 'x' });
    if (outcome === 'stopped') old.give({ kind: 'cancel', by: person('ann'), reason: 'at once' });
    else old.give({ kind: 'undone', step: step('a'), attempt: 1, result: outcome });
    expect(old.run().ended).not.toBeNull();
    expect(kinds(goOn(old, UNDO).start).split(' ')[1]).toBe(isDone ? 'step-kept' : 'step-intended');
  });

  test('in a foreach and a repeat: by its place and its round', () => {
    const steps = `- id: all
  type: foreach
  over: "{{ inputs.list }}"
  steps: [ { id: a, type: notify, uses: p/say, with: { text: "{{ item }}" } } ]`;
    const { m: old } = open(steps, { inputs: { list: ['x', 'y', 'z'] } });
    old.outcome('a[0]', done);
    old.outcome('a[1]', no);
    old.give({ kind: 'cancel', by: person('ann'), reason: 'x' });
    const { start } = goOn(old, steps, { inputs: { list: ['x', 'y', 'w'] } });
    expect(start.events.flatMap((event) => (event.kind === 'step-kept' ? [event.step] : []))).toEqual(['a[0]']);
    expect(calls(start)).toBe('execute a[1] #1, execute a[2] #1');
  });
});

describe('a run that is a step', () => {
  const DIGEST = `sha256:${'0'.repeat(64)}` as Digest;
  const SUB = '- { id: sub, type: playbook, uses: inner, with: { ip: "{{ inputs.ip }}" } }';
  const playbooks = { inner: DIGEST, other: DIGEST };
  const ended = (completed: boolean) => {
    const { m } = open(`${SUB}\n- { id: gate, type: approval, ask: so }`, { playbooks });
    const state = m.run().steps[step('sub')];
    const child = state?.child as RunId;
    m.give({ kind: 'child-ended', step: step('sub'), child, completed, reason: 'x', output: { id: 7 } });
    if (!m.run().ended) m.give({ kind: 'cancel', by: person('ann'), reason: 'x' });
    return { m, child };
  };

  test('is kept where it completed, and what it has changed makes no other run partial', () => {
    const { m: old, child } = ended(true);
    const { m, start } = goOn(old, `${SUB}\n- { id: no, type: fail, message: no }`, { playbooks });
    expect([kinds(start), calls(start)]).toEqual(['run-started step-kept step-failed run-ended', '']);
    expect(m.run().steps[step('sub')]).toMatchObject({ output: { id: 7 }, child, kept: { changed: false } });
    expect(isPartial(m.run())).toBe(false);
  });

  const rows: [string, boolean, string, string | undefined][] = [
    ['failed', false, SUB, 'child'],
    ['completed, with other inputs', true, SUB.replace('inputs.ip', 'inputs.other'), 'child'],
    ['failed, and is another now', false, SUB.replace('inner', 'other'), undefined],
  ];
  test.each(rows)('begins anew where it %s', (_, completed, steps, keeps) => {
    const { m: old, child } = ended(completed);
    const { m, start } = goOn(old, steps, { playbooks, inputs: { ip: '203.0.113.7', other: 'x' } });
    const [effect] = start.effects;
    expect(effect).toMatchObject({ kind: 'start-run', child: expect.not.stringMatching(child) });
    expect(effect && 'keeps' in effect ? effect.keeps : undefined).toBe(keeps && child);
    // It can be asked for again after a crash.
    expect(replay(m.turns())).toEqual(m.run());
  });
});

describe('a run that nobody waits for', () => {
  const DIGEST = `sha256:${'0'.repeat(64)}` as Digest;
  const playbooks = { inner: DIGEST };
  const WAITED = '- { id: sub, type: playbook, uses: inner, with: { ip: "{{ inputs.ip }}" } }';
  const SUB = WAITED.replace('with:', 'detached: true, with:');
  test('keeps nothing of one that was waited for', () => {
    const { m: old } = open(WAITED, { playbooks });
    old.give({ kind: 'cancel', by: person('ann'), reason: 'x' });
    const { start } = goOn(old, SUB, { playbooks });
    expect(start.effects).toEqual([expect.not.objectContaining({ keeps: expect.anything() })]);
  });

  const answers = {
    told: (m: M, child: RunId) => m.give({ kind: 'child-started', step: step('sub'), child }),
    'not told, and its run begun': () => undefined,
    'not told': () => undefined,
    'of no use': (m: M, child: RunId) =>
      m.give({
        kind: 'child-ended',
        step: step('sub'),
        child,
        completed: false,
        reason: 'could-not-start',
        output: {},
      }),
  };
  const rows: [keyof typeof answers, boolean, string, boolean][] = [
    ['told', true, SUB, true],
    ['not told, and its run begun', true, SUB, true],
    ['not told', false, SUB, false],
    ['of no use', false, SUB, false],
    ['told', true, SUB.replace('inputs.ip', 'inputs.other'), false],
    ['told', true, WAITED, false],
  ];
  test.each(rows)('is not started again where the step was %s (%s): %s', (answer, hasBegun, steps, isKept) => {
    const { m: old } = open(`${SUB}\n- { id: gate, type: approval, ask: so }`, { playbooks });
    const child = old.run().steps[step('sub')]?.child as RunId;
    answers[answer](old, child);
    if (!old.run().ended) old.give({ kind: 'cancel', by: person('ann'), reason: 'x' });
    const more = { playbooks, inputs: { ip: '203.0.113.7', other: 'x' } };
    const { m, start } = goOn(old, steps, more, () => hasBegun);
    expect(kinds(start)).toBe(isKept ? 'run-started step-kept run-ended' : 'run-started step-opened');
    // What it does now is its own, so none keeps from it.
    expect(start.effects).toEqual(isKept ? [] : [expect.not.objectContaining({ keeps: expect.anything() })]);
    if (isKept) expect(m.run().steps[step('sub')]).toMatchObject({ output: { run: child }, child });
    expect(replay(m.turns())).toEqual(m.run());
  });
});

test('what was kept and had changed something stands when the run does not complete', () => {
  const steps = `${SAY.replace('with:', 'rollback: true, with:')}\n- { id: own, type: notify, uses: p/say, rollback: true }\n- { id: gate, type: approval, ask: so }`;
  const { m: old } = open(steps.split('\n')[0] ?? '');
  old.outcome('a', done);
  const { m } = goOn(old, steps);
  m.outcome('own', done);
  const turn = m.vote('bob', 'reject');
  expect(calls(turn)).toBe('rollback own #1');
  m.give({ kind: 'undone', step: step('own'), attempt: 1, result: done });
  expect([m.run().state, isPartial(m.run()), isUndone(m.run()), closureOf(m.run())]).toEqual([
    'aborted',
    true,
    false,
    'needs_review',
  ]);
});
