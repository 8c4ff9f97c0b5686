import type {
  Approval,
  ApprovalSummary,
  Connector,
  EgressReported,
  EventSummary,
  ExplainedPlaybook,
  Graph,
  Incident,
  IncidentSummary,
  LifecycleEvent,
  LifecycleWebhook,
  NewToken,
  NoisyTrigger,
  OpenRun,
  Playbook,
  PlaybookSummary,
  Plugin,
  Receipt,
  Replay,
  Run,
  RunPaused,
  RunSummary,
  SchemaSummary,
  SecretRotated,
  StopState,
  StoredEvent,
  TokenSummary,
  Trigger,
} from '../../sdk/client/client.ts';

/** Answers of the API as they look; `samples.test.ts` holds them against the contract, so that they cannot drift. */
export const RUN_ID = `run_${'a1'.repeat(16)}`;
export const CHILD_ID = `run_${'c3'.repeat(16)}`;
export const AGAIN_ID = `run_${'a2'.repeat(16)}`;
export const APPROVAL_ID = `apr_${'b2'.repeat(16)}`;
export const EVENT_ID = `evt_${'c3'.repeat(16)}`;
export const DIGEST = `sha256:${'d4'.repeat(32)}`;
export const SUBJECT = `sha256:${'e5'.repeat(32)}`;
const AT = '2026-11-23T14:33:40.101Z';

export const summary: RunSummary = {
  run: RUN_ID,
  org: 'acme',
  playbook: 'contain-c2',
  digest: DIGEST,
  state: 'waiting',
  partial: false,
  undone: false,
  closure: 'open',
  trigger: 'c2-seen',
  event: EVENT_ID,
  requester: 'siem',
  startedAt: AT,
  endedAt: null,
  reason: null,
};

export const completed: RunSummary = {
  ...summary,
  state: 'completed',
  closure: 'closed',
  endedAt: '2026-11-23T14:35:00.000Z',
  reason: 'end',
};

export const openRun: OpenRun = {
  run: RUN_ID,
  org: 'acme',
  playbook: 'contain-c2',
  state: 'waiting',
  startedAt: AT,
  deadlineAt: '2126-11-23T16:33:40.101Z',
  waits: [
    {
      what: 'approval',
      step: 'ban',
      since: AT,
      until: '2126-11-23T15:33:40.101Z',
      approval: APPROVAL_ID,
      role: 'approver',
      child: null,
    },
  ],
  standing: 'person',
  why: null,
};
export const stuckRun: OpenRun = { ...openRun, waits: [], standing: 'stuck', why: 'no-wait' };

const ballot = {
  approval: APPROVAL_ID,
  step: 'ban',
  state: 'pending',
  subject: SUBJECT,
  tier: 'high',
  role: 'approver',
  needed: 1,
  openedAt: AT,
  expiresAt: '2126-11-23T15:33:40.101Z',
  votes: [],
  decidedSeq: null,
} as const satisfies Partial<Approval>;

export const approvalRow: ApprovalSummary = {
  ...ballot,
  votes: [],
  org: 'acme',
  run: RUN_ID,
  uses: 'edge-firewall/block',
  requester: 'siem',
};

export const approval: Approval = {
  ...approvalRow,
  playbook: { name: 'contain-c2', digest: DIGEST },
  parameters: { ip: '203.0.113.77', for: '4h' },
  plan: {
    summary: 'Block 203.0.113.77 at the edge for 4 hours',
    targets: [{ kind: 'ip', id: '203.0.113.77' }],
    reversible: true,
    details: {},
  },
  verdict: { kind: 'allow', by: 'contain-few', text: 'A plugin with a grant may contain one to five targets.' },
  grantChangedSince: null,
  excluded: ['siem'],
  incident: { event: EVENT_ID, title: 'Outbound connection to C2', message: 'curl from payments-api' },
};

export const voted = (decision: 'approve' | 'reject'): Approval => ({
  ...approval,
  state: decision === 'approve' ? 'approved' : 'rejected',
  decidedSeq: 12,
  votes: [{ by: 'ann', decision, rationale: 'case 4711', at: AT }],
});

const step = {
  type: 'contain',
  uses: 'edge-firewall/block',
  tier: 'high',
  seq: 9,
  at: AT,
  by: 'system:engine',
  waitsFor: null,
  retryAt: null,
  until: null,
  lanes: null,
  child: null,
  undo: null,
  note: null,
  parameters: {},
  plan: null,
  approval: null,
  attempts: [],
  event: null,
  kept: null,
  behind: null,
  output: null,
  error: null,
  reason: null,
} as const;

