import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { LIFECYCLE, LIFECYCLE_TYPES, LifecycleEvent, matchesType } from '../../sdk/contract/lifecycle.ts';
import type { ApprovalId, Digest, EventId, OrgId, PrincipalId, RunId, StepId } from '../base/id.ts';
import { unixMs } from '../base/time.ts';
import type { RunEvent } from '../run/event.ts';
import { evolve } from '../run/evolve.ts';
import type { Run } from '../run/state.ts';
import { lifecycleId, toCloudEvent } from './event.ts';
import { lifecycleOfTurn } from './of-turn.ts';

const ORG = 'acme' as OrgId;
const AT = unixMs(1_800_000_000_000);
const digest = (digit: string) => `sha256:${digit.repeat(64)}` as Digest;
const step = 'ban' as StepId;
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
  ).map(([tells, state]) => row(tells, [{ kind: 'approval-decided', approval, state }], [STARTED, HELD])),
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
  'run-ended': [
    row('run.ended', [ended('completed')]),
    row('run.ended run.aborted', [ended('aborted')]),
    row('run.ended run.needs_review', [ended('failed')], [STARTED, INTENDED, INDETERMINATE]),
  ],
};

const fold = (run: Run | null, events: readonly RunEvent[], seq: number): Run | null =>
  events.reduce<Run | null>((folded, event, index) => evolve(folded, event, seq + index, AT), run);

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

test('a filter names a type or a group, and nothing by accident', () => {
  const chosen = (filter: string) => LIFECYCLE_TYPES.filter((type) => matchesType(filter, type)).length;
  expect(chosen('interlock.*')).toBe(Object.keys(LIFECYCLE).length);
  expect(chosen('interlock.run.*')).toBe(5);
  expect([chosen('interlock.run.ended'), chosen('interlock.run'), chosen('*'), chosen('')]).toEqual([1, 0, 0, 0]);
});
