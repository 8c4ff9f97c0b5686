import type { Command } from 'commander';
import type { Lint, Playbook } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, no, refuse } from './ending.ts';
import { isDigest, isName } from './form.ts';
import { readInput } from './input.ts';
import { clean, fields, note, paint, say, sayJson, state, table, when } from './print.ts';
import { type Globals, openSession } from './session.ts';

/** `interlock playbook`: check, store, and make a version the one that new runs use. */
export function addPlaybook(program: Command): void {
  const playbook = program.command('playbook').description('check, store and activate playbooks');
  withExamples(playbook, [
    'interlock playbook lint playbooks/*.yaml',
    'interlock playbook put playbooks/contain-c2.yaml',
    'interlock playbook activate contain-c2',
  ]);

  withExamples(
    playbook
      .command('lint')
      .description('check playbooks against the plugins of the org; nothing is stored')
      .argument('<file...>', 'YAML files, or - for standard input'),
    ['interlock playbook lint playbooks/*.yaml', 'interlock playbook lint - --json < contain-c2.yaml'],
    'Prints file:line: place: what to mend. Exit codes: 0 all are valid, 1 one of them is not.\n' +
      'With --json: a list with one entry for each file, the answer of the server and the name of the file.',
  ).action((files: string[], _options, command: Command) => act(lint(files, command.optsWithGlobals())));

  withExamples(
    playbook
      .command('put')
      .description('store a version; new runs do not use it before it is activated')
      .argument('<file>', 'YAML file, or - for standard input'),
    ['interlock playbook put playbooks/contain-c2.yaml'],
    'The same text again is the same version.',
  ).action((file: string, _options, command: Command) => act(put(file, command.optsWithGlobals())));

  withExamples(
    playbook
      .command('show')
      .description('versions of a playbook, or the text of one')
      .argument('<name>', 'name of the playbook')
      .argument('[digest]', 'the version whose text is printed, as it was put'),
    [
      'interlock playbook show contain-c2',
      'interlock playbook show contain-c2 sha256:...   # read it before activating',
    ],
  ).action((name: string, digest: string | undefined, _options, command: Command) =>
    act(
      digest === undefined ? show(name, command.optsWithGlobals()) : showText(name, digest, command.optsWithGlobals()),
    ),
  );

  withExamples(
    playbook
      .command('activate')
      .description('make a version the one that new runs use; runs under way keep theirs')
      .argument('<name>', 'name of the playbook')
      .argument('[digest]', 'the version; without it, the newest'),
    [
      'interlock playbook activate contain-c2',
      'interlock playbook activate contain-c2 sha256:...   # back to an old one',
    ],
    'A version with a step of tier high or critical is not activated by whoever wrote it.',
  ).action((name: string, digest: string | undefined, _options, command: Command) =>
    act(activate(name, digest, command.optsWithGlobals())),
  );
}

async function lint(files: readonly string[], options: Globals): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const results: (Lint & { readonly file: string })[] = [];
  for (const file of files) {
    const text = await readInput(file);
    if (!text.ok) return text;
    const answer = await session.value.client.lintPlaybook(text.value);
    if (!answer.ok) return complain(answer.error, session.value);
    results.push({ file, ...answer.value });
  }
  if (options.json) sayJson(results);
  else for (const result of results) sayLint(result);
  return results.every(({ valid }) => valid) ? fine : no;
}

function sayLint({ file, valid, digest, issues }: Lint & { readonly file: string }): void {
  const name = file === '-' ? 'standard input' : clean(file, 200);
  if (valid) say(`${name}: ${state('valid')}${digest === undefined ? '' : `  ${clean(digest, 80)}`}`);
  for (const { at, line, text } of issues) {
    const place = `${name}${line === null ? '' : `:${line}`}`;
    say(`${place}: ${at === '' ? '' : `${clean(at)}: `}${clean(text)}`);
  }
  if (!valid && issues.length === 0) say(`${name}: ${state('invalid')}`);
}

async function put(file: string, options: Globals): Promise<Ending> {
  const text = await readInput(file);
  if (!text.ok) return text;
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.putPlaybook(text.value);
  if (!answer.ok) return complain(answer.error, session.value);
  const { name, digest, active } = answer.value;
  if (options.json) sayJson(answer.value);
  else {
    say(`${name} ${digest} ${active === digest ? 'is stored and active' : 'is stored'}`);
    if (active !== digest) note(`New runs use it after: interlock playbook activate ${name} ${digest}`);
  }
  return fine;
}

async function show(name: string, options: Globals): Promise<Ending> {
  if (!isName(name)) return cannot(NO_NAME);
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.playbook(name);
  if (!answer.ok) return complain(answer.error, session.value);
  if (options.json) sayJson(answer.value);
  else sayPlaybook(answer.value);
  return fine;
}

async function showText(name: string, digest: string, options: Globals): Promise<Ending> {
  if (!isName(name)) return cannot(NO_NAME);
  if (!isDigest(digest)) return cannot(NO_DIGEST);
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.playbookVersion(name, digest);
  if (!answer.ok) return complain(answer.error, session.value);
  if (options.json) sayJson(answer.value);
  // Line by line: what is cleaned of control characters must keep its line ends.
  else for (const line of answer.value.text.trimEnd().split('\n')) say(clean(line, 10_000));
  return fine;
}

const NO_DIGEST = 'a version is named by sha256: and 64 hex digits; `interlock playbook show` prints them.';
const NO_NAME = 'a playbook is named by lower-case letters, digits and single hyphens, as in its document.';

function sayPlaybook({ name, title, active, versions }: Playbook): void {
  say(
    fields([
      ['playbook', paint('strong', name)],
      ['title', clean(title)],
      ['active', active ?? 'none'],
    ]),
  );
  const rows = versions.map((one) => [
    one.digest,
    state(one.state),
    clean(one.by, 60),
    when(one.at),
    clean(one.activatedBy ?? '', 60),
  ]);
  say('');
  say(table(['VERSION', 'STATE', 'BY', 'AT', 'ACTIVATED BY'], rows));
}

async function activate(name: string, given: string | undefined, options: Globals): Promise<Ending> {
  if (!isName(name)) return cannot(NO_NAME);
  if (given !== undefined && !isDigest(given)) return cannot(NO_DIGEST);
  const session = await openSession(options);
  if (!session.ok) return session;
  const { client } = session.value;
  let digest = given;
  if (digest === undefined) {
    const playbook = await client.playbook(name);
    if (!playbook.ok) return complain(playbook.error, session.value);
    digest = newest(playbook.value)?.digest;
    if (digest === undefined) return refuse(`${name} has no version. Store one with \`interlock playbook put\`.`);
  }
  const answer = await client.activatePlaybook(name, digest);
  if (!answer.ok) return complain(answer.error, session.value);
  if (options.json) sayJson(answer.value);
  else say(`${name} ${digest} is ${state('active')}`);
  return fine;
}

/** The one stored last; of two at the same time, the later in the list. */
const newest = ({ versions }: Playbook): Playbook['versions'][number] | undefined =>
  versions.reduce<Playbook['versions'][number] | undefined>(
    (last, one) => (last === undefined || one.at >= last.at ? one : last),
    undefined,
  );
