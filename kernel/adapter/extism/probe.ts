import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { LIMITS } from '../../base/limits.ts';
import { printable } from '../../base/printable.ts';
import type { CellLayer } from '../../port/cell-host.ts';
import { type Around, OPEN_FILES_MAX, SYSTEM_LAYERS, type SystemLayer, TOOL_OF, TOOLS, wrapperOf } from './layers.ts';
import type { ProbeFacts } from './probe-main.ts';

/**
 * Finds out which layers the system gives cells here, by starting a process as a cell is started and having it try what
 * each layer has to stop. Nothing is taken from a version or a file: a container may forbid what its tools can do.
 */
export type ProbedLayers = {
  /** Goes in front of the command of every cell. */
  readonly wrapper: readonly string[];
  readonly on: readonly CellLayer[];
  /** Each with why, and how to have it. */
  readonly off: readonly { readonly layer: CellLayer; readonly why: string }[];
  /** The user of the cells; undefined: that of the kernel. */
  readonly uid: number | undefined;
};

export type ProbeOptions = {
  /** The user and group of cells; undefined: a number that no system hands out by itself. */
  readonly uid?: number | undefined;
  readonly isRoot?: boolean;
  /** Whether a tool is there. */
  readonly hasTool?: (path: string) => boolean;
  readonly platform?: string;
};

/** Above the ranges of Debian, systemd and user namespaces; below 2^31. The second is for containers that map few users. */
const UIDS = [1_900_000_001, 65_534] as const;
const PROBE_MS = 10_000;
const WHY_CHARS = 200;
const PROGRAM = join(import.meta.dirname, 'probe-main.ts');

type Found = { readonly facts: ProbeFacts; readonly dump: string };
/** Why the program did not run, in the words of the tool. */
type Failed = { readonly why: string };

export async function probeLayers(options: ProbeOptions = {}): Promise<ProbedLayers> {
  const { isRoot = process.getuid?.() === 0, hasTool = existsSync, platform = process.platform } = options;
  const uids = options.uid === undefined ? UIDS : [options.uid];
  const listener = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => listener.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  const off = new Map<SystemLayer, string>();
  for (const layer of SYSTEM_LAYERS) {
    if (platform !== 'linux') off.set(layer, 'only Linux has it');
    else if (!hasTool(TOOLS[TOOL_OF[layer]]))
      off.set(layer, `${TOOLS[TOOL_OF[layer]]} is not there: install util-linux`);
    else if (layer === 'own-user' && !isRoot) off.set(layer, 'only root can change the user: the kernel is not root');
  }
  try {
    let uid: number = uids[0] ?? UIDS[0];
    const tryOut = async (layers: ReadonlySet<SystemLayer>): Promise<ReadonlyMap<SystemLayer, string>> => {
      const around = { isRoot, uid };
      const found = await run(wrapperOf(layers, around), port);
      if ('why' in found) return new Map([...layers].map((layer) => [layer, found.why]));
      return new Map(
        [...layers].flatMap((layer) => (holds(layer, found, around) ? [] : [[layer, 'tried, and it does not hold']])),
      );
    };
    const wanted = () => new Set(SYSTEM_LAYERS.filter((layer) => !off.has(layer)));
    let faults = await tryOut(wanted());
    if (faults.size > 0) {
      for (const other of uids) {
        if (!wanted().has('own-user')) break;
        uid = other;
        if ((await tryOut(new Set(['own-user']))).size === 0) break;
      }
      // Each alone, so that one that the system forbids does not take the others along; then those that hold, together.
      for (const layer of wanted()) for (const [one, why] of await tryOut(new Set([layer]))) off.set(one, why);
      faults = await tryOut(wanted());
      for (const [layer, why] of faults) off.set(layer, why);
    }
    const on = wanted();
    return {
      wrapper: wrapperOf(on, { isRoot, uid }),
      on: ['permission-model', 'empty-environment', ...on],
      off: [...off].map(([layer, why]) => ({ layer, why })),
      uid: on.has('own-user') ? uid : undefined,
    };
  } finally {
    listener.close();
  }
}

async function run(wrapper: readonly string[], port: number): Promise<Found | Failed> {
  const program = await start([...wrapper, process.execPath, PROGRAM, `${port}`, `${process.pid}`]);
  if ('why' in program) return program;
  // What a process cannot tell of itself.
  const dump = wrapper.length > 0 ? await start([...wrapper, TOOLS.setpriv, '--dump']) : { text: '' };
  try {
    return { facts: JSON.parse(program.text) as ProbeFacts, dump: 'text' in dump ? dump.text : '' };
  } catch {
    return { why: 'a process that was started to try it said nothing' };
  }
}

function start([file = '', ...args]: readonly string[]): Promise<{ readonly text: string } | Failed> {
  return new Promise((resolve) => {
    execFile(file, args, { env: {}, timeout: PROBE_MS, killSignal: 'SIGKILL' }, (error, text, words) => {
      if (error === null) resolve({ text });
      else {
        const [line = ''] = words.split('\n').filter((one) => one.trim() !== '');
        resolve({ why: printable(line, WHY_CHARS) || 'a process that was started to try it did not run' });
      }
    });
  });
}

function holds(layer: SystemLayer, { facts, dump }: Found, { uid }: Around): boolean {
  switch (layer) {
    case 'network-namespace':
      return !facts.reached;
    case 'process-namespace':
      return facts.pid === 1 && facts.parent === 0;
    case 'own-user':
      return facts.uid === uid && facts.groups.every((group) => group === uid) && !facts.signalled;
    case 'no-new-privileges':
      return /^NoNewPrivs:\s+1$/m.test(facts.status) && /^CapEff:\s+0+$/m.test(facts.status);
    case 'resource-limits':
      return [
        ['data size', LIMITS.cellDataBytes.value],
        ['open files', OPEN_FILES_MAX],
        ['core file size', 0],
        ['file size', 0],
      ].every(([name, most]) => new RegExp(`^Max ${name} +${most} +${most} `, 'm').test(facts.limits));
    case 'dies-with-kernel':
      return /^Parent death signal: (?:SIG)?KILL$/im.test(dump);
  }
}
