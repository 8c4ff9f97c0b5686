import { type Command, Option } from 'commander';
import type { EventSummary, StoredEvent } from '../client/client.ts';
import { TRIGGER_OUTCOMES } from '../contract/api-trigger.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine } from './ending.ts';
import { type Span, spanOf } from './instant.ts';
import { type Listing, readList, withListOptions } from './list.ts';
import { clean, fields, paint, say, sayJson, state, table, when } from './print.ts';
import { sayOutcomes, whyOf } from './receipt.ts';
import { type Globals, openSession } from './session.ts';
import { typed } from './typed.ts';

/** `interlock event list` and `show`: events that have come, and what became of them. */
export function addEventReads(event: Command): void {
  withExamples(
    withListOptions(event.command('list').description('events that came, newest first, and what their triggers said'))
      .addOption(
        new Option('--outcome <outcome>', 'only events of which a trigger said this').choices(TRIGGER_OUTCOMES),
      )
      .option('--since <time>', 'came at this time or later: 24h ago as 24h, or 2026-01-31T12:00:00Z')
      .option('--until <time>', 'came before this time'),
    ['interlock event list', 'interlock event list --outcome suppressed --since 24h --all --json'],
    'Of each event there is a line for every trigger that it matched, or that lacked fields. What was held back and\n' +
      'matters still is sent again under a new id.',
  ).action((_options, command: Command) => act(listEvents(command.optsWithGlobals())));

  withExamples(
    event
      .command('show')
      .description('one event as it was taken, and what its triggers said')
      .argument('<id>', 'evt_ and 32 hex digits'),
    ['interlock event show evt_0123...', 'interlock event show evt_0123... --json'],
    'With --json its data are there as well.',
  ).action((id: string, _options, command: Command) => act(showEvent(id, command.optsWithGlobals())));
}

type ListOptions = Globals & Listing & Span & { readonly outcome?: string };

async function listEvents(options: ListOptions): Promise<Ending> {
  const span = spanOf(options);
  if (!span.ok) return span;
  const session = await openSession(options);
  if (!session.ok) return session;
  const filter = { outcome: options.outcome, ...span.value };
  const rows = await readList(session.value, options, (paging) => session.value.client.events(filter, paging));
  if (!rows.ok) return rows;
  if (options.json) sayJson(rows.value);
  else if (rows.value.length === 0) say('no events');
  else say(table(['EVENT', 'CAME', 'TRIGGER', 'OUTCOME', 'RUN', 'WHY'], rows.value.flatMap(eventRows)));
  return fine;
}

function eventRows({ event, receivedAt, triggers, woke }: EventSummary): string[][] {
  const head = [clean(event, 64), when(receivedAt)];
  const rows = [
    ...triggers.map((one) => [
      `${clean(one.playbook, 63)}/${clean(one.trigger, 63)}`,
      state(one.outcome),
      one.run === null ? '-' : clean(one.run, 64),
      whyOf(one, 'then'),
    ]),
    ...woke.map(({ run, step }) => ['-', 'woke', clean(run, 64), `which waited for it at ${clean(step, 80)}`]),
  ];
  return (rows.length > 0 ? rows : [['-', 'not_matched', '-', '']]).map((row) => [...head, ...row]);
}

async function showEvent(id: string, options: Globals): Promise<Ending> {
  if (!/^evt_[0-9a-f]{32}$/.test(id))
    return cannot(typed('an event is named by evt_ and 32 hex digits; `interlock event list` shows them.'));
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.event(id);
  if (!answer.ok) return complain(answer.error, session.value, 'event');
  if (options.json) sayJson(answer.value);
  else sayEvent(answer.value);
  return fine;
}

function sayEvent(stored: StoredEvent): void {
  const { event, org, receivedAt, by, source, id, type, format } = stored;
  say(paint('strong', event));
  say(
    fields([
      ['org', org],
      ['came', `${when(receivedAt)} by ${clean(by)}`],
      ['source', clean(source)],
      ['id', clean(id)],
      ['type', `${clean(type)} (${clean(format)})`],
      ['audit', String(stored.seq)],
    ]),
  );
  sayOutcomes(stored, 'then');
}
