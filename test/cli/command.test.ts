import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Double, data, openDouble, problem, type Reply } from './double.ts';
import { interlock, type RunOptions } from './run.ts';
import * as samples from './samples.ts';

/** The real command against a double of the API: what it asks, what it prints where, and how it ends. */
vi.setConfig({ testTimeout: 30_000 });

const ORG = '/v1/orgs/acme';
const { RUN_ID, APPROVAL_ID, EVENT_ID, SUBJECT, DIGEST } = samples;
const SAMPLE = (name: string) => new URL(`../samples/${name}`, import.meta.url).pathname;

let server: Double;
beforeAll(async () => {
  server = await openDouble();
});
afterAll(() => server.close());

const run = (args: readonly string[], options: RunOptions = {}) => interlock(args, { url: server.url, ...options });

type Row = {
  readonly args: readonly string[];
  readonly answers: Readonly<Record<string, Reply>>;
  readonly input?: string;
  /** What the last request held, where it had a body. */
  readonly sent?: unknown;
  readonly code?: number;
  /** A request of it, where it matters what it asked for. */
  readonly asks?: string;
  /** Parts of what people read. */
  readonly says: readonly string[];
  /** What programs read. */
  readonly json: unknown;
};

const { state, reason, failure } = samples.endedByFail;
const FAILED = { state, reason, failure };

