import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { LifecycleEvent, LifecycleWebhook } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine } from './ending.ts';
import { isPassing, isTooManyWaits } from './follow.ts';
import { durationMs } from './form.ts';
import { clean, note, paint, say, sayJson, sayJsonLine, table, when } from './print.ts';
import { type Globals, openSession, type Session } from './session.ts';

/** How long the server holds a question to which it has no answer yet. */
const POLL_MS = 30_000;
/** How long a server that is away is left in peace. */
const PAUSE_MS = 1_000;

const TYPE = 'only events of this type, or of a group such as interlock.run.*';

/** `interlock lifecycle`: what the kernel tells the world outside. */
export function addLifecycle(program: Command): void {
  const lifecycle = program
    .command('lifecycle')
    .description('read what the kernel tells of runs, approvals and itself');
  withExamples(lifecycle, ['interlock lifecycle follow --type interlock.approval.*', 'interlock lifecycle webhooks']);

  withExamples(
    lifecycle
      .command('list')
      .description('lifecycle events that are kept, oldest first')
      .option('--type <type>', TYPE)
      .option('--after <place>', 'from where an earlier list ended')
      .option('--limit <number>', 'at most this many', '50'),
    ['interlock lifecycle list', 'interlock lifecycle list --type interlock.run.aborted --limit 200 --json'],
    'The place where it ended is said on stderr; --after goes on from there. With --json it is `page.next`.',
  ).action((_options, command: Command) => act(listLifecycle(command.optsWithGlobals())));

  withExamples(
    lifecycle
      .command('follow')
      .description('lifecycle events as they come, until Ctrl-C')
      .option('--type <type>', TYPE)
      .option('--after <place>', 'from where an earlier list ended; else from now')
      .option('--for <duration>', 'end after this time, e.g. 30s or 10m'),
    [
      'interlock lifecycle follow',
      'interlock lifecycle follow --type interlock.incident.updated --json | jq .data.incident',
    ],
    'With --json each event is one JSON document on a line of its own.',
  ).action((_options, command: Command) => act(followLifecycle(command.optsWithGlobals())));

  withExamples(lifecycle.command('webhooks').description('where events are sent to, and how far each receiver is'), [
    'interlock lifecycle webhooks',
  ]).action((_options, command: Command) => act(listWebhooks(command.optsWithGlobals())));
}

type Choice = Globals & { readonly type?: string; readonly after?: string };

async function listLifecycle(options: Choice & { readonly limit: string }): Promise<Ending> {
  const { type, after, limit } = options;
  if (!/^[1-9][0-9]{0,6}$/.test(limit)) return cannot('--limit takes a whole number from 1.');
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.lifecycle({ type, after, limit: Number(limit) });
  if (!answer.ok) return complain(answer.error, session.value);
  const { data, page } = answer.value;
  if (options.json) sayJson(answer.value);
  else if (data.length === 0) say('no lifecycle events');
  else for (const event of data) say(lineOf(event));
  if (!options.json && page.next !== null) note(`go on with: --after ${clean(page.next, 200)}`);
  return fine;
}

async function followLifecycle(options: Choice & { readonly for?: string }): Promise<Ending> {
  const lengthMs = options.for === undefined ? Number.POSITIVE_INFINITY : durationMs(options.for);
  if (lengthMs === undefined) return cannot('--for takes a whole number and a unit: 30s, 10m or 2h.');
  const session = await openSession(options);
  if (!session.ok) return session;
  return follow(session.value, options, Date.now() + lengthMs);
}

async function follow(session: Session, { type, after = 'now' }: Choice, until: number): Promise<Ending> {
  let place = after;
  let isAway = false;
  let mayWait = true;
  for (;;) {
    const left = until - Date.now();
    const waitMs = mayWait ? Math.max(1, Math.min(POLL_MS, left)) : 0;
    const answer = await session.client.lifecycle({ type, after: place, waitMs });
    if (answer.ok) {
      isAway = false;
      for (const event of answer.value.data) session.json ? sayJsonLine(event) : say(lineOf(event));
      place = answer.value.page.next ?? place;
      if (Date.now() >= until) return fine;
      if (!mayWait) await sleep(PAUSE_MS);
      continue;
    }
    if (isTooManyWaits(answer.error) && mayWait) mayWait = false;
    else if (isPassing(answer.error) && Date.now() < until) {
      if (!isAway) note(`no answer from ${session.address}; asking again`);
      isAway = true;
      await sleep(PAUSE_MS);
    } else return complain(answer.error, session);
  }
}

async function listWebhooks(options: Globals): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.webhooks();
  if (!answer.ok) return complain(answer.error, session.value);
  if (options.json) sayJson(answer.value.data);
  else if (answer.value.data.length === 0) say('no webhooks; docs/lifecycle.md says how to add one');
  else say(table(['WEBHOOK', 'HOST', 'DELIVERED', 'DROPPED', 'FAILED', 'NEXT TRY'], answer.value.data.map(webhookRow)));
  return fine;
}

const webhookRow = ({ webhook, host, delivered, dropped, attempts, failure, retryAt }: LifecycleWebhook): string[] => [
  clean(webhook, 63),
  clean(host, 253),
  String(delivered),
  dropped === 0 ? '0' : paint('bad', String(dropped)),
  failure === null ? '-' : `${attempts} times: ${clean(failure, 64)}`,
  retryAt === null ? '-' : when(retryAt),
];

/** What stands elsewhere on the line, or is for programs. */
const LEFT_OUT: ReadonlySet<string> = new Set(['seq', 'digest', 'subject']);

const lineOf = ({ time, type, subject, data }: LifecycleEvent): string => {
  const rest = Object.entries(data)
    .filter(([name, value]) => !LEFT_OUT.has(name) && value !== subject && value !== null)
    .map(([name, value]) => `${clean(name, 30)}=${clean(String(value), 80)}`);
  return [when(time), paint('strong', clean(type, 64)), clean(subject, 256), ...rest].join('  ');
};
