import { expect, test } from 'vitest';
import { machine, person, step } from '../../test/support/machine.ts';
import { openMemoryStore } from '../adapter/memory/store.ts';
import type { Digest, OrgId, RunId } from '../base/id.ts';
import { openEarlier } from './earlier.ts';
import { openEndedRuns } from './ended-runs.ts';
import { KEYS } from './keys.ts';

const ORG = 'acme' as OrgId;
const id = (n: number) => `run_${String(n).repeat(32)}` as RunId;
const SUB = '- { id: sub, type: playbook, uses: inner }';
const playbooks = { inner: `sha256:${'0'.repeat(64)}` as Digest };

/** Runs that have ended, one behind the other, each of which keeps what the one before has done. */
async function openLine(begun: readonly number[]) {
  const store = openMemoryStore();
  const graphs = new Map<string, ReturnType<typeof machine>['graph']>();
  const children: (RunId | undefined)[] = [];
  for (const [n, steps] of [
    SUB,
    SUB,
    '- { id: gate, type: approval, ask: so }\n- { id: sub, type: playbook, uses: inner }',
  ].entries()) {
    const playbook = { name: `p${n}`, digest: playbooks.inner };
    const m = machine({ steps, playbooks, start: { run: id(n), playbook, ...(n > 0 && { keeps: id(n - 1) }) } });
    m.start();
    m.give({ kind: 'cancel', by: person('ann'), reason: 'x' });
    graphs.set(`p${n}`, m.graph);
    const child = m.run().steps[step('sub')]?.child;
    children.push(child);
    await store.write([
      ...m.turns().map((turn, at) => ({ key: KEYS.turn(ORG, id(n), at + 1), value: JSON.stringify(turn) })),
      ...(child && begun.includes(n) ? [{ key: KEYS.run(ORG, child), value: '{}' }] : []),
    ]);
  }
  const earlierOf = openEarlier({
    store,
    ended: openEndedRuns(store),
    registry: { graph: (_: OrgId, name: string) => graphs.get(name) } as never,
  });
  return { earlierOf, children };
}

test.each([
  ['the last that came to it', [0, 1], 1],
  ['the one before, where the run that the last asked for never began', [0], 0],
])('what is said of a step is what is said by %s', async (_, begun, said) => {
  const { earlierOf, children } = await openLine(begun);
  expect(earlierOf({ org: ORG, keeps: id(2) })(step('sub'))).toEqual({
    uses: 'inner',
    done: null,
    child: children[said],
  });
});

test('nothing, where nobody came to it, nothing is kept, or the run is of another org', async () => {
  const { earlierOf } = await openLine([]);
  expect(earlierOf({ org: ORG, keeps: id(2) })(step('sub'))).toBeUndefined();
  expect(earlierOf({ org: ORG })(step('sub'))).toBeUndefined();
  expect((await openLine([0, 1])).earlierOf({ org: 'globex' as OrgId, keeps: id(2) })(step('sub'))).toBeUndefined();
});
