import { describe, expect, test } from 'vitest';
import { calls, kinds, machine, person, START, step } from '../../test/support/machine.ts';
import type { Digest, EventId, RunId } from '../base/id.ts';
import { unixMs } from '../base/time.ts';
import type { CheckResult, Outcome } from './decision.ts';
import { replay } from './evolve.ts';
import { closureOf, nextDue, openCalls } from './open-work.ts';

const ACTIONS = { 'p/do': {}, 'p/say': {} };
const done: Outcome = { kind: 'succeeded', output: { fine: true } };
const no: Outcome = { kind: 'failed', error: { class: 'invalid_input', message: 'no' } };
const unknown: Outcome = { kind: 'indeterminate', reason: 'lost' };
const AFTER = '\n- { id: after, type: notify, uses: p/say }';
const EVENT = `evt_${'5'.repeat(32)}` as EventId;
const DIGEST = `sha256:${'9'.repeat(64)}` as Digest;

describe('wait', () => {
  test('for a length of time, and then goes on', () => {
    const m = machine({ steps: `- { id: w, type: wait, for: 10m }${AFTER}`, actions: ACTIONS });
    expect([kinds(m.start()), m.run().state, nextDue(m.run())]).toEqual([
      'run-started step-opened',
      'waiting',
      START + 600_000,
    ]);
    expect(kinds(m.timer(599_999))).toBe('refused: stale');
    expect(calls(m.timer(1))).toBe('execute after #1');
    expect(replay(m.turns())).toEqual(m.run());
  });

  test.each([
    ['an instant to come', new Date(START + 60_000).toISOString(), 'run-started step-opened'],
    [
      'an instant that has passed is over at once',
      new Date(START - 1).toISOString(),
      'run-started step-succeeded step-intended',
    ],
    ['no timestamp fails', 'tomorrow', 'run-started step-failed steps-skipped run-ended'],
  ])('until %s', (_, at, expected) => {
    const steps = `- { id: w, type: wait, until: "{{ inputs.at }}" }${AFTER}`;
    expect(kinds(machine({ steps, actions: ACTIONS, inputs: { at } }).start())).toBe(expected);
  });

  const forEvent = (extra = '') =>
    machine({
      steps: `- { id: w, type: wait, event: { match: { /finding_info/uid: "{{ inputs.ip }}" }, take: { verdict: /verdict } }${extra} }
- { id: after, type: notify, uses: p/say, with: { text: "{{ steps.w.verdict }}" } }`,
      actions: ACTIONS,
    });
  test('for an event, which comes once', () => {
    const m = forEvent();
    m.start();
    expect(m.run().steps[step('w')]).toMatchObject({ state: 'open', waitsFor: 'event', until: m.run().deadlineAt });
    const by = person('pipeline');
    const arrived = { kind: 'arrived', step: step('w'), event: EVENT, by, taken: { verdict: 'bad' } } as const;
    expect(calls(m.give(arrived))).toBe('execute after #1');
    expect(m.run().steps[step('after')]?.parameters).toEqual({ text: 'bad' });
    expect(kinds(m.give(arrived))).toBe('refused: stale');
  });
  test.each([
    ['the run fails', '', 'step-failed steps-skipped run-ended', 'failed'],
    ['or goes where its author says', ', onFailure: end', 'step-failed steps-skipped run-ended', 'completed'],
  ])('for an event that does not come in time: %s', (_, extra, expected, state) => {
    const m = forEvent(`, timeout: 5m${extra}`);
    m.start();
    expect([kinds(m.timer(300_000)), m.run().state]).toEqual([expected, state]);
    expect(m.run().steps[step('w')]).toMatchObject({ state: 'failed', error: { class: 'timeout' } });
  });
});

