import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { calls, kinds, machine, person, step } from '../../test/support/machine.ts';
import type { Json } from '../base/json.ts';
import type { Outcome } from './decision.ts';
import { replay } from './evolve.ts';
import { nextDue, openCalls } from './open-work.ts';

const ACTIONS = { 'p/do': {}, 'p/say': {}, 'p/ban': { plans: true } };
const done = (output: Outcome extends never ? never : unknown = { fine: true }): Outcome => ({
  kind: 'succeeded',
  output: output as never,
});
const no: Outcome = { kind: 'failed', error: { class: 'invalid_input', message: 'no' } };

const parallel = (extra = '') => `- id: both
  type: parallel
  ${extra}
  lanes:
    edge: [ { id: a, type: webhook, uses: p/do }, { id: b, type: webhook, uses: p/do } ]
    host: [ { id: c, type: webhook, uses: p/do } ]
    mail: [ { id: d, type: webhook, uses: p/do } ]
- { id: after, type: notify, uses: p/say }`;
const forked = (extra?: string, options: Partial<Parameters<typeof machine>[0]> = {}) => {
  const m = machine({ steps: parallel(extra), actions: ACTIONS, ...options });
  return { m, start: m.start() };
};
const states = (m: ReturnType<typeof machine>) =>
  Object.fromEntries(Object.values(m.run().steps).map(({ id, state }) => [id, state]));

