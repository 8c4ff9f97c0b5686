import type { Command } from 'commander';
import type { ClientFault } from '../client/answer.ts';
import type { Receipt, TriggerOutcome } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, EXIT, fine, ok, type Result } from './ending.ts';
import { exitOfRuns, followRun, noteStillGoing, sayFollowed, waitMsOf } from './follow.ts';
import { readInput, toText } from './input.ts';
import { clean, note, paint, say, sayJson, state, table } from './print.ts';
import { type Globals, openSession, type Session } from './session.ts';

/** Longer than most playbooks take, shorter than what a person takes who is asked at night. */
const WAIT = '10m';

/** `interlock event send`: puts a detection in at the front door and says what came of it. */
export function addEvent(program: Command): void {
  const event = program.command('event').description('send detections');
  withExamples(event, ['interlock event send finding.json --wait']);

  withExamples(
    event
      .command('send')
      .description('send an event as it is: a CloudEvent 1.0 (or a list of them), an OCSF finding, or a Falco alert')
      .argument('[file]', 'JSON file, or - for standard input', '-')
      .option('--wait [duration]', `follow the runs that were started, at most this long (${WAIT} without a duration)`),
    [
      'interlock event send finding.json',
      'interlock event send finding.json --wait 2m',
      'falco-example | interlock event send - --json',
    ],
    'The answer names every trigger that was judged, what came out, and why. Sending the same event again is harmless.\n' +
      'Exit codes with --wait: 0 all runs completed, 1 one of them ended in another way, 2 one goes on or could not be\n' +
      'followed. A run that waits for an approval says so, with the command that gives it.',
  ).action((file: string, _options, command: Command) => act(sendEvent(file, command.optsWithGlobals())));
}

async function sendEvent(file: string, options: Globals & { readonly wait?: string | true }): Promise<Ending> {
  const waitMs = waitMsOf(typeof options.wait === 'string' ? options.wait : WAIT);
  if (!waitMs.ok) return cannot(`${waitMs.error.text} The file is named before --wait. Nothing was sent.`);
  const bytes = await readInput(file);
  if (!bytes.ok) return bytes;
  const type = contentType(bytes.value, file === '-' ? 'standard input' : clean(file, 200));
  if (!type.ok) return type;
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.sendEvents({ type: type.value, content: bytes.value });
  if (!answer.ok) return complain(answer.error, session.value);
  const { events } = answer.value;
  const judged = events.flatMap(({ triggers }) => triggers);
  const runs = new Set(judged.flatMap(({ run }) => (run === null ? [] : [run])));
  if (!options.json) for (const receipt of events) sayReceipt(receipt);
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
  else if (runs.size === 0) say('no run was started');
  // A trigger that could not be judged may have been the one that mattered.
  return judged.some(({ outcome }) => outcome === 'error') ? ok(EXIT.no) : ok(exitOfRuns(followed));
}

function notFollowed(fault: ClientFault, session: Session): Ending {
  if (fault.kind === 'problem' && fault.problem.type === 'urn:interlock:problem:forbidden') {
    return cannot(
      'the event was accepted and its runs go on, but this token may not read runs, so they cannot be waited for. ' +
        'Wait with a token of the role operator, approver, author, auditor or admin: interlock run show <run> --wait 10m',
    );
  }
  const why = complain(fault, session);
  return why.ok
    ? why
    : cannot(`the event was accepted and its runs go on, but they cannot be followed: ${why.error.text}`);
}

/** What to call the body (CloudEvents HTTP binding 3.1-3.3). The bytes are sent as they are. */
function contentType(bytes: Uint8Array, name: string): Result<string> {
  const text = toText(bytes, name);
  if (!text.ok) return text;
  let value: unknown;
  try {
    value = JSON.parse(text.value);
  } catch {
    return cannot(`${name} is not JSON. Send one event as a JSON object, or a list of CloudEvents.`);
  }
  if (Array.isArray(value)) {
    if (value.length === 0) return cannot(`${name} is an empty list; nothing was sent.`);
    const other = value.findIndex((item) => !isCloudEvent(item));
    if (other < 0) return ok('application/cloudevents-batch+json');
    return cannot(
      `${name} is a list whose item ${other + 1} is not a CloudEvent (it has no "specversion"); nothing was sent. ` +
        'Only CloudEvents go as a list: send Falco alerts and OCSF findings one by one, each as an object of its own.',
    );
  }
  return ok(isCloudEvent(value) ? 'application/cloudevents+json' : 'application/json');
}

const isCloudEvent = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, 'specversion');

function sayReceipt({ event, repeat, triggers }: Receipt): void {
  say(`event ${paint('strong', clean(event, 64))} ${repeat ? 'is known already; nothing changed' : 'accepted'}`);
  if (triggers.length === 0) say('  no active playbook has a trigger');
  else say(table(['TRIGGER', 'OUTCOME', 'RUN', 'WHY'], triggers.map(triggerRow)));
  if (repeat && triggers.some(({ runState }) => isOverWithoutSuccess(runState))) {
    note('An event is taken once. To have it run again, send it under a new id (docs/playbooks.md, "Run again").');
  }
}

const isOverWithoutSuccess = (runState: TriggerOutcome['runState']): boolean =>
  runState !== null && !['running', 'waiting', 'completed'].includes(runState);

const triggerRow = ({ playbook, trigger, outcome, reason, run, runState, why }: TriggerOutcome): string[] => [
  `${clean(playbook, 63)}/${clean(trigger, 63)}`,
  state(outcome),
  run === null ? '-' : clean(run, 64),
  reason !== null
    ? heldText(reason)
    : runState === null
      ? whyText(outcome, why)
      : `taken in by this run, which is ${state(runState)}`,
];

/** Why a match started nothing; a server may know reasons that this version does not. */
const heldText = (reason: string): string => {
  const text = Object.hasOwn(HELD, reason) ? HELD[reason] : undefined;
  return text ?? clean(reason, 40);
};
const HELD: Readonly<Record<string, string>> = {
  stopped: 'the trigger is stopped: interlock trigger list says by whom',
  burst: 'more matches than its burst limit allows',
  cooldown: 'a run for the same thing was started a short time ago',
  rate: 'as many runs as its rate allows were started',
  concurrency: 'as many runs of the playbook are under way as may be',
  queue_full: 'as many runs wait already as may wait',
};

const REASONS = 3;

/** Only what stood in the way: for a match, all its conditions held. */
function whyText(outcome: string, why: TriggerOutcome['why']): string {
  if (outcome === 'queued') return 'waits for its turn';
  if (outcome === 'not_crossed') return 'the condition held for this before';
  if (outcome === 'matched' || outcome === 'absorbed') return '';
  const reasons = why.slice(0, REASONS).map(({ path, operator, expected, reason }) => {
    const field = clean(path, 120) || 'the event';
    if (reason === 'missing') return `${field} is missing`;
    const wanted = `${clean(operator, 40)} ${clean(JSON.stringify(expected ?? null), 60)}`;
    return `${field} ${reason === 'wrong_type' ? 'has the wrong type for' : 'is not'} ${wanted}`;
  });
  return why.length > REASONS ? `${reasons.join('; ')}; and ${why.length - REASONS} more` : reasons.join('; ');
}
