#!/usr/bin/env node
/**
 * What the command `interlock` starts. Everything else here is TypeScript, of which an older Node reads not a line, so this
 * file is JavaScript that old ones read as well, and imports nothing before it knows where it runs.
 */
const NEEDED = 26;

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  import('./main.ts');
} else {
  process.stderr.write(
    `interlock: this needs Node ${NEEDED} or newer, and runs on ${process.versions.node}. The project brings its own: ` +
      'in its folder, run `npx interlock`.\n',
  );
  // No answer; as in ending.ts.
  process.exitCode = 2;
}
