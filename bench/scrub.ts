import { LIMITS } from '../kernel/base/limits.ts';
import { createScrubber, seek } from '../kernel/secret/scrub.ts';

/**
 * `node bench/scrub.ts`: what the largest answer costs the scrubber, by what is in it: all of it, and the longest step, for
 * which nobody else has his turn; and what it costs that one secret more is known. Milliseconds, median of the rounds.
 */
const VALUE = 'sk_live/4f9a+B"c\\d&e=Z<z90';
const ROUNDS = 7;
const PARTS: Readonly<Record<string, string>> = {
  text: 'an ordinary line of text\n',
  JSON: '{"a":"b\\"c","n":[1,2,3]},',
  'percent escapes': '%25',
  'escapes of every level': '%25252541',
  'escapes of escapes': '%25%32%35%34%31',
  backslashes: '\\',
  references: '&#37;',
  numbers: '115,',
  'the beginning of the value': VALUE.slice(0, -1),
  'the value': `${VALUE} `,
};

const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0;

function measure(part: string): { readonly whole: number; readonly step: number } {
  const text = part.repeat(Math.floor(LIMITS.httpBodyBytes.value / part.length));
  const rounds = Array.from({ length: ROUNDS }, () => {
    const steps = createScrubber([seek({ name: 'key', value: VALUE })])(text);
    const begun = performance.now();
    let step = 0;
    for (let last = begun, isDone = false; !isDone; ) {
      isDone = steps.next().done === true;
      const now = performance.now();
      step = Math.max(step, now - last);
      last = now;
    }
    return { whole: performance.now() - begun, step };
  });
  return { whole: median(rounds.map(({ whole }) => whole)), step: median(rounds.map(({ step }) => step)) };
}

for (const [name, part] of Object.entries(PARTS)) {
  const { whole, step } = measure(part);
  process.stdout.write(`${name.padEnd(28)} ${whole.toFixed(1).padStart(7)} ms, longest step ${step.toFixed(1)} ms\n`);
}

for (const count of [64, 256, 1_024]) {
  const named = (i: number) => ({ name: `key-${i}`, value: `${VALUE}${i}${VALUE}` });
  const known = Array.from({ length: count }, (_, i) => seek(named(i)));
  const more = Array.from({ length: ROUNDS }, (_, i) => {
    const begun = performance.now();
    createScrubber([...known, seek(named(count + i))]);
    return performance.now() - begun;
  });
  process.stdout.write(`${`one secret more than ${count}`.padEnd(28)} ${median(more).toFixed(2).padStart(7)} ms\n`);
}
