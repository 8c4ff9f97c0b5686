import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../kernel/adapter/system/clock.ts';
import type { EventId } from '../../kernel/base/id.ts';
import { unixMs } from '../../kernel/base/time.ts';
import { KEYS } from '../../kernel/flow/keys.ts';
import { personOf } from '../support/org-files.ts';
import { ACME, CONTAIN, event, type House, openHouse, playbook, type Reply, started } from './kit.ts';

/** A person has an ended run run again: what begins, who may decide in it, and when nothing begins. */
let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.close());

const REASON = { body: { reason: 'the firewall answers again' } };
const again = (run: string, as = 'operator@acme', asked: object = REASON): Promise<Reply> =>
  house.ask(as, 'POST', `/v1/orgs/acme/runs/${run}/again`, asked);
const read = async (run: string, wait = '') =>
  (await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}${wait}`)).data;
const ended = (run: string) => read(run, '?wait=10s');
const cancel = (run: string) =>
  house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${run}/cancel`, { body: { reason: 'seen' } });
const kindOf = ({ status, json }: Reply): string =>
  status === 200 ? 'started' : json.type.replace('urn:interlock:problem:', '');
const held = (run: string) =>
  house.until(async () =>
    (await read(run)).approvals.find(({ state }: { readonly state: string }) => state === 'pending'),
  );
const listed = async (query: string): Promise<{ readonly run: string }[]> =>
  (await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs${query}`)).data;
const inState = (name: string, state: string) =>
  house.until(async () => (await listed(`?playbook=${name}&state=${state}`))[0]?.run);
const PUSH = 'type: notify, uses: probe/push';
const PLACE = 'type: notify, uses: probe/place, rollback: true';
const recordsOf = (kind: string) => house.records().filter((record) => record.kind === kind);

describe('a run that has ended', () => {
  test('begins anew as another run: same event, trigger and inputs, the versions of now, and who asked on record', async () => {
    await house.activate(playbook('look'));
    const { event: id, ...receipt } = await house.publish('look.seen');
    const old = await ended(started(receipt));
    const digest = await house.activate(playbook('look').replace('title: look', 'title: look closer'));
    const begun = await again(old.run);
    expect(begun.status).toBe(200);
    const run = await ended(begun.data.run);
    expect(run).toMatchObject({
      state: 'completed',
      playbook: 'look',
      digest,
      trigger: 'seen',
      event: id,
      inputs: { host: 'h1' },
      requester: 'operator@acme',
      again: { run: old.run, by: 'operator@acme', reason: 'the firewall answers again' },
      ranAgainAs: null,
      steps: [{ state: 'succeeded', attempts: [{ number: 1 }] }],
    });
    expect(old).toMatchObject({ again: null, ranAgainAs: null });
    expect(run.digest).not.toBe(old.digest);
    expect(await read(old.run)).toEqual({ ...old, ranAgainAs: run.run });
    expect(recordsOf('run.again')).toMatchObject([
      {
        actor: 'principal:operator@acme',
        run: run.run,
        ref: old.run,
        outcome: 'started',
        cause: old.endedSeq,
        seq: run.startedSeq - 1,
      },
    ]);
    expect(house.records().find(({ seq }) => seq === run.startedSeq)).toMatchObject({ cause: run.startedSeq - 1 });
    expect(JSON.stringify(house.records())).not.toContain('firewall answers');
  });

  test('passes what holds back machines: dedup, cooldown and rate', async () => {
    const limits =
      'dedup: { key: [/host], window: 1h, repeat: drop }, limits: { rate: 1/h, cooldown: { key: [/host], for: 1h } }';
    await house.activate(playbook('look').replace('value: look.seen }', `value: look.seen }, ${limits}`));
    const first = started(await house.publish('look.seen'));
    await ended(first);
    expect((await house.publish('look.seen')).triggers).toMatchObject([{ outcome: 'absorbed' }]);
    const second = (await again(first)).data.run;
    expect((await ended(second)).state).toBe('completed');
    expect((await ended((await again(second)).data.run)).again).toMatchObject({ run: second });
  });
});

test('a run that was started by a schedule: nobody but who asked caused it', async () => {
  await house.close();
  let later = 0;
  house = await openHouse({ clock: { ...systemClock, now: () => unixMs(systemClock.now() + later) } });
  const hourly = playbook('timed').replace(
    /- \{ id: seen.*/,
    '- { id: hourly, on: schedule, cron: "0 * * * *", missed: once }',
  );
  await house.activate(hourly.replace('inputs: { host: /host }', 'inputs: { at: /scheduledFor }'));
  const due = () => house.store.range({ from: '!due/', to: '!due0', limit: 1 }).length === 1;
  await house.until(() => due() || undefined);
  later = 3_600_000;
  const old = await ended((await house.until(async () => (await listed('?playbook=timed'))[0])).run);
  const run = await ended((await again(old.run)).data.run);
  expect([old.requester, old.inputs.at]).toEqual(['system:schedule', expect.stringMatching(/T\d\d:00:00/)]);
  expect(run).toMatchObject({ state: 'completed', trigger: 'hourly', requester: 'operator@acme', inputs: old.inputs });
});

describe('who decides in it', () => {
  test('not who asked, and not who sent the event or had the first run again', async () => {
    await house.activate(playbook('contain', CONTAIN));
    await house.tokenOf(ACME, 'sender@acme', ['source', 'approver']);
    await house.tokenOf(ACME, 'first@acme', ['operator', 'approver']);
    await house.tokenOf(ACME, 'second@acme', ['operator', 'approver']);
    const sent = await house.ask('sender@acme', 'POST', '/v1/orgs/acme/events', {
      body: event('contain.seen'),
      type: 'application/cloudevents+json',
    });
    const old = started(sent.data.events[0]);
    await held(old);
    await cancel(old);
    const middle = (await again(old, 'first@acme')).data.run;
    await held(middle);
    await cancel(middle);
    const last = (await again(middle, 'second@acme')).data.run;
    const { approval, subject } = await held(last);
    const path = `/v1/orgs/acme/approvals/${approval}`;
    const { data: page } = await house.ask('approver@acme', 'GET', path);
    expect([page.requester, page.excluded]).toEqual(['second@acme', ['second@acme', 'first@acme', 'sender@acme']]);
    const vote = (as: string) =>
      house.ask(as, 'POST', `${path}/votes`, { body: { decision: 'approve', rationale: 'yes', subject } });
    for (const as of page.excluded) expect(kindOf(await vote(as))).toBe('vote-by-requester');
    expect((await vote('approver@acme')).data.state).toBe('approved');
    expect((await ended(last)).state).toBe('completed');
  });
});

test('who may not vote is shown as it is now, as long as an approval is open', async () => {
  await house.tokenOf(ACME, 'teller@acme', ['source', 'approver']);
  await house.activate(
    playbook('gate').replace(
      /steps:[\s\S]*/,
      `steps:
  - id: both
    type: parallel
    lanes:
      ask: [{ id: gate, type: approval, ask: is it so }]
      hear: [{ id: word, type: wait, event: { match: { /host: "{{ inputs.host }}" } }, timeout: 5m }]
