import { expect, test } from 'vitest';
import { machine } from '../../test/support/machine.ts';
import { openMemoryStore } from '../adapter/memory/store.ts';
import { KEYS } from './keys.ts';
import { readRun } from './stored-run.ts';

test('a run of many turns is read to its last one', async () => {
  const m = machine({ steps: '- { id: pause, type: wait, for: 1h }' });
  m.start();
  const { org, id } = m.run();
  const [first] = m.turns();
  const store = openMemoryStore();
  // What tries, retries and votes of 1,024 step runs come to.
  const turns = Array.from({ length: 12_000 }, (_, i) => ({
    ...first,
    seq: 200 + i,
    events: [{ kind: 'guardrail-blocked', step: 'pause', rule: 'r', text: 't' }],
  }));
  await store.write(
    [first, ...turns].map((turn, i) => ({ key: KEYS.turn(org, id, i + 1), value: JSON.stringify(turn) })),
  );
  expect(readRun(store, org, id)).toMatchObject({ version: 12_001, state: 'waiting' });
});
