import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from 'assemblyscript/asc';

/**
 * Builds dist/plugin.wasm, or plugin.wasm in the folder that is given, and puts the manifest into the module: the kernel
 * refuses a module beside another manifest than it was built with. The same sources give the same bytes.
 */
const here = import.meta.dirname;
const out = process.argv[2] ?? join(here, 'dist');
const file = join(out, 'plugin.wasm');
mkdirSync(out, { recursive: true });

const { error, stderr } = await main([
  'plugin.ts',
  ...['--baseDir', here, '--outFile', file, '--optimize', '--runtime', 'stub'],
  // Top-level code runs when the module has been made, not while it is being made: there it may not call its host.
  ...['--exportStart', '_initialize'],
  ...['--use', 'abort=interlock/abort'],
]);
if (error) {
  console.error(String(stderr));
  process.exit(1);
}

/** @param {number} value in LEB128, as every length in a module. */
const length = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...length(value >>> 7)]);
const name = Buffer.from('interlock:manifest');
const content = Buffer.concat([Buffer.from(length(name.length)), name, readFileSync(join(here, 'manifest.json'))]);
writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.from([0, ...length(content.length)]), content]));
