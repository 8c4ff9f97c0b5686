import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RunId } from '../../kernel/base/id.ts';
import { until } from '../support/api.ts';
import { activatePlaybook, personOf } from '../support/org-files.ts';
import { disagreements, runsOf } from './record.ts';
import {
  APPROVER,
  auditVerdict,
  EVENT,
  type Held,
  OPERATOR,
  ORG,
  openRecord,
  openStandIn,
  openTarget,
  PLAYBOOK,
  SENDER,
  type StandIn,
  setUp,
  type Target,
} from './stand-in.ts';

/** Two things at the same time, where one of them is on its way to the disk. */
let record: Held;
let target: Target;
let standIn: StandIn;
beforeEach(async () => {
  record = await openRecord();
  target = openTarget();
  standIn = await openStandIn(record.store, target);
  await setUp(standIn);
});
afterEach(() => standIn.kernel.stop());

const tick = () => new Promise((resolve) => setTimeout(resolve, 20));

/** A run whose containment was approved and is under way, its answer kept back. */
async function underWay(): Promise<{ id: RunId; answer: () => void }> {
  const { kernel, run } = standIn;
  const receipt = await kernel.ingest(SENDER, EVENT);
  if (!receipt.ok) throw new Error(receipt.error.kind);
  const id = receipt.value.triggers[0]?.run as RunId;
  const held = await until(
    async () => Object.values(run(id)?.approvals ?? {})[0],
    (found) => found !== undefined,
  );
  if (!held) throw new Error('no approval');
  const answer = standIn.holdCalls();
  await kernel.control.vote(APPROVER, held.id, { decision: 'approve', rationale: 'seen', subject: held.subject });
  await until(
    async () => target.arrived.length,
    (arrived) => arrived === 1,
  );
  return { id, answer };
}

describe('while the end of a run is on its way to the disk', () => {
  test.each([
    ['a cancellation', 'cancel', 'run_ended'],
    ['a settlement', 'settle', 'not_indeterminate'],
  ] as const)('%s comes too late, and changes nothing', async (_, what, why) => {
    const { id, answer } = await underWay();
    const release = record.hold();
    answer();
    await tick();
    const { control } = standIn.kernel;
    const late =
      what === 'cancel'
        ? control.cancel(OPERATOR, id, 'too late')
        : control.settle(OPERATOR, id, { step: 'ban' as never, outcome: 'failed', note: 'too late' });
    await tick();
    release();
    expect(await late).toMatchObject({ ok: false, error: { kind: why } });
    const [stored] = runsOf(record.store, ORG);
    expect(stored?.run.state).toBe('completed');
    expect(auditVerdict(record.store)).toMatchObject({ verdict: 'valid' });
    const lines = [...standIn.kernel.auditExport(ORG).lines].map((line) => JSON.parse(line));
    expect(disagreements(runsOf(record.store, ORG), lines)).toEqual([]);
  });
});

describe('while another playbook is being activated', () => {
  /** Sorts before `governed`, so that what stands at a place of the list of triggers is another one afterwards. */
  const OTHER = `
apiVersion: interlock/v1
kind: Playbook
name: another
title: For other events
owners: { technical: a, operational: b }
triggers: [{ id: other, on: event, where: { fact: event, path: /kind, operator: equal, value: other } }]
steps: [{ id: note, type: update_state, incident: "inc-other", set: { state: triaged } }]
`;

  test.each([0, 1, 2, 3, 5, 8, 13, 21, 34])(
    'an event starts the playbook that it matched (%i turns later)',
    async (turns) => {
      const { kernel } = standIn;
      const release = record.hold();
      const activated = activatePlaybook(kernel, ORG, OTHER);
      await tick();
      // The version is stored; the activation waits for the disk next.
      release();
      const again = record.hold();
      await tick();
      again();
      for (let i = 0; i < turns; i++) await undefined;
      const receipt = await kernel.ingest(SENDER, EVENT);
      await activated;
      expect(receipt).toMatchObject({ ok: true });
      const outcomes = receipt.ok ? receipt.value.triggers : [];
      expect(outcomes.find((one) => one.playbook === 'governed')).toMatchObject({ outcome: 'matched' });
      await tick();
      expect(runsOf(record.store, ORG).map(({ run }) => run.playbook.name)).toEqual(['governed']);
    },
  );
});

