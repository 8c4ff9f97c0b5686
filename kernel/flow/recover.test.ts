import { expect, test } from 'vitest';
import { openManualClock, openSeededEntropy } from '../adapter/memory/clock.ts';
import { openMemoryStore } from '../adapter/memory/store.ts';
import type { OrgId, RunId, StepRunId } from '../base/id.ts';
import { KEYS } from './keys.ts';
import { openLedger } from './ledger.ts';
import { recover } from './recover.ts';

const ORG = 'acme' as OrgId;
const STEP = 'ban' as StepRunId;
const NO_CHILDREN = { takeUp: async () => undefined };
const runOf = (digit: string) => `run_${digit.repeat(32)}` as RunId;

async function recordOf(runs: readonly RunId[], fault: 'none' | 'lost' = 'none') {
  let failing: 'none' | 'lost' = 'none';
  const store = openMemoryStore({ fault: () => failing });
  const row = (run: RunId) => ({
    key: KEYS.call(ORG, run, STEP),
    value: JSON.stringify({ step: STEP, op: 'execute', attempt: 1 }),
  });
  await store.write(runs.map(row));
  failing = fault;
  return { store, ledger: openLedger({ store, clock: openManualClock(1), entropy: openSeededEntropy('recover') }) };
}

test('a run that cannot be taken up is reported, and keeps no other from it', async () => {
  const bad = runOf('2');
  const { store, ledger } = await recordOf([runOf('1'), bad, runOf('3')]);
  const taken: RunId[] = [];
  const reported: unknown[] = [];
  const submit = async (_: OrgId, run: RunId) => {
    if (run === bad) throw new Error('a defect');
    taken.push(run);
    return { ok: false, refusal: { kind: 'stale' } } as const;
  };
  const recovered = await recover({
    store,
    ledger,
    driver: { submit },
    children: NO_CHILDREN,
    report: (defect) => void reported.push(defect),
  });
  expect([recovered, taken, reported]).toMatchObject([
    { calls: 3, orgs: 1 },
    [runOf('1'), runOf('3')],
    [{ message: 'a defect' }],
  ]);
});

test('a record that fails keeps the kernel from starting', async () => {
  const { store, ledger } = await recordOf([runOf('1')], 'lost');
  const submit = () => Promise.reject(new Error('the record failed'));
  await expect(
    recover({ store, ledger, driver: { submit }, children: NO_CHILDREN, report: () => undefined }),
  ).rejects.toThrow(/record/);
});
