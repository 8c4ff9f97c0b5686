import { describe, expect, test } from 'vitest';
import { kinds, machine, person, step } from '../../test/support/machine.ts';
import { runView } from '../http/view/run.ts';
import type { Graph, Step } from '../playbook/graph.ts';
import { bind } from '../playbook/reference.ts';
import { replay } from './evolve.ts';
import { scopeOf } from './scope.ts';
import { trailOf } from './trail.ts';

/** No document may name a step like this. Should one come here all the same, its run goes on like any other. */
const NAMES = Object.getOwnPropertyNames(Object.prototype);
const STEPS = `
- { id: ask, type: enrich, uses: p/ask }
- { id: victim, type: update_state, incident: inc-1, set: { state: triaged } }
- { id: act, type: webhook, uses: p/act, with: { state: "{{ steps.victim.state }}" } }`;
const ACTED = `
- { id: ask, type: enrich, uses: p/ask }
- { id: victim, type: contain, tier: high, uses: p/act, retry: { attempts: 3, backoff: 1s..30s } }`;

/** The graph with the step `victim` under another name. */
const renamed =
  (name: string) =>
  (graph: Graph): Graph => ({
    ...graph,
    steps: new Map(
      JSON.parse(JSON.stringify([...graph.steps]).replaceAll('victim', name)) as readonly [Step['id'], Step][],
    ),
  });
const begin = (name: string, steps: string) => {
  const m = machine({ steps, graph: renamed(name), actions: { 'p/ask': { effect: 'read' }, 'p/act': {} } });
  expect(kinds(m.start())).toBe('run-started step-intended');
  return m;
};

describe.each(NAMES)('a step with the name %s', (name) => {
  const id = step(name);
  const entry = (of: object) => Object.getOwnPropertyDescriptor(of, name)?.value;

  test('is reached, done, and there for later steps', () => {
    const m = begin(name, STEPS);
    const before = bind(`{{ steps.${name}.state }}`, scopeOf(m.run(), m.graph, { each: [] }, []));
    expect(before).toMatchObject({ ok: false, error: { kind: 'missing' } });
    expect(kinds(m.outcome('ask', { kind: 'succeeded', output: {} }))).toBe(
      'step-succeeded incident-updated step-intended',
    );
    expect(m.run().steps[step('act')]?.parameters).toEqual({ state: 'triaged' });
    m.outcome('act', { kind: 'succeeded', output: {} });
    expect([m.run().state, entry(m.run().steps)]).toMatchObject(['completed', { state: 'succeeded' }]);
    expect(replay(m.turns())).toEqual(m.run());
    expect(
      runView(m.run(), m.graph, trailOf([]), () => undefined).steps.map((one) => [one.step, one.state]),
    ).toContainEqual([name, 'succeeded']);
  });

  test.each([
    ['a deadline', 'timed_out'],
    ['a cancel', 'cancelled'],
  ])('does not keep %s from ending the run before it', (how, state) => {
    const m = begin(name, STEPS);
    if (how === 'a cancel') m.give({ kind: 'cancel', by: person('op'), reason: 'x' });
    else m.timer(3_600_000);
    expect([m.run().state, entry(m.run().steps)]).toMatchObject([state, { state: 'skipped' }]);
    expect(runView(m.run(), m.graph, trailOf([]), () => undefined).steps.map((one) => one.state)).toEqual([
      'failed',
      'skipped',
      'skipped',
    ]);
  });

  test('is held, approved, tried, tried again, and done', () => {
    const m = begin(name, ACTED);
    expect(kinds(m.outcome('ask', { kind: 'succeeded', output: {} }))).toBe('step-succeeded step-held');
    expect(kinds(m.vote('ann'))).toBe('approval-voted approval-decided step-intended');
    const failed = { kind: 'failed', error: { class: 'unavailable', message: 'x' } } as const;
    m.give({ kind: 'outcome', step: id, attempt: 1, result: failed });
    expect(kinds(m.timer(60_000))).toBe('step-intended');
    m.give({ kind: 'outcome', step: id, attempt: 2, result: { kind: 'succeeded', output: {} } });
    expect([m.run().state, entry(m.run().steps)]).toMatchObject(['completed', { state: 'succeeded', attempt: 2 }]);
    expect(replay(m.turns())).toEqual(m.run());
  });

  test('nobody votes on, settles or answers what only every object has', () => {
    const m = begin(name, STEPS);
    expect(m.give({ kind: 'settle', step: id, by: person('op'), outcome: 'failed', note: 'x' }).refused).toBe(
      'not-indeterminate',
    );
    expect(m.give({ kind: 'leaving', step: id, attempt: 1 }).refused).toBe('stale');
    expect(m.give({ kind: 'recovered', step: id, attempt: 1, op: 'execute' }).refused).toBe('stale');
  });
});
