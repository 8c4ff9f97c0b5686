import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { LIFECYCLE, LIFECYCLE_TYPES, LifecycleEvent, matchesType } from '../../sdk/contract/lifecycle.ts';
import type { ApprovalId, Digest, EventId, OrgId, PrincipalId, RunId, StepRunId } from '../base/id.ts';
import { unixMs } from '../base/time.ts';
import type { RunEvent } from '../run/event.ts';
import { evolveTurn } from '../run/evolve.ts';
import type { Run } from '../run/state.ts';
import { lifecycleId, toCloudEvent } from './event.ts';
import { lifecycleOfTurn } from './of-turn.ts';

const ORG = 'acme' as OrgId;
const AT = unixMs(1_800_000_000_000);
const digest = (digit: string) => `sha256:${digit.repeat(64)}` as Digest;
const step = 'ban' as StepRunId;
const approval = `apr_${'b'.repeat(32)}` as ApprovalId;
const by = 'ann' as PrincipalId;

const STARTED: RunEvent = {
  kind: 'run-started',
  run: `run_${'a'.repeat(32)}` as RunId,
  org: ORG,
  playbook: { name: 'contain-c2', digest: digest('1') },
  policy: digest('2'),
  plugins: {},
  trigger: 'seen',
  event: `evt_${'c'.repeat(32)}` as EventId,
  eventSeq: 3,
  requester: by,
  trace: '0'.repeat(32),
  inputs: { secret: 'not-told' },
  incident: 'INC-1',
  deadlineAt: unixMs(AT + 60_000),
};
const HELD: RunEvent = {
  kind: 'step-held',
  step,
  parameters: { ip: 'not-told' },
  approval,
  subject: digest('3'),
  tier: 'high',
  needed: 1,
  role: 'approver',
  expiresAt: unixMs(AT + 1_000),
  verdict: 'any',
};
const INTENDED: RunEvent = {
  kind: 'step-intended',
  step,
  attempt: 1,
  uses: 'edge-firewall/ban',
  effect: 'write',
  parameters: { ip: 'not-told' },
  key: 'k',
  verdict: 'any',
};
const INDETERMINATE: RunEvent = { kind: 'step-indeterminate', step, attempt: 1, reason: 'not-told' };
const error = { class: 'timeout', message: 'not-told' } as const;
const ended = (state: 'completed' | 'aborted' | 'failed'): RunEvent => ({ kind: 'run-ended', state, reason: 'x' });

const DONE: readonly RunEvent[] = [STARTED, INTENDED, { kind: 'step-succeeded', step, attempt: 1, output: 'not-told' }];
const UNDOING: RunEvent = { kind: 'run-undoing', state: 'failed', reason: 'x', deadlineAt: unixMs(AT + 9) };
const UNDO: RunEvent = { kind: 'undo-intended', step, attempt: 1, uses: 'x/y', key: 'k', recordsLeaving: false };
const CHECKING: RunEvent = { kind: 'step-checking', step, attempt: 1 };
const LANES: RunEvent = {
  kind: 'step-opened',
  step,
  parameters: { hosts: 'not-told' },
  open: { waitsFor: 'lanes', lanes: 2, most: 2 },
};

type Row = { readonly before?: readonly RunEvent[]; readonly events: readonly RunEvent[]; readonly tells: string };
const row = (tells: string, events: readonly RunEvent[], before: readonly RunEvent[] = [STARTED]): Row => ({
  before,
  events,
  tells,
});

