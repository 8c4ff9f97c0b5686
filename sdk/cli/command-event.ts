import type { Command } from 'commander';
import type { ClientFault } from '../client/answer.ts';
import type { TriggerOutcome } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, EXIT, fine, ok } from './ending.ts';
import { readEvents } from './event-file.ts';
import { addEventReads } from './event-read.ts';
import { exitOfRuns, followRun, noteStillGoing, waitMsOf } from './follow.ts';
import { clean, note, say, sayJson } from './print.ts';
import { sayReceipt } from './receipt.ts';
import { sayFollowed } from './run-text.ts';
import { type Globals, openSession, type Session } from './session.ts';
import { noteStop } from './stopped.ts';
import { typed } from './typed.ts';

/** Longer than most playbooks take, shorter than what a person takes who is asked at night. */
const WAIT = '10m';

/** `interlock event`: puts a detection in at the front door and says what came of it, then and later. */
export function addEvent(program: Command): void {
  const event = program.command('event').description('send detections, and look up what became of them');
  withExamples(event, [
    'interlock event send finding.json --wait',
    'interlock event list --outcome suppressed --since 24h',
  ]);
  addEventReads(event);

  withExamples(
    event
      .command('send')
      .description('send an event as it is: a CloudEvent 1.0 (or a list of them), an OCSF finding, or a Falco alert')
      .argument('[file]', 'JSON file, or - for standard input', '-')
      .option(
        '--wait [duration]',
        `follow the runs that it started or woke, at most this long (${WAIT} without a duration)`,
      ),
    [
      'interlock event send finding.json',
      'interlock event send finding.json --wait 2m',
      'falco-example | interlock event send - --json',
    ],
    'The answer names the triggers that were judged, what came out, and why; of those that did not match, the first.\n' +
      '`interlock trigger explain` shows every condition of any trigger. Sending the same event again is harmless.\n' +
      'Exit codes with --wait: 0 all runs completed, 1 one of them ended in another way, or a trigger matched while the\n' +
      'org or the machine is stopped, so that nothing was started; 2 one goes on or could not be followed. A run that waits for an approval says so, with the command that gives it.',
  ).action((file: string, _options, command: Command) => act(sendEvent(file, command.optsWithGlobals())));
}

async function sendEvent(file: string, options: Globals & { readonly wait?: string | true }): Promise<Ending> {
  const waitMs = waitMsOf(typeof options.wait === 'string' ? options.wait : WAIT);
  if (!waitMs.ok) return cannot(`${waitMs.error.text} The file is named before --wait. Nothing was sent.`);
  const body = await readEvents(file);
  if (!body.ok) return body;
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.sendEvents(body.value);
  if (!answer.ok) return complain(answer.error, session.value);
  const { events } = answer.value;
  const judged = events.flatMap(({ triggers }) => triggers);
  const named = judged.flatMap(({ run }) => (run === null ? [] : [run]));
  const runs = new Set([...named, ...events.flatMap(({ woke }) => woke.map(({ run }) => run))]);
  if (!options.json) for (const receipt of events) sayReceipt(receipt);
  const isHeld = judged.some(isHeldByStop);
  if (isHeld) await noteStop(session.value);
  if (!options.wait) {
    if (options.json) sayJson(answer.value);
    return fine;
  }
  const until = Date.now() + waitMs.value;
  const followed = [];
  for (const run of runs) {
    note(`following ${clean(run, 64)}; it goes on without this command too`);
    const ended = await followRun(session.value, run, until);
    if (!ended.ok) {
      // The event is on record whatever became of the watching, and whoever reads JSON gets its answer.
      if (options.json) sayJson({ ...answer.value, runs: followed });
      return notFollowed(ended.error, session.value);
    }
    followed.push(ended.value);
    if (ended.value.endedAt === null) noteStillGoing(ended.value);
    else if (!options.json) sayFollowed(ended.value);
  }
  if (options.json) sayJson({ ...answer.value, runs: followed });
  else if (runs.size === 0) say('no run was started or woken');
  // What could not be judged, or was held back by a stop, may have been what mattered.
  return isHeld || judged.some(({ outcome }) => outcome === 'error') ? ok(EXIT.no) : ok(exitOfRuns(followed));
}

/** By that of the org or of the machine: a trigger that is stopped is one that nobody waits for. */
const isHeldByStop = ({ reason, stop }: TriggerOutcome): boolean =>
  reason === 'stopped' && (stop === 'org' || stop === 'machine');

function notFollowed(fault: ClientFault, session: Session): Ending {
  if (fault.kind === 'problem' && fault.problem.type === 'urn:interlock:problem:forbidden') {
    return cannot(
      'the event was accepted and its runs go on, but this token may not read runs, so they cannot be waited for. ' +
        typed(
          'Wait with a token of the role operator, approver, author, auditor or admin: interlock run show <run> --wait 10m',
        ),
    );
  }
  const why = complain(fault, session);
  return why.ok
    ? why
    : cannot(`the event was accepted and its runs go on, but they cannot be followed: ${why.error.text}`);
}
