import { expect, test } from 'vitest';
import { openManualClock } from '../adapter/memory/clock.ts';
import { openMemoryStore } from '../adapter/memory/store.ts';
import { type OrgId, type RunId, toRunId } from '../base/id.ts';
import { unixMs } from '../base/time.ts';
import { KEYS } from './keys.ts';
import { openTimers } from './timers.ts';

const BAD = 'acme' as OrgId;
const FINE = 'globex' as OrgId;
const runOf = (number: number) => toRunId(`run_${number.toString(16).padStart(32, '0')}`) as RunId;

/** `bad` rows that stay, all of them due before the one of the other org. */
async function world(bad: number, stays: 'throws' | 'refused' | 'healed' = 'throws') {
  const store = openMemoryStore();
  const clock = openManualClock(10_000);
  const rows = Array.from({ length: bad }, (_, i) => KEYS.timer(unixMs(1 + i), BAD, runOf(i)));
  const late = KEYS.timer(unixMs(9_000), FINE, runOf(bad));
  await store.write([...rows, late].map((key) => ({ key, value: '{}' })));
  const fired: Record<string, number> = { [BAD]: 0, [FINE]: 0 };
  const reported: unknown[] = [];
  const state = { healthy: true, stays };
  const submit = async (org: OrgId) => {
    fired[org] = (fired[org] ?? 0) + 1;
    if (org === BAD && state.stays === 'throws') throw new Error('a defect');
    if (org === BAD && state.stays === 'refused') return { ok: false, refusal: { kind: 'stale' } } as const;
    if (org === FINE) await store.write([{ key: late, value: null }]);
    return { ok: true, run: {} as never } as const;
  };
  const timers = openTimers({
    store,
    ledger: { read: store.get, healthy: () => state.healthy },
    driver: { submit },
    tellRun: async () => undefined,
    clock,
    report: (defect) => void reported.push(defect),
  });
  return { timers, clock, fired, reported, state };
}
const times = async (count: number, one: () => Promise<void>) => {
  for (let i = 0; i < count; i++) await one();
};

test.each(['throws', 'refused'] as const)('1,000 rows that stay (%s) hide no row of another org', async (stays) => {
  const { timers, fired, reported } = await world(1_000, stays);
  await times(4, timers.sweep);
  expect(fired).toEqual({ [BAD]: 1_000, [FINE]: 1 });
  expect(reported).toHaveLength(stays === 'throws' ? 1_000 : 0);
});

test('a row that stays is tried again, each time later, and told once', async () => {
  const { timers, clock, fired, reported } = await world(1);
  const tried: number[] = [];
  for (const wait of [0, 500, 500, 1_000, 1_000, 3_600_000, 299_000, 1_000]) {
    clock.advance(wait);
    await times(3, timers.sweep);
    tried.push(fired[BAD] ?? 0);
  }
  expect(tried).toEqual([1, 1, 2, 2, 3, 4, 5, 5]);
  expect(reported).toHaveLength(1);
});

test('a row that is mended is told again should it break again', async () => {
  const { timers, clock, reported, state } = await world(1);
  await timers.sweep();
  state.stays = 'healed';
  clock.advance(1_000);
  await timers.sweep();
  state.stays = 'throws';
  await timers.sweep();
  expect(reported).toHaveLength(2);
});

test('a record that has failed is a defect of no row', async () => {
  const { timers, state, reported } = await world(1);
  state.healthy = false;
  await expect(timers.sweep()).rejects.toThrow('a defect');
  expect(reported).toEqual([]);
});
