import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Double, data, openDouble, problem } from './double.ts';
import { interlock, type RunOptions } from './run.ts';
import * as samples from './samples.ts';

/** `event send` against a double of the API: what is sent under which name, what is said of it, and how waiting ends. */
vi.setConfig({ testTimeout: 30_000 });

const ORG = '/v1/orgs/acme';
const { RUN_ID, APPROVAL_ID, EVENT_ID } = samples;

let server: Double;
beforeAll(async () => {
  server = await openDouble();
});
afterAll(() => server.close());

const run = (args: readonly string[], options: RunOptions = {}) => interlock(args, { url: server.url, ...options });

describe('event send', () => {
  const accepted = { [`POST ${ORG}/events`]: data({ events: [samples.receipt] }) };
  const cloudEvent = '{"specversion":"1.0","id":"1",\n "source":"s","type":"t"}';

  test.each([
    ['one CloudEvent', cloudEvent, 'application/cloudevents+json'],
    ['a batch of them', `[${cloudEvent},${cloudEvent}]`, 'application/cloudevents-batch+json'],
    ['a Falco alert', '{"rule":"x",  "output_fields":{"n":1795185062817265430}}', 'application/json'],
  ])('sends %s as it is, under its own name', async (_name, input, type) => {
    server.answers(accepted);
    expect(await run(['event', 'send', '-'], { input })).toMatchObject({ code: 0 });
    expect(server.asked).toMatchObject([{ body: input, headers: { 'content-type': type } }]);
  });

  test.each([
    ['something else than JSON', '{"a":', 'is not JSON'],
    ['nothing', '', 'standard input is empty; nothing was sent'],
    ['an empty list', '[]', 'is an empty list'],
    ['a list of Falco alerts', '[{"rule":"s3cret"}]', 'item 1 is not a CloudEvent (it has no "specversion")'],
    ['a list with one among them', `[${cloudEvent},{"rule":"x"}]`, 'send Falco alerts and OCSF findings one by one'],
    ['other text than UTF-8', Buffer.from([0x22, 0xc3, 0x22]), 'is not UTF-8'],
    ['more than the server takes', `"${'x'.repeat(1_048_576)}"`, 'larger than 1048576 bytes'],
  ])('does not send %s', async (_name, input, why) => {
    server.answers(accepted);
    const ran = await run(['event', 'send'], { input });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(why);
    expect(server.asked).toEqual([]);
  });

  test('--wait follows a run over an approval to its end', async () => {
    const { waitingRun, completedRun } = samples;
    server.answers({ ...accepted, [`GET ${ORG}/runs/${RUN_ID}`]: [data(waitingRun), data(completedRun)] as never });
    const ran = await run(['event', 'send', '--wait', '--json'], { input: cloudEvent });
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout)).toEqual({ events: [samples.receipt], runs: [completedRun] });
    expect(ran.stderr).toContain(
      `waits for 1 approver until 2126-11-23 15:33:40Z: interlock approval show ${APPROVAL_ID}`,
    );
  });

  test.each([
    ['stopped', 'the trigger or the org is stopped: '],
    ['burst', 'more matches came than its burst limit allows\n'],
    ['cooldown', 'its cooldown: a run for the same thing had been started a short time before\n'],
    ['rate', 'as many runs as its rate allows had been started\n'],
    ['concurrency', 'as many runs of the playbook were under way as its concurrency allows\n'],
    ['queue_full', 'as many runs waited already as may wait\n'],
  ])('what was suppressed says by what, as it was when the event came: %s', async (reason, says) => {
    const [first] = samples.receipt.triggers;
    const triggers = [{ ...first, outcome: 'suppressed', reason, run: null }];
    server.answers({ [`POST ${ORG}/events`]: data({ events: [{ ...samples.receipt, triggers }] }) });
    const ran = await run(['event', 'send'], { input: cloudEvent });
    expect(ran.stdout).toContain(`suppressed  -    ${says}`);
  });

  describe('while a stop lasts', () => {
    const [first] = samples.receipt.triggers;
    const held = (stop: string, repeat = false) => {
      const triggers = [{ ...first, outcome: 'suppressed', reason: 'stopped', stop, run: null }];
      const receipt = { ...samples.receipt, triggers, woke: [], unmet: 0, repeat };
      server.answers({
        [`POST ${ORG}/events`]: data({ events: [receipt] }),
        [`GET ${ORG}/stop`]: data(stop === 'trigger' ? samples.released : { ...samples.released, ...samples.stopped }),
      });
    };
    const WHO = 'org acme is stopped by ann since 2026-11-23 14:33:40Z (reason: it bans our own): nothing is sent';

    test.each([
      ['org', 'the org is stopped: interlock stop show says by whom', WHO, 1],
      ['machine', 'the machine is stopped: interlock stop show says by whom', WHO, 1],
      ['trigger', 'the trigger is stopped: interlock trigger list says by whom', undefined, 0],
    ])('of the %s: an event says so, and whoever waits for it is told how it went', async (stop, why, who, code) => {
      held(stop);
      const ran = await run(['event', 'send', '--wait'], { input: cloudEvent });
      expect(ran.code).toBe(code);
      expect(ran.stdout).toContain(`suppressed  -    ${why}\n`);
      if (who === undefined) expect(ran.stderr).toBe('');
      else expect(ran.stderr).toContain(who);
      // Taken in it is: that is what was asked for without --wait.
      expect((await run(['event', 'send'], { input: cloudEvent })).code).toBe(0);
      const programs = await run(['event', 'send', '--wait', '--json'], { input: cloudEvent });
      expect(programs).toMatchObject({ code, stderr: '' });
    });

    test('of an event that is known already it is said that it was so when it came', async () => {
      held('org', true);
      const ran = await run(['event', 'send', '--wait'], { input: cloudEvent });
      expect(ran.stdout).toContain('the org was stopped then; interlock stop show says whether it still is');
    });
  });

  test('--wait follows the runs that the event woke as well', async () => {
    const triggers = samples.receipt.triggers.slice(1);
    const receipt = { ...samples.receipt, triggers, woke: [{ run: RUN_ID, step: 'reply' }], unmet: 0 };
    server.answers({
      [`POST ${ORG}/events`]: data({ events: [receipt] }),
      [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.failedRun),
    });
    const ran = await run(['event', 'send', '--wait'], { input: cloudEvent });
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain(`  ${RUN_ID} waited for it at reply\nrun ${RUN_ID} failed in part`);
  });

  test('--wait ends with its time: 2, what the run waits for, once, and how to go on', async () => {
    server.answers({ ...accepted, [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.waitingRun) });
    const ran = await run(['event', 'send', '-', '--wait', '2s'], { input: cloudEvent });
    expect(ran.code).toBe(2);
    expect(ran.stderr.split(`interlock approval approve ${APPROVAL_ID} --rationale "..."`)).toHaveLength(2);
    expect(ran.stderr).toContain(`still waiting: ${RUN_ID} is waiting and goes on without this command.`);
    expect(ran.stderr).toContain(`interlock run show ${RUN_ID} --wait 10m\n`);
  });

  test('--wait with something else than a duration sends nothing', async () => {
    server.answers(accepted);
    const ran = await run(['event', 'send', '--wait', 'finding.json'], { input: cloudEvent });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(
      '--wait takes a whole number and a unit: 30s, 10m or 2h. The file is named before --wait.',
    );
    expect(server.asked).toEqual([]);
  });

  test('--wait goes on asking a server that is away for as long as it was told to', async () => {
    const { completedRun } = samples;
    const away = problem(503, 'record-unavailable', 'No');
    const proxy = { kind: 'raw', status: 502, headers: {}, body: 'bad gateway' } as const;
    const cut = { kind: 'cut', headers: { 'content-type': 'application/json' }, body: '{' } as const;
    const replies = [cut, away, proxy, proxy, away, cut, data(completedRun)];
    server.answers({ ...accepted, [`GET ${ORG}/runs/${RUN_ID}`]: replies as never });
    const ran = await run(['event', 'send', '--wait', '5m'], { input: cloudEvent });
    expect(ran.code).toBe(0);
    expect(ran.stderr.split('asking again')).toHaveLength(2);
  });

  test('--wait with a token that may not read runs: the event is accepted all the same, and that is said', async () => {
    const forbidden = problem(403, 'forbidden', 'The token does not carry this permission');
    server.answers({ ...accepted, [`GET ${ORG}/runs/${RUN_ID}`]: forbidden });
    const people = await run(['event', 'send', '--wait'], { input: cloudEvent });
    expect(people.code).toBe(2);
    expect(people.stdout).toContain(`event ${EVENT_ID} accepted\n`);
    expect(people.stderr).toContain('the event was accepted and its runs go on, but this token may not read runs');
    expect(people.stderr).toContain('role operator');
    const programs = await run(['event', 'send', '--wait', '--json'], { input: cloudEvent });
    expect(programs.code).toBe(2);
    expect(JSON.parse(programs.stdout)).toEqual({ events: [samples.receipt], runs: [] });
  });

  test('an event that is known already says which run took it, what became of it, and how to run again', async () => {
    const [first] = samples.receipt.triggers;
    const triggers = [{ ...first, outcome: 'absorbed', runState: 'failed' }];
    server.answers({ [`POST ${ORG}/events`]: data({ events: [{ ...samples.receipt, repeat: true, triggers }] }) });
    const ran = await run(['event', 'send'], { input: cloudEvent });
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('is known already; nothing changed');
    expect(ran.stdout).toContain(`absorbed  ${RUN_ID}  taken in by this run, which is failed\n`);
    expect(ran.stderr).toContain(`interlock run again ${RUN_ID} --reason`);
  });

  test('--wait says no when a run failed, or a trigger could not be judged', async () => {
    server.answers({ ...accepted, [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.failedRun) });
    const failed = await run(['event', 'send', '--wait'], { input: cloudEvent });
    expect(failed.code).toBe(1);
    expect(failed.stdout).toContain(`run ${RUN_ID} failed in part: step ban failed\n  ban: timeout: no answer\n`);

    const [first] = samples.receipt.triggers;
    const triggers = [{ ...first, outcome: 'error', run: null, why: [] }];
    server.answers({ [`POST ${ORG}/events`]: data({ events: [{ ...samples.receipt, triggers }] }) });
    expect(await run(['event', 'send', '--wait'], { input: cloudEvent })).toMatchObject({ code: 1 });
  });

  test('--wait tells of a run that failed what run show tells of it', async () => {
    server.answers({ ...accepted, [`GET ${ORG}/runs/${RUN_ID}`]: data(samples.uncoveredRun) });
    const [sent, shown] = [
      await run(['event', 'send', '--wait'], { input: cloudEvent }),
      await run(['run', 'show', RUN_ID]),
    ];
    const failure =
      "look: refused_by_policy: E_NOT_ALLOWED: no rule of the plugin's grant is for the host other.example";
    expect(sent.stdout).toContain(`run ${RUN_ID} aborted: refused-by-policy\n  ${failure}\n`);
    expect(shown.stdout).toContain(`failure    ${failure}\n`);
    const log = `The log of the kernel has the rule that would allow what look asked for, in the line "request refused: org acme, run ${RUN_ID}, step look".\n`;
    expect(sent.stderr).toContain(log);
    expect(shown.stderr).toContain(log);
  });

  test.each([
    ['E_HEADER_NOT_ALLOWED: one of the headers', 'has the rule that would allow what look'],
    [
      'E_PRIVATE_ADDRESS: api.test resolved',
      'has which address it was, and whether there is a rule that would allow what look',
    ],
    ['E_METHOD: no', undefined],
  ])('a run that ended with %s: where the rule stands is said, if there may be one', async (message, says) => {
    const error = { class: 'refused_by_policy', message } as const;
    const steps = samples.uncoveredRun.steps.map((step) => ({ ...step, error }));
    server.answers({ [`GET ${ORG}/runs/${RUN_ID}`]: data({ ...samples.uncoveredRun, steps }) });
    const { stdout, stderr } = await run(['run', 'show', RUN_ID]);
    expect(stdout).toContain(`refused_by_policy: ${message}`);
    expect(stderr.includes('The log of the kernel')).toBe(says !== undefined);
    expect(stderr).toContain(says ?? '');
  });

  test('Ctrl-C while following ends with 130', async () => {
    server.answers({ ...accepted, [`GET ${ORG}/runs/${RUN_ID}`]: { kind: 'silence' } });
    const asked = server.until(`GET ${ORG}/runs/${RUN_ID}`);
    const ran = run(['event', 'send', '--wait'], {
      input: cloudEvent,
      started: (child) => void asked.then(() => child.kill('SIGINT')),
    });
    expect((await ran).code).toBe(130);
  });
});