const rows: Readonly<Record<string, Row>> = {
  whoami: {
    args: ['whoami'],
    answers: { 'GET /v1/whoami': data(samples.whoami) },
    says: ['org     acme\n', 'name    ann\n', 'roles   approver, operator\n'],
    json: samples.whoami,
  },
  'event send': {
    args: ['event', 'send', SAMPLE('ocsf-malware-finding.json')],
    answers: { [`POST ${ORG}/events`]: data({ events: [samples.receipt] }) },
    says: [
      `event ${EVENT_ID} accepted\n`,
      `contain-c2/c2-seen       matched      ${RUN_ID}\n`,
      'isolate-host/ransomware  not_matched  -  ',
      '/severity_id is not greaterThanInclusive 5; /device/uid is missing\n',
      '  40 other triggers did not match (interlock trigger explain shows why)\n',
      '  2 steps waited for an event with its key, and for more than it says (interlock trigger explain shows what)\n',
    ],
    json: { events: [samples.receipt] },
  },
  'event list': {
    args: ['event', 'list', '--outcome', 'suppressed', '--limit', '1'],
    answers: { [`GET ${ORG}/events`]: data([samples.eventRow], null) },
    says: [
      `${EVENT_ID}  2026-11-23 14:33:40Z  contain-c2/c2-seen  suppressed  -  `,
      'its cooldown: a run for the same thing had been started a short time before; until 2026-11-23 14:33:40Z\n',
      `-                   woke        ${RUN_ID}  which waited for it at verdict\n`,
    ],
    json: [samples.eventRow],
  },
  'event show': {
    args: ['event', 'show', EVENT_ID],
    answers: { [`GET ${ORG}/events/${EVENT_ID}`]: data(samples.storedEvent) },
    says: [
      'came    2026-11-23 14:33:40Z by pipeline\n',
      'type    com.example.finding (cloudevents)\n',
      `contain-c2/c2-seen       matched      ${RUN_ID}\n`,
      `  ${RUN_ID} waited for it at verdict\n`,
      '  1 step waited for an event with its key, and for more than it says (interlock trigger explain shows what)\n',
    ],
    json: samples.storedEvent,
  },
  'trigger explain': {
    args: ['trigger', 'explain', SAMPLE('ocsf-malware-finding.json'), '--playbook', 'contain-c2'],
    answers: { [`POST ${ORG}/triggers/explain`]: data([samples.explained], null) },
    says: [
      'contain-c2/c2-seen (version d4d4d4d4d4d4): not_matched\n',
      '  undecided  all of\n',
      '  true         event /class_uid equal 2004                    2004\n',
      '  undecided    not\n',
      '  undecided      event /device/hostname in ["lab-1","lab-2"]  nothing\n',
      '"high" (not a type that this compares)\n',
      `contain-c2/c2-again (version d4d4d4d4d4d4): absorbed\n  would be taken in by ${RUN_ID}\n`,
      '  would start nothing: as many runs as its rate allows were started\n',
      '  needs /device/uid, which is missing or null\n',
      'contain-c2/verdict (version d4d4d4d4d4d4): waits for an event with /case "c-7"; ' +
        'this one would not: its where does not hold\n' +
        `  ${RUN_ID} waits at verdict[2] until 2026-11-23 15:00:00Z\n`,
      '  false   event /kind equal "verdict"  "rumour"\n',
      'contain-c2/reply (version d4d4d4d4d4d4): waits for an event with /case "c-7"; this one would wake it\n',
      'contain-c2: 17 more wait for an event with a key of this one\n',
    ],
    json: [samples.explained],
  },
  'trigger explain (none)': {
    args: ['trigger', 'explain', SAMPLE('ocsf-malware-finding.json'), '--trigger', 'none'],
    answers: { [`POST ${ORG}/triggers/explain`]: data([], null) },
    code: 1,
    says: ['no active trigger of this name\n'],
    json: [],
  },
  'trigger explain (none at all)': {
    args: ['trigger', 'explain', SAMPLE('ocsf-malware-finding.json')],
    answers: { [`POST ${ORG}/triggers/explain`]: data([], null) },
    code: 1,
    says: ['no active trigger, and no step that waits for it\n'],
    json: [],
  },
  'trigger replay': {
    args: ['trigger', 'replay', '-', '--since', '24h'],
    input: 'name: contain-c2',
    answers: { [`POST ${ORG}/triggers/replay`]: data(samples.replay) },
    says: [
      'contain-c2: 412 events, 2026-11-23 14:33:40Z to 2026-11-23 16:00:00Z\n',
      'TRIGGER  RUNS      ABSORBED  SUPPRESSED  GAINED  LOST  SAME\nc2-seen  12 -> 14  3 -> 2    0 -> 1      4       3     12\n',
      `gained, for example:\n  EVENT`,
      `  ${EVENT_ID}  2026-11-23 14:33:40Z  c2-seen  absorbed  not_matched  /severity_id is not greaterThan 5\n`,
    ],
    json: samples.replay,
  },
  'run list': {
    args: ['run', 'list', '--state', 'waiting', '--limit', '1'],
    answers: { [`GET ${ORG}/runs`]: data([samples.summary], null) },
    says: [`RUN`, `${RUN_ID}  waiting  contain-c2  2026-11-23 14:33:40Z  -\n`],
    json: [samples.summary],
  },
  'run list, of a run that waits for its turn': {
    args: ['run', 'list'],
    answers: { [`GET ${ORG}/runs`]: data([{ ...samples.summary, state: 'pending' }], null) },
    says: [`${RUN_ID}  pending  contain-c2  -        -      queued since 2026-11-23 14:33:40Z\n`],
    json: [{ ...samples.summary, state: 'pending' }],
  },
  'run show, of a run that waits for its turn': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data({ ...samples.waitingRun, state: 'pending' }) },
    says: ['queued     since 2026-11-23 14:33:40Z; it has not begun\n'],
    json: { ...samples.waitingRun, state: 'pending' },
  },
  'run list, by everything': {
    args: [
      ...['run', 'list', '--closure', 'needs_review', '--partial', '--trigger', 'c2-seen', '--requester', 'siem'],
      ...['--incident', 'INC-7', '--since', '2026-01-31', '--until', '2026-02-01T12:00:00+02:00', '--all'],
    ],
    answers: { [`GET ${ORG}/runs`]: data([samples.summary], null) },
    asks:
      `${ORG}/runs?closure=needs_review&partial=true&trigger=c2-seen&requester=siem&incident=INC-7` +
      '&since=2026-01-31T00%3A00%3A00.000Z&until=2026-02-01T10%3A00%3A00.000Z&limit=200',
    says: [RUN_ID],
    json: [samples.summary],
  },
  'schema list': {
    args: ['schema', 'list'],
    answers: { 'GET /v1/schemas': data(samples.schemas, null) },
    says: ['NAME  VERSION  USE    OF', 'run   1        given  A run'],
    json: samples.schemas,
  },
  'schema get': {
    args: ['schema', 'get', 'run'],
    answers: {
      'GET /v1/schemas/run': {
        kind: 'raw',
        status: 200,
        headers: { 'content-type': 'application/schema+json' },
        body: '{"$id":"urn:interlock:schema:run:v1"}',
      },
    },
    says: ['"$id": "urn:interlock:schema:run:v1"'],
    json: { $id: 'urn:interlock:schema:run:v1' },
  },
  'run open': {
    args: ['run', 'open', '--limit', '2'],
    answers: { [`GET ${ORG}/open-work`]: data([samples.openRun, samples.stuckRun], null) },
    says: [
      `${RUN_ID}  contain-c2  person          an approver: ban, ${APPROVAL_ID}  2026-11-23 14:33:40Z`,
      `${RUN_ID}  contain-c2  stuck: no-wait  nothing`,
    ],
    json: [samples.openRun, samples.stuckRun],
  },
  'run show': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.failedRun) },
    says: [
      'failed in part\n',
      'reason     step ban failed\n',
      `took in    3 more events, the last ${EVENT_ID} at 2026-11-23 14:33:40Z\n`,
      'edge-firewall/block  1      7-8    timeout: no answer\n',
    ],
    json: samples.failedRun,
  },
  'run show, with steps that wait': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.waitingSteps) },
    says: [
      'pause    open       wait    -      -      waits until 2026-11-23 15:00:00Z\n',
      'waits for an event with /case "c-7" and /n 7, until 2026-11-23 15:00:00Z\n',
      `reply    succeeded  wait    -      -      woken by ${EVENT_ID}\n`,
    ],
    json: samples.waitingSteps,
  },
  'run show of one that was refused': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.refusedRun) },
    says: [
      'refused_by_policy: guardrail default\n',
      '  ban: guardrail: No rule of the guardrails allows this action.\n',
      '  isolate: guardrail: contain-many holds it: More than two wait; ',
      'approval asked by the guardrail contain-many; for tier high it takes 1 of role approver\n',
    ],
    json: samples.refusedRun,
  },
  'run show, by a server that does not say whether it was undone': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data({ ...samples.failedRun, undone: undefined }) },
    says: [`${RUN_ID}  failed in part\n`],
    json: { ...samples.failedRun, undone: undefined },
  },
  'run show, of a run that a fail ended': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.endedByFail) },
    says: ['reason     step-failed\nfailure    no: conflict: nothing is known of h1 [2J\n'],
    json: samples.endedByFail,
  },
  'run list, of a run that a fail ended': {
    args: ['run', 'list'],
    answers: { [`GET ${ORG}/runs`]: data([{ ...samples.completed, ...FAILED }], null) },
    says: ['step-failed; no: nothing is known of h1 [2J\n'],
    json: [{ ...samples.completed, ...FAILED }],
  },
  'run show, of a run that a stop holds up': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.cutOffRun) },
    says: [
      'last try: unavailable: stopped before it changed anything: stop-of-org; next try at 2026-11-23 15:00:00Z\n',
      'last try: nobody knows whether it happened; waits for the end of the stop\n',
    ],
    json: samples.cutOffRun,
  },
  'run list, of all that has not ended': {
    args: ['run', 'list', '--state', 'open', '--playbook', 'contain-c2'],
    answers: { [`GET ${ORG}/runs`]: data([samples.summary], null) },
    asks: `${ORG}/runs?closure=open&playbook=contain-c2&limit=50`,
    says: [RUN_ID],
    json: [samples.summary],
  },
  'run show, of a run that undid what it did': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data({ ...samples.failedRun, undone: true }) },
    says: [`${RUN_ID}  failed, wholly undone\n`],
    json: { ...samples.failedRun, undone: true },
  },
  'run list, of a run that undid what it did': {
    args: ['run', 'list'],
    answers: {
      [`GET ${ORG}/runs`]: data([{ ...samples.completed, state: 'failed', partial: true, undone: true }], null),
    },
    says: ['wholly undone; end\n'],
    json: [{ ...samples.completed, state: 'failed', partial: true, undone: true }],
  },
  'run show, of a run that a person refused': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.deniedRun('rejected')) },
    says: ['reason     approval-rejected\n', 'edge-firewall/block  -      -      refused by ann: case 4711\n'],
    json: samples.deniedRun('rejected'),
  },
  'run show, of a run that nobody approved': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.deniedRun('expired')) },
    says: ['-      -      not approved by 2026-11-23 14:33:40Z, when its approval expired\n'],
    json: samples.deniedRun('expired'),
  },
  'run show --wait': {
    args: ['run', 'show', RUN_ID, '--wait', '5s'],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.failedRun) },
    code: 1,
    says: ['failed in part\n'],
    json: samples.failedRun,
  },
  'run again': {
    args: ['run', 'again', RUN_ID, '--reason', 'the firewall answers again'],
    answers: { [`POST ${ORG}/runs/${RUN_ID}/again`]: data(samples.againRun) },
    sent: { reason: 'the firewall answers again' },
    says: [`run ${samples.AGAIN_ID} is waiting\n`],
    json: samples.againRun,
  },
  'run again --keep': {
    args: ['run', 'again', RUN_ID, '--keep', '--reason', 'the ticket was missing'],
    answers: { [`POST ${ORG}/runs/${RUN_ID}/again`]: data(samples.keepingRun) },
    sent: { reason: 'the ticket was missing', keep: true },
    says: [`run ${samples.AGAIN_ID} is waiting\n`],
    json: samples.keepingRun,
  },
  'run show, of one that keeps what was done': {
    args: ['run', 'show', samples.AGAIN_ID],
    answers: { [`GET ${ORG}/runs/${samples.AGAIN_ID}`]: data(samples.keepingRun) },
    says: [`keeps      what ${RUN_ID} has done\n`, `kept from ${RUN_ID}\n`],
    json: samples.keepingRun,
  },
  'run show, of one that runs again': {
    args: ['run', 'show', samples.AGAIN_ID],
    answers: { [`GET ${ORG}/runs/${samples.AGAIN_ID}`]: data(samples.againRun) },
    says: [`again      ${RUN_ID}, asked for by ann: the firewall answers again\n`],
    json: samples.againRun,
  },
  'run show, of one that was asked for again': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data({ ...samples.failedRun, ranAgainAs: samples.AGAIN_ID }) },
    code: 0,
    says: [`ran again  as ${samples.AGAIN_ID}\n`],
    json: { ...samples.failedRun, ranAgainAs: samples.AGAIN_ID },
  },
  'run pause': {
    args: ['run', 'pause', RUN_ID, '--reason', 'is that host ours?'],
    answers: { [`POST ${ORG}/runs/${RUN_ID}/pause`]: data(samples.pausedRun) },
    sent: { reason: 'is that host ours?' },
    says: [`run ${RUN_ID} is paused\n`],
    json: samples.pausedRun,
  },
  'run pause, of one that is paused': {
    args: ['run', 'pause', RUN_ID, '--reason', 'another'],
    answers: { [`POST ${ORG}/runs/${RUN_ID}/pause`]: data({ ...samples.pausedRun, changed: false }) },
    says: [`run ${RUN_ID} was paused before; the first reason stays\n`],
    json: { ...samples.pausedRun, changed: false },
  },
  'run resume': {
    args: ['run', 'resume', RUN_ID],
    answers: { [`POST ${ORG}/runs/${RUN_ID}/resume`]: data(samples.resumedRun) },
    says: [`run ${RUN_ID} is resumed\n`],
    json: samples.resumedRun,
  },
  'run resume, of one that is not paused': {
    args: ['run', 'resume', RUN_ID],
    answers: { [`POST ${ORG}/runs/${RUN_ID}/resume`]: data({ ...samples.resumedRun, changed: false }) },
    says: [`run ${RUN_ID} was not paused\n`],
    json: { ...samples.resumedRun, changed: false },
  },
  'run show, of one that is paused': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.pausedRun) },
    says: [
      `paused     by ann since 2026-11-23 14:33:40Z: is that host ours?; go on with: interlock run resume ${RUN_ID}\n`,
    ],
    json: samples.pausedRun,
  },
  'run list, of one that is held': {
    args: ['run', 'list'],
    answers: { [`GET ${ORG}/runs`]: data([samples.heldSummary], null) },
    says: [`-      paused with ${samples.AGAIN_ID} by ann: is that host ours?\n`],
    json: [samples.heldSummary],
  },
  'run open, of one that is paused': {
    args: ['run', 'open'],
    answers: { [`GET ${ORG}/open-work`]: data([samples.pausedOpenRun], null) },
    says: [`${RUN_ID}  contain-c2  person, paused  the resume, for ban  2026-11-23 14:33:40Z`],
    json: [samples.pausedOpenRun],
  },
  'run cancel': {
    args: ['run', 'cancel', RUN_ID, '--reason', 'false positive'],
    answers: { [`POST ${ORG}/runs/${RUN_ID}/cancel`]: data(samples.failedRun) },
    sent: { reason: 'false positive' },
    says: [`run ${RUN_ID} is failed: step ban failed\n`],
    json: samples.failedRun,
  },
  'run settle': {
    args: ['run', 'settle', RUN_ID, '--step', 'ban', '--outcome', 'succeeded', '--note', 'looked'],
    answers: { [`POST ${ORG}/runs/${RUN_ID}/settle`]: data(samples.waitingRun) },
    sent: { step: 'ban', outcome: 'succeeded', note: 'looked' },
    says: [`run ${RUN_ID} is waiting\n`],
    json: samples.waitingRun,
  },
  'run close': {
    args: ['run', 'close', RUN_ID, '--note', 'looked'],
    answers: { [`POST ${ORG}/runs/${RUN_ID}/close`]: data(samples.failedRun) },
    sent: { note: 'looked' },
    says: [`run ${RUN_ID} is failed: step ban failed\n`],
    json: samples.failedRun,
  },
  'approval list': {
    args: ['approval', 'list'],
    answers: { [`GET ${ORG}/approvals`]: data([samples.approvalRow], null) },
    says: [`${APPROVAL_ID}  pending  high  edge-firewall/block  siem`],
    json: [samples.approvalRow],
  },
  'approval show': {
    args: ['approval', 'show', APPROVAL_ID],
    answers: { [`GET ${ORG}/approvals/${APPROVAL_ID}`]: data(samples.approval) },
    says: [
      '▄▀▄ ▄▀▀ █▄█ █▀▀\n',
      'Block 203.0.113.77 at the edge for 4 hours\n',
      'ip = "203.0.113.77"\n',
      'target        ip 203.0.113.77\n',
      'reversible    yes\n',
      'guardrail     contain-few allows it: A plugin with a grant may contain one to five targets.\n',
      'asked by      the approval matrix: tier high takes 1 of role approver\n',
      'requester     siem\n',
      `subject       ${SUBJECT}\n`,
    ],
    json: samples.approval,
  },
  'approval approve': {
    args: ['approval', 'approve', APPROVAL_ID, '--rationale', 'case 4711', '--subject', SUBJECT],
    answers: {
      [`GET ${ORG}/approvals/${APPROVAL_ID}`]: data(samples.approval),
      [`POST ${ORG}/approvals/${APPROVAL_ID}/votes`]: data(samples.voted('approve')),
    },
    sent: { decision: 'approve', rationale: 'case 4711', subject: SUBJECT },
    says: [`approval ${APPROVAL_ID} is approved, 1 of 1 by approver\n`],
    json: samples.voted('approve'),
  },
  'approval reject': {
    args: ['approval', 'reject', APPROVAL_ID, '--rationale', 'no', '--yes'],
    answers: {
      [`GET ${ORG}/approvals/${APPROVAL_ID}`]: data(samples.approval),
      [`POST ${ORG}/approvals/${APPROVAL_ID}/votes`]: data(samples.voted('reject')),
    },
    sent: { decision: 'reject', rationale: 'no', subject: SUBJECT },
    says: [`approval ${APPROVAL_ID} is rejected, 0 of 1 by approver\n`],
    json: samples.voted('reject'),
  },
  'incident show': {
    args: ['incident', 'show', 'INC-4711'],
    answers: { [`GET ${ORG}/incidents/INC-4711`]: data(samples.incident) },
    says: [
      'INC-4711  contained\n',
      'confidence  82\n',
      `2026-11-23 14:33:40Z  updated contained  system:engine  note ${RUN_ID}  17     blocked at the edge\n`,
    ],
    json: samples.incident,
  },
  'incident show, newest first': {
    args: ['incident', 'show', 'INC-4711'],
    answers: {
      [`GET ${ORG}/incidents/INC-4711`]: data({
        ...samples.incident,
        timeline: [
          { ...samples.incident.timeline[0], seq: 17 },
          { ...samples.incident.timeline[0], seq: 18 },
        ],
      }),
    },
    says: ['  18     blocked at the edge\n2026-11-23 14:33:40Z  updated contained  system:engine  note '],
    json: {
      ...samples.incident,
      timeline: [
        { ...samples.incident.timeline[0], seq: 17 },
        { ...samples.incident.timeline[0], seq: 18 },
      ],
    },
  },
  'incident list': {
    args: ['incident', 'list', '--severity', 'high', '--limit', '1'],
    answers: { [`GET ${ORG}/incidents`]: data([samples.incidentRow], null) },
    says: ['INC-4711  contained  high      2026-11-23 14:33:40Z  2026-11-23 14:33:40Z  Outbound connection to C2\n'],
    json: [samples.incidentRow],
  },
  'incident timeline': {
    args: ['incident', 'timeline', 'INC-4711'],
    answers: { [`GET ${ORG}/incidents/INC-4711/timeline`]: data(samples.incident.timeline, null) },
    says: ['updated contained  system:engine'],
    json: samples.incident.timeline,
  },
  'incident note': {
    args: ['incident', 'note', 'INC-4711', '--state', 'contained', '--note', 'blocked'],
    answers: { [`POST ${ORG}/incidents/INC-4711/notes`]: data(samples.incident) },
    sent: { state: 'contained', note: 'blocked' },
    says: ['INC-4711  contained\n'],
    json: samples.incident,
  },
  'lifecycle list': {
    args: ['lifecycle', 'list', '--type', 'interlock.run.*'],
    answers: { [`GET ${ORG}/lifecycle`]: data([samples.lifecycleEvent], 'next-place') },
    says: [`2026-11-23 14:33:40Z  interlock.run.ended  ${RUN_ID}  playbook=contain-c2  state=completed  `],
    json: { data: [samples.lifecycleEvent], page: { next: 'next-place' } },
  },
  'lifecycle follow': {
    args: ['lifecycle', 'follow', '--for', '1ms'],
    answers: { [`GET ${ORG}/lifecycle`]: data([samples.lifecycleEvent], 'next-place') },
    says: [`interlock.run.ended  ${RUN_ID}  playbook=contain-c2`],
    json: samples.lifecycleEvent,
  },
  'lifecycle webhooks': {
    args: ['lifecycle', 'webhooks'],
    answers: { [`GET ${ORG}/lifecycle/webhooks`]: data([samples.lifecycleWebhook], null) },
    says: ['siem     siem.example  41         0        3 times: http.503  2026-11-23 14:33:40Z\n'],
    json: [samples.lifecycleWebhook],
  },
  'playbook list': {
    args: ['playbook', 'list', '--limit', '1'],
    answers: { [`GET ${ORG}/playbooks`]: data([samples.playbookRow], null) },
    says: [`contain-c2  ${DIGEST.slice(7, 19)}  2026-11-23 14:33:40Z  2         ${SUBJECT.slice(7, 19)}  Block a`],
    json: [samples.playbookRow],
  },
  'trigger list': {
    args: ['trigger', 'list'],
    answers: { [`GET ${ORG}/triggers`]: data([samples.trigger, samples.schedule], null) },
    says: [
      'contain-c2/c2-seen  event     -                     2026-11-23 14:33:40Z  ' +
        'stopped by ann: noise of the new sensor; burst since 2026-11-23 14:33:40Z\n',
      'contain-c2/morning  schedule  2026-11-24 05:00:00Z  -\n',
    ],
    json: [samples.trigger, samples.schedule],
  },
  'trigger noisy': {
    args: ['trigger', 'noisy', '--limit', '5'],
    answers: { [`GET ${ORG}/triggers/noisy`]: data([samples.noisy], null) },
    says: ['contain-c2/c2-seen  40       4     30        burst 5, rate 1  90 %\n'],
    json: [samples.noisy],
  },
  'trigger stop': {
    args: ['trigger', 'stop', 'contain-c2/c2-seen', '--reason', 'noise'],
    answers: { [`POST ${ORG}/triggers/contain-c2/c2-seen/stop`]: data(samples.trigger) },
    sent: { reason: 'noise' },
    says: ['contain-c2/c2-seen is stopped\n'],
    json: samples.trigger,
  },
  'trigger resume': {
    args: ['trigger', 'resume', 'contain-c2/morning', '--reason', 'mended'],
    answers: { [`POST ${ORG}/triggers/contain-c2/morning/resume`]: data(samples.schedule) },
    sent: { reason: 'mended' },
    says: ['contain-c2/morning may start runs\n'],
    json: samples.schedule,
  },
  'plugin list': {
    args: ['plugin', 'list'],
    answers: { [`GET ${ORG}/plugins`]: data([samples.plugin], null) },
    says: [
      `edge-firewall/block  contain  write   key     1.2.0    ${DIGEST.slice(7, 19)}  no     ip [for]\n`,
      `edge-firewall/list   enrich   read    -       1.2.0    ${DIGEST.slice(7, 19)}  no\n`,
    ],
    json: [samples.plugin],
  },
  'connector list': {
    args: ['connector', 'list'],
    answers: { [`GET ${ORG}/connectors`]: data(samples.connectors, null) },
    says: [
      'edge-firewall  open    2026-11-23 14:33:40Z  2026-11-23 14:34:10Z  0         0 of 32    7\n',
      'http-json      closed  -                     -                     2         1 of 8     0\n',
    ],
    json: samples.connectors,
  },
  'connector reset': {
    args: ['connector', 'reset', 'http-json'],
    answers: { [`POST ${ORG}/connectors/http-json/reset`]: data({ ...samples.connectors[1], changed: true }) },
    says: ['connector http-json of acme was open and is closed now: its next calls are made\n'],
    json: { ...samples.connectors[1], changed: true },
  },
  'connector reset (closed)': {
    args: ['connector', 'reset', 'http-json'],
    answers: { [`POST ${ORG}/connectors/http-json/reset`]: data({ ...samples.connectors[1], changed: false }) },
    says: ['connector http-json of acme was closed already: its next calls are made\n'],
    json: { ...samples.connectors[1], changed: false },
  },
  'connector reset (by a server that does not say)': {
    args: ['connector', 'reset', 'http-json'],
    answers: { [`POST ${ORG}/connectors/http-json/reset`]: data(samples.connectors[1]) },
    says: ['connector http-json of acme is closed: its next calls are made\n'],
    json: samples.connectors[1],
  },
  stop: {
    args: ['stop', '--reason', 'it bans our own'],
    answers: { [`POST ${ORG}/stop`]: data(samples.stopped) },
    sent: { reason: 'it bans our own' },
    says: [
      'acme is stopped: nothing is sent any more\n',
      'since   2026-11-23 14:33:40Z\n',
      'reason  it bans our own\n',
    ],
    json: samples.stopped,
  },
  'stop (again)': {
    args: ['stop', '--reason', 'another reason'],
    answers: { [`POST ${ORG}/stop`]: data({ ...samples.stopped, changed: false }) },
    says: ['acme was stopped before; the first reason stays\n', 'reason  it bans our own\n'],
    json: { ...samples.stopped, changed: false },
  },
  'stop release (again)': {
    args: ['stop', 'release'],
    answers: { [`DELETE ${ORG}/stop`]: data({ ...samples.released, changed: false }) },
    says: ['acme was not stopped\n'],
    json: { ...samples.released, changed: false },
  },
  'stop show (of the machine)': {
    args: ['stop', 'show'],
    answers: { [`GET ${ORG}/stop`]: data({ ...samples.released, stopped: true, machine: samples.stopped.org }) },
    says: ['acme is stopped\n', 'switch  machine\n'],
    json: { ...samples.released, stopped: true, machine: samples.stopped.org },
  },
  'stop release': {
    args: ['stop', 'release'],
    answers: { [`DELETE ${ORG}/stop`]: data(samples.released) },
    says: ['acme is released\n'],
    json: samples.released,
  },
  'token list': {
    args: ['token', 'list'],
    answers: { [`GET ${ORG}/tokens`]: data([samples.tokenRow], null) },
    says: ['fedcba9876543210  siem    source  2026-11-23 14:33:40Z  2026-11-23 14:33:40Z (past)\n'],
    json: [samples.tokenRow],
  },
  'playbook lint': {
    args: ['playbook', 'lint', '-'],
    answers: { [`POST ${ORG}/playbooks/lint`]: data(samples.lintInvalid) },
    input: 'kind: Playbook',
    code: 1,
    says: [
      'standard input:17: /steps/1/uses: no plugin of this name is installed\n',
      'standard input:12: warning: /steps/0/uses: the plugin pager has no egress grant\n',
    ],
    json: [{ file: '-', ...samples.lintInvalid }],
  },
  'playbook put': {
    args: ['playbook', 'put', '-'],
    answers: { [`POST ${ORG}/playbooks`]: data({ ...samples.playbook, digest: SUBJECT }) },
    input: 'kind: Playbook',
    says: [`contain-c2 ${SUBJECT} is stored\n`],
    json: { ...samples.playbook, digest: SUBJECT },
  },
  'playbook show': {
    args: ['playbook', 'show', 'contain-c2'],
    answers: { [`GET ${ORG}/playbooks/contain-c2`]: data(samples.playbook) },
    says: [`active    ${DIGEST}\n`, `${SUBJECT}  validated  ann  2026-11-23 16:00:00Z\n`],
    json: samples.playbook,
  },
  'playbook activate (the newest)': {
    args: ['playbook', 'activate', 'contain-c2'],
    answers: {
      [`GET ${ORG}/playbooks/contain-c2`]: data(samples.playbook),
      [`POST ${ORG}/playbooks/contain-c2/activate`]: data({ ...samples.playbook, active: SUBJECT }),
    },
    sent: { digest: SUBJECT },
    says: [`contain-c2 ${SUBJECT} is active\n`],
    json: { ...samples.playbook, active: SUBJECT },
  },
  'playbook activate (by the first digits)': {
    args: ['playbook', 'activate', 'contain-c2', SUBJECT.slice(7, 15)],
    answers: {
      [`GET ${ORG}/playbooks/contain-c2`]: data(samples.playbook),
      [`POST ${ORG}/playbooks/contain-c2/activate`]: data({ ...samples.playbook, active: SUBJECT }),
    },
    sent: { digest: SUBJECT },
    says: [`contain-c2 ${SUBJECT} is active\n`],
    json: { ...samples.playbook, active: SUBJECT },
  },
  'secret list': {
    args: ['secret', 'list'],
    answers: { [`GET ${ORG}/secrets`]: data(samples.secrets, null) },
    says: ['crowdsec-key  2026-11-23 14:33:40Z\n'],
    json: samples.secrets,
  },
  'secret set': {
    args: ['secret', 'set', 'crowdsec-key'],
    answers: { [`PUT ${ORG}/secrets/crowdsec-key`]: data({ name: 'crowdsec-key' }) },
    input: 'correct horse\n',
    sent: { value: 'correct horse' },
    says: ['secret crowdsec-key is set in acme\n'],
    json: { name: 'crowdsec-key' },
  },
  'secret remove': {
    args: ['secret', 'remove', 'crowdsec-key'],
    answers: { [`DELETE ${ORG}/secrets/crowdsec-key`]: data({ name: 'crowdsec-key' }) },
    says: ['secret crowdsec-key is removed from acme\n'],
    json: { name: 'crowdsec-key' },
  },
  'token create': {
    args: ['token', 'create', '--principal', 'siem', '--role', 'source', '--expires', '90d'],
    answers: { [`POST ${ORG}/tokens`]: data(samples.newToken) },
    sent: { principal: 'siem', roles: ['source'], expiresIn: '90d' },
    says: [`${samples.newToken.token}\n`],
    json: samples.newToken,
  },
  'token revoke': {
    args: ['token', 'revoke', '0123456789abcdef'],
    answers: { [`DELETE ${ORG}/tokens/0123456789abcdef`]: data({ tokenId: '0123456789abcdef' }) },
    says: ['token 0123456789abcdef is withdrawn\n'],
    json: { tokenId: '0123456789abcdef' },
  },
};

