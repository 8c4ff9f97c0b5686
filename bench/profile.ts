import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/**
 * Where the time of a CPU profile went: by function and by file, self time only. Idle time is not counted, so the
 * shares are of the time in which the main thread of the kernel did something.
 */
type CallFrame = { readonly functionName: string; readonly url: string; readonly lineNumber: number };
type Profile = {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
};

const ROOT = join(import.meta.dirname, '..');
const FUNCTIONS = 40;
const FILES = 25;
const NOT_BUSY = ['(idle)', '(root)'];

/** @param folder Holds a folder for each load. @returns text to print. */
export async function profileText(folder: string): Promise<string> {
  let text = '';
  for (const load of (await readdir(folder)).sort()) {
    const names = await readdir(join(folder, load)).catch(() => []);
    for (const name of names.filter((one) => one.endsWith('.cpuprofile')))
      text += summary(load, JSON.parse(await readFile(join(folder, load, name), 'utf8')) as Profile);
  }
  return text;
}

function summary(load: string, { nodes, samples, timeDeltas }: Profile): string {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const functions = new Map<string, number>();
  const files = new Map<string, number>();
  let busy = 0;
  samples.forEach((id, i) => {
    const frame = frames.get(id);
    if (!frame || NOT_BUSY.includes(frame.functionName)) return;
    const time = timeDeltas[i] ?? 0;
    busy += time;
    add(functions, `${frame.functionName || '(anonymous)'} ${placeOf(frame)}:${frame.lineNumber + 1}`, time);
    add(files, frame.url === '' ? frame.functionName : placeOf(frame), time);
  });
  const top = (title: string, times: ReadonlyMap<string, number>, most: number) =>
    [...times]
      .sort(([, a], [, b]) => b - a)
      .slice(0, most)
      .reduce(
        (text, [name, time]) => `${text}${((time / busy) * 100).toFixed(1).padStart(6)} %  ${name}\n`,
        `${title}\n`,
      );
  return `\n${load}: ${(busy / 1e6).toFixed(1)} s busy\n${top('by function', functions, FUNCTIONS)}${top('by file', files, FILES)}`;
}

const add = (times: Map<string, number>, name: string, time: number) => times.set(name, (times.get(name) ?? 0) + time);

function placeOf({ url }: CallFrame): string {
  if (!url.startsWith('file://')) return url === '' ? '(native)' : url;
  return relative(ROOT, new URL(url).pathname);
}
