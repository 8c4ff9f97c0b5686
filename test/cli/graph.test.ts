import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Double, data, openDouble, type Reply } from './double.ts';
import { interlock } from './run.ts';
import * as samples from './samples.ts';

/** Pictures on the command line: asked for in one form, printed as they came, and never able to steer a terminal. */
const ORG = '/v1/orgs/acme';
let server: Double;
beforeAll(async () => {
  server = await openDouble();
});
afterAll(() => server.close());

const raw = (type: string, body: string): Reply => ({
  kind: 'raw',
  status: 200,
  headers: { 'content-type': type },
  body,
});
const DRAWN = {
  mermaid: raw('text/vnd.mermaid; charset=utf-8', 'flowchart TD\n  n0\u001b[2J\n'),
  svg: raw('image/svg+xml', '<svg/>'),
};

describe.each([
  ['run graph', ['run', 'graph', samples.RUN_ID], `GET ${ORG}/runs/${samples.RUN_ID}/graph`],
  ['playbook graph', ['playbook', 'graph', '-'], `POST ${ORG}/playbooks/graph`],
])('%s', (_, args, route) => {
  const run = (...more: string[]) => interlock([...args, ...more], { url: server.url, input: 'name: x' });

  test('is Mermaid text without a word, SVG on request', async () => {
    server.answers({ [route]: DRAWN.mermaid });
    expect(await run()).toMatchObject({ code: 0, stdout: 'flowchart TD\n  n0\ufffd[2J\n' });
    expect(server.asked.at(-1)?.path).toContain('graph?format=mermaid');
    server.answers({ [route]: DRAWN.svg });
    expect(await run('--format', 'svg')).toMatchObject({ code: 0, stdout: '<svg/>\n' });
  });

  test('is a table of the steps on request, those of blocks further in', async () => {
    server.answers({ [route]: data(samples.drawn) });
    expect(await run('--format', 'text')).toMatchObject({
      code: 0,
      stdout:
        'STEP   STATE      LEADS TO                             DOES\n' +
        'bad    succeeded  => each (score > 70), -> end (else)  score?\n' +
        'each   succeeded  => end, -> bad (on failure)          every host\n' +
        '  ban  failed     -                                    edge [2J\n',
      stderr:
        '=> the way that the run took; -> one that it did not take, or not yet (in brackets: when); ' +
        'a step further in belongs to the block above it\n',
    });
    server.answers({ [route]: data({ ...samples.graph }) });
    expect((await run('--format', 'text')).stderr).toMatch(/^-> leads to \(in brackets: when\)/);
  });

  test('is data for programs', async () => {
    server.answers({ [route]: data(samples.graph) });
    for (const more of [['--json'], ['--format', 'json']])
      expect(JSON.parse((await run(...more)).stdout)).toEqual(samples.graph);
  });

  test('what is no picture is not printed', async () => {
    server.answers({ [route]: raw('text/html', '<script>') });
    expect(await run()).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('not text/vnd.mermaid') });
  });
});