test('an event that stands behind an activation on the record is judged by the new version', async () => {
  const { kernel } = standIn;
  const author = personOf(ORG, 'author', ['author']);
  const old = kernel.query.playbook(ORG, 'governed')?.active;
  const put = await kernel.playbooks.put(author, PLAYBOOK.replace('title: Look', 'title: Look again'));
  if (!put.ok) throw new Error(put.error.kind);
  const { digest } = put.value;
  const release = record.hold();
  const activated = kernel.playbooks.activate(personOf(ORG, 'second', ['approver']), 'governed', digest);
  const taken = kernel.ingest(SENDER, EVENT);
  await tick();
  release();
  await Promise.all([activated, taken]);
  const lines = [...kernel.auditExport(ORG).lines].map((line) => JSON.parse(line));
  const seqOf = (kind: string) => lines.findLast((line) => line.kind === kind)?.seq;
  expect(seqOf('event.accepted')).toBeGreaterThan(seqOf('playbook.activated'));
  const [started] = runsOf(record.store, ORG);
  expect(started?.run.playbook.digest).toBe(digest);
  expect(digest).not.toBe(old);
});

test('the same event, delivered many times at once, starts one run and is answered every time', async () => {
  const { kernel } = standIn;
  const receipts = await Promise.all(Array.from({ length: 8 }, () => kernel.ingest(SENDER, EVENT)));
  const taken = receipts.flatMap((receipt) => (receipt.ok ? [receipt.value] : []));
  expect(taken.map(({ repeat }) => repeat).sort()).toEqual([false, ...Array(7).fill(true)]);
  expect(new Set(taken.map(({ triggers }) => triggers[0]?.run)).size).toBe(1);
  expect(runsOf(record.store, ORG)).toHaveLength(1);
});

/** Waits for the event that says what became of the case. */
const WAITING = PLAYBOOK.replace(
  /steps:[\s\S]*/,
  `steps:
  - id: verdict
    type: wait
    event: { match: { /case: "{{ inputs.ip }}" }, take: { says: /says } }
    timeout: 10m
`,
);
const WAIT_MS = 600_000;
const verdict = (says: string) => ({
  ...EVENT,
  sourceId: says,
  data: { kind: 'verdict', case: '203.0.113.7', says },
});

