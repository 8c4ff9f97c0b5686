import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { ok } from '../base/result.ts';
import type { Scrubber } from '../secret/scrub.ts';
import { shown } from './shown-answer.ts';

it('of many large answers that are searched at a time, one look is taken in each round of the event loop', async () => {
  let looks = 0;
  const scrub: Scrubber = function* (text) {
    // Three looks at a large body; the short texts around it need none.
    for (let look = 0; text === 'large' && look < 3; look++) {
      looks += 1;
      yield 1 << 20;
    }
    return ok(text);
  };
  const answer = { kind: 'answered', status: 200, headers: {}, body: Buffer.from('large') } as const;
  const answers = Promise.all(Array.from({ length: 8 }, () => shown(answer, scrub, true, () => false)));
  const looksInRound: number[] = [];
  // The first look of each comes with its answer.
  for (let before = looks; looks < 24; before = looks) {
    await setImmediate();
    looksInRound.push(looks - before);
  }
  expect(Math.max(...looksInRound.slice(1))).toBe(1);
  expect((await answers).every(({ answer: seen }) => seen.ok && seen.body === 'large')).toBe(true);
});

it('an answer that nobody waits for any more is not searched to its end', async () => {
  let looks = 0;
  const scrub: Scrubber = function* (text) {
    for (; text === 'large' && looks < 100; looks++) yield 1 << 20;
    return ok(text);
  };
  const answer = { kind: 'answered', status: 200, headers: {}, body: Buffer.from('large') } as const;
  const { answer: seen, isWhole } = await shown(answer, scrub, false, () => looks >= 3);
  expect({ looks, seen, isWhole }).toEqual({
    looks: 3,
    seen: { ok: true, status: 200, headers: {}, body: '' },
    isWhole: false,
  });
});