describe('each command, for people and for programs', () => {
  test.each(Object.entries(rows))(
    '%s',
    async (_name, { args, answers, input = '', sent, asks, code = 0, says, json }) => {
      server.answers(answers);
      const [people, programs] = await Promise.all([run(args, { input }), run([...args, '--json'], { input })]);
      expect(people).toMatchObject({ code });
      for (const part of says) expect(people.stdout).toContain(part);
      expect(programs).toMatchObject({ code });
      expect(JSON.parse(programs.stdout)).toEqual(json);
      const bodies = server.asked.filter(({ method }) => method !== 'GET').map(({ body }) => body);
      if (asks !== undefined) expect(server.asked.map(({ path }) => path)).toContain(asks);
      if (sent !== undefined) expect(bodies.map((body) => JSON.parse(body))).toEqual([sent, sent]);
    },
  );
});

test.each([
  ['the trigger', 'trigger', 'the trigger was stopped then; interlock trigger list says whether it still is'],
  ['the org', 'org', 'the org was stopped then; interlock stop show says whether it still is'],
  ['the machine', 'machine', 'the machine was stopped then; interlock stop show says whether it still is'],
  ['nobody knows whom', undefined, 'the trigger or the org was stopped then; interlock trigger list and'],
])('an event that came while %s was stopped says whose stop it was', async (_name, stop, says) => {
  const [first] = samples.storedEvent.triggers;
  const held = { ...first, outcome: 'suppressed', reason: 'stopped', run: null, stop };
  server.answers({ [`GET ${ORG}/events/${EVENT_ID}`]: data({ ...samples.storedEvent, triggers: [held] }) });
  expect((await run(['event', 'show', EVENT_ID])).stdout).toContain(says);
});

