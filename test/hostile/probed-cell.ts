import { LAYERS, openCells } from './cells.ts';

/** For a test to start as somebody else: finds out which layers there are, runs one call behind them, and says both. */
const cells = openCells({ min: 1, max: 1 });
const outcome = await cells.call(await cells.load('echo'), 'here');
const { on, off } = LAYERS;
console.log(JSON.stringify({ on, off, reply: outcome.kind === 'replied' ? outcome.reply : outcome }));
await cells.close();
