import { describe, expect, test } from 'vitest';
import { calls, kinds, type MachineOptions, machine, person, step } from '../../test/support/machine.ts';
import type { Digest, RunId } from '../base/id.ts';
import { unixMs } from '../base/time.ts';
import type { Claim } from './claim.ts';
import type { Outcome } from './decision.ts';
import { replay } from './evolve.ts';

const HOUR = 3_600_000;
const OTHER = `run_${'7'.repeat(32)}` as RunId;
const TELL = '- { id: tell, type: notify, uses: p/say, dedup: { key: ["{{ inputs.ip }}"], window: 4h } }';
const AFTER = '- { id: after, type: enrich, uses: p/look, with: { id: "{{ steps.tell.id }}" } }';
const ACTIONS = { 'p/say': {}, 'p/look': { effect: 'read' } } as const;
const done: Outcome = { kind: 'succeeded', output: { id: 7 } };

/** @param known of the key, as the record says. */
const open = (
  known?: (now: number) => Claim | undefined,
  steps = `${TELL}\n${AFTER}`,
  more: Partial<MachineOptions> = {},
) => {
  const keys: Digest[] = [];
  const m: ReturnType<typeof machine> = machine({
    steps,
    actions: ACTIONS,
    inputs: { ip: '203.0.113.9' },
    claim: (_, key) => {
      keys.push(key);
      return known?.(m.now());
    },
    ...more,
  });
  return { m, keys, start: m.start() };
};
const claimed =
  (kind: 'done', agoMs: number) =>
  (now: number): Claim => ({
    kind,
    run: OTHER,
    at: unixMs(now - agoMs),
    senders: [person('mallory')],
    parameters: { then: true },
    output: { id: 3 },
  });
const unknown =
  (agoMs: number) =>
  (now: number): Claim => ({
    kind: 'under_way',
    run: OTHER,
    ended: unixMs(now - agoMs),
  });
const busy = (): Claim => ({ kind: 'under_way', run: OTHER });