test('whoever sent an event that a run took in does not vote on what it does with it (R2)', () => {
  const m = machine({
    steps: `- { id: w, type: wait, event: { match: { /case: "{{ inputs.ip }}" }, take: { ip: /ip } } }
- { id: ban, type: contain, uses: p/do, with: { ip: "{{ steps.w.ip }}" } }`,
    actions: ACTIONS,
  });
  m.start();
  m.give({ kind: 'arrived', step: step('w'), event: EVENT, by: person('ann'), taken: { ip: '203.0.113.9' } });
  expect(kinds(m.vote('ann'))).toBe('refused: requester-may-not-vote');
  expect(calls(m.vote('ben'))).toBe('execute ban #1');
  expect(replay(m.turns())).toEqual(m.run());
});

describe('an approval as a step', () => {
  const gate = (extra = '') =>
    machine({
      steps: `- { id: go, type: approval, ask: "Isolate {{ inputs.ip }}?"${extra} }${AFTER}
- { id: other, type: notify, uses: p/say }`,
      actions: ACTIONS,
    });
  test('asks people, whose answer is its output', () => {
    const m = gate();
    expect(kinds(m.start())).toBe('run-started step-held');
    expect(m.run().steps[step('go')]?.parameters).toEqual({ ask: 'Isolate 203.0.113.7?' });
    expect(kinds(m.vote('asker'))).toBe('refused: requester-may-not-vote');
    expect(kinds(m.vote('ann'))).toBe('approval-voted approval-decided step-succeeded step-intended');
    expect(m.run().steps[step('go')]).toMatchObject({ output: { by: ['ann'] } });
  });
  test.each([
    ['a no', (m: ReturnType<typeof gate>) => m.vote('ann', 'reject'), 'approval-rejected'],
    ['no answer', (m: ReturnType<typeof gate>) => m.timer(3_600_000 - 1_800_000), 'approval-expired'],
  ])('%s ends the run, and never means yes (R2)', (_, answer, reason) => {
    const m = gate(', expires: 10m');
    m.start();
    answer(m);
    expect(m.run()).toMatchObject({ state: 'aborted', ended: { reason } });
  });
  test('its author may say where a no leads', () => {
    const m = gate(', onFailure: other');
    m.start();
    expect(calls(m.vote('ann', 'reject'))).toBe('execute other #1');
  });
  test('a tier that asks for nobody asks for one here', () => {
    const m = gate(', tier: low');
    m.start();
    expect(Object.values(m.run().approvals)).toMatchObject([{ needed: 1 }]);
  });
});

describe('what its author says of a failure', () => {
  const failing = (way: string) =>
    machine({
      steps: `- { id: a, type: webhook, uses: p/do${way} }
- { id: after, type: notify, uses: p/say, next: end }
- { id: mend, type: notify, uses: p/say }`,
      actions: ACTIONS,
    });
  test.each([
    ['nothing: the run fails', '', '', 'failed'],
    ['continue', ', onFailure: continue', 'execute after #1', 'running'],
    ['another step', ', onFailure: mend', 'execute mend #1', 'running'],
    ['end', ', onFailure: end', '', 'completed'],
    ['a person', ', onFailure: manual', '', 'waiting'],
  ])('%s', (_, way, next, state) => {
    const m = failing(way);
    m.start();
    expect([calls(m.outcome('a', no)), m.run().state]).toEqual([next, state]);
    expect(replay(m.turns())).toEqual(m.run());
  });
  test.each([
    ['succeeded', 'step-by-hand step-intended', 'running'],
    ['failed', 'step-by-hand steps-skipped run-ended', 'failed'],
  ] as const)('a person who does it by hand says it %s', (outcome, expected, state) => {
    const m = failing(', onFailure: manual');
    m.start();
    m.outcome('a', no);
    const said = m.give({ kind: 'settle', step: step('a'), by: person('op'), outcome, note: 'did it' });
    expect([kinds(said), m.run().state]).toEqual([expected, state]);
  });
  test('a settlement as failed that is sent again is no word about what was done by hand (R4)', () => {
    const m = machine({
      steps: '- { id: a, type: webhook, uses: p/do, onFailure: manual }',
      actions: { 'p/do': { idempotent: 'no' } },
    });
    m.start();
    m.outcome('a', unknown);
    const settle = { kind: 'settle', step: step('a'), by: person('op'), outcome: 'failed', note: 'not there' } as const;
    expect(kinds(m.give(settle))).toBe('step-settled step-opened');
    expect(kinds(m.give(settle))).toBe('refused: not-indeterminate');
    expect(kinds(m.give({ ...settle, note: 'gave it up' }))).toMatch(/^step-by-hand/);
  });
  test('nobody does it by hand: the run times out', () => {
    const m = failing(', onFailure: manual');
    m.start();
    m.outcome('a', no);
    m.timer(1_800_000);
    expect(m.run()).toMatchObject({ state: 'timed_out', steps: { a: { state: 'failed' } } });
  });
  test('a refusal by policy is no failure of a step: nothing goes on', () => {
    const m = failing(', onFailure: continue');
    m.start();
    m.outcome('a', { kind: 'failed', error: { class: 'refused_by_policy', message: 'no' } });
    expect(m.run().state).toBe('aborted');
  });
});

