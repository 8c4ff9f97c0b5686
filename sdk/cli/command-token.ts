import { rm, writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { NewToken, TokenSummary } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine } from './ending.ts';
import { type Listing, readList, withListOptions } from './list.ts';
import { clean, fields, note, say, sayJson, table, when } from './print.ts';
import { type Globals, openSession } from './session.ts';

type Role = NewToken['roles'][number];
const ROLES: readonly Role[] = ['source', 'author', 'approver', 'operator', 'auditor', 'admin'];

/** `interlock token` and `interlock whoami`: access, made and withdrawn. */
export function addToken(program: Command): void {
  const token = program.command('token').description('list, make and withdraw access tokens of the org');
  withExamples(token, [
    'interlock token list',
    'interlock token create --principal siem --role source --out siem.token',
    'interlock token revoke 0123456789abcdef',
  ]);

  withExamples(
    withListOptions(token.command('list').description('tokens that are not withdrawn; the tokens are never shown')),
    ['interlock token list', 'interlock token list --all --json'],
  ).action((_options, command: Command) => act(listTokens(command.optsWithGlobals())));

  withExamples(
    token
      .command('create')
      .description('make a token; it is shown once and cannot be had again')
      .requiredOption('--principal <name>', 'who will use it, e.g. siem or ann@acme.example')
      .addOption(new Option('--role <role...>', 'what it may do').choices(ROLES).makeOptionMandatory())
      .option('--expires <duration>', 'for how long it is good, e.g. 90d or 12h; without it, until it is withdrawn')
      .option('--out <file>', 'write it to this new file, readable by you alone, and do not print it'),
    [
      'interlock token create --principal siem --role source --expires 90d --out siem.token',
      'interlock token create --principal ann@acme.example --role approver operator',
    ],
    'Without --out the token, and nothing else, is printed to stdout.',
  ).action((_options, command: Command) => act(createToken(command.optsWithGlobals())));

  withExamples(
    token
      .command('revoke')
      .description('withdraw a token; it is refused from then on')
      .argument('<id>', 'the 16 hex digits in the middle of the token'),
    ['interlock token revoke 0123456789abcdef'],
  ).action((id: string, _options, command: Command) => act(revokeToken(id, command.optsWithGlobals())));
}

export function addWhoami(program: Command): void {
  withExamples(
    program.command('whoami').description('show the org, name and roles of the token in use, and what it may do'),
    ['interlock whoami', 'interlock whoami --token-file siem.token --json'],
  ).action((_options, command: Command) => act(whoami(command.optsWithGlobals())));
}

type CreateOptions = Globals & {
  readonly principal: string;
  readonly role: readonly Role[];
  readonly expires?: string;
  readonly out?: string;
};

async function listTokens(options: Globals & Listing): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const rows = await readList(session.value, options, (paging) => session.value.client.tokens(paging));
  if (!rows.ok) return rows;
  if (options.json) sayJson(rows.value);
  else if (rows.value.length === 0) say('no tokens');
  else say(table(['TOKEN', 'HOLDER', 'ROLES', 'MADE', 'EXPIRES'], rows.value.map(tokenRow)));
  return fine;
}

const tokenRow = ({ tokenId, principal, roles, createdAt, expiresAt }: TokenSummary): string[] => [
  clean(tokenId, 64),
  clean(principal, 60),
  roles.map((role) => clean(role, 40)).join(', '),
  when(createdAt),
  expiresAt === null ? 'never' : `${when(expiresAt)}${Date.parse(expiresAt) <= Date.now() ? ' (past)' : ''}`,
];

async function createToken(options: CreateOptions): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const { principal, role: roles, expires, out } = options;
  // Before the token exists: one that could not be written anywhere would be good and lost.
  if (out !== undefined) {
    const made = await writeFile(out, '', { flag: 'wx', mode: 0o600 }).then(
      () => true,
      () => false,
    );
    if (!made)
      return cannot(`${clean(out, 200)} exists already or cannot be made; no token was made. Name a new file.`);
  }
  const form = { principal, roles: [...roles], ...(expires === undefined ? {} : { expiresIn: expires }) };
  const answer = await session.value.client.createToken(form);
  if (!answer.ok) {
    if (out !== undefined) await rm(out, { force: true });
    return complain(answer.error, session.value);
  }
  const { token, ...rest } = answer.value;
  if (out !== undefined) {
    await writeFile(out, `${token}\n`);
    if (options.json) sayJson({ ...rest, file: out });
    else say(`token ${clean(rest.tokenId, 64)} of ${clean(principal)} written to ${clean(out, 200)}`);
    return fine;
  }
  if (options.json) sayJson(answer.value);
  else {
    note(
      `Token ${clean(rest.tokenId, 64)} of ${clean(principal)}. It is shown once; keep it where only its user reads.`,
    );
    say(clean(token, 200));
  }
  return fine;
}

async function revokeToken(id: string, options: Globals): Promise<Ending> {
  if (!/^[0-9a-f]{16}$/.test(id)) {
    return cannot('a token is named by the 16 hex digits in its middle (ilk_<org>_<these>_...), never by all of it.');
  }
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.revokeToken(id);
  if (!answer.ok) return complain(answer.error, session.value, 'token');
  if (options.json) sayJson(answer.value);
  else say(`token ${id} is withdrawn`);
  return fine;
}

/** One line for each thing that something may be done with. */
const bySubject = (permissions: readonly string[]): readonly string[] =>
  [...Map.groupBy(permissions, (one) => one.split('.', 1)[0]).values()].map((some) =>
    some.map((one) => clean(one, 40)).join(', '),
  );

async function whoami(options: Globals): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.whoami();
  if (!answer.ok) return complain(answer.error, session.value);
  const { org, principal, roles, permissions } = answer.value;
  if (options.json) sayJson(answer.value);
  else {
    say(
      fields([
        ['org', clean(org)],
        ['name', clean(principal)],
        ['roles', roles.map((role) => clean(role, 40)).join(', ')],
        ...bySubject(permissions).map((line, at): [string, string] => [at === 0 ? 'may' : '', line]),
        ['server', session.value.address],
      ]),
    );
  }
  return fine;
}
