import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { calls, kinds, machine, person, START, step } from '../../test/support/machine.ts';
import type { Digest } from '../base/id.ts';
import { durationMs } from '../base/time.ts';
import { auditOf } from './audit.ts';
import type { Input, Outcome } from './decision.ts';
import { evolve, replay } from './evolve.ts';
import { closureOf, isPartial, nextDue, openCalls } from './open-work.ts';
import { backoff } from './retry.ts';

const WRITE = { 'p/do': {}, 'p/say': {} };
const ONE = '- { id: a, type: webhook, uses: p/do }';
const TWO = `${ONE}\n- { id: b, type: notify, uses: p/say }`;
const contain = (tier = 'high') =>
  `- { id: ban, type: contain, tier: ${tier}, uses: p/ban, with: { ip: "{{ inputs.ip }}" } }`;
const CONTAIN = contain();
const PLANS = { 'p/ban': { plans: true } };
const PLAN = { summary: 'Ban it', targets: [{ kind: 'ip', id: '203.0.113.7' }], reversible: true, details: {} };
const PLAN_FAILED = { kind: 'failed', error: { class: 'timeout', message: 'no' } } as const;
const done: Outcome = { kind: 'succeeded', output: { fine: true } };
const failed = (errorClass: 'unavailable' | 'invalid_input' | 'refused_by_policy'): Outcome => ({
  kind: 'failed',
  error: { class: errorClass, message: 'no' },
});
const unknown: Outcome = { kind: 'indeterminate', reason: 'lost' };

/** A run that waits for the approval of `ban`. */
function held(tier = 'high', options: Partial<Parameters<typeof machine>[0]> = {}) {
  const m = machine({
    steps: contain(tier),
    actions: PLANS,
    ...options,
  });
  m.start();
  m.give({ kind: 'planned', step: step('ban'), result: { kind: 'planned', plan: PLAN } });
  return m;
}

describe('a run goes forward', () => {
  test('step by step: each intent before its call, each outcome before the next intent', () => {
    const m = machine({ steps: TWO, actions: WRITE });
    const start = m.start();
    expect([kinds(start), calls(start)]).toEqual(['run-started step-intended', 'execute a #1']);
    const second = m.outcome('a', done);
    expect([kinds(second), calls(second)]).toEqual(['step-succeeded step-intended', 'execute b #1']);
    expect(kinds(m.outcome('b', done))).toBe('step-succeeded run-ended');
    expect([m.run().state, nextDue(m.run()), openCalls(m.run())]).toEqual(['completed', null, []]);
  });

  test.each([
    [0, 'execute yes #1', ['no']],
    [1, 'execute no #1', ['yes']],
  ] as const)('a branch that is %s takes one way and skips the other', (answer, call, skipped) => {
    const m = machine({
      steps: `- { id: which, type: branch, when: { fact: inputs, path: /ip, operator: equal, value: x }, then: yes, else: no }
- { id: yes, type: notify, uses: p/say, next: end }
- { id: no, type: notify, uses: p/say }`,
      actions: WRITE,
      branch: () => answer,
    });
    expect(calls(m.start())).toBe(call);
    const last = m.outcome(answer === 0 ? 'yes' : 'no', done).events.find((event) => event.kind === 'steps-skipped');
    expect(last).toMatchObject({ steps: skipped, reason: 'branch-not-taken' });
  });

  test('a branch that cannot be judged goes neither way', () => {
    const m = machine({
      steps:
        '- { id: which, type: branch, when: { fact: inputs, path: /ip, operator: equal, value: x }, then: end, else: end }',
      branch: () => ({ fault: 'steps.look /score is missing' }),
    });
    expect(kinds(m.start())).toBe('run-started step-failed run-ended');
    expect(m.run().state).toBe('failed');
  });

  test('an update of an incident needs no call', () => {
    const m = machine({
      steps: '- { id: u, type: update_state, incident: "{{ inputs.ip }}", set: { state: contained } }',
    });
    expect(kinds(m.start())).toBe('run-started incident-updated run-ended');
  });

  test.each([
    ['a reference that leads nowhere', '- { id: a, type: webhook, uses: p/do, with: { x: "{{ inputs.gone }}" } }', {}],
    ['an action that is not installed', '- { id: a, type: webhook, uses: p/gone }', {}],
    ['parameters that do not fit', ONE, { 'p/do': { checkInput: () => 'no' } }],
  ])('%s fails the step before anything is sent', (_, steps, actions) => {
    const turn = machine({ steps, actions: { ...WRITE, ...actions } }).start();
    expect([kinds(turn), calls(turn)]).toEqual(['run-started step-failed run-ended', '']);
  });
});

