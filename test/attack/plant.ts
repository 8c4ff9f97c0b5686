import { appendFileSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';
import type { Fault } from './row.ts';

const ROOT = join(import.meta.dirname, '../..');
const BUNDLER = pathToFileURL(join(import.meta.dirname, 'planting-bundler.ts')).href;

/** For the bundler, which makes the program of cells and the script of sealed plugins. */
export const plugins: Plugin[] = [];

/** For a process that a row starts to load first (`--import`), so that it has the fault, too. Empty where none is planted. */
export const inherited: string[] = [];

/**
 * Plants a fault in this process. No file is changed; the text is, on its way in.
 * @param tally File in which this process, and those it starts, note what came in.
 * @returns whether all of it came in until now.
 */
export function plant(fault: Fault, tally: string): () => boolean {
  /** The source with what is to be planted there; undefined where that is nothing. */
  const broken = (path: string, source: () => string): string | undefined => {
    const here = fault.filter(({ file }) => join(ROOT, file) === path);
    if (here.length === 0) return undefined;
    return here.reduce((code, defect) => {
      appendFileSync(tally, `${fault.indexOf(defect)}\n`);
      return code.replace(defect.text, () => defect.becomes);
    }, source());
  };
  appendFileSync(tally, '');
  registerHooks({
    resolve: (name, context, next) =>
      name === 'esbuild' && context.parentURL !== BUNDLER ? { url: BUNDLER, shortCircuit: true } : next(name, context),
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.startsWith('file:')) return loaded;
      const source = broken(fileURLToPath(url), () => Buffer.from(loaded.source as Uint8Array).toString());
      return source === undefined ? loaded : { ...loaded, source };
    },
  });
  plugins.push({
    name: 'plant',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const contents = broken(path, () => readFileSync(path, 'utf8'));
        return contents === undefined ? undefined : { contents, loader: 'ts' };
      });
    },
  });
  const again = `import { plant } from ${JSON.stringify(import.meta.url)}; plant(${JSON.stringify([fault, tally]).slice(1, -1)});`;
  inherited.push(`data:text/javascript,${encodeURIComponent(again)}`);
  return () => fault.every((_, index) => readFileSync(tally, 'utf8').split('\n').includes(`${index}`));
}
