import { expect, test } from 'vitest';
import { calls, machine, step } from '../../test/support/machine.ts';
import { nextDue } from './open-work.ts';

const ACTIONS = { 'p/do': { rollsBack: true } };
const FAIL = '{ id: no, type: fail, message: "nothing is known of {{ inputs.ip }}" }';

test('a fail ends its run as failed, with the words of its author', () => {
  const m = machine({ steps: `- ${FAIL}` });
  m.start();
  const error = { class: 'conflict', message: 'nothing is known of 203.0.113.7' };
  expect(m.run()).toMatchObject({ state: 'failed', steps: { no: { state: 'failed', error } } });
  expect(nextDue(m.run())).toBeNull();
});

test('what was done before it is undone', () => {
  const m = machine({
    steps: `- { id: ban, type: webhook, uses: p/do, rollback: true }\n- ${FAIL}`,
    actions: ACTIONS,
  });
  m.start();
  expect(calls(m.outcome('ban', { kind: 'succeeded', output: {} }))).toBe('rollback ban #1');
  expect(m.run()).toMatchObject({ state: 'undoing', undo: { state: 'failed' } });
});

test.each([
  ['its lane alone', 'join: any', 'completed'],
  ['and so the join', 'join: all', 'failed'],
])('in a lane it fails %s', (_, join, state) => {
  const m = machine({
    steps: `- id: both
  type: parallel
  ${join}
  lanes: { a: [${FAIL}], b: [{ id: note, type: update_state, incident: i, set: { state: triaged } }] }`,
  });
  m.start();
  expect(m.run().state).toBe(state);
});

test('a message has no control characters, and none that leads nowhere fails in silence', () => {
  const m = machine({ steps: `- ${FAIL}`, inputs: { ip: 'a\u001b[31m\nb' } });
  m.start();
  expect(m.run().steps[step('no')]).toMatchObject({ error: { message: 'nothing is known of a [31m b' } });
  const lost = machine({ steps: `- ${FAIL}`, inputs: {} });
  lost.start();
  expect(lost.run()).toMatchObject({ state: 'failed', steps: { no: { error: { class: 'invalid_input' } } } });
});
