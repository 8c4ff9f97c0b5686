import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RunId } from '../../kernel/base/id.ts';
import { until } from '../support/api.ts';
import { disagreements, runsOf } from './record.ts';
import {
  auditVerdict,
  EVENT,
  type Held,
  OPERATOR,
  ORG,
  openRecord,
  openStandIn,
  openTarget,
  POST_ONCE,
  SENDER,
  type StandIn,
  setUp,
  type Target,
} from './stand-in.ts';

/** The stop switch: from the moment it is staged nothing is sent, over restarts too; what waited goes on after it. */
let record: Held;
let target: Target;
let standIn: StandIn;
let life = 0;
let machine: string | undefined;

const open = async () => {
  standIn = await openStandIn(record.store, target, life++, undefined, async () => machine);
  await setUp(standIn, [POST_ONCE]);
};
beforeEach(async () => {
  machine = undefined;
  life = 0;
  record = await openRecord();
  target = openTarget();
  await open();
});
afterEach(async () => {
  await standIn.kernel.stop();
  const lines = [...standIn.kernel.auditExport(ORG).lines].map((line) => JSON.parse(line));
  expect(disagreements(runsOf(record.store, ORG), lines)).toEqual([]);
  expect(auditVerdict(record.store)).toMatchObject({ verdict: 'valid' });
});

const ingest = async (sourceId = 'e1') => {
  const receipt = await standIn.kernel.ingest(SENDER, { ...EVENT, sourceId });
  if (!receipt.ok) throw new Error(receipt.error.kind);
  return receipt.value.triggers[0];
};
const step = (id: RunId) => standIn.run(id)?.steps['post' as never];
const stop = () => standIn.kernel.stops.engage(OPERATOR, 'it bans our own');
const settled = (id: RunId, state: string) =>
  until(
    async () => step(id),
    (one) => one?.state === state,
  );
/** The next tries are due, and have been looked at. */
const later = () => standIn.clock.advance(60_000);

describe('engaged while a call is under way', () => {
  test('that has sent: it is cut off, and what it did is unknown; a release does not send it again', async () => {
    const answer = standIn.holdCalls();
    const { run } = (await ingest()) ?? {};
    await until(
      async () => target.arrived.length,
      (arrived) => arrived === 1,
    );
    await stop();
    expect(await settled(run as RunId, 'indeterminate')).toMatchObject({ reason: 'stop-of-org' });
    answer();
    await standIn.kernel.stops.release(OPERATOR);
    later();
    await ingest('e2');
    await until(
      async () => target.arrived.length,
      (arrived) => arrived === 2,
    );
    expect(step(run as RunId)).toMatchObject({ state: 'indeterminate', attempt: 1 });
  });

  test('that still waited for a cell: nothing of it leaves, and after the release it is made', async () => {
    const cell = standIn.holdCells();
    const { run } = (await ingest()) ?? {};
    await until(
      async () => standIn.calls(),
      (calls) => calls === 1,
    );
    await stop();
    await settled(run as RunId, 'ready');
    cell();
    later();
    expect(step(run as RunId)?.attempts).toMatchObject([
      { end: 'failed', error: { message: 'stopped before it changed anything: stop-of-org' } },
    ]);
    expect(await ingest('e2')).toMatchObject({ outcome: 'suppressed', reason: 'stopped', stop: 'org', run: null });
    expect(target.arrived).toEqual([]);
    await standIn.kernel.stops.release(OPERATOR);
    expect(await settled(run as RunId, 'succeeded')).toMatchObject({ attempt: 2 });
    expect(target.effects()).toHaveLength(1);
  });
});

test('a kernel that starts stopped sends nothing, and goes on after the release', async () => {
  const cell = standIn.holdCells();
  const { run } = (await ingest()) ?? {};
  await until(
    async () => standIn.calls(),
    (calls) => calls === 1,
  );
  await stop();
  cell();
  await settled(run as RunId, 'ready');
  await standIn.kernel.stop();
  await open();
  later();
  expect(standIn.kernel.stops.show(ORG)).toMatchObject({ org: { reason: 'it bans our own', released: null } });
  expect(await ingest('e2')).toMatchObject({ outcome: 'suppressed' });
  expect([standIn.calls(), target.arrived]).toEqual([0, []]);
  await standIn.kernel.stops.release(OPERATOR);
  later();
  await settled(run as RunId, 'succeeded');
});

