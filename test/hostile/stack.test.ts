import { expect, it } from 'vitest';
import type { OrgId } from '../../kernel/base/id.ts';
import type { CellOutcome } from '../../kernel/port/cell-host.ts';
import { openCells } from './cells.ts';

/** A request from the end of the stack: the host has room to send it, and none to read a large answer. */

type Two = { readonly asked: boolean; readonly one: CellOutcome; readonly next: CellOutcome };

/** In a new cell, whose host has compiled nothing yet: a module asks at this depth, another org calls another one after it. */
async function askAt(depth: number): Promise<Two> {
  const cells = openCells({ min: 1, max: 1 });
  try {
    const [deep, echo] = [await cells.load('asks-at-the-end'), await cells.load('echo')];
    let asked = false;
    const broker = async () => {
      asked = true;
      return { ok: true, status: 200, headers: {}, body: 'x'.repeat(400_000) } as const;
    };
    const one = cells.call(deep, `${depth}`, { broker });
    const next = cells.call(echo, 'another org', { org: 'globex' as OrgId });
    return { one: await one, next: await next, asked };
  } finally {
    await cells.close();
  }
}

it('an answer that its call has no room to read is not left for the call after it', { timeout: 300_000 }, async () => {
  const reached: Two[] = [];
  let [asks, fails] = [1_000, 40_000];
  while (fails - asks > 1) {
    const middle = (asks + fails) >> 1;
    const two = await askAt(middle);
    reached.push(two);
    if (two.asked) asks = middle;
    else fails = middle;
  }
  for (const above of [0, 2, 4]) reached.push(await askAt(asks - above));
  expect(reached.map(({ next }) => next.kind)).toEqual(reached.map(() => 'replied'));
  // Of those that the search came by, some were cut off, with a request under way or before.
  expect(reached.map(({ one }) => one.kind)).toContain('crashed');
});
