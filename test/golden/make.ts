import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FOLDER, foldedText } from './fold.ts';
import { liveThrough, SCENARIOS } from './scenarios.ts';

/**
 * `node test/golden/make.ts [NAME...]`: lives the scenarios that have no history yet and keeps what they left behind. A
 * history that is there is never written again: it is what a kernel of its time has stored on somebody's disk.
 */
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(SCENARIOS, name));
if (unknown.length > 0) {
  process.stderr.write(`golden: no scenario ${unknown.join(', ')}; there are ${Object.keys(SCENARIOS).join(', ')}\n`);
  process.exit(2);
}
mkdirSync(FOLDER, { recursive: true });
let refused = 0;
for (const [name, scenario] of Object.entries(SCENARIOS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const [turns, run] = [join(FOLDER, `${name}.ndjson`), join(FOLDER, `${name}.run.json`)];
  if (existsSync(turns) || existsSync(run)) {
    if (wanted.length > 0) {
      process.stderr.write(`golden: ${name} is there and stays as it is; give the new life a new name\n`);
      refused++;
    }
    continue;
  }
  const lived = await liveThrough(scenario);
  writeFileSync(turns, lived.map((turn) => `${turn}\n`).join(''), { flag: 'wx' });
  writeFileSync(run, foldedText(lived), { flag: 'wx' });
  process.stdout.write(`golden: ${name}, ${lived.length} turns\n`);
}
process.exit(refused > 0 ? 1 : 0);