describe('parallel', () => {
  test('lanes go forward side by side, and what follows waits for all of them', () => {
    const { m, start } = forked();
    expect(kinds(start)).toBe(
      'run-started step-opened lane-started step-intended lane-started step-intended lane-started step-intended',
    );
    expect(calls(start)).toBe('execute a #1, execute c #1, execute d #1');
    expect(kinds(m.outcome('c', done()))).toBe('step-succeeded lane-ended');
    expect(calls(m.outcome('a', done()))).toBe('execute b #1');
    expect(kinds(m.outcome('d', done()))).toBe('step-succeeded lane-ended');
    const joined = m.outcome('b', done());
    expect([kinds(joined), calls(joined)]).toEqual([
      'step-succeeded lane-ended step-succeeded step-intended',
      'execute after #1',
    ]);
    expect(m.run().steps[step('both')]).toMatchObject({
      output: {
        succeeded: 3,
        failed: 0,
        lanes: 3,
        states: { edge: 'succeeded', host: 'succeeded', mail: 'succeeded' },
      },
    });
    m.outcome('after', done());
    expect([m.run().state, nextDue(m.run())]).toEqual(['completed', null]);
    expect(replay(m.turns())).toEqual(m.run());
  });

  test.each([
    ['all, one fails', '', 'c', no, 'failed', { a: 'indeterminate', d: 'indeterminate' }],
    [
      'any, one succeeds',
      'join: any',
      'c',
      done(),
      'running',
      { a: 'indeterminate', d: 'indeterminate', after: 'intended' },
    ],
    ['all, one fails, the rest may finish', 'rest: finish', 'c', no, 'running', { a: 'intended', d: 'intended' }],
    ['any, one fails', 'join: any', 'c', no, 'running', { a: 'intended', d: 'intended' }],
    ['two of three, one fails', 'join: { quorum: 2 }', 'c', no, 'running', { a: 'intended', d: 'intended' }],
  ] as const)('join %s', (_, extra, name, result, state, expected) => {
    const { m } = forked(extra);
    const turn = m.outcome(name, result);
    expect(m.run().state).toBe(state);
    expect(states(m)).toMatchObject(expected);
    // Whatever is not needed any more is stopped, and what it may have changed is on record as unknown.
    const stopped = Object.values(expected).filter((one) => one === 'indeterminate').length;
    expect(turn.effects.filter(({ kind }) => kind === 'abort')).toHaveLength(stopped);
    expect(replay(m.turns())).toEqual(m.run());
  });

  test('a lane that was stopped takes no answer, and what became of it can be settled without going on', () => {
    const { m } = forked('join: any', { actions: { ...ACTIONS, 'p/do': { idempotent: 'no' } } });
    m.give({ kind: 'leaving', step: step('a'), attempt: 1 });
    m.outcome('c', done());
    expect(states(m)).toMatchObject({ a: 'indeterminate', d: 'failed', after: 'intended' });
    expect(kinds(m.outcome('a', done(), 1))).toBe('refused: stale');
    const settled = m.give({ kind: 'settle', step: step('a'), by: person('op'), outcome: 'succeeded', note: 'seen' });
    expect([kinds(settled), calls(settled)]).toEqual(['step-settled', '']);
  });

  test('what the author says of a failure holds in a lane and for the whole', () => {
    const { m } = forked('onFailure: continue');
    const turn = m.outcome('c', no);
    expect(kinds(turn)).toMatch(/lane-ended step-failed step-intended$/);
    expect(calls(turn)).toContain('execute after #1');
  });

  test.each([
    ['a denial of a guardrail', 'aborted', 'guardrail'],
    ['a rejected approval', 'aborted', 'approval-rejected'],
  ])('%s in a lane ends the whole run, whatever the other lanes do (S 5.4)', (what, state, reason) => {
    const lanes = `- id: both
  type: parallel
  onFailure: continue
  lanes:
    edge: [ { id: ban, type: contain, uses: p/ban } ]
    host: [ { id: c, type: webhook, uses: p/do } ]`;
    const m = machine({
      steps: lanes,
      actions: ACTIONS,
      verdict: (id) =>
        what.startsWith('a denial') && id === 'ban'
          ? { kind: 'deny', by: 'x', text: 'no' }
          : { kind: 'allow', by: 'x' },
    });
    m.start();
    const plan = { summary: 'Ban', targets: [], reversible: true, details: {} };
    m.give({ kind: 'planned', step: step('ban'), result: { kind: 'planned', plan } });
    if (what.startsWith('a rejected')) m.vote('other', 'reject');
    expect(m.run()).toMatchObject({ state, ended: { reason }, steps: { c: { state: 'indeterminate' } } });
  });

  test('an approval in one lane holds only that lane', () => {
    const m = machine({
      steps: `- id: both
  type: parallel
  lanes:
    edge: [ { id: ban, type: contain, uses: p/do } ]
    host: [ { id: c, type: webhook, uses: p/do }, { id: e, type: webhook, uses: p/do } ]`,
      actions: ACTIONS,
    });
    m.start();
    expect([m.run().state, states(m)]).toMatchObject(['running', { ban: 'held', c: 'intended' }]);
    expect(calls(m.outcome('c', done()))).toBe('execute e #1');
    m.outcome('e', done());
    expect(m.run().state).toBe('waiting');
    expect(calls(m.vote('other'))).toBe('execute ban #1');
    m.outcome('ban', done());
    expect(m.run().state).toBe('completed');
  });

  test('cancel stops every lane at once', () => {
    const { m } = forked();
    const turn = m.give({ kind: 'cancel', by: person('op'), reason: 'enough' });
    expect(calls(turn)).toBe('abort a, abort c, abort d');
    expect(states(m)).toMatchObject({ a: 'indeterminate', b: 'skipped', after: 'skipped', both: 'skipped' });
    expect(openCalls(m.run())).toEqual([]);
  });
});

const each = (
  extra = '',
  body = '{ id: scan, type: webhook, uses: p/do, with: { host: "{{ item.name }}", n: "{{ index }}" } }',
) =>
  `- id: hosts
  type: foreach
  over: "{{ inputs.hosts }}"
  ${extra}
  steps: [ ${body} ]
- { id: after, type: notify, uses: p/say, with: { text: "{{ steps.hosts.succeeded }}" } }`;
const hosts = (n: number) => Array.from({ length: n }, (_, i) => ({ name: `h${i}` }));

