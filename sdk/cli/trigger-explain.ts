import type { Command } from 'commander';
import type { ExplainedPlaybook } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, no } from './ending.ts';
import { readEvents } from './event-file.ts';
import { isName, shortDigest } from './form.ts';
import { clean, paint, say, sayJson, state, table, when } from './print.ts';
import { type Globals, openSession } from './session.ts';
import { heldText, keyText, whyText } from './why.ts';

/** `interlock trigger explain`: every condition of a trigger, or of a step that waits, with what it saw of an event. */
type Asked = Globals & { readonly playbook?: string; readonly trigger?: string };
type Explained = ExplainedPlaybook['triggers'][number];
type Waited = ExplainedPlaybook['waits'][number];
type Reading = NonNullable<Explained['rule']>;

export const addExplain = (trigger: Command): Command =>
  withExamples(
    trigger
      .command('explain')
      .description('what the active triggers, and steps that wait, would say to an event, condition by condition')
      .argument('[file]', 'JSON file with one event, as event send takes it, or - for standard input', '-')
      .option('--playbook <name>', 'only triggers of this playbook')
      .option('--trigger <id>', 'only triggers with this id'),
    [
      'interlock trigger explain finding.json --playbook contain-c2',
      'interlock trigger explain finding.json --trigger c2-seen --json',
    ],
    'Nothing is taken in. Steps are told that wait for an event with the key of this one, whether or not their where\n' +
      'holds; not with --trigger. The values of the event that conditions saw are shown. A condition is undecided where the field is missing or has\n' +
      'another type than the operator compares; a trigger fires only where its rule is true.\n' +
      'Exit codes: 0 it was explained, 1 there is no such active trigger and no such step, 2 no answer.',
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
    if (!json) sayPlaybook(row.value);
  }
  if (json) sayJson(all);
  else if (all.length === 0)
    say(trigger === undefined ? 'no active trigger, and no step that waits for it' : 'no active trigger of this name');
  return all.length === 0 ? no : fine;
}

function sayPlaybook({ playbook, digest, triggers, waits, untold }: ExplainedPlaybook): void {
  for (const one of triggers) sayTrigger(headOf(playbook, one.trigger, digest), one);
  for (const one of waits) sayWait(headOf(playbook, one.step, one.digest), one);
  if (untold > 0) say(`${clean(playbook, 63)}: ${untold} more wait for an event with a key of this one`);
}

const headOf = (playbook: string, name: string, digest: string): string =>
  `${paint('strong', `${clean(playbook, 63)}/${clean(name, 63)}`)} (version ${shortDigest(clean(digest, 80))})`;

function sayWait(head: string, { match, wakes, where, waiting }: Waited): void {
  const holds = wakes ? paint('good', 'would wake it') : paint('bad', 'would not: its where does not hold');
  say(`${head}: waits for an event with ${keyText(match)}; this one ${holds}`);
  for (const { run, step, until } of waiting)
    say(`  ${clean(run, 64)} waits at ${clean(step, 80)} until ${when(until)}`);
  if (where !== null) sayReading(where);
}

function sayTrigger(head: string, { outcome, reason, until, stop, lacks, run, rule }: Explained): void {
  say(`${head}: ${state(outcome)}`);
  for (const field of lacks) say(`  needs ${clean(field, 120)}, which is missing or null`);
  if (reason !== null) say(`  would start nothing: ${heldText({ reason, until, stop }, 'now')}`);
  else if (run !== null) say(`  would be taken in by ${clean(run, 64)}`);
  if (outcome === 'queued' || outcome === 'not_crossed') say(`  ${whyText(outcome, [])}`);
  if (rule === null) say('  the rule could not be judged');
  else sayReading(rule);
}

const sayReading = (reading: Reading): void => say(table(['  RESULT', 'CONDITION', 'SEEN'], rowsOfReading(reading, 0)));

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