describe('a step that is done once', () => {
  test.each<[string, ((now: number) => Claim | undefined) | undefined, string]>([
    ['acts where nobody has', undefined, 'run-started step-claimed step-intended'],
    ['acts where it has claimed that itself', () => ({ kind: 'own' }), 'run-started step-intended'],
    [
      'does not act where it was done within the window',
      claimed('done', 4 * HOUR - 1),
      'run-started step-kept step-intended',
    ],
    ['acts where that was longer ago', claimed('done', 4 * HOUR), 'run-started step-claimed step-intended'],
    ['waits where it is under way', busy, 'run-started step-deferred'],
    ['waits where it is unknown of a run that has just ended', unknown(4 * HOUR - 1), 'run-started step-deferred'],
    ['acts where that ended longer ago', unknown(4 * HOUR), 'run-started step-claimed step-intended'],
  ])('%s', (_, known, expected) => {
    expect(kinds(open(known).start)).toBe(expected);
  });

  test('has the output of then, and what follows has it too', () => {
    const { m, start } = open(claimed('done', HOUR));
    expect(calls(start)).toBe('execute after #1');
    expect(start.effects).toMatchObject([{ parameters: { id: 3 } }]);
    m.outcome('after', done);
    expect(m.run()).toMatchObject({
      state: 'completed',
      steps: { tell: { kept: { run: OTHER, changed: false }, parameters: { then: true } } },
    });
    // Whoever had a say in that has none here.
    expect(m.run().senders).toEqual(['mallory']);
    expect(replay(m.turns())).toEqual(m.run());
  });

  test('looks again after a while, each time after a longer one, and acts when the other came to nothing', () => {
    let isOver = false;
    const { m } = open(() => (isOver ? undefined : { kind: 'under_way', run: OTHER }));
    const waits: number[] = [];
    const look = () => {
      const tell = m.run().steps[step('tell')];
      expect(tell).toMatchObject({ state: 'ready', waitsFor: 'claim', behind: OTHER });
      waits.push((tell && 'retryAt' in tell ? (tell.retryAt ?? 0) : 0) - m.now());
      return m.timer(waits.at(-1) ?? 0);
    };
    for (let i = 0; i < 9; i++) expect(kinds(look())).toBe('step-deferred');
    isOver = true;
    expect(kinds(look())).toBe('step-claimed step-intended');
    expect(waits).toEqual([1_000, 1_000, 1_000, 1_000, 1_000, 1_250, 1_563, 1_954, 2_442, 3_053]);
  });

  test('is done again where a person has the run run again, and not where that goes on from what is done', () => {
    const again = { run: OTHER, reason: 'once more' };
    const start = (more: object) => kinds(open(claimed('done', HOUR), TELL, { start: { again, ...more } }).start);
    expect(start({})).toBe('run-started step-intended');
    expect(start({ keeps: OTHER })).toBe('run-started step-kept run-ended');
    expect(kinds(open(busy, TELL, { start: { again } }).start)).toBe('run-started step-deferred');
  });

  test('ends with its run while it waits', () => {
    const { m } = open(busy);
    expect(kinds(m.timer(30 * 60_000))).toBe('steps-skipped run-ended');
    expect(m.run()).toMatchObject({ state: 'timed_out' });
  });

  test('keeps its claim while it is planned, held, tried again and parked', () => {
    let isStopped = true;
    const own = new Set<string>();
    const { m, keys, start } = open(
      undefined,
      '- { id: tell, type: contain, uses: p/do, dedup: { key: [x, "{{ inputs.ip }}"], window: 1h } }',
      {
        actions: { 'p/do': { plans: true } },
        stopped: () => isStopped,
        claim: (at, key) => (own.has(`${at} ${key}`) ? { kind: 'own' } : void own.add(`${at} ${key}`)),
      },
    );
    expect([kinds(start), keys]).toEqual(['run-started step-claimed step-parked', []]);
    isStopped = false;
    expect(kinds(m.give({ kind: 'resume' }))).toBe('step-ready');
    const plan = { summary: 's', targets: [], reversible: true, details: {} };
    expect(kinds(m.give({ kind: 'planned', step: step('tell'), result: { kind: 'planned', plan } }))).toBe(
      'step-planned step-held',
    );
    expect(kinds(m.vote('bob'))).toContain('step-intended');
  });

  test.each([
    ['two items of one list with the same key: one acts, the other waits for it', '["{{ inputs.ip }}"]', 1, 1],
    ['two items with keys of their own: both act', '["{{ item }}"]', 2, 0],
  ])('%s', (_, key, acts, waits) => {
    const each = `- id: each
  type: foreach
  over: "{{ inputs.hosts }}"
  steps:
    - { id: tell, type: notify, uses: p/say, dedup: { key: ${key}, window: 4h } }`;
    const { start } = open(undefined, each, { inputs: { ip: '203.0.113.9', hosts: ['a', 'b'] } });
    const count = (kind: string) =>
      kinds(start)
        .split(' ')
        .filter((one) => one === kind).length;
    expect([count('step-intended'), count('step-claimed'), count('step-deferred')]).toEqual([acts, acts, waits]);
  });

  test.each([
    ['is null', '{{ inputs.nothing }}', 'a part of its dedup key is null in this run'],
    ['is not there', '{{ inputs.finding }}', '{{ inputs.finding }} has no value in this run'],
  ])('fails where a part of its key %s', (_, key, message) => {
    const steps = `- { id: tell, type: notify, uses: p/say, dedup: { key: ["${key}"], window: 4h } }`;
    const { m } = open(undefined, steps, { inputs: { nothing: null } });
    expect(m.run()).toMatchObject({ state: 'failed', ended: { failure: { step: 'tell', message } } });
  });

  test('is one and the same for all versions of a playbook, and for no other step, action or playbook', () => {
    const keyOf = (more: Partial<MachineOptions>, steps = TELL) => open(undefined, steps, more).keys[0];
    const key = keyOf({});
    const digest = `sha256:${'9'.repeat(64)}` as Digest;
    expect(keyOf({ start: { playbook: { name: 'contain-c2', digest } } })).toBe(
      keyOf({ start: { playbook: { name: 'contain-c2', digest: digest.replaceAll('9', '8') as Digest } } }),
    );
    expect(keyOf({ start: { playbook: { name: 'other', digest } } })).not.toBe(key);
    expect(keyOf({}, TELL.replace('id: tell', 'id: say'))).not.toBe(key);
    expect(keyOf({}, TELL.replace('p/say', 'p/look'))).not.toBe(key);
  });
});
