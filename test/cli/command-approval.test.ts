import { describe, expect, test } from 'vitest';
import { ORG, openCommand } from './command.ts';
import { data } from './double.ts';
import * as samples from './samples.ts';

/** Approvals on the command line: what people decide on, and that nobody decides unseen. */
const { run, server, table } = openCommand();
const { APPROVAL_ID, SUBJECT } = samples;

table({
  'approval list': {
    args: ['approval', 'list'],
    answers: { [`GET ${ORG}/approvals`]: data([samples.approvalRow], null) },
    says: [`${APPROVAL_ID}  pending  high  edge-firewall/block  siem`],
    json: [samples.approvalRow],
  },
  'approval show': {
    args: ['approval', 'show', APPROVAL_ID],
    answers: { [`GET ${ORG}/approvals/${APPROVAL_ID}`]: data(samples.approval) },
    says: [
      '▄▀▄ ▄▀▀ █▄█ █▀▀\n',
      'Block 203.0.113.77 at the edge for 4 hours\n',
      'ip = "203.0.113.77"\n',
      'target        ip 203.0.113.77\n',
      'reversible    yes\n',
      'guardrail     contain-few allows it: A plugin with a grant may contain one to five targets.\n',
      'asked by      the approval matrix: tier high takes 1 of role approver\n',
      'requester     siem\n',
      `subject       ${SUBJECT}\n`,
    ],
    json: samples.approval,
  },
  'approval show, of one that is asked for again': {
    args: ['approval', 'show', APPROVAL_ID],
    answers: { [`GET ${ORG}/approvals/${APPROVAL_ID}`]: data({ ...samples.approval, grantChangedSince: APPROVAL_ID }) },
    says: [
      `asked again   the grant of the plugin has changed since ${APPROVAL_ID} was approved, which covers nothing any more\n`,
    ],
    json: { ...samples.approval, grantChangedSince: APPROVAL_ID },
  },
  'approval approve': {
    args: ['approval', 'approve', APPROVAL_ID, '--rationale', 'case 4711', '--subject', SUBJECT],
    answers: {
      [`GET ${ORG}/approvals/${APPROVAL_ID}`]: data(samples.approval),
      [`POST ${ORG}/approvals/${APPROVAL_ID}/votes`]: data(samples.voted('approve')),
    },
    sent: { decision: 'approve', rationale: 'case 4711', subject: SUBJECT },
    says: [`approval ${APPROVAL_ID} is approved, 1 of 1 by approver\n`],
    json: samples.voted('approve'),
  },
  'approval reject': {
    args: ['approval', 'reject', APPROVAL_ID, '--rationale', 'no', '--yes'],
    answers: {
      [`GET ${ORG}/approvals/${APPROVAL_ID}`]: data(samples.approval),
      [`POST ${ORG}/approvals/${APPROVAL_ID}/votes`]: data(samples.voted('reject')),
    },
    sent: { decision: 'reject', rationale: 'no', subject: SUBJECT },
    says: [`approval ${APPROVAL_ID} is rejected, 0 of 1 by approver\n`],
    json: samples.voted('reject'),
  },
});

describe('approval', () => {
  const route = `GET ${ORG}/approvals/${APPROVAL_ID}`;
  const vote = (more: readonly string[]) => run(['approval', 'approve', APPROVAL_ID, '--rationale', 'x', ...more]);
  const other = `sha256:${'0'.repeat(64)}`;

  test('nobody decides unseen: without a terminal it takes --subject or --yes', async () => {
    server.answers({ [route]: data(samples.approval) });
    const ran = await vote([]);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('--subject');
    expect(server.asked).toEqual([]);
  });

  test('where nobody is asked, what is shown is the approval after the vote', async () => {
    const vote = `POST ${ORG}/approvals/${APPROVAL_ID}/votes`;
    server.answers({ [route]: data(samples.approval), [vote]: data(samples.voted('approve')) });
    const ran = await run(['approval', 'approve', APPROVAL_ID, '--rationale', 'x', '--yes']);
    expect(ran.stderr).toContain('state         approved, 1 of 1 by approver\n');
    expect(ran.stderr).not.toContain('pending');
  });

  test.each([
    ['is about something else than --subject', samples.approval, ['--subject', other], 1, 'something else'],
    ['is decided already', samples.voted('reject'), ['--yes'], 1, 'it is rejected'],
    ['is of another org', { ...samples.approval, org: 'globex' }, ['--yes'], 2, 'another org'],
  ])('no vote is sent when it %s', async (_name, approval, more, code, why) => {
    server.answers({ [route]: data(approval) });
    const ran = await vote(more);
    expect(ran).toMatchObject({ code, stdout: '' });
    expect(ran.stderr).toContain(why);
    expect(server.asked.map(({ method }) => method)).toEqual(['GET']);
  });

  test('what is decided on is shown in full: nothing in it goes unseen', async () => {
    const hidden = { ...samples.approval, parameters: { ip: '203.0.113.77\u202e', user: 'root\u001b[2K\u0007' } };
    const plan = {
      summary: 'Block\u001b[2J many',
      reversible: false,
      details: {},
      targets: Array.from({ length: 25 }, (_, n) => ({ kind: 'ip', id: `203.0.113.${n}\u200b` })),
    };
    server.answers({ [route]: data({ ...hidden, plan }) });
    const { stdout } = await run(['approval', 'show', APPROVAL_ID]);
    expect(stdout).toContain('ip = "203.0.113.77\\u202e"');
    expect(stdout).toContain('user = "root\\u001b[2K\\u0007"');
    expect(stdout).toContain('ip 203.0.113.19\\u200b\n');
    expect(stdout).toContain('and 5 more (25 in all');
    expect(stdout).toContain('NO, this cannot be undone');
    // Colours are off, so there is no control character of ours either.
    expect(stdout).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u);
  });
});