describe('guardrails (R1)', () => {
  test('a denied action is not sent, and the run is aborted', () => {
    const m = machine({ steps: ONE, actions: WRITE, verdict: () => ({ kind: 'deny', by: 'rule-7', text: 'no' }) });
    const turn = m.start();
    expect([kinds(turn), calls(turn)]).toEqual(['run-started guardrail-blocked step-failed run-ended', '']);
    expect(m.run().state).toBe('aborted');
  });

  test('hold asks for a person where the tier asks for none', () => {
    const m = machine({ steps: ONE, actions: WRITE, verdict: () => ({ kind: 'hold', by: 'rule-8' }) });
    expect(kinds(m.start())).toBe('run-started step-held');
    expect(calls(m.vote('other'))).toBe('execute a #1');
  });

  test('an action is used only as what its manifest says it is: a containment cannot be called a message', () => {
    const m = machine({
      steps: '- { id: ban, type: notify, uses: p/ban }',
      actions: { 'p/ban': { types: ['contain'] } },
    });
    const turn = m.start();
    expect([kinds(turn), calls(turn), m.run().state]).toEqual(['run-started step-failed run-ended', '', 'failed']);
  });

  test('a denial when a try was over already does not end that try again', () => {
    let allowed = true;
    const m = machine({
      steps: '- { id: a, type: webhook, uses: p/do, retry: { attempts: 3 } }',
      actions: WRITE,
      verdict: () => (allowed ? { kind: 'allow', by: 'x' } : { kind: 'deny', by: 'x', text: 'no' }),
    });
    m.start();
    m.outcome('a', failed('unavailable'));
    allowed = false;
    const denied = m.timer(60_000).events.find((event) => event.kind === 'step-failed');
    expect(denied).toMatchObject({ attempt: 0 });
  });

  test('a plan is judged, not the wish: without an allowing verdict on the plan nobody is even asked', () => {
    const m = machine({ steps: CONTAIN, actions: PLANS, verdict: () => ({ kind: 'deny', by: 'few', text: 'no' }) });
    expect(calls(m.start())).toBe('plan ban #1');
    const turn = m.give({ kind: 'planned', step: step('ban'), result: { kind: 'planned', plan: PLAN } });
    expect(kinds(turn)).toBe('step-planned guardrail-blocked step-failed run-ended');
  });

  test('an approved action is judged again before it is sent', () => {
    let allowed = true;
    const m = held('high', {
      verdict: () => (allowed ? { kind: 'allow', by: 'x' } : { kind: 'deny', by: 'x', text: 'no' }),
    });
    allowed = false;
    const turn = m.vote('other');
    expect([kinds(turn), calls(turn)]).toEqual([
      'approval-voted approval-decided guardrail-blocked step-failed run-ended',
      '',
    ]);
  });
});

