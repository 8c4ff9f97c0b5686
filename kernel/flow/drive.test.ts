import { expect, test } from 'vitest';
import { machine } from '../../test/support/machine.ts';
import { openManualClock, openSeededEntropy } from '../adapter/memory/clock.ts';
import { openMemoryStore } from '../adapter/memory/store.ts';
import { openDriver, type Start } from './drive.ts';
import type { Judges } from './judges.ts';
import { openLedger } from './ledger.ts';
import type { Registry } from './registry.ts';
import { processScheduler, type Scheduler } from './scheduler.ts';

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
  /** Judgements since others had their turn, and the most of them. */
  let made = 0;
  let most = 0;
  const judges = {
    async branch() {
      made++;
      most = Math.max(most, made);
      return 0;
    },
  } as unknown as Judges;
  const scheduler: Pick<Scheduler, 'soon'> = {
    soon(task) {
      made = 0;
      processScheduler.soon(task);
    },
  };
  const ledger = openLedger({ store, clock, entropy: openSeededEntropy('drive') });
  const driver = openDriver({
    store,
    ledger,
    registry,
    judges,
    earlierOf: () => () => undefined,
    ended: { read: () => null, moved: () => undefined },
    clock,
    isStopped: () => false,
    scheduler,
  });
  const judgements = await driver.prefetchStart(START);
  expect([judgements.branches.size, most]).toEqual([100, 2]);
});