const runOf = (head: RunSummary, steps: Run['steps']): Run => ({
  ...head,
  pins: { playbook: DIGEST, policy: DIGEST, plugins: { 'edge-firewall': DIGEST }, playbooks: {}, kernel: '0.1.0' },
  parent: null,
  startedBy: null,
  undoing: null,
  output: null,
  again: null,
  ranAgainAs: null,
  answers: null,
  answeredBy: [],
  keeps: null,
  cancel: null,
  closed: null,
  trace: '4bf92f3577b34da6a3ce929d0e0e4736',
  inputs: { ip: '203.0.113.77' },
  deadlineAt: '2026-11-23T15:03:40.101Z',
  startedSeq: 4,
  endedSeq: head.endedAt === null ? null : 20,
  endedBy: head.endedAt === null ? null : 'system:engine',
  absorbed: { events: 3, last: EVENT_ID, at: AT },
  steps,
  approvals: [{ ...ballot, votes: [] }],
});

export const waitingRun: Run = runOf(summary, [
  { ...step, step: 'ban', state: 'held', attempts: [], approval: APPROVAL_ID },
  { ...step, step: 'ticket', type: 'open_ticket', uses: 'tracker/create', state: 'pending', attempts: [] },
]);

const paused = { run: RUN_ID, by: 'ann', at: AT, reason: 'is that host ours?' };
export const pausedRun: RunPaused = { ...waitingRun, paused, changed: true };
export const resumedRun: RunPaused = { ...waitingRun, paused: null, changed: true };
/** One that it is a part of is paused. */
export const heldSummary: RunSummary = { ...summary, paused: { ...paused, run: AGAIN_ID } };
export const pausedOpenRun: OpenRun = {
  ...openRun,
  paused,
  waits: openRun.waits.map((wait) => ({ ...wait, what: 'release', approval: null, role: null })),
};

export const againRun: Run = {
  ...waitingRun,
  run: AGAIN_ID,
  requester: 'ann',
  again: { run: RUN_ID, by: 'ann', reason: 'the firewall answers again' },
};

/** It goes on from what the old run has done. */
export const keepingRun: Run = {
  ...againRun,
  keeps: RUN_ID,
  steps: [
    { ...step, step: 'block', state: 'succeeded', verdict: null, kept: RUN_ID, attempts: [] },
    {
      ...step,
      step: 'tell',
      type: 'playbook',
      uses: 'tell-people',
      tier: null,
      state: 'open',
      waitsFor: 'run',
      child: CHILD_ID,
      attempts: [],
    },
    ...againRun.steps,
  ],
};

const WAIT_UNTIL = '2026-11-23T15:00:00.000Z';
/** Steps that wait, and one that has. */
const waits = { ...step, type: 'wait', uses: null, tier: null, state: 'open', until: WAIT_UNTIL } as const;
export const waitingSteps: Run = runOf(summary, [
  { ...waits, step: 'pause', waitsFor: 'time', attempts: [] },
  { ...waits, step: 'verdict', waitsFor: 'event', attempts: [], parameters: { match: { '/case': 'c-7', '/n': 7 } } },
  { ...waits, step: 'reply', state: 'succeeded', until: null, attempts: [], event: EVENT_ID },
]);

const attempt = {
  number: 1,
  effect: 'read',
  intentSeq: 7,
  intentAt: AT,
  end: 'succeeded',
  endSeq: 8,
  endAt: AT,
  endBy: 'system:engine',
  error: null,
} as const;

export const completedRun: Run = runOf(completed, [{ ...step, step: 'ban', state: 'succeeded', attempts: [attempt] }]);

export const failedRun: Run = runOf({ ...completed, state: 'failed', partial: true, reason: 'step ban failed' }, [
  {
    ...step,
    step: 'ban',
    state: 'failed',
    attempts: [{ ...attempt, end: 'failed', error: { class: 'timeout', message: 'no answer' } }],
    error: { class: 'timeout', message: 'no answer' },
  },
]);

/** One whose step succeeded and is to be undone: as far as it got. */
export const undoingRun = (
  state: Undo['state'],
  ends: readonly ('failed' | 'indeterminate' | null)[],
  why = 'down',
): Run =>
  runOf({ ...completed, state: 'failed', partial: true, reason: 'step-failed' }, [
    {
      ...step,
      step: 'ban',
      state: state === 'done' ? 'rolled_back' : 'succeeded',
      attempts: [{ ...attempt, end: 'succeeded' }],
      undo: {
        state,
        attempts: ends.map((end, i) => ({ ...attempt, number: i + 1, end })),
        error: ['retry', 'failed'].includes(state) ? { class: 'unavailable', message: why } : null,
      },
    },
  ]);
