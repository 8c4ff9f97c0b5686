import { afterEach, expect, test } from 'vitest';
import type { RunId } from '../../kernel/base/id.ts';
import type { Row } from '../../kernel/port/store.ts';
import { isEnded } from '../../kernel/run/state.ts';
import type { NormalEvent } from '../../kernel/trigger/event.ts';
import { until } from '../support/api.ts';
import { auditVerdict, EVENT, openRecord, openStandIn, openTarget, SENDER, setUp } from './stand-in.ts';

/** Runs that wait when the kernel dies: they begin in the next one, in their order, and none is forgotten. */
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const playbook = (trigger: string, top = '') => `
apiVersion: interlock/v1
kind: Playbook
name: governed
title: Look
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /kind, operator: equal, value: c2 }${trigger} }]
inputs: { ip: /ip }
steps: [{ id: look, type: enrich, uses: target/look, with: { ip: "{{ inputs.ip }}" } }]
${top}`;

/** A kernel that takes so many events in, of which none gets anywhere, and is gone. What it left on disk. */
async function diedAfter(text: string, events: number) {
  const record = await openRecord();
  const standIn = await openStandIn(record.store, openTarget());
  await setUp(standIn, [text]);
  const letGo = standIn.holdCells();
  closing.push(() => {
    letGo();
    return standIn.kernel.stop();
  });
  const runs: RunId[] = [];
  for (let i = 0; i < events; i++) {
    const event: NormalEvent = { ...EVENT, sourceId: `e${i}` };
    const receipt = await standIn.kernel.ingest(SENDER, event);
    if (receipt.ok && receipt.value.triggers[0]?.run) runs.push(receipt.value.triggers[0].run);
  }
  return { rows: record.rows(), runs };
}

async function nextKernel(rows: readonly Row[], text: string) {
  const record = await openRecord(rows);
  const standIn = await openStandIn(record.store, openTarget(), 1);
  closing.push(() => standIn.kernel.stop());
  await setUp(standIn, [text]);
  return {
    ...standIn,
    store: record.store,
    pending: () => record.rows().filter(({ key }) => key.includes('/pending/')),
  };
}

test('for a place', async () => {
  const text = playbook('', 'concurrency: { limit: 1 }');
  const { rows, runs } = await diedAfter(text, 3);
  const { clock, run, store, pending, reported } = await nextKernel(rows, text);
  expect(runs).toHaveLength(3);
  clock.advance(10_000);
  const last = runs[2] as RunId;
  await until(
    async () => {
      clock.advance(1_000);
      return run(last);
    },
    (now) => now !== null && isEnded(now),
  );
  expect(runs.map((id) => run(id)?.state)).toEqual(['completed', 'completed', 'completed']);
  // Each began when the one before had ended.
  const places = runs.flatMap((id) => {
    const found = run(id);
    return [Object.values(found?.steps ?? {})[0]?.attempts[0]?.intentSeq ?? 0, found?.ended?.seq ?? 0];
  });
  expect(places).toEqual(places.toSorted((one, other) => one - other));
  expect([pending(), reported]).toEqual([[], []]);
  expect(auditVerdict(store).verdict).toBe('valid');
});

test('for a place that is taken by a run which only waits', async () => {
  const look = 'type: enrich, uses: target/look, with: { ip: "{{ inputs.ip }}" }';
  const text = playbook('', 'concurrency: { limit: 1 }').replace(look, 'type: wait, for: 10m');
  const { rows, runs } = await diedAfter(text, 2);
  const { clock, run } = await nextKernel(rows, text);
  const states = () => runs.map((id) => run(id)?.state);
  expect(states()).toEqual(['waiting', 'pending']);
  clock.advance(600_000);
  await until(
    async () => states(),
    ([first]) => first === 'completed',
  );
  await until(
    async () => states(),
    ([, second]) => second === 'waiting',
  );
});

test('for the end of the run before them', async () => {
  const text = playbook(', dedup: { key: [/ip], window: 1h, repeat: queue }');
  const { rows, runs } = await diedAfter(text, 2);
  const { clock, run, pending } = await nextKernel(rows, text);
  const last = runs[1] as RunId;
  await until(
    async () => {
      clock.advance(1_000);
      return run(last);
    },
    (now) => now !== null && isEnded(now),
  );
  expect(runs.map((id) => run(id)?.state)).toEqual(['completed', 'completed']);
  expect(pending()).toEqual([]);
});
