import { type Command, Option } from 'commander';
import type { Run, RunFilter, RunSummary } from '../client/client.ts';
import { RUN_STATES } from '../contract/api-run.ts';
import { act, withExamples } from './act.ts';
import { addRunOpen } from './command-run-open.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, ok, type Result } from './ending.ts';
import { endOf, exitOfRuns, extentOf, followRun, noteStillGoing, waitMsOf } from './follow.ts';
import { isApprovalOrRunId } from './form.ts';
import { type Drawing, draw, withFormat } from './graph.ts';
import { spanOf } from './instant.ts';
import { type Listing, readList, withListOptions } from './list.ts';
import { clean, fields, note, paint, say, sayJson, state, table, when } from './print.ts';
import { type Globals, openSession, type Session } from './session.ts';
import { noteStop, stopText } from './stopped.ts';
import { askedBy, keyText, verdictText } from './why.ts';

const CLOSURES: readonly RunSummary['closure'][] = ['open', 'closed', 'needs_review'];

/** `interlock run`: what came of an event, and what a person may do about it. */
export function addRun(program: Command): void {
  const run = program.command('run').description('see runs, stop them, have them run again, settle what nobody knows');
  withExamples(run, ['interlock run list --state waiting', 'interlock run show run_0123... --wait 5m']);

  withExamples(
    withListOptions(run.command('list').description('runs of the org, newest first'))
      .addOption(new Option('--state <state>', 'only runs in this state').choices(RUN_STATES))
      .addOption(new Option('--closure <closure>', 'only these; needs_review: a person has to look').choices(CLOSURES))
      .option('--partial', 'only runs that carried something out and did not complete')
      .option('--playbook <name>', 'only runs of this playbook')
      .option('--trigger <name>', 'only runs that this trigger started')
      .option('--requester <principal>', 'only runs that this person or service caused')
      .option('--incident <id>', 'only runs that belong to this incident, or have updated it')
      .option('--since <time>', 'started at this time or later: 24h ago as 24h, or 2026-01-31T12:00:00Z')
      .option('--until <time>', 'started before this time'),
    [
      'interlock run list',
      'interlock run list --state failed --playbook contain-c2 --all --json',
      'interlock run list --closure needs_review --since 7d',
    ],
  ).action((_options, command: Command) => act(listRuns(command.optsWithGlobals())));

  addRunOpen(run);

  withExamples(
    run
      .command('show')
      .description('one run with its steps')
      .argument('<id>', 'run_ and 32 hex digits')
      .option('--wait <duration>', 'wait at most this long for its end, e.g. 30s or 10m'),
    ['interlock run show run_0123...', 'interlock run show run_0123... --wait 10m && echo contained'],
    'AUDIT has the numbers of the records of the intent and the end of each try.\n' +
      'Exit codes with --wait: 0 completed, 1 ended in another way, 2 still going on.',
  ).action((id: string, _options, command: Command) => act(showRun(id, command.optsWithGlobals())));

  withExamples(
    withFormat(
      run
        .command('graph')
        .description('a run as a picture: its steps, their states, and the way that it took')
        .argument('<id>', 'run_ and 32 hex digits'),
    ),
    ['interlock run graph run_0123...', 'interlock run graph run_0123... --format svg > run.svg'],
  ).action((id: string, _options, command: Command) => act(graph(id, command.optsWithGlobals())));

  withExamples(
    run
      .command('again')
      .description('start a new run of the event of a run that has ended, with the versions that are active now')
      .argument('<id>', 'of the run that has ended: run_ and 32 hex digits')
      .requiredOption('--reason <text>', 'why; it goes into the history of the new run'),
    ['interlock run again run_0123... --reason "the firewall answers again, see case 4711"'],
    'What the run has carried out is done again: look at it first with `interlock run show`.\n' +
      'Whoever asks has no vote in the new run, nor has whoever caused the old one. While the new run is under\n' +
      'way, asking again shows it and starts nothing.',
  ).action((id: string, _options, command: Command) => act(runAgain(id, command.optsWithGlobals())));

  withExamples(
    run
      .command('cancel')
      .description('stop a run: what is under way is stopped, and what declares a rollback is undone')
      .argument('<id>', 'run_ and 32 hex digits')
      .requiredOption('--reason <text>', 'why; it goes into the history of the run'),
    ['interlock run cancel run_0123... --reason "false positive, see case 4711"'],
  ).action((id: string, _options, command: Command) => act(cancelRun(id, command.optsWithGlobals())));

  withExamples(
    run
      .command('settle')
      .description('say what became of a step of which nobody knows whether it happened')
      .argument('<id>', 'run_ and 32 hex digits')
      .requiredOption(
        '--step <step>',
        'the step that is indeterminate, or that waits for a person, e.g. ban or scan[3]',
      )
      .addOption(
        new Option('--outcome <outcome>', 'as you found it outside')
          .choices(['succeeded', 'failed'])
          .makeOptionMandatory(),
      )
      .requiredOption('--note <text>', 'how you found out; it goes into the history of the run'),
    ['interlock run settle run_0123... --step ban --outcome succeeded --note "the rule is on the firewall"'],
    'Look at the target first: the run goes on as if your answer were true.',
  ).action((id: string, _options, command: Command) => act(settleRun(id, command.optsWithGlobals())));

  withExamples(
    run
      .command('close')
      .description('say that somebody has looked at how a run ended that needs a review')
      .argument('<id>', 'run_ and 32 hex digits')
      .requiredOption('--note <text>', 'what was found; it goes into the history of the run'),
    ['interlock run close run_0123... --note "the ban was lifted by hand, see case 4711"'],
    'A run needs a review when something of it is unknown, or was done and could not be finished or undone.',
  ).action((id: string, _options, command: Command) => act(closeRun(id, command.optsWithGlobals())));
}

