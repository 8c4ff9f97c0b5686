import { expect, test } from 'vitest';
import { machine } from '../../test/support/machine.ts';
import { openManualClock, openSeededEntropy } from '../adapter/memory/clock.ts';
import { openMemoryStore } from '../adapter/memory/store.ts';
import { openDriver, type Start } from './drive.ts';
import type { Judges } from './judges.ts';
import { openLedger } from './ledger.ts';
import type { Registry } from './registry.ts';

const START = { kind: 'start', org: 'acme', playbook: { name: 'long' }, requester: 'pipeline' } as Start;

test('others have their turn while a long chain of branches is judged', async () => {
  const chain = Array.from({ length: 100 }, (_, i) => {
    const to = i < 99 ? `b${i + 1}` : 'end';
    return `- { id: b${i}, type: branch, when: { fact: inputs, operator: equal, value: 1 }, then: ${to}, else: ${to} }`;
  });
  const { graph } = machine({ steps: chain.join('\n') });
  const store = openMemoryStore();
  const clock = openManualClock(1_800_000_000_000);
  const registry = { graph: () => graph, policy: () => ({ matrix: {} }) } as unknown as Registry;
  const judges = { branch: async () => 0 } as unknown as Judges;
  const ledger = openLedger({ store, clock, entropy: openSeededEntropy('drive') });
  const driver = openDriver({
    store,
    ledger,
    registry,
    judges,
    earlierOf: () => () => undefined,
    ended: () => null,
    clock,
    isStopped: () => false,
  });
  let turns = 0;
  const tick = () => {
    turns++;
    next = setImmediate(tick);
  };
  let next = setImmediate(tick);
  const judgements = await driver.prefetchStart(START);
  clearImmediate(next);
  expect(judgements.branches.size).toBe(100);
  expect(turns).toBeGreaterThanOrEqual(10);
});