/** Every event of a run, and the types of lifecycle events that it makes. The compiler holds the keys against the union. */
const ROWS: Readonly<Record<RunEvent['kind'], readonly Row[]>> = {
  'run-started': [row('run.started', [STARTED], [])],
  'step-ready': [row('', [{ kind: 'step-ready', step, parameters: {} }])],
  'run-released': [row('', [{ kind: 'run-released' }], [{ ...STARTED, queued: true }])],
  'step-parked': [row('run.waiting', [{ kind: 'step-parked', step, parameters: {}, op: 'execute' }])],
  'step-opened': [
    row('run.waiting', [
      { kind: 'step-opened', step, parameters: {}, open: { waitsFor: 'time', until: unixMs(AT + 5) } },
    ]),
  ],
  'lane-started': [row('', [{ kind: 'lane-started', step, lane: 0 }], [STARTED, LANES])],
  'lane-ended': [row('', [{ kind: 'lane-ended', step, lane: 0, outcome: 'succeeded' }], [STARTED, LANES])],
  'step-checking': [row('', [{ kind: 'step-checking', step, attempt: 1 }], [STARTED, INTENDED, INDETERMINATE])],
  'step-checked': [
    row(
      'step.settled',
      [{ kind: 'step-checked', step, attempt: 1, outcome: 'succeeded', output: 'not-told' }],
      [STARTED, INTENDED, INDETERMINATE, CHECKING],
    ),
  ],
  'step-check-failed': [
    row(
      'run.waiting',
      [{ kind: 'step-check-failed', step, attempt: 1, error }],
      [STARTED, INTENDED, INDETERMINATE, CHECKING],
    ),
  ],
  'step-by-hand': [
    row('step.settled', [{ kind: 'step-by-hand', step, by, outcome: 'failed', note: 'not-told' }], [STARTED, INTENDED]),
  ],
  'step-claimed': [row('', [{ kind: 'step-claimed', step, key: digest('4'), until: unixMs(AT + 5) }])],
  'step-deferred': [
    row('run.waiting', [
      {
        kind: 'step-deferred',
        step,
        parameters: { ip: 'not-told' },
        behind: `run_${'b'.repeat(32)}` as RunId,
        retryAt: unixMs(AT + 5),
      },
    ]),
  ],
  'step-kept': [
    row('step.kept', [
      {
        kind: 'step-kept',
        step,
        parameters: {},
        from: `run_${'0'.repeat(32)}` as RunId,
        output: 'not-told',
        changed: true,
      },
    ]),
  ],
  'run-undoing': [row('run.undoing', [UNDOING], DONE)],
  'undo-intended': [row('', [UNDO], [...DONE, UNDOING])],
  'undo-tried': [row('', [{ kind: 'undo-tried', step, attempt: 1, end: 'failed', error }], [...DONE, UNDOING, UNDO])],
  'undo-retry': [
    row(
      '',
      [{ kind: 'undo-retry', step, attempt: 2, retryAt: unixMs(AT + 5), cutOff: false }],
      [...DONE, UNDOING, UNDO],
    ),
  ],
  'undo-parked': [row('', [{ kind: 'undo-parked', step }], [...DONE, UNDOING])],
  'step-rolled-back': [
    row(
      'step.rolled_back',
      [{ kind: 'step-rolled-back', step, attempt: 1, output: 'not-told' }],
      [...DONE, UNDOING, UNDO],
    ),
  ],
  'undo-failed': [
    row('rollback.failed', [{ kind: 'undo-failed', step, error }], [...DONE, UNDOING, UNDO]),
    row(
      'rollback.failed run.ended run.needs_review',
      [{ kind: 'undo-failed', step, error }, ended('failed')],
      [...DONE, UNDOING, UNDO],
    ),
  ],
  'run-closed': [
    row(
      'run.closed',
      [{ kind: 'run-closed', by, note: 'not-told' }],
      [STARTED, INTENDED, INDETERMINATE, ended('failed')],
    ),
  ],
  'step-planned': [
    row('', [{ kind: 'step-planned', step, plan: { summary: 'x', targets: [], reversible: true, details: {} } }]),
  ],
  'step-held': [row('step.held approval.requested run.waiting', [HELD])],
  'approval-voted': [
    row('', [{ kind: 'approval-voted', approval, by, decision: 'approve', rationale: 'x' }], [STARTED, HELD]),
  ],
  'approval-decided': (
    [
      ['approval.decided', 'approved'],
      ['approval.decided', 'rejected'],
      ['approval.decided', 'withdrawn'],
      ['approval.expired', 'expired'],
    ] as const
  ).map(([tells, state]) => row(tells, [{ kind: 'approval-decided', approval, state }, INTENDED], [STARTED, HELD])),
  'step-intended': [row('', [INTENDED])],
  'step-leaving': [row('', [{ kind: 'step-leaving', step, attempt: 1 }], [STARTED, INTENDED])],
  'step-succeeded': [
    row('step.succeeded', [{ kind: 'step-succeeded', step, attempt: 1, output: 'not-told' }], [STARTED, INTENDED]),
  ],
  'step-failed': [
    row('step.failed', [{ kind: 'step-failed', step, attempt: 1, error }], [STARTED, INTENDED]),
    row(
      'step.failed run.waiting',
      [
        { kind: 'step-failed', step, attempt: 1, error },
        { kind: 'step-retry', step, attempt: 2, retryAt: unixMs(AT + 5) },
      ],
      [STARTED, INTENDED],
    ),
  ],
  'step-retry': [
    row('run.waiting', [{ kind: 'step-retry', step, attempt: 2, retryAt: unixMs(AT + 5) }], [STARTED, INTENDED]),
  ],
  'step-indeterminate': [row('step.indeterminate run.waiting', [INDETERMINATE], [STARTED, INTENDED])],
  'step-settled': [
    row(
      'step.settled',
      [{ kind: 'step-settled', step, by, outcome: 'succeeded', note: 'not-told' }],
      [STARTED, INTENDED, INDETERMINATE],
    ),
  ],
  'guardrail-blocked': [row('', [{ kind: 'guardrail-blocked', step, rule: 'r', text: 'not-told' }])],
  'branch-taken': [row('', [{ kind: 'branch-taken', step, matched: true, to: null }])],
  'incident-updated': [
    row('', [{ kind: 'incident-updated', step, incident: 'INC-1', state: 'contained', note: 'not-told' }]),
  ],
  'steps-skipped': [row('', [{ kind: 'steps-skipped', steps: [step], reason: 'x' }])],
  'run-cancel': [row('', [{ kind: 'run-cancel', by, reason: 'not-told' }])],
  'run-paused': [row('', [{ kind: 'run-paused', by, reason: 'not-told' }])],
  'run-resumed': [row('', [{ kind: 'run-resumed', by }])],
  'run-ended': [
    row('run.ended', [ended('completed')]),
    row('run.ended run.aborted', [ended('aborted')]),
    row('run.ended run.needs_review', [ended('failed')], [STARTED, INTENDED, INDETERMINATE]),
  ],
};

