import { mkdtempSync } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { plant } from './plant.ts';
import type { Fault } from './row.ts';

/** A process whose product has one planted defect: `faulty.ts ROW FAULT`. Runs the row in it, and prints how that went, as JSON. */
const [, , id = '', fault = ''] = process.argv;
const folder = mkdtempSync(join(tmpdir(), 'interlock-faulty-'));
// First of all, so that whatever is loaded from here on is loaded with the defect.
const planted = plant(JSON.parse(fault) as Fault, join(folder, 'tally'));

const { PROGRAM_SOURCE } = await import('../../kernel/adapter/extism/program.ts');
const { bundleProgram } = await import('../../sdk/build/bundle-program.ts');
const { attack, ROWS } = await import('./rows.ts');
const { inWorld, servesHonest } = await import('./world.ts');

const row = ROWS.find((one) => one.id === id);
if (!row) throw new Error('no such row');
try {
  // Cells run one file that is made of the sources: here of those with the defect. They run as another user, who reads it.
  const entry = join(folder, 'cell.mjs');
  await bundleProgram(PROGRAM_SOURCE, entry);
  await chmod(folder, 0o755);
  const seen = await attack(row, { entry });
  const served = await inWorld(servesHonest, { entry }).catch(() => false);
  process.stdout.write(JSON.stringify({ planted: planted(), served, seen }));
} finally {
  await rm(folder, { recursive: true });
}
process.exit();