describe('the first digits of a digest', () => {
  const version = (digits: string) => ({ ...samples.playbook.versions[0], digest: `sha256:${digits.padEnd(64, '0')}` });
  const versions = ['abcdef01', 'abcdef012', '12345678'].map(version);

  test.each([
    ['fit one version', 'sha256:12345678', 0, [`sha256:${'12345678'.padEnd(64, '0')} is active`]],
    [
      'fit two',
      'abcdef01',
      2,
      ['2 versions of contain-c2 begin like this', '  sha256:abcdef0120', '  sha256:abcdef0100'],
    ],
    ['fit none', '99999999', 1, ['no version that begins like this']],
    ['are too few', '1234567', 2, ['the first 8 digits or more']],
    ['are no digits', 'newest-one', 2, ['the first 8 digits or more']],
  ])('%s', async (_name, digits, code, says) => {
    server.answers({
      [`GET ${ORG}/playbooks/contain-c2`]: data({ ...samples.playbook, versions }),
      [`POST ${ORG}/playbooks/contain-c2/activate`]: data(samples.playbook),
    });
    const ran = await run(['playbook', 'activate', 'contain-c2', digits]);
    expect(ran.code).toBe(code);
    for (const part of says) expect(ran.stdout + ran.stderr).toContain(part);
    expect(server.asked.filter(({ method }) => method === 'POST')).toHaveLength(code === 0 ? 1 : 0);
  });
});

