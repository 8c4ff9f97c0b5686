import { expect, test } from 'vitest';
import { machine } from '../../test/support/machine.ts';
import { LIMITS } from '../base/limits.ts';
import { nextDue } from './open-work.ts';

/** What one run and one turn may become, whatever its author writes. */
const each = (steps: string) => `- id: each
  type: foreach
  over: "{{ inputs.list }}"
  concurrency: 32
  limit: 256
  steps:
${steps}`;
const list = (length: number) => Array.from({ length }, (_, i) => i);

test('a run has no more step runs than it may, also where every failure leads on', () => {
  const failing = list(40).map(
    (i) => `    - { id: w${i}, type: wait, until: "{{ inputs.gone }}", onFailure: continue }`,
  );
  const m = machine({ steps: each(failing.join('\n')), inputs: { list: list(40) } });
  m.start();
  for (let turns = 0; !m.run().ended && turns < 40; turns++) m.timer(50);
  expect(m.run()).toMatchObject({ state: 'failed', ended: { reason: 'too-many-step-runs' } });
  expect(Object.keys(m.run().steps)).toHaveLength(LIMITS.stepRunsPerRun.value);
});

test('what a run gives to the step that started it is no larger than the output of any step', () => {
  const text = 'x'.repeat(40_000);
  const outputs = { a: '{{ inputs.text }}', b: '{{ inputs.text }}', c: '{{ inputs.short }}' };
  const m = machine({ steps: '- { id: pause, type: wait, for: 1s }', inputs: { text, short: 'y' }, outputs });
  m.start();
  m.timer(1_000);
  expect(m.run().ended?.output).toEqual({ a: text, b: null, c: null });
});

test('many waits that are over at once share out their branches over turns', () => {
  const branches = list(30).map((i) => {
    const to = i < 29 ? `b${i + 1}` : 'end';
    return `    - { id: b${i}, type: branch, when: { fact: inputs, path: /x, operator: equal, value: 1 }, then: ${to}, else: ${to} }`;
  });
  let judged = 0;
  const m = machine({
    steps: each(['    - { id: pause, type: wait, for: 1s }', ...branches].join('\n')),
    inputs: { list: list(16) },
    branch: () => {
      judged++;
      return 0;
    },
  });
  m.start();
  m.timer(0);
  const most: number[] = [];
  const events: number[] = [];
  for (m.wait(1_000); !m.run().ended; judged = 0) {
    events.push(m.give({ kind: 'timer' }).events.length);
    most.push(judged);
    expect(m.run().ended !== null || (nextDue(m.run()) ?? Infinity) <= m.now()).toBe(true);
  }
  expect([m.run().state, most.reduce((sum, one) => sum + one, 0)]).toEqual(['completed', 480]);
  // Each is decided anew with every judgement that it lacks, and the driver gets no more than 256 for one.
  expect(Math.max(...most)).toBeLessThan(256);
  // No wait begins a lane more once there are 128, and what it began it takes to its end.
  expect(Math.max(...events)).toBeLessThan(128 + 30 + 4);
});

test('a turn is made in steps of its own: the run that it begins with stays as it was', () => {
  const ask = '- { id: ask, type: approval, ask: "go on?" }\n- { id: pause, type: wait, for: 1s }';
  const m = machine({ steps: ask });
  m.start();
  for (const next of [() => m.vote('ann'), () => m.timer(1_000)]) {
    const before = m.run();
    const was = structuredClone(before);
    expect(next().refused).toBeUndefined();
    expect([before, m.run().version]).toEqual([was, was.version + 1]);
  }
  expect(m.run().state).toBe('completed');
});

test.each([
  ['as large as an output may be', 0, 'completed'],
  ['one byte larger', 1, 'failed'],
])('what lanes give together is %s', (_, more, state) => {
  const output = (text: string) => JSON.stringify({ succeeded: 2, failed: 0, lanes: 2, results: [text, text] }).length;
  const room = LIMITS.stepOutputBytes.value - output('');
  const text = 'x'.repeat(room / 2);
  const inputs = { list: [text, `${text}${'x'.repeat(more + (room % 2))}`] };
  const lane = each('    - { id: pause, type: wait, for: 1s }').replace(
    '  steps:',
    '  collect: "{{ item }}"\n  steps:',
  );
  const m = machine({ steps: lane, inputs });
  m.start();
  for (let turns = 0; !m.run().ended && turns < 4; turns++) m.timer(1_000);
  expect(m.run().state).toBe(state);
});