describe('approval (R2)', () => {
  test('high: one other person with the role, then the call goes out with the approved plan', () => {
    const m = held();
    expect([m.run().state, openCalls(m.run())]).toEqual(['waiting', []]);
    const turn = m.vote('other');
    expect(kinds(turn)).toBe('approval-voted approval-decided step-intended');
    expect(turn.effects).toMatchObject([{ kind: 'call', op: 'execute', plan: PLAN }]);
  });

  test('critical: two different people', () => {
    const m = held('critical');
    expect(kinds(m.vote('first'))).toBe('approval-voted');
    expect(kinds(m.vote('first'))).toBe('refused: already-voted');
    expect(calls(m.vote('second'))).toBe('execute ban #1');
  });

  test.each([
    ['the requester', (m: ReturnType<typeof held>) => m.vote('asker'), 'requester-may-not-vote'],
    [
      'someone without the role',
      (m: ReturnType<typeof held>) => m.vote('other', 'approve', { roles: ['auditor'] }),
      'role-missing',
    ],
    [
      'someone who saw something else',
      (m: ReturnType<typeof held>) => m.vote('other', 'approve', { subject: `sha256:${'f'.repeat(64)}` as never }),
      'subject-changed',
    ],
    [
      'someone without a reason',
      (m: ReturnType<typeof held>) => m.vote('other', 'approve', { rationale: '  ' }),
      'rationale-missing',
    ],
  ])('the vote of %s does not count', (_, vote, why) => {
    const m = held();
    const before = m.run();
    expect(kinds(vote(m))).toBe(`refused: ${why}`);
    expect(m.run()).toBe(before);
  });

  test('it is for the grant under which it was asked for: after a change people are asked again', () => {
    let grant = `sha256:${'1'.repeat(64)}` as Digest;
    const m = held('high', { grant: () => grant });
    grant = `sha256:${'2'.repeat(64)}` as Digest;
    const asked = m.vote('other');
    expect([kinds(asked), calls(asked)]).toEqual(['approval-voted approval-decided step-held', '']);
    m.wait(1);
    expect(calls(m.vote('other'))).toBe('execute ban #1');
    // Between two attempts too.
    m.outcome('ban', failed('unavailable'));
    grant = `sha256:${'3'.repeat(64)}` as Digest;
    expect(kinds(m.timer(120_000))).toBe('step-held');
  });

  test('one rejection ends it, whoever agreed before', () => {
    const m = held('critical');
    m.vote('first');
    expect(kinds(m.vote('second', 'reject'))).toBe('approval-voted approval-decided step-failed run-ended');
    expect([m.run().state, m.run().ended?.reason]).toEqual(['aborted', 'approval-rejected']);
    expect(kinds(m.vote('third'))).toBe('refused: ended');
  });

  test('silence is no: it expires and denies, and a late vote finds it closed', () => {
    const m = held('high', { timeout: '4h' });
    m.wait(3_599_999);
    expect(kinds(m.give({ kind: 'timer' }))).toBe('refused: stale');
    m.wait(1);
    expect(kinds(m.vote('other'))).toBe('refused: expired');
    expect(kinds(m.give({ kind: 'timer' }))).toBe('approval-decided step-failed run-ended');
    expect(m.run().state).toBe('aborted');
  });
});

describe('errors, retries and unknown outcomes', () => {
  const RETRY = '- { id: a, type: webhook, uses: p/do, retry: { attempts: 3, backoff: 1s..30s } }';

  test('a transient error is tried again under the same key, after a growing wait, up to the budget', () => {
    const m = machine({ steps: RETRY, actions: WRITE });
    const [first] = m.start().effects;
    expect(kinds(m.outcome('a', failed('unavailable')))).toBe('step-failed step-retry');
    expect(nextDue(m.run())).toBeGreaterThanOrEqual(START + 1_000);
    expect(nextDue(m.run())).toBeLessThanOrEqual(START + 1_250);
    m.wait(1_250);
    const [second] = m.give({ kind: 'timer' }).effects;
    expect(second).toMatchObject({ attempt: 2, key: first?.kind === 'call' ? first.key : '' });
    m.outcome('a', failed('unavailable'));
    expect(nextDue(m.run())).toBeGreaterThanOrEqual(START + 3_250);
    expect(nextDue(m.run())).toBeLessThanOrEqual(START + 3_750);
    m.wait(2_500);
    m.give({ kind: 'timer' });
    expect(kinds(m.outcome('a', failed('unavailable')))).toBe('step-failed run-ended');
    expect(m.run().steps[step('a')]?.attempts.map(({ number, end }) => [number, end])).toEqual([
      [1, 'failed'],
      [2, 'failed'],
      [3, 'failed'],
    ]);
  });

  test.each([
    ['invalid_input', 'failed'],
    ['refused_by_policy', 'aborted'],
  ] as const)('%s is permanent: the run is %s', (errorClass, state) => {
    const m = machine({ steps: RETRY, actions: WRITE });
    m.start();
    expect(kinds(m.outcome('a', failed(errorClass)))).toBe('step-failed run-ended');
    expect(m.run().state).toBe(state);
  });

  test.each([
    ['the target honours the key', { effect: 'write', idempotent: 'key' }, 'step-indeterminate step-retry', 'waiting'],
    ['it only reads', { effect: 'read', idempotent: 'no' }, 'step-indeterminate step-retry', 'waiting'],
    ['nothing makes a repeat safe', { effect: 'write', idempotent: 'no' }, 'step-indeterminate', 'waiting'],
    ['only a check can tell', { effect: 'write', idempotent: 'check' }, 'step-indeterminate step-retry', 'waiting'],
  ] as const)('an unknown outcome when %s', (_, action, expected, state) => {
    const m = machine({ steps: RETRY, actions: { 'p/do': action } });
    m.start();
    expect(kinds(m.outcome('a', unknown))).toBe(expected);
    expect(m.run().state).toBe(state);
    expect(nextDue(m.run())).not.toBeNull();
  });

  test.each([
    ['succeeded', 'step-settled step-intended', 'running'],
    ['failed', 'step-settled steps-skipped run-ended', 'failed'],
  ] as const)('a person settles it as %s', (outcome, expected, state) => {
    const m = machine({ steps: TWO, actions: { ...WRITE, 'p/do': { idempotent: 'no' } } });
    m.start();
    m.outcome('a', unknown);
    const settle: Input = { kind: 'settle', step: step('a'), by: person('op'), outcome, note: 'looked' };
    expect(kinds(m.give(settle))).toBe(expected);
    expect(m.run().state).toBe(state);
    expect(kinds(m.give(settle))).toBe('refused: not-indeterminate');
  });

  test('back-off doubles, stops growing at its most, and adds up to a quarter', () => {
    const policy = { attempts: 9, first: durationMs(1_000), most: durationMs(30_000) };
    expect([1, 2, 3, 6, 9].map((n) => backoff(policy, n, 0))).toEqual([1_000, 2_000, 4_000, 30_000, 30_000]);
    expect(backoff(policy, 1, 1)).toBe(1_250);
  });
});

