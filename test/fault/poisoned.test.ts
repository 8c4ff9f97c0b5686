import { afterEach, expect, test } from 'vitest';
import { type RunId, toRunId } from '../../kernel/base/id.ts';
import { unixMs } from '../../kernel/base/time.ts';
import { KEYS } from '../../kernel/flow/keys.ts';
import { isEnded } from '../../kernel/run/state.ts';
import { until } from '../support/api.ts';
import { EVENT, ORG, openRecord, openStandIn, openTarget, SENDER, setUp } from './stand-in.ts';

/** Runs on the record that no kernel can fold: what becomes of all the others. */
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const POISONED = 300;
const rows = Array.from({ length: POISONED }, (_, i) => {
  const run = toRunId(`run_${i.toString(16).padStart(32, '0')}`) as RunId;
  const turn = { v: 1, at: 1, seq: 1, events: [{ kind: 'step-leaving', step: 'constructor', attempt: 1 }] };
  return [
    { key: KEYS.turn(ORG, run, 1), value: JSON.stringify(turn) },
    { key: KEYS.timer(unixMs(1 + i), ORG, run), value: '{}' },
  ];
}).flat();

test('300 runs that cannot be read keep no kernel from starting, and no other run from its deadline', async () => {
  const record = await openRecord(rows);
  const standIn = await openStandIn(record.store, openTarget());
  const { kernel, run, clock, reported } = standIn;
  closing.push(() => kernel.stop());
  await setUp(standIn);
  // Each is told where it is taken up.
  expect(reported).toHaveLength(POISONED);
  const receipt = await kernel.ingest(SENDER, EVENT);
  const id = (receipt.ok && receipt.value.triggers[0]?.run) as RunId;
  await until(
    async () => run(id),
    (now) => now?.state === 'waiting',
  );
  clock.advance(24 * 3_600_000);
  const ended = await until(
    async () => run(id),
    (now) => now !== null && isEnded(now),
  );
  expect(ended).toMatchObject({ state: 'timed_out', ended: { reason: 'run-timeout' } });
  // And once more by the timers, however often they look.
  expect(reported).toHaveLength(2 * POISONED);
  expect(kernel.healthy()).toBe(true);
});