type Undo = NonNullable<Run['steps'][number]['undo']>;

export const closedRun: Run = { ...failedRun, closed: { by: 'ann', at: AT, note: 'looked', seq: 21 } };

/** One that the end of another has started, and whose end has started one more. */
export const answeringRun: Run = {
  ...completedRun,
  run: CHILD_ID,
  requester: 'system:run',
  answers: RUN_ID,
  answeredBy: [AGAIN_ID],
  inputs: { host: 'h1\u001b[2J', n: 7, of: null },
};
export const answeredRun: Run = { ...completedRun, answeredBy: Array.from({ length: 10 }, () => AGAIN_ID) };

const UNCOVERED = {
  class: 'refused_by_policy',
  message: "E_NOT_ALLOWED: no rule of the plugin's grant is for the host other.example",
};
export const uncoveredRun: Run = runOf(
  { ...completed, state: 'aborted', reason: 'refused-by-policy', failure: { step: 'look', ...UNCOVERED } },
  [
    { ...step, step: 'scan', state: 'failed', attempts: [], error: { class: 'timeout', message: 'of no matter' } },
    { ...step, step: 'look', state: 'failed', attempts: [], error: UNCOVERED },
  ],
);

/** One that a `fail` has ended. */
export const endedByFail: Run = runOf(
  {
    ...completed,
    state: 'failed',
    reason: 'step-failed',
    failure: { step: 'no', class: 'conflict', message: 'nothing is known of h1\u001b[2J' },
  },
  [
    {
      ...step,
      step: 'no',
      type: 'fail',
      uses: null,
      tier: null,
      state: 'failed',
      attempts: [],
      error: { class: 'conflict', message: 'nothing is known of h1\u001b[2J' },
    },
  ],
);

/** One whose calls a stop has cut off, or keeps back. */
export const cutOffRun: Run = runOf(summary, [
  {
    ...step,
    step: 'scan',
    state: 'ready',
    waitsFor: 'retry',
    retryAt: WAIT_UNTIL,
    attempts: [
      {
        ...attempt,
        end: 'failed',
        error: { class: 'unavailable', message: 'stopped before it changed anything: stop-of-org' },
      },
    ],
  },
  { ...step, step: 'ban', state: 'ready', waitsFor: 'release', attempts: [{ ...attempt, end: 'indeterminate' }] },
]);

export const refusedRun: Run = runOf({ ...completed, state: 'aborted', reason: 'guardrail' }, [
  {
    ...step,
    step: 'isolate',
    state: 'succeeded',
    attempts: [],
    approval: APPROVAL_ID,
    verdict: { kind: 'hold', by: 'contain-many', text: 'More than two wait' },
  },
  {
    ...step,
    step: 'ban',
    state: 'failed',
    attempts: [],
    verdict: { kind: 'deny', by: 'default', text: 'No rule of the guardrails allows this action.' },
    error: { class: 'refused_by_policy', message: 'guardrail default' },
  },
]);

/** One whose approval was decided by a no, or by nobody. */
export const deniedRun = (decided: 'rejected' | 'expired'): Run => ({
  ...runOf({ ...completed, state: 'aborted', reason: `approval-${decided}` }, [
    {
      ...step,
      step: 'ban',
      state: 'failed',
      attempts: [],
      approval: APPROVAL_ID,
      error: { class: 'refused_by_policy', message: `approval ${decided}` },
    },
  ]),
  approvals: [
    {
      approval: APPROVAL_ID,
      step: 'ban',
      state: decided,
      subject: SUBJECT,
      tier: 'high',
      role: 'approver',
      needed: 1,
      openedAt: AT,
      expiresAt: AT,
      votes: decided === 'rejected' ? voted('reject').votes : [],
      decidedSeq: 12,
    },
  ],
});

export const schemas: SchemaSummary[] = [
  { name: 'run', version: 1, id: 'urn:interlock:schema:run:v1', title: 'A run', use: 'given' },
];

export const graph: Graph = {
  playbook: 'contain-c2',
  digest: DIGEST,
  run: null,
  state: null,
  nodes: [{ id: 'ban', kind: 'step', label: 'ban', detail: '', state: null, parent: null }],
  edges: [],
  path: [],
};

