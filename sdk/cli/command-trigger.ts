import type { Command } from 'commander';
import type { NoisyTrigger, Trigger } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine } from './ending.ts';
import { isName } from './form.ts';
import { type Listing, readList, withListOptions } from './list.ts';
import { clean, say, sayJson, table, when } from './print.ts';
import { type Globals, openSession } from './session.ts';
import { addExplain } from './trigger-explain.ts';
import { addReplay } from './trigger-replay.ts';
import { typed } from './typed.ts';

/** `interlock trigger`: what starts runs, what of it makes noise, and how to stop it. */
export function addTrigger(program: Command): void {
  const trigger = program
    .command('trigger')
    .description('see what starts runs and what would, find what makes noise, stop it');
  withExamples(trigger, [
    'interlock trigger list',
    'interlock trigger noisy',
    'interlock trigger explain finding.json --playbook contain-c2',
    'interlock trigger replay contain-c2.yaml --since 24h',
  ]);

  withExamples(
    withListOptions(trigger.command('list').description('triggers of the active playbooks and how they stand')),
    ['interlock trigger list', 'interlock trigger list --all --json'],
  ).action((_options, command: Command) => act(listTriggers(command.optsWithGlobals())));

  withExamples(
    trigger
      .command('noisy')
      .description('what became of the matches of the last 24 hours, the noisiest first')
      .option('--limit <number>', 'at most this many', '20'),
    ['interlock trigger noisy', 'interlock trigger noisy --limit 5 --json'],
    'IN VAIN is the part of the matches that started no run: taken in by one that was there, or held back by a limit.',
  ).action((_options, command: Command) => act(noisyTriggers(command.optsWithGlobals())));

  addExplain(trigger);
  addReplay(trigger);

  for (const verb of ['stop', 'resume'] as const)
    withExamples(
      trigger
        .command(verb)
        .description(
          verb === 'stop'
            ? 'let a trigger start nothing more, whatever version is active; runs under way go on'
            : 'let a trigger that was stopped go on',
        )
        .argument('<trigger>', 'playbook/trigger, as the list shows it')
        .requiredOption('--reason <text>', 'why; it is shown in the list, and its digest goes into the record'),
      [`interlock trigger ${verb} contain-c2/c2-seen --reason "noise from the new sensor, see case 4711"`],
    ).action((name: string, _options, command: Command) => act(turnTrigger(verb, name, command.optsWithGlobals())));
}

async function listTriggers(options: Globals & Listing): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const { client } = session.value;
  const rows = await readList(session.value, options, (paging) => client.triggers(paging));
  if (!rows.ok) return rows;
  if (options.json) sayJson(rows.value);
  else if (rows.value.length === 0) say('no active playbook has a trigger');
  else say(table(['TRIGGER', 'ON', 'NEXT', 'LAST RUN', 'REMARKS'], rows.value.map(triggerRow)));
  return fine;
}

const nameOf = ({ playbook, trigger }: { readonly playbook: string; readonly trigger: string }) =>
  `${clean(playbook, 63)}/${clean(trigger, 63)}`;

const triggerRow = (one: Trigger): string[] => [
  nameOf(one),
  clean(one.on, 20),
  one.next === null ? '-' : when(one.next),
  one.last === null ? '-' : when(one.last.at),
  [
    one.stopped ? `stopped by ${clean(one.stopped.by, 80)}: ${clean(one.stopped.reason, 120)}` : '',
    one.burstSince === null ? '' : `burst since ${when(one.burstSince)}`,
  ]
    .filter((part) => part !== '')
    .join('; '),
];

async function noisyTriggers(options: Globals & { readonly limit: string }): Promise<Ending> {
  if (!/^[1-9][0-9]{0,2}$/.test(options.limit)) return cannot('--limit takes a whole number from 1 to 999.');
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.noisyTriggers(Number(options.limit));
  if (!answer.ok) return complain(answer.error, session.value);
  const { data } = answer.value;
  if (options.json) sayJson(data);
  else if (data.length === 0) say('no trigger has matched in the last 24 hours');
  else say(table(['TRIGGER', 'MATCHED', 'RUNS', 'ABSORBED', 'SUPPRESSED', 'IN VAIN'], data.map(noisyRow)));
  return fine;
}

const noisyRow = (one: NoisyTrigger): string[] => {
  const reasons = Object.entries(one.suppressed).filter(([, count]) => count > 0);
  const suppressed = reasons.map(([reason, count]) => `${clean(reason, 20)} ${count}`).join(', ');
  return [
    nameOf(one),
    String(one.matched),
    String(one.started),
    String(one.absorbed),
    suppressed || '0',
    `${Math.round(one.inVain * 100)} %`,
  ];
};

async function turnTrigger(
  verb: 'stop' | 'resume',
  name: string,
  options: Globals & { readonly reason: string },
): Promise<Ending> {
  const [playbook = '', trigger = '', more] = name.split('/');
  if (more !== undefined || !isName(playbook) || !isName(trigger))
    return cannot(typed('a trigger is named playbook/trigger, as `interlock trigger list` shows it.'));
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.turnTrigger(verb, playbook, trigger, { reason: options.reason });
  if (!answer.ok) return complain(answer.error, session.value, 'trigger');
  if (options.json) sayJson(answer.value);
  else say(`${nameOf(answer.value)} ${answer.value.stopped ? 'is stopped' : 'may start runs'}`);
  return fine;
}
