import { digestOf } from '../../kernel/base/digest.ts';
import { type Row, told, verdict } from './row.ts';
import { buildSealed } from './world.ts';

/** T: the same again. */
export const DETERMINISM_ROWS: readonly Row[] = [
  {
    id: 'T1',
    tries: 'time and randomness while it is built',
    must: 'constants of the build: the digest is the same',
    run: async () => {
      const [one, two] = [digestOf(await buildSealed()), digestOf(await buildSealed())];
      return verdict(one === two, one === two ? 'the same digest' : 'another digest');
    },
  },
  {
    id: 'T2',
    tries: 'another output for the same input: called again, and in another cell',
    must: 'the same to the byte',
    run: async (world) => {
      const replies = new Set<string>();
      for (let cell = 0; cell < 2; cell++) {
        const sealed = await world.sealed(world.cells());
        for (let i = 0; i < 3; i++) {
          const outcome = await sealed('world');
          replies.add(outcome.kind === 'replied' ? outcome.reply : told(outcome));
        }
      }
      return verdict(replies.size === 1 && /"output"/.test([...replies].join()), `replies: ${replies.size}`);
    },
  },
];