const drawnNode = { kind: 'step', detail: '', state: null, parent: null } as const;
export const drawn: Graph = {
  ...graph,
  run: RUN_ID,
  state: 'failed',
  nodes: [
    { ...drawnNode, id: '!start', kind: 'start', label: '' },
    { ...drawnNode, id: 'bad', kind: 'branch', label: 'bad', detail: 'score?', state: 'succeeded' },
    { ...drawnNode, id: 'each', kind: 'group', label: 'each', detail: 'every host', state: 'succeeded' },
    { ...drawnNode, id: 'ban', label: 'ban', detail: 'edge\u001b[2J', state: 'failed', parent: 'each' },
    { ...drawnNode, id: '!end', kind: 'end', label: '' },
  ],
  edges: [
    { from: '!start', to: 'bad', label: '', taken: true, onFailure: false },
    { from: 'bad', to: 'each', label: 'score > 70', taken: true, onFailure: false },
    { from: 'bad', to: '!end', label: 'else', taken: false, onFailure: false },
    { from: 'each', to: '!end', label: '', taken: true, onFailure: false },
    { from: 'each', to: 'bad', label: '', taken: false, onFailure: true },
  ],
};

export const receipt: Receipt = {
  event: EVENT_ID,
  repeat: false,
  seq: 3,
  triggers: [
    {
      playbook: 'contain-c2',
      trigger: 'c2-seen',
      outcome: 'matched',
      reason: null,
      stop: null,
      run: RUN_ID,
      runState: null,
      why: [{ fact: 'event', path: '/severity_id', operator: 'greaterThanInclusive', expected: 4, reason: 'true' }],
    },
    {
      playbook: 'isolate-host',
      trigger: 'ransomware',
      outcome: 'not_matched',
      reason: null,
      stop: null,
      run: null,
      runState: null,
      why: [
        { fact: 'event', path: '/severity_id', operator: 'greaterThanInclusive', expected: 5, reason: 'false' },
        { fact: 'event', path: '/device/uid', operator: 'present', expected: null, reason: 'missing' },
      ],
    },
  ],
  counts: { judged: 2, notMatched: 1, ruledOut: 40 },
  woke: [],
  unmet: 2,
};

export const storedEvent: StoredEvent = {
  event: EVENT_ID,
  org: 'acme',
  receivedAt: '2026-11-23T14:33:40.000Z',
  by: 'pipeline',
  seq: 3,
  format: 'cloudevents',
  source: 'urn:edr',
  id: 'finding-1',
  type: 'com.example.finding',
  subject: null,
  time: null,
  data: { severity_id: 4 },
  triggers: receipt.triggers,
  counts: receipt.counts,
  woke: [{ run: RUN_ID, step: 'verdict' }],
  unmet: 1,
};

export const eventRow: EventSummary = {
  event: EVENT_ID,
  org: 'acme',
  receivedAt: '2026-11-23T14:33:40.000Z',
  by: 'pipeline',
  source: 'urn:edr',
  id: 'finding-1',
  type: 'com.example.finding',
  triggers: receipt.triggers
    .slice(0, 1)
    .map((one) => ({ ...one, outcome: 'suppressed', reason: 'cooldown', until: AT, run: null, why: [] })),
  woke: [{ run: RUN_ID, step: 'verdict' }],
};

export const explained: ExplainedPlaybook = {
  playbook: 'contain-c2',
  digest: DIGEST,
  triggers: [
    {
      trigger: 'c2-seen',
      outcome: 'not_matched',
      reason: null,
      stop: null,
      lacks: [],
      run: null,
      rule: {
        truth: 'undecided',
        all: [
          {
            truth: 'true',
            fact: 'event',
            path: '/class_uid',
            operator: 'equal',
            expected: 2004,
            reason: 'true',
            seen: '2004',
          },
          {
            truth: 'undecided',
            not: {
              truth: 'undecided',
              fact: 'event',
              path: '/device/hostname',
              operator: 'in',
              expected: ['lab-1', 'lab-2'],
              reason: 'missing',
              seen: null,
            },
          },
          {
            truth: 'undecided',
            fact: 'event',
            path: '/severity_id',
            operator: 'greaterThan',
            expected: 3,
            reason: 'wrong_type',
            seen: '"high"',
          },
        ],
      },
    },
    { trigger: 'c2-again', outcome: 'absorbed', reason: null, stop: null, lacks: [], run: RUN_ID, rule: null },
    { trigger: 'c2-fast', outcome: 'suppressed', reason: 'rate', stop: null, lacks: [], run: null, rule: null },
    {
      trigger: 'c2-lost',
      outcome: 'missing_fields',
      reason: null,
      stop: null,
      lacks: ['/device/uid'],
      run: null,
      rule: null,
    },
  ],
  waits: [
    {
      step: 'verdict',
      digest: DIGEST,
      match: { '/case': 'c-7' },
      wakes: false,
      where: {
        truth: 'false',
        fact: 'event',
        path: '/kind',
        operator: 'equal',
        expected: 'verdict',
        reason: 'false',
        seen: '"rumour"',
      },
      waiting: [{ run: RUN_ID, step: 'verdict[2]', until: WAIT_UNTIL }],
    },
    { step: 'reply', digest: DIGEST, match: { '/case': 'c-7' }, wakes: true, where: null, waiting: [] },
  ],
  untold: 17,
};

