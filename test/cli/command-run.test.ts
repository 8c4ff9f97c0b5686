import { describe, expect, test } from 'vitest';
import { ORG, openCommand } from './command.ts';
import { data, problem, type Reply } from './double.ts';
import * as samples from './samples.ts';

/** Runs on the command line: what is asked, what is printed where, and how it ends. */
const { run, server, table } = openCommand();
const { RUN_ID, APPROVAL_ID, EVENT_ID } = samples;
const ORIGIN = { run: samples.CHILD_ID, step: 'hunt[2]' };

const { state, reason, failure } = samples.endedByFail;
const FAILED = { state, reason, failure };

table({
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
  'run show, of a run that a pause holds up': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data({ ...samples.cutOffRun, paused: samples.pausedRun.paused }) },
    says: ['last try: nobody knows whether it happened; waits for the resume\n'],
    json: { ...samples.cutOffRun, paused: samples.pausedRun.paused },
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
    says: [`keeps      what ${RUN_ID} has done\n`, `kept from ${RUN_ID}\n`, `started ${samples.CHILD_ID}\n`],
    json: samples.keepingRun,
  },
  'run show, of a sub-run': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data({ ...samples.completedRun, parent: ORIGIN }) },
    says: [`part of    ${samples.CHILD_ID}, step hunt[2]\n`],
    json: { ...samples.completedRun, parent: ORIGIN },
  },
  'run show, of one that a detached step has started': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data({ ...samples.completedRun, startedBy: ORIGIN }) },
    says: [`started by  ${samples.CHILD_ID}, step hunt[2]\n`],
    json: { ...samples.completedRun, startedBy: ORIGIN },
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
    answers: { [`POST ${ORG}/runs/${RUN_ID}/close`]: data(samples.closedRun) },
    sent: { note: 'looked' },
    says: [`run ${RUN_ID}, failed in part, is closed by ann\n`],
    json: samples.closedRun,
  },
  'run show, of one that needs a review': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data({ ...samples.failedRun, closure: 'needs_review' }) },
    code: 0,
    says: [`review     needed; then: interlock run close ${RUN_ID} --note ...\n`],
    json: { ...samples.failedRun, closure: 'needs_review' },
  },
  'run show, of one that answers the end of another': {
    args: ['run', 'show', samples.CHILD_ID],
    answers: { [`GET ${ORG}/runs/${samples.CHILD_ID}`]: data(samples.answeringRun) },
    says: [
      `answers    the end of ${RUN_ID}\n`,
      `its end    started ${samples.AGAIN_ID}\n`,
      'inputs     host "h1\\u001b[2J", n 7, of null\n',
    ],
    json: samples.answeringRun,
  },
  'run show, of one that many answer': {
    args: ['run', 'show', RUN_ID],
    answers: { [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.answeredRun) },
    says: [`its end    started ${samples.AGAIN_ID}, `, `${samples.AGAIN_ID}, and 2 more (--json)\n`],
    json: samples.answeredRun,
  },
});

describe('what is said of a step that is to be undone', () => {
  const { undoingRun } = samples;
  test.each<[string, unknown, string]>([
    ['it failed', undoingRun('failed', ['failed', 'failed']), 'NOT undone after 2 tries: unavailable: down\n'],
    ['it was not tried', undoingRun('failed', []), 'NOT undone: unavailable: down\n'],
    [
      'nobody knows',
      undoingRun('failed', ['failed', 'indeterminate']),
      'nobody knows whether it was undone, after 2 tries: unavailable: down\n',
    ],
    ['a try is under way', undoingRun('intended', ['failed', null]), 'is being undone, try 2\n'],
    [
      'another try follows',
      undoingRun('retry', ['failed']),
      'not undone after 1 try, and is tried again: unavailable: down\n',
    ],
    ['a stop holds it', undoingRun('parked', []), 'to undo it waits for the end of the stop\n'],
    [
      'it is undone',
      undoingRun('done', ['failed', null]),
      'rolled_back  edge-firewall/block  1      7-8    undone after 2 tries\n',
    ],
    ['it is undone at once', undoingRun('done', [null]), '7-8    undone\n'],
    [
      'what failed is hostile',
      undoingRun('failed', ['failed'], 'a\u001b[2Jb'),
      'NOT undone after 1 try: unavailable: a [2Jb\n',
    ],
  ])('%s', async (_what, shown, text) => {
    server.answers({ [`GET ${ORG}/runs/${RUN_ID}`]: data(shown) });
    expect((await run(['run', 'show', RUN_ID])).stdout).toContain(text);
  });

  test('one that follows the run to its end says what was not undone, and where a rule that was missing stands', async () => {
    const refused = undoingRun('failed', ['failed']);
    const error = { class: 'refused_by_policy', message: 'E_NOT_ALLOWED: no rule' } as const;
    const steps = refused.steps.map((step) => ({ ...step, undo: step.undo && { ...step.undo, error } }));
    server.answers({
      [`POST ${ORG}/events`]: data({ events: [samples.receipt] }),
      [`GET ${ORG}/runs/${RUN_ID}`]: data({ ...refused, steps }),
    });
    const sent = await run(['event', 'send', '--wait'], { input: '{"specversion":"1.0"}' });
    expect(sent.stdout).toContain('  ban: NOT undone after 1 try: refused_by_policy: E_NOT_ALLOWED: no rule\n');
    expect(sent.stderr).toContain('The log of the kernel has the rule that would allow what ban asked for');
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

test('a run that does not run again: the refusal comes alone, with nothing about what would be done', async () => {
  const title = 'What would start the run is stopped';
  server.answers({ [`POST ${ORG}/runs/${RUN_ID}/again`]: problem(409, 'start-stopped', title) });
  const ran = await run(['run', 'again', RUN_ID, '--reason', 'x']);
  expect(ran).toEqual({ code: 1, stdout: '', stderr: `interlock: ${title}.\n` });
});
