import { describe, expect, test } from 'vitest';
import { ORG, openCommand } from './command.ts';
import { data, problem, type Reply } from './double.ts';
import * as samples from './samples.ts';

/** What the server, or the machine, says no to: told in the words of whoever typed the command. */
const { run, server } = openCommand();
const { RUN_ID, APPROVAL_ID } = samples;

describe('refusals', () => {
  test.each([
    [['run', 'show', RUN_ID], 'run'],
    [['approval', 'show', APPROVAL_ID], 'approval'],
    [['incident', 'show', 'INC-1'], 'incident'],
    [['playbook', 'show', 'contain-c2'], 'playbook'],
    [['trigger', 'stop', 'contain-c2/c2-seen', '--reason', 'x'], 'trigger'],
    [['connector', 'check', 'edge'], 'connector'],
    [['connector', 'reset', 'edge'], 'connector'],
    [['secret', 'remove', 'edge'], 'secret'],
    [['token', 'revoke', '0123456789abcdef'], 'token'],
  ])('%j: what is not there is named, and how to list what is', async (args, thing) => {
    server.answers({});
    const ran = await run(args);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain(
      `There is no ${thing} of this name or id in the org acme: \`interlock ${thing} list\` shows those that there are.`,
    );
  });

  test.each<[string, Reply, number, string]>([
    [
      'a problem about the thing is a no, with what to mend',
      problem(422, 'invalid-playbook', 'The playbook is not valid', {
        detail: 'Mend what is listed.',
        errors: [{ pointer: '/steps/0', text: 'line 3: unknown' }],
      }),
      1,
      'interlock: The playbook is not valid. Mend what is listed.\n  /steps/0: line 3: unknown\n',
    ],
    [
      'a token that is not accepted is no answer',
      problem(401, 'unauthenticated', 'A token is required', { detail: 'Send "Authorization: Bearer".' }),
      2,
      'interlock: The server does not accept the token. It is unknown, withdrawn or expired',
    ],
    [
      'nor is one without the permission a yes',
      problem(403, 'forbidden', 'The token does not carry this permission', { detail: 'This needs x.' }),
      1,
      'This needs x. `interlock whoami` shows what it may do.',
    ],
    [
      'a thing that is not there',
      problem(404, 'not-found', 'x', { detail: 'y' }),
      1,
      'of this name or id in the org acme.',
    ],
    ['a filter that cannot be is no question', problem(422, 'invalid-query', 'Not valid'), 2, 'Not valid.'],
    [
      'a server in trouble is no answer',
      problem(503, 'internal', 'Wrong'),
      2,
      'Give this id when you ask for help: urn:uuid:1.',
    ],
  ])('%s', async (_name, reply, code, text) => {
    server.answers({ [`POST ${ORG}/playbooks`]: reply });
    const people = await run(['playbook', 'put', '-'], { input: 'a: 1' });
    expect(people).toMatchObject({ code, stdout: '' });
    expect(people.stderr).toContain(text);
    // Whoever asked for JSON gets the problem itself, and the same sentence beside it.
    const programs = await run(['playbook', 'put', '-', '--json'], { input: 'a: 1' });
    expect(programs).toMatchObject({ code, stderr: people.stderr });
    const { kind, ...said } = reply.kind === 'problem' ? reply.problem : { kind: '' };
    expect(JSON.parse(programs.stdout)).toEqual({
      type: `urn:interlock:problem:${kind}`,
      detail: '',
      instance: 'urn:uuid:1',
      errors: [],
      ...said,
    });
  });
});

test('an older Node is told which one is needed, before it meets a file that it cannot read', async () => {
  const old = (version: string) =>
    `data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"${version}"}})`;
  server.answers({ 'GET /v1/whoami': data(samples.whoami) });
  const ran = await run(['whoami'], { node: ['--no-strip-types', '--import', old('20.20.2')] });
  expect(ran).toEqual({
    code: 2,
    stdout: '',
    stderr:
      'interlock: this needs Node 26 or newer, and runs on 20.20.2. The project brings its own: in its folder, ' +
      'run `npx interlock`.\n',
  });
  expect(await run(['whoami'], { node: ['--import', old('100.0.0')] })).toMatchObject({ code: 0, stderr: '' });
});
