import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createProgram } from '../../sdk/cli/program.ts';
import { type Double, data, openDouble, problem } from './double.ts';
import { interlock } from './run.ts';
import * as samples from './samples.ts';

/** Exit codes: 0 done and good, 1 the answer is no, 2 no answer. One row for each command; scripts branch on them. */
vi.setConfig({ testTimeout: 60_000 });

const ORG = '/v1/orgs/acme';
const { EVENT_ID, RUN_ID, APPROVAL_ID, SUBJECT } = samples;

let server: Double;
let root = '';
beforeAll(async () => {
  server = await openDouble();
  root = await mkdtemp(join(tmpdir(), 'interlock-exit-'));
  await writeFile(join(root, 'event.json'), '{"specversion":"1.0"}');
  await writeFile(join(root, 'empty'), '');
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true });
});

/** The arguments, the route that is asked last, and arguments that are wrong use. `@` stands for a folder with files. */
type Row = { readonly args: readonly string[]; readonly route: string; readonly wrong: readonly string[] };
const rows: Readonly<Record<string, Row>> = {
  'event list': { args: [], route: `GET ${ORG}/events`, wrong: ['--outcome', 'lost'] },
  'event show': { args: [EVENT_ID], route: `GET ${ORG}/events/${EVENT_ID}`, wrong: ['evt_1'] },
  'event send': { args: ['@/event.json'], route: `POST ${ORG}/events`, wrong: ['@/nothing.json'] },
  'trigger explain': {
    args: ['@/event.json'],
    route: `POST ${ORG}/triggers/explain`,
    wrong: ['@/event.json', '--trigger', 'X'],
  },
  'trigger replay': {
    args: ['@/event.json'],
    route: `POST ${ORG}/triggers/replay`,
    wrong: ['@/event.json', '--since', 'x'],
  },
  'run list': { args: [], route: `GET ${ORG}/runs`, wrong: ['--limit', 'x'] },
  'run open': { args: [], route: `GET ${ORG}/open-work`, wrong: ['--only', 'lost'] },
  'run show': { args: [RUN_ID], route: `GET ${ORG}/runs/${RUN_ID}`, wrong: ['run_1'] },
  'run graph': { args: [RUN_ID], route: `GET ${ORG}/runs/${RUN_ID}/graph`, wrong: [RUN_ID, '--format', 'png'] },
  'run again': { args: [RUN_ID, '--reason', 'x'], route: `POST ${ORG}/runs/${RUN_ID}/again`, wrong: [RUN_ID] },
  'run pause': { args: [RUN_ID, '--reason', 'x'], route: `POST ${ORG}/runs/${RUN_ID}/pause`, wrong: [RUN_ID] },
  'run resume': { args: [RUN_ID], route: `POST ${ORG}/runs/${RUN_ID}/resume`, wrong: ['run_1'] },
  'run cancel': { args: [RUN_ID, '--reason', 'x'], route: `POST ${ORG}/runs/${RUN_ID}/cancel`, wrong: [RUN_ID] },
  'run settle': {
    args: [RUN_ID, '--step', 'ban', '--outcome', 'failed', '--note', 'x'],
    route: `POST ${ORG}/runs/${RUN_ID}/settle`,
    wrong: [RUN_ID, '--step', 'ban', '--outcome', 'perhaps', '--note', 'x'],
  },
  'run close': { args: [RUN_ID, '--note', 'x'], route: `POST ${ORG}/runs/${RUN_ID}/close`, wrong: [RUN_ID] },
  'approval list': { args: [], route: `GET ${ORG}/approvals`, wrong: ['--state', 'lost'] },
  'approval show': { args: [APPROVAL_ID], route: `GET ${ORG}/approvals/${APPROVAL_ID}`, wrong: ['apr_1'] },
  'approval approve': {
    args: [APPROVAL_ID, '--rationale', 'x', '--yes'],
    route: `POST ${ORG}/approvals/${APPROVAL_ID}/votes`,
    wrong: [APPROVAL_ID, '--yes'],
  },
  'approval reject': {
    args: [APPROVAL_ID, '--rationale', 'x', '--subject', SUBJECT],
    route: `POST ${ORG}/approvals/${APPROVAL_ID}/votes`,
    wrong: [APPROVAL_ID, '--rationale', 'x', '--subject', 'this'],
  },
  'incident list': { args: [], route: `GET ${ORG}/incidents`, wrong: ['--state', 'lost'] },
  'incident timeline': { args: ['INC-1'], route: `GET ${ORG}/incidents/INC-1/timeline`, wrong: ['INC 1'] },
  'incident note': {
    args: ['INC-1', '--note', 'x'],
    route: `POST ${ORG}/incidents/INC-1/notes`,
    wrong: ['INC-1'],
  },
  'incident show': { args: ['INC-1'], route: `GET ${ORG}/incidents/INC-1`, wrong: ['INC 1'] },
  'lifecycle list': { args: [], route: `GET ${ORG}/lifecycle`, wrong: ['--limit', '0'] },
  'lifecycle follow': { args: ['--for', '1ms'], route: `GET ${ORG}/lifecycle`, wrong: ['--for', 'ever'] },
  'lifecycle webhooks': { args: [], route: `GET ${ORG}/lifecycle/webhooks`, wrong: ['siem'] },
  stop: { args: ['--reason', 'x'], route: `POST ${ORG}/stop`, wrong: [] },
  'stop release': { args: [], route: `DELETE ${ORG}/stop`, wrong: ['--all'] },
  'stop show': { args: [], route: `GET ${ORG}/stop`, wrong: ['now'] },
  'egress report': { args: [], route: `GET ${ORG}/egress/report`, wrong: ['http-json'] },
  'connector list': { args: [], route: `GET ${ORG}/connectors`, wrong: ['edge-firewall'] },
  'connector check': { args: ['edge'], route: `POST ${ORG}/connectors/edge/check`, wrong: ['Edge'] },
  'connector reset': { args: ['edge'], route: `POST ${ORG}/connectors/edge/reset`, wrong: ['Edge'] },
  'playbook list': { args: [], route: `GET ${ORG}/playbooks`, wrong: ['--limit', '0'] },
  'playbook lint': { args: ['@/event.json'], route: `POST ${ORG}/playbooks/lint`, wrong: ['@', '@/nothing.yaml'] },
  'playbook put': { args: ['@/event.json'], route: `POST ${ORG}/playbooks`, wrong: ['@/empty'] },
  'playbook show': { args: ['contain-c2'], route: `GET ${ORG}/playbooks/contain-c2`, wrong: ['Contain C2'] },
  'playbook activate': {
    args: ['contain-c2', SUBJECT],
    route: `POST ${ORG}/playbooks/contain-c2/activate`,
    wrong: ['contain-c2', 'newest'],
  },
  'playbook graph': { args: ['@/event.json'], route: `POST ${ORG}/playbooks/graph`, wrong: ['@/nothing.yaml'] },
  'schema list': { args: [], route: 'GET /v1/schemas', wrong: ['run'] },
  'schema get': { args: ['run'], route: 'GET /v1/schemas/run', wrong: ['Run Schema'] },
  'trigger list': { args: [], route: `GET ${ORG}/triggers`, wrong: ['--limit', '0'] },
  'trigger noisy': { args: [], route: `GET ${ORG}/triggers/noisy`, wrong: ['--limit', '0'] },
  'trigger stop': {
    args: ['contain-c2/c2-seen', '--reason', 'x'],
    route: `POST ${ORG}/triggers/contain-c2/c2-seen/stop`,
    wrong: ['c2-seen', '--reason', 'x'],
  },
  'trigger resume': {
    args: ['contain-c2/c2-seen', '--reason', 'x'],
    route: `POST ${ORG}/triggers/contain-c2/c2-seen/resume`,
    wrong: ['contain-c2/c2-seen'],
  },
  'plugin list': { args: [], route: `GET ${ORG}/plugins`, wrong: ['edge-firewall'] },
  'audit export': { args: ['--out', '@/out', '--force'], route: `GET ${ORG}/audit/export`, wrong: ['--out', '@'] },
  'secret list': { args: [], route: `GET ${ORG}/secrets`, wrong: ['edge'] },
  'secret set': { args: ['edge'], route: `PUT ${ORG}/secrets/edge`, wrong: ['edge', 'value'] },
  'secret rotate': { args: ['edge'], route: `POST ${ORG}/secrets/edge/rotate`, wrong: ['edge', 'value'] },
  'secret remove': { args: ['edge'], route: `DELETE ${ORG}/secrets/edge`, wrong: ['Edge'] },
  'token list': { args: [], route: `GET ${ORG}/tokens`, wrong: ['--limit', '-1'] },
  'token create': {
    args: ['--principal', 'siem', '--role', 'source'],
    route: `POST ${ORG}/tokens`,
    wrong: ['--principal', 'siem', '--role', 'source', '--out', '@/empty'],
  },
  'token revoke': {
    args: ['0123456789abcdef'],
    route: `DELETE ${ORG}/tokens/0123456789abcdef`,
    wrong: ['the-old-one'],
  },
  whoami: { args: [], route: 'GET /v1/whoami', wrong: ['ann'] },
};

