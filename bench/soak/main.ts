import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openLmdbStore } from '../../kernel/adapter/lmdb/store.ts';
import { prepareAll } from '../../sdk/build/prepare.ts';
import { killChildren, startKernelProcess, startStubProcess } from '../child.ts';
import { openDriver } from '../driver.ts';
import { openHttpClient } from '../http-client.ts';
import { closedLoop, openLoop } from '../load.ts';
import { machine, machineLine } from '../report.ts';
import { openScratch, type Site, setUpSite } from '../site.ts';
import { quantile } from '../statistics.ts';
import { HAS_PROC } from '../usage.ts';
import type { FromProbe } from './probe.ts';
import { dataFileOf, type Sample, takeSample } from './sample.ts';
import { judge, type Verdict } from './verdict.ts';

/** `npm run soak`: a kernel under half of the load that it can bear, for long, and whether it stays as it was. */
const MAX = { inFlight: 64, warmMs: 5_000, rounds: 1, roundMs: 15_000 };
const SHARE = 0.5;
const SLICE_MS = 5_000;

const HELP = `Usage: npm run soak -- [options]

Runs a kernel as in production for long, and says whether it stays as it was. First
about 20 s as fast as it can, then at half of that rate: each event starts a run of
three steps (a transform in a cell, one POST through the broker, a state update), and
each run is read back. After every 5 s, with nothing under way, it looks at memory of
the kernel and its cells, heap, open files, threads, event-loop delay and file size.

After a warm-up (a quarter of the time) each of them must be flat: a line through the
samples may rise by no more than the bound that is printed. The record grows with the
runs that it keeps: by the same for each, with free pages used again. No run may be
stuck, and every run makes exactly one request to the world outside.

Options:
  --minutes N    at half of the rate, from 0.2 to 1440; 10 without it
  --json FILE    also write { machine, rate, samples, verdict } there
  --fault leak   plant a leak in the kernel process, to see that it is noticed
  --help         this text

Exit status: 0 it stays as it was; 1 it does not, or an answer was wrong; 2 the
command line was wrong, or there is no /proc.
`;

type Options = { readonly minutes: number; readonly json: string | undefined; readonly isLeaking: boolean };

function readOptions(args: readonly string[]): Options | 'help' | { readonly wrong: string } {
  const options = {
    minutes: { type: 'string', default: '10' },
    json: { type: 'string' },
    fault: { type: 'string' },
    help: { type: 'boolean', default: false },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    if (values.help) return 'help';
    const minutes = Number(values.minutes);
    if (!(minutes >= 0.2 && minutes <= 1_440)) return { wrong: '--minutes takes a number from 0.2 to 1440' };
    if (values.fault !== undefined && values.fault !== 'leak') return { wrong: '--fault takes leak' };
    return { minutes, json: values.json, isLeaking: values.fault === 'leak' };
  } catch (error) {
    return { wrong: (error as Error).message.split('. ', 1)[0] ?? '' };
  }
}

const say = (line: string): void => void process.stderr.write(`soak: ${line}\n`);

/** @throws Error when a run did not end as it should, or made not exactly one request. */
async function soak({ minutes, isLeaking }: Options, folder: string) {
  await prepareAll();
  const stub = await startStubProcess(undefined);
  const site = await setUpSite(join(folder, 'soak'), 'query', stub.port);
  const probe = { file: join(import.meta.dirname, 'probe.ts'), args: isLeaking ? ['leak'] : [] };
  const kernel = await startKernelProcess(site, undefined, probe);
  const driver = openDriver(kernel, site, stub);

  say(`the most that it can do, with ${MAX.inFlight} in flight, ${(MAX.warmMs + MAX.roundMs) / 1_000} s`);
  const most = await closedLoop({ ...MAX, work: driver.contain });
  await driver.settle();
  const rate = Math.max(1, Math.round(((most.rounds[0]?.done ?? 0) * 1_000 * SHARE) / MAX.roundMs));
  say(`${rate * 2} runs/s; from now on ${rate} runs/s for ${minutes} min`);

  const samples: Sample[] = [];
  let runs = most.done;
  const began = performance.now();
  for (let slice = 1; slice <= Math.ceil((minutes * 60_000) / SLICE_MS); slice++) {
    const load = await openLoop({ rate, durationMs: SLICE_MS, work: driver.contain });
    await driver.settle();
    runs += load.latencies.length;
    const at = (performance.now() - began) / 1_000;
    const told = (await kernel.ask()) as FromProbe;
    const sample = takeSample(kernel.pid, site.configFile, told, { at, runs, p99: quantile(load.latencies, 0.99) });
    samples.push(sample);
    if (slice % 6 === 1) say(sampleText(sample));
  }
  const open = await openRuns(kernel.url, site);
  driver.close();
  await kernel.stop();
  await stub.stop();
  return { rate, samples, verdict: judge(samples, await storedBytes(site), open) };
}