describe('retry', () => {
  const failing = (retry: string, error: 'not_found' | 'unavailable', retryAfterMs = 0) => {
    const m = machine({ steps: `- { id: a, type: webhook, uses: p/do, retry: { ${retry} } }`, actions: ACTIONS });
    m.start();
    return { m, turn: m.outcome('a', { kind: 'failed', error: { class: error, message: 'x' }, retryAfterMs }) };
  };
  const NAMED = 'attempts: 2, on: [not_found]';
  test.each([
    ['a class that is named is tried again', 'not_found', 'step-failed step-retry'],
    ['one that is not named is not, also where it is transient', 'unavailable', 'step-failed run-ended'],
  ] as const)('%s', (_, error, expected) => {
    expect(kinds(failing(NAMED, error).turn)).toBe(expected);
  });
  test('waits at least as long as the target asks for', () => {
    const { m } = failing('attempts: 2, backoff: 1s..2s', 'unavailable', 30_000);
    expect(nextDue(m.run())).toBe(START + 30_000);
  });
});

describe('check', () => {
  const CHECKED = { 'p/do': { idempotent: 'check' as const }, 'p/say': {} };
  const asked = (attempts = 3) => {
    const m = machine({
      steps: `- { id: a, type: webhook, uses: p/do, retry: { attempts: ${attempts}, backoff: 1s..1s } }${AFTER}`,
      actions: CHECKED,
    });
    m.start();
    const lost = m.outcome('a', unknown);
    return { m, lost, turn: m.timer(2_000) };
  };
  const answer = (m: ReturnType<typeof machine>, result: CheckResult, attempt = 1) =>
    m.give({ kind: 'checked', step: step('a'), attempt, result });
  const BROKEN: CheckResult = { kind: 'failed', error: { class: 'internal', message: 'x' } };

  test('is asked before a repeat, under the same key, and not at once: an effect may take its time to be seen', () => {
    const { m, lost, turn } = asked();
    expect([kinds(lost), calls(lost)]).toEqual(['step-indeterminate step-retry', '']);
    expect([kinds(turn), calls(turn)]).toEqual(['step-checking', 'check a #1']);
    const intent = m.turns()[0]?.events.find((event) => event.kind === 'step-intended');
    expect(turn.effects[0]).toMatchObject({ key: intent?.kind === 'step-intended' && intent.key });
    expect(openCalls(m.run())).toEqual([{ step: 'a', op: 'check', attempt: 1 }]);
  });
  test.each<[string, CheckResult, string, string]>([
    [
      'it happened: the run goes on',
      { kind: 'done', output: { id: 1 } },
      'step-checked step-intended',
      'execute after #1',
    ],
    ['it did not happen: it is tried again', { kind: 'not-done' }, 'step-checked step-intended', 'execute a #2'],
    [
      'it cannot say at present: it is asked again',
      { kind: 'failed', error: { class: 'timeout', message: 'x' } },
      'step-check-failed step-retry',
      '',
    ],
    ['it cannot say: a person has to', BROKEN, 'step-check-failed', ''],
  ])('%s', (_, result, expected, next) => {
    const { m } = asked();
    const turn = answer(m, result);
    expect([kinds(turn), calls(turn)]).toEqual([expected, next]);
    expect(kinds(answer(m, result))).toBe('refused: stale');
    expect(replay(m.turns())).toEqual(m.run());
  });
  test('what did not happen, and may be tried no more, has failed', () => {
    const { m } = asked(1);
    expect(kinds(answer(m, { kind: 'not-done' }))).toBe('step-checked steps-skipped run-ended');
  });
  test('after a check that could not say, a person settles it', () => {
    const { m } = asked();
    const settle = { kind: 'settle', step: step('a'), by: person('op'), outcome: 'succeeded', note: 'seen' } as const;
    expect(kinds(m.give(settle))).toBe('refused: not-indeterminate');
    answer(m, BROKEN);
    expect(kinds(m.give(settle))).toBe('step-settled step-intended');
  });
  test('cut off by a restart, it is asked again', () => {
    const { m } = asked();
    expect(kinds(m.give({ kind: 'recovered', step: step('a'), attempt: 1, op: 'check' }))).toBe(
      'step-check-failed step-retry',
    );
    expect(calls(m.timer(2_000))).toBe('check a #1');
  });
  test('a call cut off by a restart is checked as well', () => {
    const m = machine({ steps: '- { id: a, type: webhook, uses: p/do }', actions: CHECKED });
    m.start();
    m.give({ kind: 'leaving', step: step('a'), attempt: 1 });
    const turn = m.give({ kind: 'recovered', step: step('a'), attempt: 1, op: 'execute' });
    expect(kinds(turn)).toBe('step-indeterminate step-retry');
    expect(calls(m.timer(2_000))).toBe('check a #1');
  });
});