describe('foreach', () => {
  test('runs the block for every item, so many at a time, each under a key of its own', () => {
    const m = machine({ steps: each('concurrency: 2'), actions: ACTIONS, inputs: { hosts: hosts(3) } });
    const start = m.start();
    expect(calls(start)).toBe('execute scan[0] #1, execute scan[1] #1');
    expect(m.run().steps[step('scan[1]')]?.parameters).toEqual({ host: 'h1', n: 1 });
    const next = m.outcome('scan[1]', done());
    expect(calls(next)).toBe('execute scan[2] #1');
    const keys = [...start.effects, ...next.effects].map((effect) => (effect.kind === 'call' ? effect.key : ''));
    expect(new Set(keys).size).toBe(3);
    m.outcome('scan[0]', done());
    expect(calls(m.outcome('scan[2]', done()))).toBe('execute after #1');
    expect(m.run().steps[step('after')]?.parameters).toEqual({ text: 3 });
    m.outcome('after', done());
    expect(m.run().state).toBe('completed');
    expect(replay(m.turns())).toEqual(m.run());
  });

  test.each<[string, Json, string]>([
    ['null', null, '{{ item }} has no value in this run'],
    ['an object', { a: 1 }, '{{ item }} is an object in this run, which cannot stand inside of a text'],
    ['a list', [1], '{{ item }} is a list in this run, which cannot stand inside of a text'],
  ])('an item that cannot stand in the text of a parameter fails its step: %s', (_name, item, message) => {
    const body = '{ id: scan, type: webhook, uses: p/do, with: { url: "http://x/{{ item }}" } }';
    const steps = each('join: any\n  rest: finish', body);
    const m = machine({ steps, actions: ACTIONS, inputs: { hosts: [item, 'h1'] } });
    expect(calls(m.start())).toBe('execute scan[1] #1');
    expect(m.run().steps[step('scan[0]')]).toMatchObject({
      state: 'failed',
      error: { class: 'invalid_input', message },
    });
  });

  test('collects what each item gave, in the places of the items', () => {
    const m = machine({
      steps: each('concurrency: 3\n  join: any\n  rest: finish\n  collect: "{{ steps.scan.score }}"'),
      actions: ACTIONS,
      inputs: { hosts: hosts(3) },
    });
    m.start();
    m.outcome('scan[2]', done({ score: 2 }));
    m.outcome('scan[1]', no);
    m.outcome('scan[0]', done({ other: 0 }));
    expect(m.run().steps[step('hosts')]).toMatchObject({
      output: { succeeded: 2, failed: 1, lanes: 3, results: [null, null, 2] },
    });
  });

  test.each([
    [
      'an empty list is done at once',
      { hosts: [] },
      '',
      'run-started step-opened step-succeeded step-intended',
      'running',
    ],
    [
      'an empty list of which any must succeed fails',
      { hosts: [] },
      'join: any',
      'run-started step-opened step-failed steps-skipped run-ended',
      'failed',
    ],
    ['what is no list fails', { hosts: 'x' }, '', 'run-started step-failed steps-skipped run-ended', 'failed'],
    [
      'more items than the step takes fail it',
      { hosts: hosts(3) },
      'limit: 2',
      'run-started step-failed steps-skipped run-ended',
      'failed',
    ],
    ['what is not there fails', {}, '', 'run-started step-failed steps-skipped run-ended', 'failed'],
  ])('%s', (_, inputs, extra, expected, state) => {
    const m = machine({ steps: each(extra), actions: ACTIONS, inputs: inputs as never });
    expect([kinds(m.start()), m.run().state]).toEqual([expected, state]);
  });

  test('a turn begins a few items; the next turn is due at once and goes on', () => {
    const m = machine({ steps: each('concurrency: 32'), actions: ACTIONS, inputs: { hosts: hosts(20) } });
    expect(m.start().effects).toHaveLength(8);
    expect(nextDue(m.run())).toBeLessThanOrEqual(m.now());
    expect(m.timer(0).effects).toHaveLength(8);
    expect(m.timer(0).effects).toHaveLength(4);
    expect(nextDue(m.run())).toBe(m.run().deadlineAt);
  });

  test('one in another: items of both are seen, and the names of steps tell them apart', () => {
    const m = machine({
      steps: `- id: outer
  type: foreach
  over: "{{ inputs.groups }}"
  steps:
    - id: inner
      type: foreach
      over: "{{ item.hosts }}"
      steps: [ { id: scan, type: webhook, uses: p/do, with: { host: "{{ item }}", group: "{{ each.outer.item.name }}" } } ]`,
      actions: ACTIONS,
      inputs: {
        groups: [
          { name: 'x', hosts: ['a'] },
          { name: 'y', hosts: ['b', 'c'] },
        ],
      },
    });
    expect(calls(m.start())).toBe('execute scan[0.0] #1, execute scan[1.0] #1, execute scan[1.1] #1');
    expect(m.run().steps[step('scan[1.1]')]?.parameters).toEqual({ host: 'c', group: 'y' });
    for (const name of ['scan[1.1]', 'scan[0.0]', 'scan[1.0]']) m.outcome(name, done());
    expect(m.run().state).toBe('completed');
    expect(replay(m.turns())).toEqual(m.run());
  });

  test('a branch decides for each item', () => {
    const m = machine({
      steps: each(
        'concurrency: 4',
        `{ id: bad, type: branch, when: { fact: item, path: /score, operator: greaterThan, value: 1 }, then: act, else: end },
           { id: act, type: webhook, uses: p/do }`,
      ),
      actions: ACTIONS,
      branch: (id) => (id === 'bad[1]' ? 0 : 1),
      inputs: { hosts: hosts(3) },
    });
    expect(calls(m.start())).toBe('execute act[1] #1');
    expect(calls(m.outcome('act[1]', done()))).toBe('execute after #1');
  });
});