describe('a step that waits for an event', () => {
  const step = (id: RunId) => standIn.run(id)?.steps['verdict' as never];
  const outputOf = (id: RunId) => (step(id) as { output?: unknown } | undefined)?.output;
  beforeEach(() => activatePlaybook(standIn.kernel, ORG, WAITING));

  test('is woken by an event that comes while its beginning is on its way to the disk', async () => {
    const release = record.hold();
    const started = standIn.kernel.ingest(SENDER, EVENT);
    await tick();
    const woke = standIn.kernel.ingest(SENDER, verdict('clean'));
    await tick();
    release();
    const receipt = await started;
    const id = (receipt.ok && receipt.value.triggers[0]?.run) as RunId;
    expect(await woke).toMatchObject({ ok: true, value: { woke: [{ run: id, step: 'verdict' }] } });
    await until(
      async () => standIn.run(id)?.state,
      (state) => state === 'completed',
    );
    expect(outputOf(id)).toMatchObject({ says: 'clean' });
  });

  test('is woken by the first of two events, and the second says so', async () => {
    const started = await standIn.kernel.ingest(SENDER, EVENT);
    const id = (started.ok && started.value.triggers[0]?.run) as RunId;
    const release = record.hold();
    const receipts = ['first', 'second'].map((says) => standIn.kernel.ingest(SENDER, verdict(says)));
    await tick();
    release();
    const woke = (await Promise.all(receipts)).map((receipt) => receipt.ok && receipt.value.woke.length);
    expect(woke).toEqual([1, 0]);
    await until(
      async () => standIn.run(id)?.state,
      (state) => state === 'completed',
    );
    expect(outputOf(id)).toMatchObject({ says: 'first' });
  });

  test('is woken by an event that was accepted in time, whatever becomes due before that is on disk', async () => {
    const started = await standIn.kernel.ingest(SENDER, EVENT);
    const id = (started.ok && started.value.triggers[0]?.run) as RunId;
    const release = record.hold();
    const woke = standIn.kernel.ingest(SENDER, verdict('in time'));
    await tick();
    standIn.clock.advance(WAIT_MS);
    for (let i = 0; i < 5; i++) await tick();
    release();
    expect(await woke).toMatchObject({ ok: true, value: { woke: [{ run: id, step: 'verdict' }] } });
    await until(
      async () => standIn.run(id)?.ended,
      (ended) => ended !== null,
    );
    expect(standIn.run(id)?.state).toBe('completed');
    expect(outputOf(id)).toMatchObject({ says: 'in time' });
  });

  test('is not told of before its beginning is on the disk, nor once its time is over', async () => {
    const asked = async () =>
      (await standIn.kernel.explain(ORG, verdict('asked'), {}, 10)).items.flatMap(({ waits }) =>
        waits.flatMap(({ waiting }) => waiting.map(({ step: at }) => at)),
      );
    const release = record.hold();
    const started = standIn.kernel.ingest(SENDER, EVENT);
    await tick();
    expect(await asked()).toEqual([]);
    release();
    await started;
    expect(await asked()).toEqual(['verdict']);
    standIn.clock.advance(WAIT_MS);
    expect(await asked()).toEqual([]);
  });

  test('does not count as stuck while the commit of its event is on its way to the disk', async () => {
    await standIn.kernel.ingest(SENDER, EVENT);
    standIn.clock.advance(60_000);
    const release = record.hold();
    const woke = standIn.kernel.ingest(SENDER, verdict('on its way'));
    await tick();
    const { items } = standIn.kernel.openWork(ORG, {}, 10);
    release();
    await woke;
    expect(items.map(({ standing }) => standing.kind)).toEqual(['moving']);
  });

  test('is not woken by an event that comes when its time is over, however late anyone looks', async () => {
    const started = await standIn.kernel.ingest(SENDER, EVENT);
    const id = (started.ok && started.value.triggers[0]?.run) as RunId;
    standIn.clock.advance(WAIT_MS);
    const late = await standIn.kernel.ingest(SENDER, verdict('late'));
    expect(late).toMatchObject({ ok: true, value: { woke: [] } });
    await until(
      async () => standIn.run(id)?.ended,
      (ended) => ended !== null,
    );
    expect(step(id)).toMatchObject({ state: 'failed' });
  });

  test('whose event was accepted before a crash is woken after it, and by no other event', async () => {
    const started = await standIn.kernel.ingest(SENDER, EVENT);
    const id = (started.ok && started.value.triggers[0]?.run) as RunId;
    const wake = {
      key: `!wake/${ORG}/${id}/verdict`,
      value: JSON.stringify({ event: 'evt_1', by: 'x', taken: { says: 'first' } }),
    };
    const second = await openStandIn((await openRecord([...record.rows(), wake])).store, target, 1);
    try {
      await setUp(second, [WAITING]);
      const later = await second.kernel.ingest(SENDER, verdict('second'));
      expect(later).toMatchObject({ ok: true, value: { woke: [] } });
      await until(
        async () => second.run(id)?.state,
        (state) => state === 'completed',
      );
      expect(second.run(id)?.steps['verdict' as never]).toMatchObject({ output: { says: 'first' } });
    } finally {
      await second.kernel.stop();
    }
  });
});
