import type { Command } from 'commander';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, no, type Result } from './ending.ts';
import { isName } from './form.ts';
import { readInput, toText } from './input.ts';
import { note, say, sayJson, table, when } from './print.ts';
import { askHidden, atTerminal } from './prompt.ts';
import { type Globals, openSession, type Session } from './session.ts';

/** `interlock secret`: names can be seen, values only be set. */
export function addSecret(program: Command): void {
  const secret = program.command('secret').description('set, rotate and remove what the broker carries for plugins');
  withExamples(secret, ['interlock secret list', 'pass show edge-firewall | interlock secret set edge-firewall-token']);

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
    [
      'interlock secret set edge-firewall-token   # asks, and shows nothing',
      'pass show edge-firewall | interlock secret set edge-firewall-token',
    ],
    'The value never stands on the command line. One line end behind a piped value is dropped.',
  ).action((name: string, _options, command: Command) => act(setSecret(name, command)));

  const rotate = secret
    .command('rotate')
    .description(
      'replace a secret, ask the connectors that carry it, and put the former value back if a target refuses it',
    )
    .argument('<name>', 'name of the secret')
    .option('--keep', 'keep the new value, whatever the connectors say')
    .allowExcessArguments()
    .allowUnknownOption();
  withExamples(
    rotate,
    [
      'pass show edge-firewall-new | interlock secret rotate edge-firewall-token',
      'interlock secret rotate edge-firewall-token --keep',
    ],
    'The value is read as by set. Exit 1: the former value is stored again.',
  ).action((name: string, _options, command: Command) => act(rotateSecret(name, command)));

  withExamples(
    secret
      .command('remove')
      .description('remove a secret; steps that need it fail from then on')
      .argument('<name>', 'name of the secret'),
    ['interlock secret remove edge-firewall-token'],
  ).action((name: string, _options, command: Command) => act(removeSecret(name, command.optsWithGlobals())));
}

const NO_NAME = 'a secret is named by lower-case letters, digits and single hyphens.';

/** The session, and the value as it was typed or piped. */
async function readSecret(name: string, command: Command): Promise<Result<{ session: Session; value: string }>> {
  if (command.args.length > 1) {
    return cannot(
      'the value of a secret is not taken from the command line, where others see it. Pipe it in, or type it when asked. ' +
        'If what you just typed was the value, take it for known and change it.',
    );
  }
  if (!isName(name)) return cannot(NO_NAME);
  const options = command.optsWithGlobals<Globals>();
  const session = await openSession(options);
  if (!session.ok) return session;
  const value = await readValue(name);
  if (!value.ok) return value;
  if (value.value === '') return cannot('the value is empty; nothing was sent. Pipe it in, or type it when asked.');
  return { ok: true, value: { session: session.value, value: value.value } };
}

async function setSecret(name: string, command: Command): Promise<Ending> {
  const read = await readSecret(name, command);
  if (!read.ok) return read;
  const { session, value } = read.value;
  const answer = await session.client.setSecret(name, value);
  if (!answer.ok) return complain(answer.error, session);
  if (command.optsWithGlobals<Globals>().json) sayJson(answer.value);
  else say(`secret ${name} is set in ${session.org}`);
  return fine;
}

async function rotateSecret(name: string, command: Command): Promise<Ending> {
  const { json, keep = false } = command.optsWithGlobals<Globals & { keep?: boolean }>();
  const read = await readSecret(name, command);
  if (!read.ok) return read;
  const { session, value } = read.value;
  const answer = await session.client.rotateSecret(name, value, keep);
  if (!answer.ok) return complain(answer.error, session, 'secret');
  const { kept, checks } = answer.value;
  if (json) sayJson(answer.value);
  else {
    say(
      kept === 'new'
        ? `secret ${name} is rotated in ${session.org}`
        : `secret ${name} is as before in ${session.org}: a target refused the new value`,
    );
    const rows = checks.map(({ connector, state, reason }) => [connector, state, reason ?? '-']);
    if (rows.length > 0) say(table(['CONNECTOR', 'STATE', 'REASON'], rows));
    const unproven = checks.filter(({ state }) => state === 'unknown').map(({ connector }) => connector);
    if (kept === 'new' && unproven.length > 0)
      note(
        `interlock: nobody knows yet whether ${unproven.join(', ')} can work with the new value. interlock connector check NAME asks again, where its plugin answers a health check; else try it by a run.`,
      );
  }
  return kept === 'new' ? fine : no;
}

/** More than the server takes; it says what is too long. */
const VALUE_BYTES = 65_536;

async function readValue(name: string): Promise<Result<string>> {
  if (atTerminal()) return askHidden(`Value of ${name} (not shown): `);
  const bytes = await readInput('-', VALUE_BYTES);
  if (!bytes.ok) return bytes;
  const text = toText(bytes.value, 'the value');
  return text.ok ? { ok: true, value: text.value.replace(/\r?\n$/, '') } : text;
}

async function listSecrets(options: Globals): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.secrets();
  if (!answer.ok) return complain(answer.error, session.value);
  const { data } = answer.value;
  if (options.json) sayJson(data);
  else if (data.length === 0) say('no secrets');
  else
    say(
      table(
        ['SECRET', 'SET AT'],
        data.map(({ name, updatedAt }) => [name, when(updatedAt)]),
      ),
    );
  return fine;
}

async function removeSecret(name: string, options: Globals): Promise<Ending> {
  if (!isName(name)) return cannot(NO_NAME);
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.removeSecret(name);
  if (!answer.ok) return complain(answer.error, session.value, 'secret');
  if (options.json) sayJson(answer.value);
  else say(`secret ${name} is removed from ${session.value.org}`);
  return fine;
}
