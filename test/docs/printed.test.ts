import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DOCUMENTS, ROOT } from './documents.ts';
import { PLACE, PRINTED } from './printed.ts';

/** UPDATE_DOCS=1 writes what would otherwise be expected. */
const places = DOCUMENTS.flatMap(({ file, text }) =>
  [...text.matchAll(PLACE)].map(([, , name = '', body = '']) => ({ file, name, body: body.trim() })),
);

if (process.env.UPDATE_DOCS === '1')
  for (const { file, text } of DOCUMENTS) {
    const tables = new Map<string, string>();
    for (const { name } of places) tables.set(name, (await PRINTED[name]?.()) ?? '');
    const fresh = text.replaceAll(
      PLACE,
      (_, open: string, name: string, _old, close: string) => `${open}\n${tables.get(name)}\n\n${close}`,
    );
    if (fresh !== text) writeFileSync(join(ROOT, file), fresh);
  }

test('every table has its place in a document', () => {
  expect(places.map(({ name }) => name).sort()).toEqual(Object.keys(PRINTED).sort());
});

test.skipIf(process.env.UPDATE_DOCS === '1').each(places)(
  '$file prints $name as it is now (UPDATE_DOCS=1 rewrites it)',
  async ({ name, body }) => {
    expect(body).toBe(await PRINTED[name]?.());
  },
);
