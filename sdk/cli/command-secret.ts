import type { Command } from 'commander';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, type Result } from './ending.ts';
import { readInput, toText } from './input.ts';
import { clean, note, say, sayJson, table, when } from './print.ts';
import { askHidden, atTerminal } from './prompt.ts';
import { type Globals, openSession } from './session.ts';

/** `interlock secret`: names can be seen, values only be set. */
export function addSecret(program: Command): void {
  const secret = program.command('secret').description('set and remove what the broker carries for plugins');
  withExamples(secret, ['interlock secret list', 'pass show crowdsec | interlock secret set crowdsec-key']);

  withExamples(secret.command('list').description('names of the secrets; values are never shown'), [
    'interlock secret list',
    'interlock secret list --json',
  ]).action((_options, command: Command) => act(listSecrets(command.optsWithGlobals())));

  const set = secret
    .command('set')
    .description('set or replace a secret; its value is read from standard input')
    .argument('<name>', 'lower-case letters, digits, single hyphens')
    // Commander would print surplus arguments. The likeliest one here is the secret.
    .allowExcessArguments()
    .allowUnknownOption();
  withExamples(
    set,
    ['interlock secret set crowdsec-key   # asks, and shows nothing', 'pass show crowdsec | interlock secret set crowdsec-key'],
    'The value never stands on the command line. One line end behind a piped value is dropped.',
  ).action((name: string, _options, command: Command) => act(setSecret(name, command)));

  withExamples(
    secret
      .command('remove')
      .description('remove a secret; steps that need it fail from then on')
      .argument('<name>', 'name of the secret'),
    ['interlock secret remove crowdsec-key'],
  ).action((name: string, _options, command: Command) => act(removeSecret(name, command.optsWithGlobals())));
}

async function setSecret(name: string, command: Command): Promise<Ending> {
  if (command.args.length > 1) {
    return cannot(
      'the value of a secret is not taken from the command line, where others see it. Pipe it in, or type it when asked. ' +
        'If what you just typed was the value, take it for known and change it.',
    );
  }
  const options = command.optsWithGlobals<Globals>();
  const session = await openSession(options);
  if (!session.ok) return session;
  const value = await readValue(name);
  if (!value.ok) return value;
  if (value.value === '') return cannot('the value is empty; nothing was sent. Pipe it in, or type it when asked.');
  const answer = await session.value.client.setSecret(name, value.value);
  if (!answer.ok) return complain(answer.error, session.value);
  if (options.json) sayJson(answer.value);
  else say(`secret ${clean(name)} is set in ${session.value.org}`);
  return fine;
}

async function readValue(name: string): Promise<Result<string>> {
  if (atTerminal()) return askHidden(`Value of ${clean(name, 63)} (not shown): `);
  const bytes = await readInput('-');
  if (!bytes.ok) return bytes;
  const text = toText(bytes.value, 'the value');
  return text.ok ? { ok: true, value: text.value.replace(/\r?\n$/, '') } : text;
}
