import type { Command } from 'commander';
import type { Lint, Playbook, PlaybookSummary } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, no, ok, type Result, refuse } from './ending.ts';
import { digestPrefix, isDigest, isName, shortDigest } from './form.ts';
import { type Drawing, draw, withFormat } from './graph.ts';
import { readInput } from './input.ts';
import { type Listing, readList, withListOptions } from './list.ts';
import { clean, exact, fields, note, paint, say, sayJson, state, table, when } from './print.ts';
import { type Globals, openSession, type Session } from './session.ts';
import { typed } from './typed.ts';

/** `interlock playbook`: check, store, and make a version the one that new runs use. */
export function addPlaybook(program: Command): void {
  const playbook = program.command('playbook').description('list, check, store and activate playbooks');
  withExamples(playbook, [
    'interlock playbook list',
    'interlock playbook lint playbooks/*.yaml',
    'interlock playbook put playbooks/contain-c2.yaml',
    'interlock playbook activate contain-c2',
  ]);

  withExamples(
    withListOptions(playbook.command('list').description('playbooks of the org by name, and which version is active')),
    ['interlock playbook list', 'interlock playbook list --all --json'],
  ).action((_options, command: Command) => act(list(command.optsWithGlobals())));

  withExamples(
    playbook
      .command('lint')
      .description('check playbooks against the plugins of the org; nothing is stored')
      .argument('<file...>', 'YAML files, or - for standard input'),
    ['interlock playbook lint playbooks/*.yaml', 'interlock playbook lint - --json < contain-c2.yaml'],
    'Prints file:line: place: what to mend. A warning (a plugin without egress grant) makes nothing invalid. Exit codes: 0 all are valid, 1 one of them is not, 2 one cannot be read.\n' +
      'With --json: a list with one entry for each file that was read, the answer of the server and the name of the file.',
  ).action((files: string[], _options, command: Command) => act(lint(files, command.optsWithGlobals())));

  withExamples(
    withFormat(
      playbook
        .command('graph')
        .description('a playbook as a picture; nothing is stored')
        .argument('<file>', 'YAML file, or - for standard input'),
    ),
    [
      'interlock playbook graph contain-c2.yaml',
      'interlock playbook graph contain-c2.yaml --format svg > contain-c2.svg',
    ],
    'The server draws it, and checks it first against the plugins of the org.',
  ).action((file: string, _options, command: Command) => act(graph(file, command.optsWithGlobals())));

  withExamples(
    playbook
      .command('put')
      .description('store a version; new runs do not use it before it is activated')
      .argument('<file>', 'YAML file, or - for standard input'),
    ['interlock playbook put playbooks/contain-c2.yaml'],
    'The same text again is the same version. It is activated by a holder of the role approver, who is not its author where a\n' +
      'step is of tier high or critical; the answer says whether you may.',
  ).action((file: string, _options, command: Command) => act(put(file, command.optsWithGlobals())));

  withExamples(
    playbook
      .command('show')
      .description('versions of a playbook, or the text of one')
      .argument('<name>', 'name of the playbook')
      .argument(
        '[digest]',
        'the version whose text is printed, as it was put: its digest, or the first 8 digits or more',
      ),
    ['interlock playbook show contain-c2', 'interlock playbook show contain-c2 0a1b2c3d   # read it before activating'],
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
      .argument('[digest]', 'the version: its digest, or the first 8 digits or more; without it, the newest'),
    [
      'interlock playbook activate contain-c2',
      'interlock playbook activate contain-c2 0a1b2c3d   # back to an old one',
    ],
    'A version with a step of tier high or critical is not activated by whoever wrote it.',
  ).action((name: string, digest: string | undefined, _options, command: Command) =>
    act(activate(name, digest, command.optsWithGlobals())),
  );
}

async function list(options: Globals & Listing): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const rows = await readList(session.value, options, (paging) => session.value.client.playbooks(paging));
  if (!rows.ok) return rows;
  if (options.json) sayJson(rows.value);
  else if (rows.value.length === 0) say('no playbooks');
  else say(table(['PLAYBOOK', 'ACTIVE', 'SINCE', 'VERSIONS', 'NEWEST', 'TITLE'], rows.value.map(playbookRow)));
  return fine;
}

const playbookRow = ({ name, active, activatedAt, versions, newest, title }: PlaybookSummary): string[] => [
  name,
  active === null ? '-' : shortDigest(active),
  activatedAt === null ? '-' : when(activatedAt),
  String(versions),
  newest === null ? '-' : newest === active ? 'active' : shortDigest(newest),
  clean(title, 120),
];

async function lint(files: readonly string[], options: Globals): Promise<Ending> {
  const texts: { readonly file: string; readonly text: Uint8Array<ArrayBuffer> }[] = [];
  const unread: string[] = [];
  for (const file of files) {
    const text = await readInput(file);
    if (text.ok) texts.push({ file, text: text.value });
    else unread.push(text.error.text);
  }
  const [only = '', ...more] = unread;
  const notRead = more.length === 0 ? cannot(only) : cannot(`${unread.length} files cannot be read.`, unread);
  if (texts.length === 0) return notRead;
  const session = await openSession(options);
  if (!session.ok) return session;
  const results: (Lint & { readonly file: string })[] = [];
  for (const { file, text } of texts) {
    const answer = await session.value.client.lintPlaybook(text);
    if (!answer.ok) return complain(answer.error, session.value);
    results.push({ file, ...answer.value });
  }
  if (options.json) sayJson(results);
  else for (const result of results) sayLint(result);
  // Whatever the others hold: a script that misspelt a file must not go on.
  if (unread.length > 0) return notRead;
  return results.every(({ valid }) => valid) ? fine : no;
}