describe('a run ends (R6, R8)', () => {
  test.each([
    [
      'in flight',
      () => machine({ steps: TWO, actions: WRITE }),
      'run-cancel step-indeterminate steps-skipped run-ended',
      'abort a',
    ],
    ['planning', () => machine({ steps: CONTAIN, actions: PLANS }), 'run-cancel steps-skipped run-ended', 'abort ban'],
  ])('cancelled while %s', (_, make, events, effects) => {
    const m = make();
    m.start();
    const turn = m.give({ kind: 'cancel', by: person('op'), reason: 'mistake' });
    expect([kinds(turn), calls(turn), m.run().state]).toEqual([events, effects, 'cancelled']);
  });

  test('cancelled while held: the approval is withdrawn', () => {
    const m = held();
    expect(kinds(m.give({ kind: 'cancel', by: person('op'), reason: 'mistake' }))).toBe(
      'run-cancel approval-decided steps-skipped run-ended',
    );
    expect(Object.values(m.run().approvals)[0]?.state).toBe('withdrawn');
  });

  test('its own timeout ends it, whatever it waits for', () => {
    const m = held('high', { timeout: '10m' });
    m.wait(600_000);
    expect(kinds(m.give({ kind: 'timer' }))).toBe('approval-decided steps-skipped run-ended');
    expect(m.run().state).toBe('timed_out');
  });

  test.each([
    ['write', 'needs_review'],
    ['read', 'closed'],
  ] as const)('failed after a step that did a %s: %s', (effect, closure) => {
    const m = machine({ steps: TWO, actions: { ...WRITE, 'p/do': { effect } } });
    m.start();
    m.outcome('a', done);
    m.outcome('b', failed('invalid_input'));
    expect([m.run().state, isPartial(m.run()), closureOf(m.run())]).toEqual(['failed', effect === 'write', closure]);
  });

  test.each<[string, (m: ReturnType<typeof machine>) => void, string]>([
    [
      'is cancelled while it waits to try again',
      (m) => void m.give({ kind: 'cancel', by: person('op'), reason: 'x' }),
      'indeterminate',
    ],
    ['times out while it waits to try again', (m) => void m.timer(7_200_000), 'indeterminate'],
    [
      'is told no by the next try',
      (m) => {
        m.timer(60_000);
        m.outcome('a', failed('invalid_input'));
      },
      'failed',
    ],
  ])('a try with an unknown outcome is not forgotten when the run %s', (_, then, state) => {
    const m = machine({ steps: '- { id: a, type: webhook, uses: p/do, retry: { attempts: 3 } }', actions: WRITE });
    m.start();
    m.outcome('a', unknown);
    then(m);
    expect([m.run().steps[step('a')]?.state, closureOf(m.run())]).toEqual([state, 'needs_review']);
    expect(replay(m.turns())).toEqual(m.run());
    if (state !== 'indeterminate') return;
    m.give({ kind: 'settle', step: step('a'), by: person('op'), outcome: 'failed', note: 'looked' });
    expect(closureOf(m.run())).toBe('closed');
  });

  test('nothing moves an ended run', () => {
    const m = machine({ steps: ONE, actions: WRITE });
    m.start();
    m.outcome('a', done);
    const inputs: Input[] = [
      { kind: 'timer' },
      { kind: 'cancel', by: person('op'), reason: 'x' },
      { kind: 'outcome', step: step('a'), attempt: 1, result: done },
      { kind: 'recovered', step: step('a'), attempt: 1, op: 'execute' },
    ];
    for (const input of inputs) expect(kinds(m.give(input))).toBe('refused: ended');
  });
});