describe('while the org or the machine is stopped', () => {
  const org = { ...samples.released, ...samples.stopped };
  const both = { ...org, machine: { ...samples.stopped.org, by: 'system:machine' } };
  const parked = {
    ...samples.waitingRun,
    steps: samples.waitingRun.steps.map((step) => ({ ...step, state: 'ready', waitsFor: 'release' })),
  };
  const BY_ANN = 'org acme is stopped by ann since 2026-11-23 14:33:40Z (reason: it bans our own)';
  const MACHINE = 'the machine is stopped since 2026-11-23 14:33:40Z (reason: it bans our own)';
  const THEN = ': nothing is sent until the release';
  const vote = (decision: 'approve' | 'reject') => ({
    [`GET ${ORG}/approvals/${APPROVAL_ID}`]: data(samples.approval),
    [`POST ${ORG}/approvals/${APPROVAL_ID}/votes`]: data(samples.voted(decision)),
  });
  const ballot = (decision: string) => ['approval', decision, APPROVAL_ID, '--rationale', 'x', '--yes'];
  const list = { [`GET ${ORG}/runs`]: data([samples.summary], null) };
  const show = (run: unknown) => ({ [`GET ${ORG}/runs/${RUN_ID}`]: data(run) });

  test.each<[string, readonly string[], Record<string, Reply>, unknown, string | undefined]>([
    ['a list', ['run', 'list'], list, org, BY_ANN],
    ['a list, stopped twice', ['run', 'list'], list, both, `${BY_ANN}, and ${MACHINE}`],
    ['a list, after the release', ['run', 'list'], list, samples.released, undefined],
    ['an empty list', ['run', 'list'], { [`GET ${ORG}/runs`]: data([], null) }, org, BY_ANN],
    ['open work', ['run', 'open'], { [`GET ${ORG}/open-work`]: data([samples.openRun], null) }, org, BY_ANN],
    ['a run', ['run', 'show', RUN_ID], show(parked), org, `stop       ${BY_ANN}`],
    ['a run that has ended', ['run', 'show', RUN_ID], show(samples.failedRun), org, undefined],
    ['a run that is followed', ['run', 'show', RUN_ID, '--wait', '1s'], show(parked), org, `\n${BY_ANN}`],
    ['an agreement', ballot('approve'), vote('approve'), org, BY_ANN],
    ['a refusal, which sends nothing', ballot('reject'), vote('reject'), org, undefined],
  ])('%s says so', async (_name, args, answers, stop, says) => {
    server.answers({ ...answers, [`GET ${ORG}/stop`]: data(stop) });
    const { stdout, stderr } = await run(args);
    if (says === undefined) expect(stdout + stderr).not.toContain('is stopped');
    else expect(stdout + stderr).toContain(`${says}${THEN}\n`);
  });

  test('whoever is not told of a stop gets what they asked for', async () => {
    server.answers({ ...list, [`GET ${ORG}/stop`]: problem(403, 'forbidden', 'Not allowed') });
    expect(await run(['run', 'list'])).toMatchObject({ code: 0, stdout: expect.stringContaining(RUN_ID) });
  });
});

