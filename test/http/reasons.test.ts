import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ACME, type House, openHouse, playbook, started } from './kit.ts';

/** Whoever reads a run is told why it failed: which step, and which condition, request or words of the author it was. */
let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.close());

const runOf = async (text: string) => {
  await house.activate(text);
  const id = started(await house.publish('why.seen'));
  return (await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${id}?wait=30s`)).data;
};
const listed = async () => (await house.ask('auditor@acme', 'GET', '/v1/orgs/acme/runs')).data[0];
const stepOf = (run: { readonly steps: readonly { readonly step: string }[] }, name: string) =>
  run.steps.find(({ step }) => step === name);
const and = (steps: string) => `  - ${steps.trim()}\n`;

describe('a rule that cannot be judged names the condition, and nothing that it saw', () => {
  const branch = (when: string) => and(`{ id: which, type: branch, when: ${when}, then: end, else: end }`);
  const gone = '{ fact: steps.act, path: /gone, operator: equal, value: 1 }';
  const text = '{ fact: event, path: /host, operator: greaterThan, value: 70 }';

  test.each([
    ['missing', gone, 'the rule cannot be judged: steps.act /gone is missing, which is asked for equal 1'],
    ['of another type', text, 'the rule cannot be judged: event /host has the wrong type for greaterThan 70'],
    [
      'one of several',
      `{ all: [{ fact: inputs, path: /host, operator: equal, value: h1 }, { not: ${gone} }, ${text}] }`,
      'the rule cannot be judged: steps.act /gone is missing, which is asked for equal 1; event /host has the wrong type for greaterThan 70',
    ],
  ])('of a branch: %s', async (_name, when, message) => {
    const run = await runOf(playbook('why', undefined, branch(when)));
    expect(stepOf(run, 'which')).toMatchObject({ state: 'failed', error: { class: 'invalid_input', message } });
    expect(run.failure).toEqual({ step: 'which', class: 'invalid_input', message });
    expect(message).not.toContain('h1');
  });

  test('of until', async () => {
    const until = '{ fact: steps.look, path: /state, operator: equal, value: done }';
    const steps = '[{ id: look, type: enrich, uses: probe/look }]';
    const run = await runOf(
      playbook('why', undefined, and(`{ id: poll, type: repeat, until: ${until}, steps: ${steps} }`)),
    );
    expect(stepOf(run, 'poll')).toMatchObject({
      error: { message: 'until cannot be judged: steps.look /state is missing, which is asked for equal "done"' },
    });
  });
});

test('a fail is told in its own words: by the run, in the list, and in the picture', async () => {
  const words = 'nothing is known of {{ inputs.host }}';
  const run = await runOf(playbook('why', undefined, and(`{ id: no, type: fail, message: "${words}" }`)));
  const failure = { step: 'no', class: 'conflict', message: 'nothing is known of h1' };
  expect(run).toMatchObject({ state: 'failed', reason: 'step-failed', failure });
  expect(await listed()).toMatchObject({ state: 'failed', failure });
  const graph = await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run.run}/graph`);
  expect(graph.data.nodes).toContainEqual(
    expect.objectContaining({ id: 'no', detail: 'fail: nothing is known of h1' }),
  );
  const drawn = await house.ask('operator@acme', 'GET', `/v1/orgs/acme/playbooks/why/versions/${run.digest}/graph`);
  expect(drawn.data.nodes).toContainEqual(expect.objectContaining({ id: 'no', detail: `fail: ${words}` }));
});

test('a run that completed has no failure', async () => {
  expect(await runOf(playbook('why'))).toMatchObject({ state: 'completed', failure: null });
  expect(await listed()).toMatchObject({ failure: null });
});

test.each(['', ', onFailure: continue', ', onFailure: manual'])(
  'a request that no rule covers is refused%s: with its host, and nothing of its path',
  async (onFailure) => {
    await house.setUp(ACME, {}, false);
    const run = await runOf(playbook('why', `type: notify, uses: probe/push${onFailure}`));
    const message = "E_NOT_ALLOWED: no rule of the plugin's grant is for the host ban.example";
    expect(run).toMatchObject({
      state: 'aborted',
      reason: 'refused-by-policy',
      failure: { step: 'act', class: 'refused_by_policy', message },
    });
    expect(stepOf(run, 'act')).toMatchObject({ error: { class: 'refused_by_policy', message } });
  },
);

test('lint warns of a URL that the grant does not cover', async () => {
  const body = playbook('why', 'type: notify, uses: probe/push, with: { url: "https://other.example/x" }');
  const lint = await house.ask('author@acme', 'POST', '/v1/orgs/acme/playbooks/lint', { body, type: 'text/yaml' });
  const says = "no rule of the plugin's grant is for the host other.example; its rules are for ban.example";
  expect(lint.data).toMatchObject({
    valid: true,
    warnings: [{ at: '/steps/0/with/url', line: 11, text: expect.stringContaining(says) }],
  });
});
