import { describe, expect, test } from 'vitest';
import { calls, kinds, machine, step } from '../../test/support/machine.ts';
import type { Outcome } from './decision.ts';
import { replay } from './evolve.ts';
import { nextDue } from './open-work.ts';

const ACTIONS = { 'p/do': {}, 'p/say': {} };
const done = (output: unknown = { fine: true }): Outcome => ({ kind: 'succeeded', output: output as never });
const no: Outcome = { kind: 'failed', error: { class: 'invalid_input', message: 'no' } };

/** Rounds that are over by `last`: the first of them, from 1, at whose end the rule holds. */
const repeating = (last: number | 'fault', more = 'times: 3, pause: 30s') => {
  const m = machine({
    steps: `- id: poll
  type: repeat
  until: { fact: steps.ask, path: /state, operator: equal, value: done }
  ${more.replaceAll(', ', '\n  ')}
  steps: [ { id: ask, type: webhook, uses: p/do } ]
- { id: after, type: notify, uses: p/say }`,
    actions: ACTIONS,
    branch: (round) =>
      last === 'fault' ? { fault: 'steps.look /done is missing' } : round === `poll[${last - 1}]` ? 0 : 1,
  });
  return { m, start: m.start() };
};
const stateOf = (m: ReturnType<typeof machine>, id: string) => m.run().steps[step(id)];