describe('approval', () => {
  const route = `GET ${ORG}/approvals/${APPROVAL_ID}`;
  const vote = (more: readonly string[]) => run(['approval', 'approve', APPROVAL_ID, '--rationale', 'x', ...more]);
  const other = `sha256:${'0'.repeat(64)}`;

  test('nobody decides unseen: without a terminal it takes --subject or --yes', async () => {
    server.answers({ [route]: data(samples.approval) });
    const ran = await vote([]);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('--subject');
    expect(server.asked).toEqual([]);
  });

  test('where nobody is asked, what is shown is the approval after the vote', async () => {
    const vote = `POST ${ORG}/approvals/${APPROVAL_ID}/votes`;
    server.answers({ [route]: data(samples.approval), [vote]: data(samples.voted('approve')) });
    const ran = await run(['approval', 'approve', APPROVAL_ID, '--rationale', 'x', '--yes']);
    expect(ran.stderr).toContain('state         approved, 1 of 1 by approver\n');
    expect(ran.stderr).not.toContain('pending');
  });

  test.each([
    ['is about something else than --subject', samples.approval, ['--subject', other], 1, 'something else'],
    ['is decided already', samples.voted('reject'), ['--yes'], 1, 'it is rejected'],
    ['is of another org', { ...samples.approval, org: 'globex' }, ['--yes'], 2, 'another org'],
  ])('no vote is sent when it %s', async (_name, approval, more, code, why) => {
    server.answers({ [route]: data(approval) });
    const ran = await vote(more);
    expect(ran).toMatchObject({ code, stdout: '' });
    expect(ran.stderr).toContain(why);
    expect(server.asked.map(({ method }) => method)).toEqual(['GET']);
  });

  test('what is decided on is shown in full: nothing in it goes unseen', async () => {
    const hidden = { ...samples.approval, parameters: { ip: '203.0.113.77\u202e', user: 'root\u001b[2K\u0007' } };
    const plan = {
      summary: 'Block\u001b[2J many',
      reversible: false,
      details: {},
      targets: Array.from({ length: 25 }, (_, n) => ({ kind: 'ip', id: `203.0.113.${n}\u200b` })),
    };
    server.answers({ [route]: data({ ...hidden, plan }) });
    const { stdout } = await run(['approval', 'show', APPROVAL_ID]);
    expect(stdout).toContain('ip = "203.0.113.77\\u202e"');
    expect(stdout).toContain('user = "root\\u001b[2K\\u0007"');
    expect(stdout).toContain('ip 203.0.113.19\\u200b\n');
    expect(stdout).toContain('and 5 more (25 in all');
    expect(stdout).toContain('NO, this cannot be undone');
    // Colours are off, so there is no control character of ours either.
    expect(stdout).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u);
  });
});