describe('any sequence of inputs', () => {
  const input = fc.oneof(
    fc.record({
      do: fc.constant('outcome' as const),
      result: fc.constantFrom(done, failed('unavailable'), failed('invalid_input'), unknown),
      attempt: fc.integer({ min: 1, max: 3 }),
    }),
    fc.record({
      do: fc.constant('vote' as const),
      by: fc.constantFrom('asker', 'x', 'y'),
      decision: fc.constantFrom('approve' as const, 'reject' as const),
    }),
    fc.record({ do: fc.constant('timer' as const), ms: fc.constantFrom(0, 500, 40_000, 4_000_000) }),
    fc.record({
      do: fc.constant('other' as const),
      input: fc.constantFrom<Input>(
        { kind: 'cancel', by: person('op'), reason: 'r' },
        { kind: 'recovered', step: step('a'), attempt: 1, op: 'execute' },
        { kind: 'recovered', step: step('ban'), attempt: 1, op: 'plan' },
        { kind: 'leaving', step: step('a'), attempt: 1 },
        { kind: 'planned', step: step('ban'), result: PLAN_FAILED },
        { kind: 'settle', step: step('a'), by: person('op'), outcome: 'succeeded', note: 'n' },
        { kind: 'planned', step: step('ban'), result: { kind: 'planned', plan: PLAN } },
      ),
    }),
  );

  test('keeps the invariants: replay, no effect without intent and approval, one record per event, a deadline on every wait', () => {
    fc.assert(
      fc.property(fc.array(input, { maxLength: 14 }), fc.constantFrom('key', 'no'), (inputs, idempotent) => {
        const m = machine({
          steps: `- { id: a, type: webhook, uses: p/do, retry: { attempts: 2 } }\n${CONTAIN}`,
          actions: { 'p/do': { idempotent: idempotent as 'key' }, ...PLANS },
          timeout: '2h',
        });
        const effects = [...m.start().effects];
        for (const next of inputs) {
          const version = m.run().version;
          const ended = m.run().ended;
          const turn =
            next.do === 'outcome'
              ? m.outcome(openCalls(m.run())[0]?.step ?? 'a', next.result, next.attempt)
              : next.do === 'vote'
                ? m.vote(next.by, next.decision)
                : next.do === 'timer'
                  ? m.timer(next.ms)
                  : m.give(next.input);
          if (ended && !(next.do === 'other' && next.input.kind === 'settle')) expect(m.run().version).toBe(version);
          effects.push(...turn.effects);
        }
        const run = m.run();
        expect(replay(m.turns())).toEqual(run);
        if (!run.ended) expect(nextDue(run)).toBeLessThanOrEqual(run.deadlineAt);
        const events = m.turns().flatMap((turn) => turn.events);
        const ofA = events.filter((event) => 'step' in event && event.step === 'a').map((event) => event.kind);
        const unknownAt = ofA.indexOf('step-indeterminate');
        // What may not be repeated is not sent again once nobody knows whether it happened.
        if (idempotent === 'no' && unknownAt >= 0) expect(ofA.slice(unknownAt)).not.toContain('step-intended');
        for (const effect of effects) {
          if (effect.kind !== 'call' || effect.op !== 'execute') continue;
          const intents = events.filter(
            (event) => event.kind === 'step-intended' && event.step === effect.step && event.attempt === effect.attempt,
          );
          expect(intents).toHaveLength(1);
          if (effect.step !== 'ban') continue;
          const approved = Object.values(run.approvals).find(
            (approval) => approval.step === 'ban' && approval.state === 'approved',
          );
          expect(approved?.votes.some((vote) => vote.decision === 'approve' && vote.by !== 'asker')).toBe(true);
        }
        let folded: ReturnType<typeof evolve> | null = null;
        for (const turn of m.turns())
          for (const [index, event] of turn.events.entries()) {
            expect(auditOf(folded, event).run).toBe(run.id);
            folded = evolve(folded, event, turn.seq + index, turn.at);
          }
      }),
      { numRuns: 300 },
    );
  });
});