type ListOptions = Globals &
  Listing & { readonly [name in Exclude<keyof RunFilter, 'partial'>]?: string } & { readonly partial?: true };

async function listRuns(options: ListOptions): Promise<Ending> {
  const span = spanOf(options);
  if (!span.ok) return span;
  const session = await openSession(options);
  if (!session.ok) return session;
  const { client } = session.value;
  const { closure, playbook, trigger, requester, incident } = options;
  const filter: RunFilter = {
    state: options.state,
    closure,
    partial: options.partial && 'true',
    playbook,
    trigger,
    requester,
    incident,
    ...span.value,
  };
  const rows = await readList(session.value, options, (paging) => client.runs(filter, paging));
  if (!rows.ok) return rows;
  if (options.json) sayJson(rows.value);
  else if (rows.value.length === 0) say('no runs');
  else say(table(['RUN', 'STATE', 'PLAYBOOK', 'STARTED', 'ENDED', 'REMARKS'], rows.value.map(runRow)));
  // A row of this list does not have it: it would have to be written whenever a run begins to wait for something else.
  if (!options.json && rows.value.some((row) => row.state === 'waiting'))
    note('`interlock run open` shows what each run waits for');
  await noteStop(session.value);
  return fine;
}

const runRow = (row: RunSummary): string[] => [
  row.run,
  state(row.state),
  row.playbook,
  isQueued(row) ? '-' : when(row.startedAt),
  row.endedAt === null ? '-' : when(row.endedAt),
  remarks(row),
];

const tookIn = ({ events, last, at }: NonNullable<Run['absorbed']>): string =>
  `${events} more ${events === 1 ? 'event' : 'events'}, the last ${clean(last, 64)} at ${when(at)}`;

/** It was made and has not begun. */
const isQueued = ({ state }: RunSummary): boolean => state === 'pending';

const remarks = (row: RunSummary): string => {
  const { closure, reason, state: end, startedAt } = row;
  return [
    isQueued(row) ? `queued since ${when(startedAt)}` : '',
    extentOf(row),
    closure === 'needs_review' ? 'needs review' : '',
    reason === end ? '' : clean(reason ?? '', 120),
  ]
    .filter((part) => part !== '')
    .join('; ');
};