describe('trigger replay', () => {
  test('goes on from page to page, and says what came of all of them together', async () => {
    const route = `POST ${ORG}/triggers/replay`;
    server.answers({ [route]: [data({ ...samples.replay, next: 'c1' }), data(samples.replay)] as never });
    const { stdout, code } = await run(['trigger', 'replay', '-', '--since', '7d', '--json'], { input: 'name: x' });
    const both = JSON.parse(stdout);
    expect(both).toMatchObject({
      events: 824,
      next: null,
      triggers: [{ recorded: { runs: 24, absorbed: 6 }, lost: 6 }],
    });
    expect([code, both.gained.length]).toEqual([0, 2]);
    expect(server.asked.map(({ path }) => /limit=2000(&cursor=c1)?$/.test(path))).toEqual([true, true]);
  });

  test.each([
    [['--since', 'yesterday'], '--since takes a duration such as 24h, or an instant'],
    [['--limit', '0'], '--limit takes a whole number from 1.'],
  ])('%j asks nothing', async (more, why) => {
    server.answers({});
    const ran = await run(['trigger', 'replay', '-', ...more], { input: 'name: x' });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(why);
    expect(server.asked).toEqual([]);
  });
});

describe('lists', () => {
  test.each([
    ['one that waits', [samples.summary], true],
    ['none that waits', [samples.completed], false],
  ])('a list of runs with %s: where it is told for what', async (_name, runs, isTold) => {
    server.answers({ [`GET ${ORG}/runs`]: data(runs, null) });
    const people = await run(['run', 'list']);
    expect(people.stderr).toBe(isTold ? '`interlock run open` shows what each run waits for\n' : '');
    expect((await run(['run', 'list', '--json'])).stderr).toBe('');
  });

  test('take as many rows as asked for from as many pages as that takes', async () => {
    const pages = [data([samples.summary], 'c1'), data([samples.completed], 'c2'), data([samples.summary], null)];
    server.answers({ [`GET ${ORG}/runs`]: pages as never });
    const two = await run(['run', 'list', '--limit', '2', '--json']);
    expect(JSON.parse(two.stdout)).toHaveLength(2);
    expect(two.stderr).toContain('--all');
    server.answers({ [`GET ${ORG}/runs`]: pages as never });
    const all = await run(['run', 'list', '--all', '--playbook', 'contain-c2', '--json']);
    expect(JSON.parse(all.stdout)).toHaveLength(3);
    expect(server.asked[0]?.path).toBe(`${ORG}/runs?playbook=contain-c2&limit=200`);
    server.answers({ [`GET ${ORG}/approvals`]: data([], null) });
    expect((await run(['approval', 'list', '--state', 'any'])).stdout).toBe('no approvals\n');
    expect(server.asked[0]?.path).toBe(`${ORG}/approvals?limit=50`);
  });
});

