import { openCells } from './cells.ts';

/** A kernel in the middle of a call, for a test to kill. Its argument is the module that it runs. */
const cells = openCells({ min: 2 });
const module = await cells.load(process.argv[2] ?? 'echo');
const outcome = cells.call(module, '{}', { hardDeadlineMs: 120_000 });
// A quick module is done and its cell waits; a slow one is in the middle.
await Promise.race([outcome, new Promise((resolve) => setTimeout(resolve, 200))]);
console.log('running');
setInterval(() => undefined, 1_000);