describe('a repeat', () => {
  test('has one round after the other, with its pause in between, and ends with the one at whose end the rule holds', () => {
    const { m, start } = repeating(3);
    expect([kinds(start), calls(start)]).toEqual([
      'run-started step-opened lane-started step-intended',
      'execute ask[0] #1',
    ]);
    for (const round of [0, 1]) {
      expect(kinds(m.outcome(`ask[${round}]`, done()))).toBe('step-succeeded lane-ended');
      expect(nextDue(m.run())).toBe(m.now() + 30_000);
      expect(m.timer(29_999).refused).toBe('stale');
      expect(calls(m.timer(1))).toBe(`execute ask[${round + 1}] #1`);
    }
    expect(kinds(m.outcome('ask[2]', done()))).toBe('step-succeeded lane-ended step-succeeded step-intended');
    expect(stateOf(m, 'poll')).toMatchObject({ state: 'succeeded', output: { rounds: 3 } });
    m.outcome('after', done());
    expect([m.run().state, nextDue(m.run())]).toEqual(['completed', null]);
    expect(replay(m.turns())).toEqual(m.run());
  });

  test('gives what it collects of the last round, and null where that leads nowhere', () => {
    const { m } = repeating(2, 'collect: "{{ steps.ask.state }}"');
    m.outcome('ask[0]', done({ state: 'busy' }));
    m.outcome('ask[1]', done({ state: 'done' }));
    expect(stateOf(m, 'poll')).toMatchObject({ output: { rounds: 2, result: 'done' } });
    const lost = repeating(1, 'collect: "{{ steps.ask.other }}"').m;
    lost.outcome('ask[0]', done());
    expect(stateOf(lost, 'poll')).toMatchObject({ output: { rounds: 1, result: null } });
  });

  test('without a pause goes on at once, ten times when it does not say', () => {
    const { m } = repeating(11, '');
    for (let round = 0; round < 9; round++)
      expect(calls(m.outcome(`ask[${round}]`, done()))).toBe(`execute ask[${round + 1}] #1`);
    expect(m.outcome('ask[9]', done()).effects).toEqual([]);
    expect([m.run().state, stateOf(m, 'poll')]).toMatchObject([
      'failed',
      { state: 'failed', error: { class: 'timeout', message: 'what it repeats until did not hold after 10 rounds' } },
    ]);
  });

  test.each([
    ['whose rule never holds', 'times: 1', done(), 4, 'timeout'],
    ['of which a round fails', 'times: 3', no, 4, 'upstream_error'],
    ['whose rule cannot be judged', 'times: 3', done(), 'fault', 'invalid_input'],
    ['that collects too much', 'times: 3, collect: "{{ steps.ask }}"', done('x'.repeat(65_530)), 1, 'invalid_input'],
  ] as const)('%s has failed, and its author says what then', (_, more, answer, last, error) => {
    const { m } = repeating(last, `${more}, onFailure: after`);
    expect(calls(m.outcome('ask[0]', answer))).toBe('execute after #1');
    expect(stateOf(m, 'poll')).toMatchObject({ state: 'failed', error: { class: error } });
    m.outcome('after', done());
    expect(m.run().state).toBe('completed');
    expect(replay(m.turns())).toEqual(m.run());
  });

  test('of which a round has something unknown is not repeated: nobody knows whether a write of it happened', () => {
    const m = machine({
      steps: `- id: poll
  type: repeat
  until: { fact: inputs, path: /ip, operator: equal, value: x }
  steps:
    - id: either
      type: parallel
      join: any
      lanes:
        write: [{ id: ban, type: webhook, uses: p/do }]
        time: [{ id: pause, type: wait, for: 10s }]`,
      actions: { 'p/do': { idempotent: 'no' } },
      branch: () => 1,
    });
    m.start();
    m.give({ kind: 'leaving', step: step('ban[0]'), attempt: 1 });
    expect(calls(m.timer(10_000))).toBe('abort ban[0]');
    expect([m.run().state, stateOf(m, 'ban[0]')?.state, stateOf(m, 'poll')]).toMatchObject([
      'failed',
      'indeterminate',
      { error: { class: 'conflict' } },
    ]);
  });

  test('that is cancelled in its pause begins no further round', () => {
    const { m } = repeating(3);
    m.outcome('ask[0]', done());
    m.give({ kind: 'cancel', by: 'boss', reason: 'enough' } as never);
    expect([m.run().state, stateOf(m, 'poll')?.state, nextDue(m.run())]).toEqual(['cancelled', 'skipped', null]);
    expect(m.timer(60_000).refused).toBe('ended');
  });

  test('ends with its run, whatever its pause', () => {
    const { m } = repeating(3, 'times: 3, pause: 2h');
    m.outcome('ask[0]', done());
    expect(nextDue(m.run())).toBe(m.run().deadlineAt);
    m.timer(1_800_000);
    expect(m.run()).toMatchObject({ state: 'timed_out' });
    expect(m.run().steps[step('ask[1]')]).toBeUndefined();
  });

  test('of rounds that wait for nothing takes several turns, so that none is long', () => {
    const m = machine({
      steps: `- id: poll
  type: repeat
  times: 20
  until: { fact: inputs, path: /ip, operator: equal, value: x }
  steps: [ { id: note, type: update_state, incident: "{{ inputs.ip }}", set: { state: triaged } } ]`,
      branch: (round) => (round === 'poll[19]' ? 0 : 1),
    });
    const first = m.start();
    expect(first.events.filter(({ kind }) => kind === 'lane-started')).toHaveLength(8);
    for (let i = 0; i < 3 && !m.run().ended; i++) m.timer(0);
    expect(m.run()).toMatchObject({ state: 'completed', steps: { poll: { output: { rounds: 20 } } } });
  });

  test('in a foreach counts its rounds for each item, and in it the item is still there', () => {
    const m = machine({
      steps: `- id: hosts
  type: foreach
  over: "{{ inputs.hosts }}"
  steps:
    - id: poll
      type: repeat
      until: { fact: item, operator: equal, value: a }
      steps:
        - { id: ask, type: webhook, uses: p/do, with: { host: "{{ item }}", n: "{{ each.poll.index }}" } }`,
      actions: ACTIONS,
      inputs: { hosts: ['a', 'b'] },
      branch: (round) => (round === 'poll[0.0]' || round === 'poll[1.1]' ? 0 : 1),
    });
    expect(calls(m.start())).toBe('execute ask[0.0] #1, execute ask[1.0] #1');
    m.outcome('ask[0.0]', done());
    expect(calls(m.outcome('ask[1.0]', done()))).toBe('execute ask[1.1] #1');
    expect(stateOf(m, 'ask[1.1]')?.parameters).toEqual({ host: 'b', n: 1 });
    m.outcome('ask[1.1]', done());
    expect(m.run().state).toBe('completed');
  });
});
