import type { Command } from 'commander';
import type { Replay } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, ok, type Result } from './ending.ts';
import { durationMs } from './form.ts';
import { readInput } from './input.ts';
import { clean, note, paint, say, sayJson, state, table, when } from './print.ts';
import { type Globals, openSession } from './session.ts';
import { whyText } from './why.ts';

/** `interlock trigger replay`: what a changed playbook would have made of events that have come. */
type Asked = Globals & { readonly since?: string; readonly limit: string };

const SHOWN = '500';
/** The most that the server looks at in one request. */
const PAGE_EVENTS = 2_000;
const EXAMPLES = 16;

export const addReplay = (trigger: Command): Command =>
  withExamples(
    trigger
      .command('replay')
      .description(
        'what the triggers of a changed playbook would have made of events that have come; nothing is stored',
      )
      .argument('<file>', 'YAML file, or - for standard input')
      .option('--since <when>', 'all events since then: a duration such as 24h, or an instant; without it, the newest')
      .option('--limit <number>', 'without --since, at most this many events', SHOWN),
    ['interlock trigger replay contain-c2.yaml', 'interlock trigger replay contain-c2.yaml --since 24h --json'],
    'Compared is what the record says that the triggers of this playbook did, whichever version was active then. Repeats\n' +
      `are told apart as if the first event were the first ever; so anew after every ${PAGE_EVENTS.toLocaleString('en-US')} events or less.`,
  ).action((file: string, _options, command: Command) => act(replay(file, command.optsWithGlobals())));

async function replay(file: string, options: Asked): Promise<Ending> {
  const since = sinceOf(options.since);
  if (!since.ok) return since;
  if (!/^[1-9][0-9]{0,6}$/.test(options.limit)) return cannot('--limit takes a whole number from 1.');
  const text = await readInput(file);
  if (!text.ok) return text;
  const session = await openSession(options);
  if (!session.ok) return session;
  let whole: Replay | undefined;
  let cursor: string | undefined;
  do {
    const limit = since.value === undefined ? Number(options.limit) : PAGE_EVENTS;
    const answer = await session.value.client.replayTriggers(text.value, { since: since.value, limit, cursor });
    if (!answer.ok) return complain(answer.error, session.value);
    whole = whole ? together(whole, answer.value) : answer.value;
    const next = answer.value.next ?? undefined;
    if (next !== undefined && next === cursor) return cannot('the list of events does not come to an end.');
    cursor = next;
  } while (cursor !== undefined);
  if (options.json) sayJson(whole);
  else sayReplay(whole);
  return fine;
}

function sinceOf(text: string | undefined): Result<string | undefined> {
  if (text === undefined) return ok(undefined);
  const length = durationMs(text);
  if (length !== undefined) return ok(new Date(Math.max(0, Date.now() - length)).toISOString());
  if (Number.isFinite(Date.parse(text))) return ok(text);
  return cannot('--since takes a duration such as 24h, or an instant such as 2026-11-23T14:00:00Z.');
}

/** What came of two spans, one behind the other. */
function together(first: Replay, second: Replay): Replay {
  const byName = new Map(first.triggers.map((one) => [one.trigger, one]));
  for (const one of second.triggers) {
    const known = byName.get(one.trigger);
    byName.set(one.trigger, known ? sum(known, one) : one);
  }
  return {
    ...second,
    events: first.events + second.events,
    from: first.from ?? second.from,
    to: second.to ?? first.to,
    triggers: [...byName.values()],
    gained: [...first.gained, ...second.gained].slice(0, EXAMPLES),
    lost: [...first.lost, ...second.lost].slice(0, EXAMPLES),
  };
}

type Difference = Replay['triggers'][number];
const sum = (a: Difference, b: Difference): Difference => ({
  trigger: a.trigger,
  recorded: fired(a.recorded, b.recorded),
  changed: fired(a.changed, b.changed),
  gained: a.gained + b.gained,
  lost: a.lost + b.lost,
  same: a.same + b.same,
});
const fired = (a: Difference['recorded'], b: Difference['recorded']): Difference['recorded'] => ({
  runs: a.runs + b.runs,
  absorbed: a.absorbed + b.absorbed,
  suppressed: a.suppressed + b.suppressed,
});

function sayReplay({ playbook, events, from, to, triggers, gained, lost }: Replay): void {
  const span = from === null || to === null ? '' : `, ${when(from)} to ${when(to)}`;
  say(`${paint('strong', clean(playbook, 63))}: ${events} ${events === 1 ? 'event' : 'events'}${span}`);
  if (events === 0) note('Events from before the server kept them by time are not found.');
  say(
    table(
      ['TRIGGER', 'RUNS', 'ABSORBED', 'SUPPRESSED', 'GAINED', 'LOST', 'SAME'],
      triggers.map(({ trigger, recorded, changed, gained: more, lost: fewer, same }) => [
        clean(trigger, 63),
        ...(['runs', 'absorbed', 'suppressed'] as const).map((one) => `${recorded[one]} -> ${changed[one]}`),
        ...[more, fewer, same].map(String),
      ]),
    ),
  );
  sayExamples('gained, for example:', gained);
  sayExamples('lost, for example:', lost);
}

function sayExamples(head: string, examples: Replay['gained']): void {
  if (examples.length === 0) return;
  say(head);
  const rows = examples.map(({ event, receivedAt, trigger, recorded, changed, why }) => [
    `  ${clean(event, 64)}`,
    when(receivedAt),
    clean(trigger, 63),
    recorded === null ? '-' : state(recorded),
    changed === null ? '-' : state(changed),
    changed === null ? 'the trigger is not there any more' : whyText(changed, why),
  ]);
  say(table(['  EVENT', 'CAME', 'TRIGGER', 'RECORDED', 'CHANGED', 'WHY'], rows));
}