async function showRun(id: string, options: Globals & { readonly wait?: string }): Promise<Ending> {
  const waitMs = options.wait === undefined ? undefined : waitMsOf(options.wait);
  if (waitMs?.ok === false) return waitMs;
  const session = await openRunSession(id, options);
  if (!session.ok) return session;
  const run = await (waitMs === undefined
    ? session.value.client.run(id)
    : followRun(session.value, id, Date.now() + waitMs.value));
  if (!run.ok) return complain(run.error, session.value, 'run');
  if (options.json) sayJson(run.value);
  else sayRun(run.value, run.value.endedAt === null ? await stopText(session.value) : undefined);
  if (waitMs === undefined) return fine;
  if (run.value.endedAt === null) noteStillGoing(run.value);
  return ok(exitOfRuns([run.value]));
}

async function graph(id: string, options: Drawing): Promise<Ending> {
  const session = await openRunSession(id, options);
  if (!session.ok) return session;
  const { client } = session.value;
  return draw(session.value, options, {
    graph: () => client.runGraph(id),
    as: (format) => client.runGraphAs(id, format),
  });
}

async function runAgain(id: string, options: Globals & { readonly reason: string }): Promise<Ending> {
  const session = await openRunSession(id, options);
  if (!session.ok) return session;
  note(`what ${id} has carried out is done again: each step of the new run has an idempotency key of its own`);
  const answer = await session.value.client.runAgain(id, { reason: options.reason });
  if (!answer.ok) return complain(answer.error, session.value, 'run');
  sayChanged(answer.value, options);
  note(`follow it with: interlock run show ${answer.value.run} --wait 10m`);
  return fine;
}

async function cancelRun(id: string, options: Globals & { readonly reason: string }): Promise<Ending> {
  const session = await openRunSession(id, options);
  if (!session.ok) return session;
  const answer = await session.value.client.cancelRun(id, { reason: options.reason });
  if (!answer.ok) return complain(answer.error, session.value, 'run');
  sayChanged(answer.value, options);
  return fine;
}

type SettleOptions = Globals & {
  readonly step: string;
  readonly outcome: 'succeeded' | 'failed';
  readonly note: string;
};

async function settleRun(id: string, options: SettleOptions): Promise<Ending> {
  const { step, outcome, note: text } = options;
  const session = await openRunSession(id, options);
  if (!session.ok) return session;
  const answer = await session.value.client.settleRun(id, { step, outcome, note: text });
  if (!answer.ok) return complain(answer.error, session.value, 'run');
  sayChanged(answer.value, options);
  return fine;
}

async function closeRun(id: string, options: Globals & { readonly note: string }): Promise<Ending> {
  const session = await openRunSession(id, options);
  if (!session.ok) return session;
  const answer = await session.value.client.closeRun(id, { note: options.note });
  if (!answer.ok) return complain(answer.error, session.value, 'run');
  sayChanged(answer.value, options);
  return fine;
}

async function openRunSession(id: string, options: Globals): Promise<Result<Session>> {
  if (isApprovalOrRunId('run', id)) return openSession(options);
  return cannot('a run is named by run_ and 32 hex digits; `interlock run list` shows them.');
}

function sayChanged(run: Run, { json }: Globals): void {
  if (json) sayJson(run);
  else say(`run ${run.run} is ${state(run.state)}${run.reason === null ? '' : `: ${clean(run.reason)}`}`);
}