describe('a playbook as a step', () => {
  const parent = (options: Partial<Parameters<typeof machine>[0]> = {}) =>
    machine({
      steps: `- { id: sub, type: playbook, uses: other, with: { host: "{{ inputs.ip }}" } }
- { id: after, type: notify, uses: p/say, with: { text: "{{ steps.sub.score }}" } }`,
      actions: ACTIONS,
      playbooks: { other: DIGEST },
      ...options,
    });
  const childOf = (m: ReturnType<typeof machine>) => {
    const open = m.run().steps[step('sub')];
    return (open?.state === 'open' && open.waitsFor === 'run' ? open.child : '') as RunId;
  };
  const ended = (m: ReturnType<typeof machine>, completed: boolean, child = childOf(m)) =>
    m.give({ kind: 'child-ended', step: step('sub'), child, completed, reason: 'step-failed', output: { score: 9 } });

  test('starts a run of the pinned version, and goes on with what it gives', () => {
    const m = parent();
    const start = m.start();
    expect([kinds(start), calls(start), m.run().state]).toEqual([
      'run-started step-opened',
      'start-run sub',
      'running',
    ]);
    expect(start.effects[0]).toMatchObject({
      playbook: { name: 'other', digest: DIGEST },
      inputs: { host: '203.0.113.7' },
    });
    expect(openCalls(m.run())).toEqual([{ step: 'sub', op: 'run', attempt: 1 }]);
    expect(kinds(ended(m, true, `run_${'8'.repeat(32)}` as RunId))).toBe('refused: stale');
    expect(calls(ended(m, true))).toBe('execute after #1');
    expect(m.run().steps[step('after')]?.parameters).toEqual({ text: 9 });
    expect(kinds(ended(m, true))).toBe('refused: stale');
    expect(replay(m.turns())).toEqual(m.run());
  });
  test.each([true, false])(
    'whose words the sub-run has taken in does not vote in the run that started it either (R2): it completed %s',
    (completed) => {
      const m = machine({
        steps: '- { id: sub, type: playbook, uses: other, onFailure: go }\n- { id: go, type: approval, ask: "Go?" }',
        actions: ACTIONS,
        playbooks: { other: DIGEST },
      });
      m.start();
      const senders = [person('ann')];
      const child = childOf(m);
      m.give({
        kind: 'child-ended',
        step: step('sub'),
        child,
        completed,
        senders,
        reason: 'completed',
        output: {},
      });
      expect(kinds(m.vote('ann'))).toBe('refused: requester-may-not-vote');
      expect(kinds(m.vote('ben'))).toMatch(/step-succeeded/);
    },
  );
  test('whose words a run takes in while it asks does not vote in that either, and has not voted (R2)', () => {
    const m = machine({
      steps: `- id: both
  type: parallel
  lanes:
    ask: [{ id: go, type: approval, ask: "Go?", tier: critical }]
    word: [{ id: word, type: wait, event: { match: { /x: y } } }]`,
    });
    m.start();
    const asked = Object.values(m.run().approvals)[0];
    expect(asked?.needed).toBe(2);
    m.vote('ann');
    m.give({ kind: 'arrived', step: step('word'), event: EVENT, by: person('ann'), taken: {} });
    m.give({
      kind: 'vote',
      approval: asked?.id,
      ballot: { by: 'ben', roles: ['approver'], decision: 'approve', rationale: 'seen', subject: asked?.subject },
    } as never);
    expect(m.run().steps[step('go')]?.state).toBe('held');
    expect(kinds(m.vote('ann'))).toBe('refused: requester-may-not-vote');
    expect(kinds(m.vote('cem'))).toMatch(/step-succeeded/);
    expect(replay(m.turns())).toEqual(m.run());
  });
  test('a run that does not complete fails the step', () => {
    const m = parent();
    m.start();
    expect(kinds(ended(m, false))).toBe('step-failed steps-skipped run-ended');
  });
  test('it is stopped with the run that started it', () => {
    const m = parent();
    m.start();
    const child = childOf(m);
    expect(m.give({ kind: 'cancel', by: person('op'), reason: 'x' }).effects).toEqual([{ kind: 'stop-run', child }]);
  });
  test.each([
    ['a version that was not pinned', { playbooks: {} }],
    ['too many levels', { start: { parent: { run: `run_${'7'.repeat(32)}` as RunId, step: step('x'), depth: 4 } } }],
  ])('%s fails the step before anything is started', (_, options) => {
    const turn = parent(options).start();
    expect([kinds(turn), turn.effects]).toEqual(['run-started step-failed steps-skipped run-ended', []]);
  });
  test('what a run leaves is what its playbook names; what leads nowhere is null', () => {
    const m = machine({
      steps: '- { id: a, type: webhook, uses: p/do }',
      actions: ACTIONS,
      outputs: { fine: '{{ steps.a.fine }}', gone: '{{ steps.a.gone }}' },
    });
    m.start();
    m.outcome('a', done);
    expect(m.run().ended?.output).toEqual({ fine: true, gone: null });
  });
});