test('what waited for a release that came while no kernel ran goes on with the next one', async () => {
  const cell = standIn.holdCells();
  const { run } = (await ingest()) ?? {};
  await until(
    async () => standIn.calls(),
    (calls) => calls === 1,
  );
  machine = 'maintenance';
  await settled(run as RunId, 'ready');
  expect(step(run as RunId)?.attempts).toMatchObject([
    { error: { message: 'stopped before it changed anything: stop-of-machine' } },
  ]);
  // The org stops as well; it is the machine that keeps it then.
  await stop();
  expect(await ingest('e2')).toMatchObject({ reason: 'stopped', stop: 'machine' });
  await standIn.kernel.stops.release(OPERATOR);
  cell();
  later();
  await until(
    async () => step(run as RunId),
    (one) => one?.state === 'ready' && one.waitsFor === 'release',
  );
  await standIn.kernel.stop();
  machine = undefined;
  await open();
  expect(standIn.kernel.stops.show(ORG).machine).toMatchObject({ released: {} });
  await settled(run as RunId, 'succeeded');
  expect(target.effects()).toHaveLength(1);
});

test('who stops what is stopped, or releases what is not, changes nothing', async () => {
  await standIn.kernel.stops.release(OPERATOR);
  await stop();
  expect(await standIn.kernel.stops.engage(OPERATOR, 'another reason')).toMatchObject({ changed: false });
  expect(standIn.kernel.stops.show(ORG).org).toMatchObject({ reason: 'it bans our own', by: 'operator' });
  expect(await standIn.kernel.stops.release(OPERATOR)).toMatchObject({ changed: true });
  expect(await standIn.kernel.stops.release(OPERATOR)).toMatchObject({ changed: false });
  const kinds = [...standIn.kernel.auditExport(ORG).lines].map((line) => JSON.parse(line).kind as string);
  expect(kinds.filter((kind) => kind.startsWith('stop.'))).toEqual(['stop.engaged', 'stop.released']);
  expect(standIn.kernel.stops.show(ORG).org).toMatchObject({ released: { by: 'operator' } });
});

test('the switch of the machine stops every org, also one that releases its own', async () => {
  machine = 'an intruder\u0007in the network\n';
  await until(
    async () => standIn.kernel.stops.show(ORG).machine,
    (stop) => stop !== null,
  );
  await standIn.kernel.stops.release(OPERATOR);
  expect(await ingest()).toMatchObject({ outcome: 'suppressed' });
  expect(standIn.kernel.stops.show(ORG)).toMatchObject({
    org: null,
    machine: { reason: 'an intruder in the network', by: 'system:machine', released: null },
  });
  machine = undefined;
  await until(
    async () => standIn.kernel.stops.show(ORG).machine,
    (stop) => stop?.released !== null,
  );
  expect(await ingest('e2')).toMatchObject({ outcome: 'matched' });
  const kinds = [...standIn.kernel.auditExport(ORG).lines].map((line) => JSON.parse(line) as { kind: string });
  expect(kinds.filter(({ kind }) => kind.startsWith('stop.'))).toMatchObject([
    { kind: 'stop.engaged', ref: 'machine', actor: 'system:machine' },
    { kind: 'stop.released', ref: 'machine' },
  ]);
});

test('a kernel that starts under the switch of the machine takes up nothing', async () => {
  const cell = standIn.holdCells();
  await ingest();
  await until(
    async () => standIn.calls(),
    (calls) => calls === 1,
  );
  const { rows } = record;
  machine = 'maintenance';
  // The kernel dies with its call open; what is on disk is taken up by the next one.
  const copy = await openRecord(rows());
  const next = await openStandIn(copy.store, target, life++, undefined, async () => machine);
  await setUp(next, [POST_ONCE]);
  next.clock.advance(60_000);
  expect(next.kernel.stops.show(ORG).machine).toMatchObject({ reason: 'maintenance', released: null });
  expect(await next.kernel.ingest(SENDER, { ...EVENT, sourceId: 'e9' })).toMatchObject({
    value: { triggers: [{ outcome: 'suppressed' }] },
  });
  expect([next.calls(), target.arrived]).toEqual([0, []]);
  await next.kernel.stop();
  cell();
});