/** @param stop why nothing of it is sent at present. */
function sayRun(run: Run, stop?: string): void {
  say(`${paint('strong', run.run)}  ${endOf(run)}`);
  say(
    fields([
      ['org', run.org],
      ['playbook', `${run.playbook}  ${run.digest}`],
      ['trigger', `${run.trigger}, event ${run.event}`],
      ['requester', clean(run.requester)],
      [
        'again',
        run.again ? `${run.again.run}, asked for by ${clean(run.again.by)}: ${clean(run.again.reason)}` : undefined,
      ],
      ['ran again', run.ranAgainAs === null ? undefined : `as ${run.ranAgainAs}`],
      ['took in', run.absorbed ? tookIn(run.absorbed) : undefined],
      isQueued(run) ? ['queued', `since ${when(run.startedAt)}; it has not begun`] : ['started', when(run.startedAt)],
      run.endedAt === null
        ? ['ends by', when(run.deadlineAt)]
        : ['ended', `${when(run.endedAt)} by ${clean(run.endedBy ?? 'nobody known')}`],
      ['stop', stop],
      ['reason', run.reason === null || run.reason === run.state ? undefined : clean(run.reason)],
      ['policy', run.pins.policy],
      [
        'plugins',
        Object.entries(run.pins.plugins)
          .map(([name, digest]) => `${clean(name, 63)} ${digest}`)
          .join(', '),
      ],
      ['kernel', clean(run.pins.kernel ?? 'not recorded', 40)],
      ['cancelled', run.cancel ? `by ${clean(run.cancel.by)}: ${clean(run.cancel.reason)}` : undefined],
      ['review', run.closure === 'needs_review' ? 'needed' : undefined],
      ['closed', run.closed ? `by ${clean(run.closed.by)}: ${clean(run.closed.note)}` : undefined],
    ]),
  );
  say('');
  say(
    table(
      ['STEP', 'STATE', 'ACTION', 'TRIES', 'AUDIT', 'REMARKS'],
      run.steps.map((step) => stepRow(step, denialOf(step, run))),
    ),
  );
  for (const line of run.steps.flatMap((step) => policyLine(step, run))) say(line);
  for (const { step, state, waitsFor } of run.steps) {
    if (waitsFor === 'person')
      note(`${step} waits for a person to do it by hand. Then: interlock run settle ${run.run} --step ${step} ...`);
    if (state !== 'indeterminate' || waitsFor === 'check') continue;
    note(`Nobody knows whether ${step} happened. Look, then: interlock run settle ${run.run} --step ${step} ...`);
  }
}

/** Of a step that was refused, or had to be approved: which rule of which policy decided. */
function policyLine({ step, type, verdict, approval: id }: Run['steps'][number], { approvals }: Run): string[] {
  const asked = approvals.find(({ approval }) => approval === id);
  const parts = [
    verdict && (asked || verdict.kind === 'deny') ? `guardrail: ${verdictText(verdict)}` : '',
    asked ? `approval asked by ${askedBy(asked, verdict, type === 'approval')}` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? [] : [`  ${step}: ${parts.join('; ')}`];
}

/** That people said no, or nothing, to a step. Its error has the class of a policy, which is not who refused it. */
function denialOf({ state: at, approval: asked }: Run['steps'][number], run: Run): string | undefined {
  const approval = at === 'failed' ? run.approvals.find(({ approval }) => approval === asked) : undefined;
  if (approval?.state === 'expired') return `not approved by ${when(approval.expiresAt)}, when its approval expired`;
  if (approval?.state !== 'rejected') return undefined;
  const no = approval.votes.find(({ decision }) => decision === 'reject');
  return no ? `refused by ${clean(no.by)}: ${clean(no.rationale)}` : 'refused by a person';
}

function stepRow(
  {
    step,
    state: at,
    uses,
    type,
    attempts,
    error,
    reason,
    approval,
    retryAt,
    note: said,
    waitsFor,
    until,
    parameters,
    event,
  }: Run['steps'][number],
  denial: string | undefined,
): string[] {
  const parts = [
    denial ?? (error === null ? '' : `${clean(error.class, 40)}: ${clean(error.message)}`),
    clean(reason ?? ''),
    said === null ? '' : `settled: ${clean(said)}`,
    at === 'held' && approval !== null ? `waits for ${approval}` : '',
    retryAt === null ? '' : `next try at ${when(retryAt)}`,
    until === null
      ? ''
      : `waits ${waitsFor === 'event' ? `for an event with ${keyText(parameters.match)}, ` : ''}until ${when(until)}`,
    event === null ? '' : `woken by ${clean(event, 64)}`,
  ];
  return [
    step,
    state(at),
    clean(uses ?? type ?? '-', 130),
    attempts.length === 0 ? '-' : String(attempts.length),
    attempts.length === 0 ? '-' : attempts.map(({ intentSeq, endSeq }) => `${intentSeq}-${endSeq ?? ''}`).join(', '),
    parts.filter((part) => part !== '').join('; '),
  ];
}
