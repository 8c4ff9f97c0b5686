import { type Command, Option } from 'commander';
import type { RunFilter, RunSummary } from '../client/client.ts';
import { RUN_STATES } from '../contract/api-run.ts';
import { act, withExamples } from './act.ts';
import { addRunOpen } from './command-run-open.ts';
import { addRunPause } from './command-run-pause.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, ok } from './ending.ts';
import { exitOfRuns, followRun, noteStillGoing, waitMsOf } from './follow.ts';
import { type Drawing, draw, withFormat } from './graph.ts';
import { spanOf } from './instant.ts';
import { type Listing, readList, withListOptions } from './list.ts';
import { note, say, sayJson, table } from './print.ts';
import { openRunSession } from './run-session.ts';
import { runRow, sayChanged, sayClosed, sayRun } from './run-text.ts';
import { type Globals, openSession } from './session.ts';
import { noteStop, stopText } from './stopped.ts';
import { typed } from './typed.ts';

/** `open` is a closure to the server, and a state to whoever looks for what has not ended. */
const STATES = ['open', ...RUN_STATES];
const CLOSURES: readonly RunSummary['closure'][] = ['open', 'closed', 'needs_review'];

/** `interlock run`: what came of an event, and what a person may do about it. */
export function addRun(program: Command): void {
  const run = program
    .command('run')
    .description('see runs, pause or cancel them, have them run again, settle what nobody knows');
  withExamples(run, ['interlock run list --state waiting', 'interlock run show run_0123... --wait 5m']);

  withExamples(
    withListOptions(run.command('list').description('runs of the org, newest first'))
      .addOption(
        new Option('--state <state>', 'only runs in this state; open: in any but those of an end').choices(STATES),
      )
      .addOption(
        new Option('--closure <closure>', 'open: not ended; needs_review: a person has to look').choices(CLOSURES),
      )
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
      'interlock run list --state open',
    ],
    'States of a run that has not ended: pending (waits for its turn), running (something of it is under way now),\n' +
      'waiting (for a person, a time, an event, its next try or the end of a stop), undoing (what it did is undone).\n' +
      'A run moves between them, so whoever looks for runs under way asks for --state open.\n' +
      'States of an end: completed, failed, cancelled, timed_out, aborted (a policy or a person said no).',
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
      .requiredOption('--reason <text>', 'why; it goes into the history of the new run')
      .option('--keep', 'go on from what is done: a step that the run has done in the same way is not done again'),
    [
      'interlock run again run_0123... --reason "the firewall answers again, see case 4711"',
      'interlock run again run_0123... --keep --reason "only the ticket was missing"',
    ],
    'Without --keep what the run has carried out is done again: look at it first with `interlock run show`.\n' +
      'With it a step that succeeded and was not undone is kept, with its output, if action and parameters are the same.\n' +
      'Whoever asks has no vote in the new run, nor has whoever caused the old one. While the new run is under\n' +
      'way, asking again shows it and starts nothing.',
  ).action((id: string, _options, command: Command) => act(runAgain(id, command.optsWithGlobals())));

  addRunPause(run);

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
  if (options.state === 'open' && options.closure !== undefined && options.closure !== 'open')
    return cannot('no run that is open has ended: leave out --state open or --closure.');
  const session = await openSession(options);
  if (!session.ok) return session;
  const { client } = session.value;
  const { state, playbook, trigger, requester, incident } = options;
  const filter: RunFilter = {
    ...(state === 'open' ? { closure: 'open' } : { state, closure: options.closure }),
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
    note(typed('`interlock run open` shows what each run waits for'));
  await noteStop(session.value);
  return fine;
}

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

type AgainOptions = Globals & { readonly reason: string; readonly keep?: true };

async function runAgain(id: string, options: AgainOptions): Promise<Ending> {
  const session = await openRunSession(id, options);
  if (!session.ok) return session;
  const { reason, keep } = options;
  const answer = await session.value.client.runAgain(id, { reason, ...(keep && { keep }) });
  if (!answer.ok) return complain(answer.error, session.value, 'run');
  if (answer.value.keeps === null)
    note(`what ${id} has carried out is done again: each step of the new run has an idempotency key of its own`);
  sayChanged(answer.value, options);
  note(typed`follow it with: interlock run show ${answer.value.run} --wait 10m`);
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
  sayClosed(answer.value, options);
  return fine;
}