test.each([
  ['older servers', undefined, 'New runs use it after: interlock playbook activate'],
  ['who may', { roles: ['approver'], byYou: true }, 'New runs use it after: interlock playbook activate'],
  [
    'who may not',
    { roles: ['approver'], byYou: false },
    'New runs use it after somebody else, of the role approver, has run: interlock playbook activate',
  ],
])('playbook put names who activates: %s', async (_, activation, says) => {
  server.answers({ [`POST ${ORG}/playbooks`]: data({ ...samples.playbook, digest: SUBJECT, activation }) });
  const ran = await run(['playbook', 'put', '-'], { input: 'kind: Playbook' });
  expect(ran).toMatchObject({ code: 0, stderr: `${says} contain-c2 ${SUBJECT}\n` });
});

test('playbook lint checks the files that are there, and says which are not: 2', async () => {
  server.answers({ [`POST ${ORG}/playbooks/lint`]: data({ valid: true, issues: [] }) });
  const file = SAMPLE('falco-terminal-shell.json');
  const ran = await run(['playbook', 'lint', file, 'none.yaml', file]);
  expect(ran).toMatchObject({ code: 2, stdout: `${file}: valid\n${file}: valid\n` });
  expect(ran.stderr).toBe('interlock: none.yaml does not exist. Name a file, or - for standard input.\n');
});

describe('refusals', () => {
  test.each([
    [['run', 'show', RUN_ID], 'run'],
    [['approval', 'show', APPROVAL_ID], 'approval'],
    [['incident', 'show', 'INC-1'], 'incident'],
    [['playbook', 'show', 'contain-c2'], 'playbook'],
    [['trigger', 'stop', 'contain-c2/c2-seen', '--reason', 'x'], 'trigger'],
    [['connector', 'reset', 'edge'], 'connector'],
    [['secret', 'remove', 'edge'], 'secret'],
    [['token', 'revoke', '0123456789abcdef'], 'token'],
  ])('%j: what is not there is named, and how to list what is', async (args, thing) => {
    server.answers({});
    const ran = await run(args);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain(
      `There is no ${thing} of this name or id in the org acme: \`interlock ${thing} list\` shows those that there are.`,
    );
  });

  test.each<[string, Reply, number, string]>([
    [
      'a problem about the thing is a no, with what to mend',
      problem(422, 'invalid-playbook', 'The playbook is not valid', {
        detail: 'Mend what is listed.',
        errors: [{ pointer: '/steps/0', text: 'line 3: unknown' }],
      }),
      1,
      'interlock: The playbook is not valid. Mend what is listed.\n  /steps/0: line 3: unknown\n',
    ],
    [
      'a token that is not accepted is no answer',
      problem(401, 'unauthenticated', 'A token is required', { detail: 'Send "Authorization: Bearer".' }),
      2,
      'interlock: The server does not accept the token. It is unknown, withdrawn or expired',
    ],
    [
      'nor is one without the permission a yes',
      problem(403, 'forbidden', 'The token does not carry this permission', { detail: 'This needs x.' }),
      1,
      'This needs x. `interlock whoami` shows what it may do.',
    ],
    [
      'a thing that is not there',
      problem(404, 'not-found', 'x', { detail: 'y' }),
      1,
      'of this name or id in the org acme.',
    ],
    ['a filter that cannot be is no question', problem(422, 'invalid-query', 'Not valid'), 2, 'Not valid.'],
    [
      'a server in trouble is no answer',
      problem(503, 'internal', 'Wrong'),
      2,
      'Give this id when you ask for help: urn:uuid:1.',
    ],
  ])('%s', async (_name, reply, code, text) => {
    server.answers({ [`POST ${ORG}/playbooks`]: reply });
    const people = await run(['playbook', 'put', '-'], { input: 'a: 1' });
    expect(people).toMatchObject({ code, stdout: '' });
    expect(people.stderr).toContain(text);
    // Whoever asked for JSON gets the problem itself, and the same sentence beside it.
    const programs = await run(['playbook', 'put', '-', '--json'], { input: 'a: 1' });
    expect(programs).toMatchObject({ code, stderr: people.stderr });
    const { kind, ...said } = reply.kind === 'problem' ? reply.problem : { kind: '' };
    expect(JSON.parse(programs.stdout)).toEqual({
      type: `urn:interlock:problem:${kind}`,
      detail: '',
      instance: 'urn:uuid:1',
      errors: [],
      ...said,
    });
  });
});

test('a run that does not run again: the refusal comes alone, with nothing about what would be done', async () => {
  const title = 'What would start the run is stopped';
  server.answers({ [`POST ${ORG}/runs/${RUN_ID}/again`]: problem(409, 'start-stopped', title) });
  const ran = await run(['run', 'again', RUN_ID, '--reason', 'x']);
  expect(ran).toEqual({ code: 1, stdout: '', stderr: `interlock: ${title}.\n` });
});

test('an older Node is told which one is needed, before it meets a file that it cannot read', async () => {
  const old = (version: string) =>
    `data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"${version}"}})`;
  server.answers({ 'GET /v1/whoami': data(samples.whoami) });
  const ran = await run(['whoami'], { node: ['--no-strip-types', '--import', old('20.20.2')] });
  expect(ran).toEqual({
    code: 2,
    stdout: '',
    stderr:
      'interlock: this needs Node 26 or newer, and runs on 20.20.2. The project brings its own: in its folder, ' +
      'run `npx interlock`.\n',
  });
  expect(await run(['whoami'], { node: ['--import', old('100.0.0')] })).toMatchObject({ code: 0, stderr: '' });
});