export const replay: Replay = {
  playbook: 'contain-c2',
  digest: DIGEST,
  active: SUBJECT,
  events: 412,
  from: AT,
  to: '2026-11-23T16:00:00.000Z',
  triggers: [
    {
      trigger: 'c2-seen',
      recorded: { runs: 12, absorbed: 3, suppressed: 0 },
      changed: { runs: 14, absorbed: 2, suppressed: 1 },
      gained: 4,
      lost: 3,
      same: 12,
    },
  ],
  gained: [{ event: EVENT_ID, receivedAt: AT, trigger: 'c2-seen', recorded: null, changed: 'matched', why: [] }],
  lost: [
    {
      event: EVENT_ID,
      receivedAt: AT,
      trigger: 'c2-seen',
      recorded: 'absorbed',
      changed: 'not_matched',
      why: [{ fact: 'event', path: '/severity_id', operator: 'greaterThan', expected: 5, reason: 'false' }],
    },
  ],
  next: null,
};

export const trigger: Trigger = {
  playbook: 'contain-c2',
  trigger: 'c2-seen',
  on: 'event',
  digest: DIGEST,
  burstSince: AT,
  stopped: { by: 'ann', at: AT, reason: 'noise of the new sensor' },
  next: null,
  last: { at: AT, event: EVENT_ID, run: RUN_ID },
};

export const schedule: Trigger = {
  ...trigger,
  trigger: 'morning',
  on: 'schedule',
  burstSince: null,
  stopped: null,
  next: '2026-11-24T05:00:00.000Z',
  last: null,
};

export const noisy: NoisyTrigger = {
  playbook: 'contain-c2',
  trigger: 'c2-seen',
  matched: 40,
  started: 4,
  absorbed: 30,
  suppressed: { stopped: 0, burst: 5, cooldown: 0, rate: 1, concurrency: 0, queue_full: 0, chain: 0 },
  failed: 0,
  inVain: 0.9,
};

export const playbook: Playbook = {
  name: 'contain-c2',
  title: 'Block a command-and-control address',
  active: DIGEST,
  versions: [
    { digest: DIGEST, state: 'active', by: 'ann', at: AT, activatedBy: 'bob', activatedAt: AT },
    {
      digest: SUBJECT,
      state: 'validated',
      by: 'ann',
      at: '2026-11-23T16:00:00.000Z',
      activatedBy: null,
      activatedAt: null,
    },
  ],
};

export const playbookRow: PlaybookSummary = {
  name: 'contain-c2',
  title: 'Block a command-and-control address',
  active: DIGEST,
  activatedAt: AT,
  newest: SUBJECT,
  versions: 2,
};

export const plugin: Plugin = {
  name: 'edge-firewall',
  title: 'Edge firewall',
  version: '1.2.0',
  digest: DIGEST,
  granted: false,
  actions: [
    {
      action: 'block',
      title: 'Block',
      effect: 'write',
      types: ['contain'],
      idempotent: 'key',
      plan: true,
      parameters: [
        { name: 'ip', required: true },
        { name: 'for', required: false },
      ],
    },
    { action: 'list', title: 'List', effect: 'read', types: ['enrich'], idempotent: 'no', plan: false },
  ],
};