describe('a playbook as a step that does not wait', () => {
  const from = (options: Partial<Parameters<typeof machine>[0]> = {}) => {
    const m = machine({
      steps: `- { id: sub, type: playbook, uses: other, detached: true, with: { host: "{{ inputs.ip }}" } }
- { id: after, type: notify, uses: p/say, with: { text: "{{ steps.sub.run }}" } }`,
      actions: ACTIONS,
      playbooks: { other: DIGEST },
      ...options,
    });
    const start = m.start();
    const child = (m.run().steps[step('sub')]?.child ?? '') as RunId;
    return { m, start, child, told: (run = child) => m.give({ kind: 'child-started', step: step('sub'), child: run }) };
  };

  test('has succeeded once its run is on record, with the id of it', () => {
    const { m, start, child, told } = from();
    expect([kinds(start), calls(start)]).toEqual(['run-started step-opened', 'start-run sub']);
    expect(start.effects).toMatchObject([{ detached: true, inputs: { host: '203.0.113.7' } }]);
    expect(openCalls(m.run())).toEqual([{ step: 'sub', op: 'run', attempt: 1 }]);
    expect(kinds(told(`run_${'8'.repeat(32)}` as RunId))).toBe('refused: stale');
    expect(calls(told())).toBe('execute after #1');
    expect(m.run().steps[step('sub')]).toMatchObject({ state: 'succeeded', output: { run: child }, child });
    expect(m.run().steps[step('after')]?.parameters).toEqual({ text: child });
    expect([kinds(told()), openCalls(m.run())]).toEqual([
      'refused: stale',
      [expect.objectContaining({ step: 'after' })],
    ]);
    expect(replay(m.turns())).toEqual(m.run());
  });
  test('a step that waits for its run does not go on because it has begun', () => {
    const { told } = from({ steps: '- { id: sub, type: playbook, uses: other }' });
    expect(kinds(told())).toBe('refused: stale');
  });
  test.each([
    ['has been told', true],
    ['is still to be told', false],
  ])('its run is not stopped with the run that started it, which %s', (_, isTold) => {
    const { m, told } = from({
      steps: `- { id: sub, type: playbook, uses: other, detached: true }\n- { id: w, type: wait, for: 1h }`,
    });
    if (isTold) told();
    expect(m.give({ kind: 'cancel', by: person('op'), reason: 'x' }).effects).toEqual([]);
    expect([m.run().state, kinds(told())]).toEqual(['cancelled', 'refused: ended']);
  });
  test('a run that cannot begin fails the step', () => {
    const { m, child } = from();
    const none = { completed: false, reason: 'could-not-start', output: {} } as const;
    expect(kinds(m.give({ kind: 'child-ended', step: step('sub'), child, ...none }))).toBe(
      'step-failed steps-skipped run-ended',
    );
  });
  test('it is not started while nothing may be sent', () => {
    let isStopped = true;
    const { m, start } = from({ stopped: () => isStopped });
    expect([kinds(start), start.effects]).toEqual(['run-started step-parked', []]);
    isStopped = false;
    expect(m.give({ kind: 'resume' }).effects).toMatchObject([{ kind: 'start-run', detached: true }]);
  });
  test('what was started by one that was started, and so on, starts none', () => {
    const startedBy = { run: `run_${'7'.repeat(32)}` as RunId, step: step('x'), depth: 4 };
    expect(from({ start: { startedBy } }).start.effects).toEqual([]);
    expect(from({ start: { startedBy: { ...startedBy, depth: 3 } } }).start.effects).toHaveLength(1);
  });
});