describe('properties, over the order and the outcome of every answer', () => {
  const plan = fc.record({
    items: fc.integer({ min: 0, max: 12 }),
    concurrency: fc.integer({ min: 1, max: 5 }),
    join: fc.constantFrom('all', 'any', '{ quorum: 2 }'),
    rest: fc.constantFrom('stop', 'finish'),
    order: fc.array(fc.nat(), { minLength: 1, maxLength: 40 }),
    fails: fc.array(fc.boolean(), { minLength: 1, maxLength: 12 }),
  });
  test('at most so many at a time, no item twice, the run ends, and replay gives it', () => {
    fc.assert(
      fc.property(plan, ({ items, concurrency, join, rest, order, fails }) => {
        const m = machine({
          steps: each(`concurrency: ${concurrency}\n  join: ${join}\n  rest: ${rest}\n  onFailure: continue`).replace(
            '{{ steps.hosts.succeeded }}',
            'x',
          ),
          actions: ACTIONS,
          inputs: { hosts: hosts(items) },
        });
        const begun: string[] = [];
        const take = (turn: ReturnType<typeof m.start>) => {
          for (const effect of turn.effects) if (effect.kind === 'call') begun.push(effect.key);
          const open = openCalls(m.run()).filter((call) => call.step.startsWith('scan'));
          expect(open.length).toBeLessThanOrEqual(concurrency);
        };
        take(m.start());
        for (let i = 0; !m.run().ended && i < 200; i++) {
          const open = openCalls(m.run());
          const due = nextDue(m.run());
          if (open.length === 0 || (due !== null && due <= m.now())) take(m.timer(0));
          const call = open[(order[i % order.length] ?? 0) % Math.max(1, open.length)];
          if (!call) continue;
          const place = Number(/\[(\d+)\]/.exec(call.step)?.[1] ?? -1);
          take(m.outcome(call.step, place >= 0 && fails[place % fails.length] ? no : done()));
        }
        expect(m.run().state).toBe('completed');
        expect(new Set(begun).size).toBe(begun.length);
        expect(replay(m.turns())).toEqual(m.run());
      }),
      { numRuns: 150 },
    );
  });
});