const sampleText = ({ at, runs, kernel, heap, cell, cells, handles, threads, delay, p99, file }: Sample): string =>
  `${at.toFixed(0)} s: ${runs} runs; kernel ${kernel.toFixed(0)} MiB, heap ${heap.toFixed(0)} MiB; ` +
  `${cells} cells of ${cell.toFixed(0)} MiB; ${handles} handles, ${threads} threads; ` +
  `event loop ${delay.toFixed(0)} ms late, runs ${p99.toFixed(0)} ms at p99; file ${(file / 2 ** 20).toFixed(0)} MiB`;

/** Runs that have not ended, though everything should have: of those that are stuck, and of all others. */
async function openRuns(url: string, site: Site): Promise<number> {
  const client = openHttpClient(url, site.token);
  let open = 0;
  for (let cursor: string | null = ''; cursor !== null; ) {
    const path: string = `/v1/orgs/${site.org}/open-work?limit=200${cursor && `&cursor=${cursor}`}`;
    const { status, body } = await client.request(path);
    if (status !== 200) throw new Error(`the report of open work was answered with ${status}: ${body}`);
    const page = JSON.parse(body) as { data: unknown[]; page: { next: string | null } };
    open += page.data.length;
    cursor = page.page.next;
  }
  client.close();
  return open;
}

const PER_PAGE = 20_000;

/** Bytes of all keys and values, which are ASCII for the most part. */
async function storedBytes(site: Site): Promise<number> {
  const store = openLmdbStore(join(dataFileOf(site.configFile), '..'));
  let bytes = 0;
  for (let from = ''; ; ) {
    const rows = store.range({ from, to: '\u{7f}', limit: PER_PAGE });
    for (const { key, value } of rows) bytes += key.length + value.length;
    const last = rows.at(-1);
    if (!last || rows.length < PER_PAGE) break;
    from = `${last.key}\0`;
  }
  await store.close();
  return bytes;
}

const verdictText = ({ isFine, lines }: Verdict): string =>
  [
    ...lines.map((line) => `${line.isFine ? 'fine  ' : 'FAILED'}  ${line.id.padEnd(12)}  ${line.said}`),
    isFine ? 'It stays as it was.' : 'It does not stay as it was.',
  ].join('\n');

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  const wrong =
    'wrong' in options ? options.wrong : HAS_PROC ? undefined : 'there is no /proc here, and nothing to read';
  if (wrong !== undefined || 'wrong' in options) {
    process.stderr.write(`soak: ${wrong}\nsee npm run soak -- --help\n`);
    return 2;
  }
  const scratch = openScratch();
  process.on('exit', () => {
    killChildren();
    scratch.remove();
  });
  const here = machine();
  say(machineLine(here));
  try {
    const { rate, samples, verdict } = await soak(options, scratch.folder);
    process.stdout.write(`${verdictText(verdict)}\n`);
    const report = { machine: here, minutes: options.minutes, rate, samples, verdict };
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
    return verdict.isFine ? 0 : 1;
  } catch (error) {
    say(`failed: ${(error as Error).message.slice(0, 6_000)}`);
    return 1;
  }
}

if (import.meta.main) {
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => process.exit(130));
  process.exit(await main());
}
