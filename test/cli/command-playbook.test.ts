import { describe, expect, test } from 'vitest';
import { ORG, openCommand, SAMPLE } from './command.ts';
import { data } from './double.ts';
import * as samples from './samples.ts';

/** Playbooks, plugins and schemas on the command line. */
const { run, server, table } = openCommand();
const { SUBJECT, DIGEST } = samples;

table({
  'schema list': {
    args: ['schema', 'list'],
    answers: { 'GET /v1/schemas': data(samples.schemas, null) },
    says: ['NAME  VERSION  USE    OF', 'run   1        given  A run'],
    json: samples.schemas,
  },
  'schema get': {
    args: ['schema', 'get', 'run'],
    answers: {
      'GET /v1/schemas/run': {
        kind: 'raw',
        status: 200,
        headers: { 'content-type': 'application/schema+json' },
        body: '{"$id":"urn:interlock:schema:run:v1"}',
      },
    },
    says: ['"$id": "urn:interlock:schema:run:v1"'],
    json: { $id: 'urn:interlock:schema:run:v1' },
  },
  'playbook list': {
    args: ['playbook', 'list', '--limit', '1'],
    answers: { [`GET ${ORG}/playbooks`]: data([samples.playbookRow], null) },
    says: [`contain-c2  ${DIGEST.slice(7, 19)}  2026-11-23 14:33:40Z  2         ${SUBJECT.slice(7, 19)}  Block a`],
    json: [samples.playbookRow],
  },
  'plugin list': {
    args: ['plugin', 'list'],
    answers: { [`GET ${ORG}/plugins`]: data([samples.plugin], null) },
    says: [
      `edge-firewall/block  contain  write   key     1.2.0    ${DIGEST.slice(7, 19)}  no     ip [for]\n`,
      `edge-firewall/list   enrich   read    -       1.2.0    ${DIGEST.slice(7, 19)}  no\n`,
    ],
    json: [samples.plugin],
  },
  'playbook lint': {
    args: ['playbook', 'lint', '-'],
    answers: { [`POST ${ORG}/playbooks/lint`]: data(samples.lintInvalid) },
    input: 'kind: Playbook',
    code: 1,
    says: [
      'standard input:17: /steps/1/uses: no plugin of this name is installed\n',
      'standard input:12: warning: /steps/0/uses: the plugin pager has no egress grant\n',
    ],
    json: [{ file: '-', ...samples.lintInvalid }],
  },
  'playbook put': {
    args: ['playbook', 'put', '-'],
    answers: { [`POST ${ORG}/playbooks`]: data({ ...samples.playbook, digest: SUBJECT }) },
    input: 'kind: Playbook',
    says: [`contain-c2 ${SUBJECT} is stored\n`],
    json: { ...samples.playbook, digest: SUBJECT },
  },
  'playbook show': {
    args: ['playbook', 'show', 'contain-c2'],
    answers: { [`GET ${ORG}/playbooks/contain-c2`]: data(samples.playbook) },
    says: [`active    ${DIGEST}\n`, `${SUBJECT}  validated  ann  2026-11-23 16:00:00Z\n`],
    json: samples.playbook,
  },
  'playbook activate (the newest)': {
    args: ['playbook', 'activate', 'contain-c2'],
    answers: {
      [`GET ${ORG}/playbooks/contain-c2`]: data(samples.playbook),
      [`POST ${ORG}/playbooks/contain-c2/activate`]: data({ ...samples.playbook, active: SUBJECT }),
    },
    sent: { digest: SUBJECT },
    says: [`contain-c2 ${SUBJECT} is active\n`],
    json: { ...samples.playbook, active: SUBJECT },
  },
  'playbook activate (by the first digits)': {
    args: ['playbook', 'activate', 'contain-c2', SUBJECT.slice(7, 15)],
    answers: {
      [`GET ${ORG}/playbooks/contain-c2`]: data(samples.playbook),
      [`POST ${ORG}/playbooks/contain-c2/activate`]: data({ ...samples.playbook, active: SUBJECT }),
    },
    sent: { digest: SUBJECT },
    says: [`contain-c2 ${SUBJECT} is active\n`],
    json: { ...samples.playbook, active: SUBJECT },
  },
});

describe('the first digits of a digest', () => {
  const version = (digits: string) => ({ ...samples.playbook.versions[0], digest: `sha256:${digits.padEnd(64, '0')}` });
  const versions = ['abcdef01', 'abcdef012', '12345678'].map(version);

  test.each([
    ['fit one version', 'sha256:12345678', 0, [`sha256:${'12345678'.padEnd(64, '0')} is active`]],
    [
      'fit two',
      'abcdef01',
      2,
      ['2 versions of contain-c2 begin like this', '  sha256:abcdef0120', '  sha256:abcdef0100'],
    ],
    ['fit none', '99999999', 1, ['no version that begins like this']],
    ['are too few', '1234567', 2, ['the first 8 digits or more']],
    ['are no digits', 'newest-one', 2, ['the first 8 digits or more']],
  ])('%s', async (_name, digits, code, says) => {
    server.answers({
      [`GET ${ORG}/playbooks/contain-c2`]: data({ ...samples.playbook, versions }),
      [`POST ${ORG}/playbooks/contain-c2/activate`]: data(samples.playbook),
    });
    const ran = await run(['playbook', 'activate', 'contain-c2', digits]);
    expect(ran.code).toBe(code);
    for (const part of says) expect(ran.stdout + ran.stderr).toContain(part);
    expect(server.asked.filter(({ method }) => method === 'POST')).toHaveLength(code === 0 ? 1 : 0);
  });
});

test.each([
  ['older servers', undefined, 'New runs use it after: interlock playbook activate'],
  ['who may', { roles: ['approver'], byYou: true }, 'New runs use it after: interlock playbook activate'],
  [
    'who may not',
    { roles: ['approver'], byYou: false },
    'New runs use it after somebody else, of the role approver, has run: interlock playbook activate',
  ],
])('playbook put names who activates: %s', async (_, activation, says) => {
  server.answers({ [`POST ${ORG}/playbooks`]: data({ ...samples.playbook, digest: SUBJECT, activation }) });
  const ran = await run(['playbook', 'put', '-'], { input: 'kind: Playbook' });
  expect(ran).toMatchObject({ code: 0, stderr: `${says} contain-c2 ${SUBJECT}\n` });
});

test('playbook lint checks the files that are there, and says which are not: 2', async () => {
  server.answers({ [`POST ${ORG}/playbooks/lint`]: data({ valid: true, issues: [] }) });
  const file = SAMPLE('falco-terminal-shell.json');
  const ran = await run(['playbook', 'lint', file, 'none.yaml', file]);
  expect(ran).toMatchObject({ code: 2, stdout: `${file}: valid\n${file}: valid\n` });
  expect(ran.stderr).toBe('interlock: none.yaml does not exist. Name a file, or - for standard input.\n');
});
