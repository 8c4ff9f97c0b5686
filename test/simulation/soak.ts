import { parseArgs } from 'node:util';
import { failureText } from './failure.ts';
import { simulate } from './simulate.ts';

/** Seeds for as long as one likes: `node test/simulation/soak.ts --seeds 100000 --minutes 10 --from 1`. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100000' },
    minutes: { type: 'string', default: '10' },
    from: { type: 'string', default: '1' },
  },
});
const [seeds, minutes, from] = [values.seeds, values.minutes, values.from].map(Number) as [number, number, number];
if (![seeds, minutes, from].every((value) => value > 0)) {
  process.stderr.write('soak: --seeds, --minutes and --from are numbers above 0\n');
  process.exit(2);
}
const say = (text: string) => void process.stdout.write(`${text}\n`);

/** Violations of one rule are told once, and so many seeds named. */
const NAMED = 10;
const TELL_EVERY_MS = 10_000;

const began = performance.now();
const sum = { runs: 0, deeds: 0, lives: 0 };
const broken = new Map<string, string[]>();
let done = 0;
let told = began;
for (; done < seeds && performance.now() - began < minutes * 60_000; done++) {
  const seed = String(from + done);
  const { violation, trace, counts } = await simulate(seed);
  sum.runs += counts.runs;
  sum.deeds += counts.deeds;
  sum.lives += counts.lives;
  if (violation) {
    const known = broken.get(violation.rule) ?? [];
    if (known.length === 0) say(failureText(seed, violation, trace));
    broken.set(violation.rule, [...known, seed]);
  }
  if (performance.now() - told < TELL_EVERY_MS) continue;
  told = performance.now();
  say(`${done + 1} seeds, ${Math.round((told - began) / (done + 1))} ms each, ${broken.size} rules broken`);
}
const { runs, deeds, lives } = sum;
say(`${done} seeds from ${from} on: ${runs} runs, ${deeds} deeds, ${lives} lives of the kernel`);
for (const [rule, found] of broken) say(`${rule}: ${found.length} seeds, ${found.slice(0, NAMED).join(' ')}`);
process.exit(broken.size > 0 ? 1 : 0);