function sayLint({ file, valid, digest, issues, warnings = [] }: Lint & { readonly file: string }): void {
  const name = file === '-' ? 'standard input' : clean(file, 200);
  if (valid) say(`${name}: ${state('valid')}${digest === undefined ? '' : `  ${clean(digest, 80)}`}`);
  const sayIssue = ({ at, line, text }: Lint['issues'][number], kind = '') => {
    const place = `${name}${line === null ? '' : `:${line}`}`;
    say(`${place}: ${kind}${at === '' ? '' : `${clean(at)}: `}${clean(text)}`);
  };
  for (const issue of issues) sayIssue(issue);
  for (const warning of warnings) sayIssue(warning, `${paint('open', 'warning')}: `);
  if (!valid && issues.length === 0) say(`${name}: ${state('invalid')}`);
}

async function graph(file: string, options: Drawing): Promise<Ending> {
  const text = await readInput(file);
  if (!text.ok) return text;
  const session = await openSession(options);
  if (!session.ok) return session;
  const { client } = session.value;
  return draw(session.value, options, {
    graph: () => client.drawPlaybook(text.value),
    as: (format) => client.drawPlaybookAs(text.value, format),
  });
}

async function put(file: string, options: Globals): Promise<Ending> {
  const text = await readInput(file);
  if (!text.ok) return text;
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.putPlaybook(text.value);
  if (!answer.ok) return complain(answer.error, session.value);
  const { name, digest, active, activation } = answer.value;
  if (options.json) sayJson(answer.value);
  else {
    say(`${name} ${digest} ${active === digest ? 'is stored and active' : 'is stored'}`);
    const who =
      activation?.byYou === false ? ` somebody else, of the role ${activation.roles.join(' or ')}, has run` : '';
    if (active !== digest) note(typed`New runs use it after${who}: interlock playbook activate ${name} ${digest}`);
  }
  return fine;
}

async function show(name: string, options: Globals): Promise<Ending> {
  if (!isName(name)) return cannot(NO_NAME);
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.playbook(name);
  if (!answer.ok) return complain(answer.error, session.value, 'playbook');
  if (options.json) sayJson(answer.value);
  else sayPlaybook(answer.value);
  return fine;
}

async function showText(name: string, given: string, options: Globals): Promise<Ending> {
  if (!isName(name)) return cannot(NO_NAME);
  if (digestPrefix(given) === undefined) return cannot(NO_DIGEST);
  const session = await openSession(options);
  if (!session.ok) return session;
  const digest = await findVersion(session.value, name, given);
  if (!digest.ok) return digest;
  const answer = await session.value.client.playbookVersion(name, digest.value);
  if (!answer.ok) return complain(answer.error, session.value);
  if (options.json) sayJson(answer.value);
  // Line by line, as it was written: what cannot be printed is shown as an escape, and no blank is lost.
  else for (const line of answer.value.text.trimEnd().split('\n')) say(exact(line, 10_000));
  return fine;
}

const NO_DIGEST =
  'a version is named by its digest (sha256: and 64 hex digits) or by the first 8 digits or more; ' +
  typed('`interlock playbook show` prints them.');
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
  if (given !== undefined && digestPrefix(given) === undefined) return cannot(NO_DIGEST);
  const session = await openSession(options);
  if (!session.ok) return session;
  const digest = await findVersion(session.value, name, given);
  if (!digest.ok) return digest;
  const answer = await session.value.client.activatePlaybook(name, digest.value);
  if (!answer.ok) return complain(answer.error, session.value);
  if (options.json) sayJson(answer.value);
  else say(`${name} ${digest.value} is ${state('active')}`);
  return fine;
}

/** @param given a digest, the beginning of one, or nothing: the newest version. @returns the whole digest. */
async function findVersion(session: Session, name: string, given: string | undefined): Promise<Result<string>> {
  if (given !== undefined && isDigest(given)) return ok(given);
  const playbook = await session.client.playbook(name);
  if (!playbook.ok) return complain(playbook.error, session, 'playbook');
  const prefix = given === undefined ? undefined : digestPrefix(given);
  if (prefix === undefined) {
    const digest = newest(playbook.value)?.digest;
    return digest === undefined
      ? refuse(typed`${name} has no version. Store one with \`interlock playbook put\`.`)
      : ok(digest);
  }
  const fitting = playbook.value.versions.filter(({ digest }) => digest.startsWith(prefix));
  const [only] = fitting;
  if (only && fitting.length === 1) return ok(only.digest);
  return fitting.length === 0
    ? refuse(typed`${name} has no version that begins like this. \`interlock playbook show ${name}\` lists them.`)
    : cannot(
        `${fitting.length} versions of ${name} begin like this; give more digits.`,
        fitting.map((one) => `${one.digest}  ${clean(one.state, 20)}, put ${when(one.at)}`),
      );
}

/** The one stored last; of two at the same time, the later in the list. */
const newest = ({ versions }: Playbook): Playbook['versions'][number] | undefined =>
  versions.reduce<Playbook['versions'][number] | undefined>(
    (last, one) => (last === undefined || one.at >= last.at ? one : last),
    undefined,
  );
