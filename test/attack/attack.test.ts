import { describe, expect, it } from 'vitest';
import { LAYERS } from '../hostile/cells.ts';
import { attack, ROWS } from './rows.ts';

/** Every attack of the table must hold; `npm run attack` prints the same rows. */

it('every row has a name of its own', () => {
  expect(new Set(ROWS.map(({ id }) => id)).size).toBe(ROWS.length);
});

/** Only where the system does not give its cells a layer, which `test/hostile/layers.test.ts` skips there by its name. */
const PARTLY = LAYERS.off.length > 0 ? ['I5'] : [];

describe('holds against', () => {
  it.each(ROWS)(
    '$id $tries',
    async (row) => {
      expect(await attack(row)).toMatchObject({ verdict: PARTLY.includes(row.id) ? 'in part' : 'held' });
    },
    60_000,
  );
});
