#!/usr/bin/env node
import { EXIT } from './ending.ts';
import { createProgram, run } from './program.ts';

/** The command `interlock`. Asks nobody for updates and reports nothing to anyone. */

// At once: nothing that a command leaves half done matters to the server, and files remove themselves on exit.
process.on('SIGINT', () => process.exit(EXIT.interrupted));
// Whoever reads our output may stop early (`interlock run list | head -1`). There is nobody left to tell.
process.stdout.on('error', () => process.exit(EXIT.cannot));
process.stderr.on('error', () => process.exit(EXIT.cannot));

await run(createProgram(), process.argv);
