import { type Command, Option } from 'commander';
import type { Approval, ApprovalSummary } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { ballotText } from './ballot.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, ok, type Result, refuse } from './ending.ts';
import { isApprovalOrRunId, isDigest } from './form.ts';
import { type Listing, readList, withListOptions } from './list.ts';
import { clean, note, say, sayJson, state, table, when } from './print.ts';
import { ask, atTerminal } from './prompt.ts';
import { type Globals, openSession, type Session } from './session.ts';
import { noteStop } from './stopped.ts';
import { typed } from './typed.ts';

const STATES: readonly Approval['state'][] = ['pending', 'approved', 'rejected', 'expired', 'withdrawn'];

/** `interlock approval`: people decide, on exactly what they were shown. */
export function addApproval(program: Command): void {
  const approval = program.command('approval').description('see what waits for a decision, and decide');
  withExamples(approval, [
    'interlock approval list',
    'interlock approval approve apr_0123... --rationale "known C2 address, see case 4711"',
  ]);

  withExamples(
    withListOptions(approval.command('list').description('approvals of the org, newest first')).addOption(
      new Option('--state <state>', 'only approvals in this state').choices([...STATES, 'any']).default('pending'),
    ),
    ['interlock approval list', 'interlock approval list --state any --all --json'],
  ).action((_options, command: Command) => act(listApprovals(command.optsWithGlobals())));

  withExamples(
    approval
      .command('show')
      .description('one approval: what would be done, to whom, who asked, and until when')
      .argument('<id>', 'apr_ and 32 hex digits'),
    ['interlock approval show apr_0123...'],
  ).action((id: string, _options, command: Command) => act(showApproval(id, command.optsWithGlobals())));

  addVote(approval, 'approve', 'agree to exactly what is shown; it goes ahead when enough people have');
  addVote(approval, 'reject', 'refuse; one refusal decides');
}

function addVote(approval: Command, decision: 'approve' | 'reject', description: string): void {
  const name = `interlock approval ${decision} apr_0123...`;
  withExamples(
    approval
      .command(decision)
      .description(description)
      .argument('<id>', 'apr_ and 32 hex digits')
      .requiredOption('--rationale <text>', 'why; it goes on record with your name')
      .option('--subject <digest>', 'the subject as you saw it; refused if the approval is about something else')
      .option('--yes', 'do not ask'),
    [`${name} --rationale "see case 4711"`, `${name} --rationale "see case 4711" --subject sha256:...`],
    'Shows what is decided and asks for the name of the org. Without a terminal, give --subject or --yes; it is shown after.\n' +
      'The server refuses the vote if the approval is no longer about what was shown.',
  ).action((id: string, _options, command: Command) => act(vote(decision, id, command.optsWithGlobals())));
}

async function listApprovals(options: Globals & Listing & { readonly state: string }): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const { client } = session.value;
  const only = options.state === 'any' ? undefined : options.state;
  const rows = await readList(session.value, options, (paging) => client.approvals({ state: only }, paging));
  if (!rows.ok) return rows;
  if (options.json) sayJson(rows.value);
  else if (rows.value.length === 0) say(`no ${only === undefined ? '' : `${clean(only, 20)} `}approvals`);
  else say(table(['APPROVAL', 'STATE', 'TIER', 'ACTION', 'REQUESTER', 'EXPIRES'], rows.value.map(approvalRow)));
  return fine;
}

const approvalRow = (row: ApprovalSummary): string[] => [
  row.approval,
  state(row.state),
  row.tier,
  clean(row.uses, 130),
  clean(row.requester, 60),
  when(row.expiresAt),
];

async function showApproval(id: string, options: Globals): Promise<Ending> {
  const read = await readApproval(id, options);
  if (!read.ok) return read;
  if (options.json) sayJson(read.value.approval);
  else say(ballotText(read.value.approval, process.stdout, Date.now()));
  return fine;
}

type Read = { readonly session: Session; readonly approval: Approval };

async function readApproval(id: string, options: Globals): Promise<Result<Read>> {
  if (!isApprovalOrRunId('apr', id)) {
    return cannot(typed('an approval is named by apr_ and 32 hex digits; `interlock approval list` shows them.'));
  }
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.approval(id);
  return answer.ok
    ? ok({ session: session.value, approval: answer.value })
    : complain(answer.error, session.value, 'approval');
}

type VoteOptions = Globals & { readonly rationale: string; readonly subject?: string; readonly yes?: true };

async function vote(decision: 'approve' | 'reject', id: string, options: VoteOptions): Promise<Ending> {
  const { rationale, subject } = options;
  if (subject !== undefined && !isDigest(subject)) {
    return cannot(typed('--subject takes sha256: and 64 hex digits, as `interlock approval show` prints them.'));
  }
  if (!options.yes && subject === undefined && !atTerminal()) {
    return cannot(
      typed(
        'nobody is here to confirm, so nothing was sent. Read `interlock approval show`, then add the --subject that it ' +
          'prints; or --yes to decide unseen.',
      ),
    );
  }
  const read = await readApproval(id, options);
  if (!read.ok) return read;
  const { session, approval } = read.value;
  if (approval.org !== session.org) return cannot('the server sent an approval of another org; nothing was sent.');
  if (approval.state !== 'pending')
    return refuse(`there is nothing to decide: it is ${approval.state}. Nothing was sent.`);
  if (subject !== undefined && subject !== approval.subject) {
    return refuse('the approval is about something else than --subject names. Read it again. Nothing was sent.');
  }
  const asks = !options.yes && atTerminal();
  if (asks) {
    note(ballotText(approval, process.stderr, Date.now()));
    const typed = await ask(`Type the name of the org to ${decision}: `);
    if (typed !== approval.org) return refuse(`that is not the name of the org; nothing was sent.`);
  }
  const answer = await session.client.vote(id, { decision, rationale, subject: approval.subject });
  if (!answer.ok) return complain(answer.error, session);
  // Where nobody was asked, nothing was shown yet; what is shown now is what has come of the vote.
  if (!asks) note(ballotText(answer.value, process.stderr, Date.now()));
  sayVoted(answer.value, options);
  // Whoever agreed would else take it for done.
  if (decision === 'approve') await noteStop(session);
  return fine;
}

function sayVoted(approval: Approval, { json }: Globals): void {
  if (json) {
    sayJson(approval);
    return;
  }
  const approved = approval.votes.filter(({ decision }) => decision === 'approve').length;
  say(
    `approval ${approval.approval} is ${state(approval.state)}, ${approved} of ${approval.needed} by ${approval.role}`,
  );
}