/** Judge without a server; their tables are in audit.test.ts, plugin.test.ts and supply.test.ts. */
const SUPPLY = ['inspect', 'keygen', 'lock', 'sign', 'verify'].map((name) => `plugin ${name}`);
const OFFLINE = ['audit verify', 'plugin build', 'plugin locate', ...SUPPLY];

test('the table has every command', () => {
  // A group with options of its own is a command as well.
  const named = createProgram().commands.flatMap((group) => [
    ...(group.commands.length === 0 || group.options.length > 0 ? [group.name()] : []),
    ...group.commands.map((one) => `${group.name()} ${one.name()}`),
  ]);
  expect(named.sort()).toEqual([...Object.keys(rows), ...OFFLINE].sort());
});

describe.each(Object.entries(rows))('%s', (name, { args, route, wrong }) => {
  const run = (more: readonly string[]) =>
    interlock([...name.split(' '), ...more.map((arg) => arg.replace(/^@/, root))], {
      url: server.url,
      input: 'x'.repeat(9),
    });
  const before = { [`GET ${ORG}/approvals/${APPROVAL_ID}`]: data(samples.approval) };

  test('1 when the server says no, 2 when the token is not accepted, the server is in trouble or the use is wrong', async () => {
    const codes: Record<string, number | null> = {};
    for (const [what, reply] of [
      ['refused', problem(409, 'x', 'No')],
      ['forbidden', problem(403, 'forbidden', 'No')],
      ['not there', problem(404, 'not-found', 'No')],
      ['no token', problem(401, 'unauthenticated', 'No')],
      ['trouble', problem(503, 'record-unavailable', 'No')],
    ] as const) {
      server.answers({ ...before, [route]: reply });
      codes[what] = (await run(args)).code;
    }
    server.answers(before);
    const used = await run(wrong);
    expect({ ...codes, 'wrong use': used.code }).toEqual({
      refused: 1,
      forbidden: 1,
      'not there': 1,
      'no token': 2,
      trouble: 2,
      'wrong use': 2,
    });
    expect(used.stdout).toBe('');
    expect(server.asked).toEqual([]);
  });
});