describe('a run that is queued', () => {
  const queued = () =>
    machine({ steps: '- { id: a, type: webhook, uses: p/do }', actions: ACTIONS, start: { queued: true } });
  test('does nothing before its turn comes, once', () => {
    const m = queued();
    expect([kinds(m.start()), m.run().state, nextDue(m.run())]).toEqual(['run-started', 'pending', START + 1_800_000]);
    expect(kinds(m.give({ kind: 'resume' }))).toBe('refused: stale');
    expect(calls(m.give({ kind: 'release' }))).toBe('execute a #1');
    expect(kinds(m.give({ kind: 'release' }))).toBe('refused: stale');
    expect(replay(m.turns())).toEqual(m.run());
  });
  test('ends like any other: at its deadline, or when it is cancelled', () => {
    const [late, stopped] = [queued(), queued()];
    late.start();
    stopped.start();
    late.timer(1_800_000);
    stopped.give({ kind: 'cancel', by: null, reason: 'superseded' });
    expect([late.run().state, stopped.run().state, closureOf(stopped.run())]).toEqual([
      'timed_out',
      'cancelled',
      'closed',
    ]);
  });
  test('a child has no more time than its parent', () => {
    const m = machine({
      steps: '- { id: a, type: webhook, uses: p/do }',
      actions: ACTIONS,
      start: { until: unixMs(START + 1_000) },
    });
    m.start();
    expect(m.run().deadlineAt).toBe(START + 1_000);
  });
});
