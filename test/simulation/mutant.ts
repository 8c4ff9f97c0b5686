import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MUTATIONS } from './mutation.ts';

/**
 * A process whose engine has one planted defect: `mutant.ts NAME SEEDS`. No file is changed; the text is, on its way in.
 * Prints the first seed that breaks a rule, or the number of seeds that broke none, and how they went, as JSON.
 */
const [, , name, seeds = '0'] = process.argv;
const mutation = MUTATIONS.find((one) => one.name === name);
let planted = 0;

if (mutation) {
  const url = pathToFileURL(join(import.meta.dirname, '../..', mutation.file)).href;
  registerHooks({
    load(at, context, next) {
      const loaded = next(at, context);
      if (at !== url) return loaded;
      const text = loaded.source instanceof Uint8Array ? Buffer.from(loaded.source).toString() : String(loaded.source);
      planted = text.split(mutation.replace).length - 1;
      return { ...loaded, source: text.replace(mutation.replace, () => mutation.by) };
    },
  });
}

const { simulate } = await import('./simulate.ts');
const traces: string[] = [];
let found: object | null = null;
for (let seed = 1; seed <= Number(seeds) && !found; seed++) {
  const { violation, trace } = await simulate(String(seed));
  if (violation) found = { seed, ...violation };
  else if (!mutation) traces.push(...trace);
}
process.stdout.write(JSON.stringify({ planted, found, traces }));
