import { describe, expect, it } from 'vitest';
import { attack, NOT_RUN, ROWS } from './rows.ts';

/** Every attack of the table must hold; `npm run attack` prints the same rows. */

it('every row has a name of its own, and only listed ones are not run', () => {
  expect(new Set(ROWS.map(({ id }) => id)).size).toBe(ROWS.length);
  expect(ROWS.filter((row) => 'notRun' in row).map(({ id }) => id)).toEqual(NOT_RUN);
});

describe('holds against', () => {
  it.each(ROWS.filter((row) => 'run' in row))(
    '$id $tries',
    async (row) => {
      expect(await attack(row)).toMatchObject({ verdict: 'held' });
    },
    60_000,
  );
});
