import type { Command } from 'commander';
import type { ExplainedPlaybook } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, no } from './ending.ts';
import { readEvents } from './event-file.ts';
import { isName, shortDigest } from './form.ts';
import { clean, paint, say, sayJson, state, table } from './print.ts';
import { type Globals, openSession } from './session.ts';
import { heldText, whyText } from './why.ts';

/** `interlock trigger explain`: every condition of a trigger with what it saw of an event. */
type Asked = Globals & { readonly playbook?: string; readonly trigger?: string };
type Explained = ExplainedPlaybook['triggers'][number];
type Reading = NonNullable<Explained['rule']>;

export const addExplain = (trigger: Command): Command =>
  withExamples(
    trigger
      .command('explain')
      .description('what the active triggers would say to an event, condition by condition; nothing is taken in')
      .argument('[file]', 'JSON file with one event, as event send takes it, or - for standard input', '-')
      .option('--playbook <name>', 'only triggers of this playbook')
      .option('--trigger <id>', 'only triggers with this id'),
    [
      'interlock trigger explain finding.json --playbook contain-c2',
      'interlock trigger explain finding.json --trigger c2-seen --json',
    ],
    'The values of the event that conditions saw are shown. A condition is undecided where the field is missing or has\n' +
      'another type than the operator compares; a trigger fires only where its rule is true.\n' +
      'Exit codes: 0 it was explained, 1 there is no such active trigger, 2 no answer.',
  ).action((file: string, _options, command: Command) => act(explain(file, command.optsWithGlobals())));

async function explain(file: string, options: Asked): Promise<Ending> {
  const { playbook, trigger, json } = options;
  for (const name of [playbook, trigger])
    if (name !== undefined && !isName(name))
      return cannot('Playbooks and triggers have names of lower-case letters, digits and single hyphens.');
  const event = await readEvents(file);
  if (!event.ok) return event;
  const session = await openSession(options);
  if (!session.ok) return session;
  const { client } = session.value;
  const { rowsOf } = await import('../client/client.ts');
  const all: ExplainedPlaybook[] = [];
  for await (const row of rowsOf((paging) => client.explainTriggers(event.value, { playbook, trigger }, paging))) {
    if (!row.ok) return complain(row.error, session.value);
    all.push(row.value);
    if (!json) for (const one of row.value.triggers) sayTrigger(row.value, one);
  }
  if (json) sayJson(all);
  else if (all.length === 0) say('no active trigger of this name');
  return all.length === 0 ? no : fine;
}

function sayTrigger(
  { playbook, digest }: ExplainedPlaybook,
  { trigger, outcome, reason, lacks, run, rule }: Explained,
): void {
  const name = `${clean(playbook, 63)}/${clean(trigger, 63)}`;
  say(`${paint('strong', name)} (version ${shortDigest(clean(digest, 80))}): ${state(outcome)}`);
  for (const field of lacks) say(`  needs ${clean(field, 120)}, which is missing or null`);
  if (reason !== null) say(`  would start nothing: ${heldText(reason, 'now')}`);
  else if (run !== null) say(`  would be taken in by ${clean(run, 64)}`);
  if (outcome === 'queued' || outcome === 'not_crossed') say(`  ${whyText(outcome, [])}`);
  if (rule === null) say('  the rule could not be judged');
  else say(table(['  RESULT', 'CONDITION', 'SEEN'], rowsOfReading(rule, 0)));
}

function rowsOfReading(reading: Reading, level: number): string[][] {
  const indent = '  '.repeat(level);
  const head = (word: string) => [`  ${paintTruth(reading.truth)}`, `${indent}${word}`, ''];
  const under = (parts: readonly Reading[]) => parts.flatMap((part) => rowsOfReading(part, level + 1));
  if ('all' in reading) return [head('all of'), ...under(reading.all)];
  if ('any' in reading) return [head('any of'), ...under(reading.any)];
  if ('not' in reading) return [head('not'), ...under([reading.not])];
  const { fact, path, operator, expected, reason, seen } = reading;
  const wanted = `${clean(operator, 40)} ${clean(JSON.stringify(expected ?? null), 60)}`;
  const condition = `${indent}${clean(fact, 40)} ${clean(path, 120)} ${wanted}`;
  const what = reason === 'wrong_type' ? ' (not a type that this compares)' : '';
  return [[`  ${paintTruth(reading.truth)}`, condition, seen === null ? 'nothing' : `${clean(seen, 120)}${what}`]];
}

const STYLE = { true: 'good', false: 'bad', undecided: 'open' } as const;
const paintTruth = (truth: Reading['truth']): string => paint(STYLE[truth], truth);