const fold = (run: Run | null, events: readonly RunEvent[], seq: number): Run | null =>
  events.length === 0 ? run : evolveTurn(run, { v: 1, at: AT, seq, events });

describe.each(Object.entries(ROWS))('%s', (_, rows) => {
  test.each(rows)('tells "$tells"', ({ before = [], events, tells }) => {
    const from = fold(null, before, 10);
    const run = fold(from, events, 20) as Run;
    const drafts = lifecycleOfTurn(from, run, { seq: 20, events });
    expect(drafts.map(({ type }) => type.replace('interlock.', '')).join(' ')).toBe(tells);
    const told = drafts.map((draft) => toCloudEvent(ORG, lifecycleId(draft), { ...draft, at: AT }));
    for (const event of told) {
      expect(v.safeParse(LifecycleEvent, event).issues).toBeUndefined();
      // Nothing but what the schema knows.
      expect(v.parse(LifecycleEvent, event)).toEqual(event);
      expect(event.data).toMatchObject({ run: run.id, incident: 'INC-1' });
    }
    expect(JSON.stringify(told)).not.toContain('not-told');
    expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);
  });
});

test.each<[string, RunEvent, string]>([
  ['a stop', { kind: 'step-parked', step, parameters: {}, op: 'execute' }, 'stop'],
  ['a pause', { kind: 'step-parked', step, parameters: {}, op: 'execute', pause: true }, 'pause'],
])('a run that waits for the end of %s says so', (_, event, what) => {
  const from = fold(null, [STARTED], 10);
  const drafts = lifecycleOfTurn(from, fold(from, [event], 20) as Run, { seq: 20, events: [event] });
  expect(drafts).toMatchObject([{ type: 'interlock.run.waiting', data: { for: what } }]);
});

test('a try that was not sent for a pause is told as one that is made again', () => {
  const failed: RunEvent = { kind: 'step-failed', step, attempt: 1, error };
  const events: RunEvent[] = [failed, { kind: 'step-parked', step, parameters: {}, op: 'execute', pause: true }];
  const from = fold(null, [STARTED, INTENDED], 10);
  const run = fold(from, events, 20) as Run;
  const [told] = lifecycleOfTurn(from, run, { seq: 20, events });
  expect(told).toMatchObject({ type: 'interlock.step.failed', data: { again: true } });
});

test('a filter names a type or a group, and nothing by accident', () => {
  const chosen = (filter: string) => LIFECYCLE_TYPES.filter((type) => matchesType(filter, type)).length;
  expect(chosen('interlock.*')).toBe(Object.keys(LIFECYCLE).length);
  expect(chosen('interlock.run.*')).toBe(7);
  expect([chosen('interlock.run.ended'), chosen('interlock.run'), chosen('*'), chosen('')]).toEqual([1, 0, 0, 0]);
});