export const connectors: readonly Connector[] = [
  {
    connector: 'edge-firewall',
    state: 'open',
    since: AT,
    retryAt: '2026-11-23T14:34:10.101Z',
    failures: 0,
    inFlight: 0,
    waiting: 7,
    limit: 32,
    health: {
      state: 'unhealthy',
      since: AT,
      checkedAt: AT,
      failure: { stage: 'auth', class: 'unauthorized', message: 'the firewall does not take the token' },
    },
  },
  {
    connector: 'http-json',
    state: 'closed',
    since: null,
    retryAt: null,
    failures: 2,
    inFlight: 1,
    waiting: 0,
    limit: 8,
  },
];

export const egressReport: readonly EgressReported[] = [
  {
    plugin: 'http-json',
    rule: { scheme: 'https', host: 'api.example', port: 443, methods: ['GET'], pathPrefix: '/v1', headers: ['x-a'] },
    requests: 12,
    refused: 0,
    first: AT,
    last: '2026-11-23T14:34:10.101Z',
    run: 'run_1',
    step: 'look',
  },
  {
    plugin: 'http-json',
    rule: {
      scheme: 'http',
      host: 'wiki.test',
      port: 80,
      methods: ['GET'],
      pathPrefix: '/',
      addresses: ['10.0.0.7/32'],
    },
    requests: 3,
    refused: 2,
    first: AT,
    last: AT,
    run: 'run_1',
    step: 'look',
  },
];

const stop = { reason: 'it bans our own', by: 'ann', at: AT };
export const stopped: StopState = { stopped: true, org: { ...stop, released: null }, machine: null };
export const released: StopState = { stopped: false, org: { ...stop, released: { by: 'bob', at: AT } }, machine: null };

export const incidentRow: IncidentSummary = {
  incident: 'INC-4711',
  org: 'acme',
  state: 'contained',
  severity: 'high',
  title: 'Outbound connection to C2',
  source: 'urn:siem',
  confidence: 82,
  uncertainty: null,
  createdAt: AT,
  updatedAt: AT,
};

export const incident: Incident = {
  ...incidentRow,
  timeline: [
    {
      at: AT,
      seq: 17,
      kind: 'updated',
      by: 'system:engine',
      event: null,
      run: RUN_ID,
      playbook: null,
      step: 'note',
      approval: null,
      outcome: 'moved',
      state: 'contained',
      from: 'triaged',
      note: 'blocked at the edge',
    },
  ],
};

export const lifecycleEvent: LifecycleEvent = {
  specversion: '1.0',
  id: '000000000000021-0a1b2c3d',
  source: '/v1/orgs/acme',
  type: 'interlock.run.ended',
  subject: RUN_ID,
  time: AT,
  datacontenttype: 'application/json',
  dataschema: 'urn:interlock:lifecycle:run.ended:v1',
  data: {
    seq: 21,
    run: RUN_ID,
    playbook: 'contain-c2',
    digest: DIGEST,
    state: 'completed',
    reason: 'completed',
    partial: false,
  },
};

export const lifecycleWebhook: LifecycleWebhook = {
  webhook: 'siem',
  host: 'siem.example',
  types: ['interlock.run.*'],
  delivered: 41,
  dropped: 0,
  attempts: 3,
  failure: 'http.503',
  retryAt: AT,
};

export const tokenRow: TokenSummary = {
  tokenId: 'fedcba9876543210',
  principal: 'siem',
  roles: ['source'],
  createdAt: AT,
  expiresAt: '2026-11-23T14:33:40.101Z',
};

export const whoami = {
  org: 'acme',
  principal: 'ann',
  roles: ['approver', 'operator'],
  permissions: ['run.read', 'run.cancel', 'approval.vote'],
};

export const newToken: NewToken = {
  token: `ilk_acme_fedcba9876543210_${'N'.repeat(43)}`,
  tokenId: 'fedcba9876543210',
  org: 'acme',
  principal: 'siem',
  roles: ['source'],
  expiresAt: '2027-02-21T14:33:40.101Z',
};

export const secrets = [{ name: 'crowdsec-key', updatedAt: AT }];
export const secretRotated: SecretRotated = {
  name: 'crowdsec-key',
  kept: 'new',
  checks: [
    { connector: 'edge-firewall', state: 'unhealthy', reason: 'it answers 401' },
    { connector: 'http-json', state: 'unknown', reason: null },
  ],
};
export const lintValid = { valid: true, digest: DIGEST, issues: [] };
export const lintInvalid = {
  valid: false,
  issues: [{ at: '/steps/1/uses', line: 17, text: 'no plugin of this name is installed' }],
  warnings: [{ at: '/steps/0/uses', line: 12, text: 'the plugin pager has no egress grant' }],
};
