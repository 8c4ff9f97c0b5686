import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Loaded into the kernel process before the kernel: when it is asked over the process channel, it says how late the event
 * loop was since the last time, and how much of the heap lives, which it finds by a collection. It is asked while nothing
 * is under way. With `?leak` it keeps what it should not, to see that a soak notices.
 */
export type FromProbe = {
  /** What is left of the heap after a full collection, in MiB. */
  readonly heap: number;
  /** 99 of 100 turns of the event loop were late by no more than this, in milliseconds. */
  readonly delay: number;
};

/** Kept for good every time, in the heap. */
const LEAKED_BYTES = 262_144;
const LEAK_MS = 50;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();

process.on('message', () => {
  const late = delay.percentile(99) / 1e6;
  collect();
  const told: FromProbe = { heap: process.memoryUsage().heapUsed / 2 ** 20, delay: late };
  process.send?.(told);
  delay.reset();
});
// Asking is no reason to go on.
process.channel?.unref();

if (new URL(import.meta.url).searchParams.has('leak')) {
  const leaked: unknown[] = [];
  setInterval(() => leaked.push(Array.from({ length: LEAKED_BYTES / 8 }, Math.random)), LEAK_MS).unref();
}