`,
    ),
  );
  const run = started(await house.publish('gate.seen'));
  const { approval, subject } = await held(run);
  const path = `/v1/orgs/acme/approvals/${approval}`;
  const excluded = async () => (await house.ask('approver@acme', 'GET', path)).data.excluded;
  expect(await excluded()).toEqual(['source@acme']);
  const tell = () =>
    house.ask('teller@acme', 'POST', '/v1/orgs/acme/events', {
      body: event('word'),
      type: 'application/cloudevents+json',
    });
  await tell();
  await house.until(async () =>
    (await read(run)).steps.find(
      ({ step, state }: { step: string; state: string }) => step === 'word' && state === 'succeeded',
    ),
  );
  expect(await excluded()).toEqual(['source@acme', 'teller@acme']);
  const vote = (as: string) =>
    house.ask(as, 'POST', `${path}/votes`, { body: { decision: 'approve', rationale: 'yes', subject } });
  expect(kindOf(await vote('teller@acme'))).toBe('vote-by-requester');
  expect((await vote('approver@acme')).data).toMatchObject({ excluded: ['source@acme', 'approver@acme'] });
});

describe('asked twice', () => {
  test('at once: one run, and both are on record', async () => {
    await house.activate(playbook('contain', CONTAIN));
    const old = started(await house.publish('contain.seen'));
    await held(old);
    await cancel(old);
    const asked = await Promise.all([again(old), again(old, 'admin@acme'), again(old)]);
    const [run, ...same] = asked.map(({ data }) => data.run);
    expect(same).toEqual([run, run]);
    expect(recordsOf('run.started')).toHaveLength(2);
    expect(recordsOf('run.again').map(({ outcome, run }) => [outcome, run])).toEqual([
      ['started', run],
      ['under_way', run],
      ['under_way', run],
    ]);
    // That one is under way, also for whoever asks for a run behind it; when it has ended another may begin.
    expect(kindOf(await again(run))).toBe('run-not-ended');
    await held(run);
    await cancel(run);
    const next = (await again(run)).data;
    expect((await again(old)).data.run).toBe(next.run);
    expect([next.again.run, (await read(old)).ranAgainAs, (await read(run)).ranAgainAs]).toEqual([
      run,
      next.run,
      next.run,
    ]);
  });

  test('in one moment, before either is judged: what has moved is looked at anew', async () => {
    await house.activate(playbook('look'));
    const old = (await ended(started(await house.publish('look.seen')))).run;
    const ask = () => house.kernel.runAgain(personOf(ACME, 'operator@acme', ['operator']), old, 'the same moment');
    const asked = await Promise.all([ask(), ask(), ask()]);
    const runs = new Set(asked.map((one) => (one.ok ? one.value.id : one.error)));
    expect([runs.size, recordsOf('run.started').length, recordsOf('run.again').length]).toEqual([1, 2, 3]);
  });

  test('of two runs of a playbook that has one place: one begins', async () => {
    await house.activate(playbook('contain', CONTAIN, 'concurrency: { limit: 1 }'));
    const old: string[] = [];
    for (const id of ['first', 'second']) {
      const run = started(await house.publish('contain.seen', ACME, id));
      await held(run);
      await cancel(run);
      old.push(run);
    }
    const asked = await Promise.all(old.map((run) => again(run)));
    expect(asked.map(kindOf).sort()).toEqual(['playbook-busy', 'started']);
    expect(asked.find((reply) => kindOf(reply) === 'playbook-busy')?.headers.get('retry-after')).toBe('5');
  });

  test('with a restart in between: the same run, which goes on', async () => {
    await house.activate(playbook('contain', CONTAIN));
    const old = started(await house.publish('contain.seen'));
    await held(old);
    await cancel(old);
    const run = (await again(old)).data.run;
    const { approval, subject } = await held(run);
    await house.close();
    house = await openHouse({ store: house.store });
    expect((await again(old)).data).toMatchObject({ run, again: { run: old, by: 'operator@acme' } });
    const body = { decision: 'approve', rationale: 'yes', subject };
    expect(
      (await house.ask('approver@acme', 'POST', `/v1/orgs/acme/approvals/${approval}/votes`, { body })).status,
    ).toBe(200);
    expect((await ended(run)).state).toBe('completed');
    expect(recordsOf('run.again').map(({ outcome }) => outcome)).toEqual(['started', 'under_way']);
  });
});

describe('nothing begins', () => {
  /** A run that has ended, and what to do before somebody asks for it. */
  const ofLook = async (): Promise<string> => {
    await house.activate(playbook('look'));
    return (await ended(started(await house.publish('look.seen')))).run;
  };
  /** A run that was cancelled while nobody knew whether the request of a step had arrived. */
  const ofUnknown = async (type: string): Promise<string> => {
    const run = started(await house.publish(type));
    await house.until(async () =>
      house.records().some(({ kind }) => kind === 'step.indeterminate') ? true : undefined,
    );
    await cancel(run);
    await ended(run);
    await house.until(async () => ((await listed('?state=waiting')).length === 0 ? true : undefined));
    return run;
  };
  const turn = (path: string, method = 'POST') =>
    house.ask('operator@acme', method, `/v1/orgs/acme/${path}`, method === 'POST' ? { body: { reason: 'x' } } : {});

  const refusals: [string, string, () => Promise<string>][] = [
    ['for no run', 'not-found', async () => `run_${'0'.repeat(32)}`],
    ['for what names none', 'not-found', async () => 'run_1'],
    [
      'while it has not ended',
      'run-not-ended',
      async () => {
        await house.activate(playbook('wait', 'type: enrich, uses: probe/wait, timeout: 1m'));
        return started(await house.publish('wait.seen'));
      },
    ],
    [
      'for a run that is a step of another',
      'sub-run',
      async () => {
        await house.activate(playbook('inner'));
        await house.activate(playbook('outer', 'type: playbook, uses: inner'));
        const outer = await ended(started(await house.publish('outer.seen')));
        const { data } = await house.ask('operator@acme', 'GET', '/v1/orgs/acme/runs?playbook=inner');
        expect([outer.state, data]).toMatchObject(['completed', [{ state: 'completed' }]]);
        return data[0].run;
      },
    ],
    [
      'while nobody knows whether a step of it happened',
      'run-not-settled',
      async () => {
        await house.activate(playbook('push', PUSH));
        return ofUnknown('push.seen');
      },
    ],
    [
      'while nobody knows that of a run that it started',
      'run-not-settled',
      async () => {
        await house.activate(playbook('inner', PUSH));
        await house.activate(playbook('middle', 'type: playbook, uses: inner'));
        await house.activate(playbook('outer', 'type: playbook, uses: middle'));
        return ofUnknown('outer.seen');
      },
    ],
    [
      'while a run that it started is undoing what it did',
      'run-not-ended',
      async () => {
        await house.activate(playbook('inner', PLACE, '  - { id: hold, type: wait, for: 1h }\n'));
        await house.activate(playbook('middle', 'type: playbook, uses: inner'));
        await house.activate(playbook('outer', 'type: playbook, uses: middle'));
        const run = started(await house.publish('outer.seen'));
        await inState('inner', 'waiting');
        await cancel(run);
        expect((await ended(run)).state).toBe('cancelled');
        await inState('inner', 'undoing');
        return run;
      },
    ],
    [
      'when its event is not there any more',
      'event-not-kept',
      async () => {
        const run = await ofLook();
        const { event: id } = await read(run);
        await house.store.write([{ key: KEYS.event(ACME, id as EventId), value: null }]);
        return run;
      },
    ],
    [
      'when the active version has no such trigger',
      'trigger-not-active',
      async () => {
        const run = await ofLook();
        await house.activate(playbook('look').replace('id: seen', 'id: noticed'));
        return run;
      },
    ],
    [
      'when the active version requires a field that its event does not have',
      'trigger-not-active',
      async () => {
        const run = await ofLook();
        const requiring = (field: string) =>
          playbook('look').replace('look.seen }', `look.seen }, requires: [${field}]`);
        await house.activate(requiring('/host'));
        expect(kindOf(await again(run))).toBe('started');
        await house.activate(requiring('/user'));
        return run;
      },
    ],
    [
      'while the org is stopped',
      'start-stopped',
      async () => {
        const run = await ofLook();
        expect((await turn('stop')).status).toBe(200);
        return run;
      },
    ],
    [
      'while the trigger is stopped',
      'start-stopped',
      async () => {
        const run = await ofLook();
        expect((await turn('triggers/look/seen/stop')).status).toBe(200);
        return run;
      },
    ],
    [
      'while the playbook has as many runs as it may have',
      'playbook-busy',
      async () => {
        await house.activate(playbook('contain', CONTAIN, 'concurrency: { limit: 1 }'));
        const run = started(await house.publish('contain.seen'));
        await held(run);
        await cancel(run);
        await held(started(await house.publish('contain.seen')));
        return run;
      },
    ],
    [
      'when its inputs are more than a run carries',
      'start-impossible',
      async () => {
        const run = await ofLook();
        const inputs = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`copy${i}`, '/host']));
        const all = JSON.stringify({ ...inputs, host: '/host' });
        await house.activate(playbook('look').replace('inputs: { host: /host }', `inputs: ${all}`));
        const { event: id } = await read(run);
        const key = KEYS.event(ACME, id as EventId);
        const stored = JSON.parse(house.store.get(key) ?? '');
        stored.event.data.host = 'x'.repeat(10_000);
        await house.store.write([{ key, value: JSON.stringify(stored) }]);
        return run;
      },
    ],
  ];
  test.each(refusals)('%s: %s', async (_, kind, prepare) => {
    const run = await prepare();
    const before = { runs: recordsOf('run.started').length, records: house.records().length };
    expect(kindOf(await again(run))).toBe(kind);
    expect({ runs: recordsOf('run.started').length, records: house.records().length }).toEqual(before);
  });

  test('before what is unknown is settled, and what was done is undone', async () => {
    await house.activate(playbook('inner', PLACE, '  - { id: push, type: notify, uses: probe/push }\n'));
    await house.activate(playbook('outer', 'type: playbook, uses: inner'));
    const run = started(await house.publish('outer.seen'));
    await inState('inner', 'waiting');
    await cancel(run);
    const inner = await inState('inner', 'undoing');
    expect(kindOf(await again(run))).toBe('run-not-ended');
    house.cells.release();
    await ended(inner);
    expect((await read(run)).steps).toMatchObject([{ state: 'skipped', child: inner }]);
    expect(kindOf(await again(run))).toBe('run-not-settled');
    const body = { step: 'push', outcome: 'succeeded', note: 'it is there' };
    expect((await house.ask('operator@acme', 'POST', `/v1/orgs/acme/runs/${inner}/settle`, { body })).status).toBe(200);
    const next = (await again(run)).data.run;
    // The first asked for again: what the second has left undone stands in the way of a third.
    await house.until(async () => ((await listed('?state=waiting&playbook=inner')).length > 0 ? true : undefined));
    await cancel(next);
    await inState('inner', 'undoing');
    expect(kindOf(await again(run))).toBe('run-not-ended');
  });

  test('without a reason, and for whoever may not', async () => {
    const run = await ofLook();
    expect(kindOf(await again(run, 'operator@acme', { body: {} }))).toBe('invalid-body');
    expect(kindOf(await again(run, 'operator@acme', { body: { reason: ' \n' } }))).toBe('invalid-body');
    for (const as of ['source@acme', 'author@acme', 'approver@acme', 'auditor@acme'])
      expect(kindOf(await again(run, as))).toBe('forbidden');
    expect(recordsOf('run.again')).toEqual([]);
  });
});
