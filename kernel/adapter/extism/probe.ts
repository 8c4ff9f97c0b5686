import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { printable } from '../../base/printable.ts';
import type { CellLayer } from '../../port/cell-host.ts';
import { type Around, limitsOf, SYSTEM_LAYERS, type SystemLayer, TOOL_OF, TOOLS, wrapperOf } from './layers.ts';
import type { ProbeFacts } from './probe-main.ts';
import { cellProgram } from './program.ts';

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
  /** The program of cells, which their user has to be able to read. */
  readonly program?: string;
};

/** Above the ranges of Debian, systemd and user namespaces; below 2^31. The second is for containers that map few users. */
const UIDS = [1_900_000_001, 65_534] as const;
const PROBE_MS = 10_000;
const WHY_CHARS = 200;
const UNREADABLE =
  'the user of cells may not read the runtime or the program of cells: put this checkout where everybody may read it';
const UNENDING = 'the kernel may not end a process of another user: give it the capability CAP_KILL';
const PROGRAM = join(import.meta.dirname, 'probe-main.ts');

type Found = { readonly facts: ProbeFacts; readonly dump: string; readonly wasKilled: boolean };
type Said = { readonly text: string; readonly wasKilled: boolean };
/** Why the program did not run, in the words of the tool. */
type Failed = { readonly why: string };

export async function probeLayers(options: ProbeOptions = {}): Promise<ProbedLayers> {
  const {
    isRoot = process.getuid?.() === 0,
    hasTool = existsSync,
    platform = process.platform,
    program = cellProgram().entry,
  } = options;
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
      const found = await run(wrapperOf(layers, around), port, program);
      if ('why' in found) return new Map([...layers].map((layer) => [layer, whyNot(layer, found.why)]));
      return new Map(
        [...layers].flatMap((layer) => {
          if (layer === 'own-user' && !found.facts.mayRead) return [[layer, UNREADABLE]];
          if (layer === 'own-user' && !found.wasKilled) return [[layer, UNENDING]];
          return holds(layer, found, layers, around) ? [] : [[layer, 'tried, and it does not hold']];
        }),
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

/** Node speaks of its own files when a program cannot be read; for another user that is what there is to mend. */
const whyNot = (layer: SystemLayer, words: string): string =>
  layer === 'own-user' && /^node:|failed to execute/.test(words) ? UNREADABLE : words;

async function run(wrapper: readonly string[], port: number, cell: string): Promise<Found | Failed> {
  const program = await start([...wrapper, process.execPath, PROGRAM, `${port}`, `${process.pid}`, cell]);
  if ('why' in program) return program;
  // What a process cannot tell of itself.
  const dump = wrapper.length > 0 ? await start([...wrapper, TOOLS.setpriv, '--dump']) : { text: '' };
  try {
    const facts = JSON.parse(program.text) as ProbeFacts;
    return { facts, dump: 'text' in dump ? dump.text : '', wasKilled: program.wasKilled };
  } catch {
    return { why: 'a process that was started to try it said nothing' };
  }
}

/** Starts it, and kills it as a cell is killed once it has said a line. */
function start([file = '', ...args]: readonly string[]): Promise<Said | Failed> {
  return new Promise((resolve) => {
    const child = execFile(file, args, { env: {}, timeout: PROBE_MS, killSignal: 'SIGKILL' }, (error, text, words) => {
      if (error === null || text.endsWith('\n')) resolve({ text, wasKilled: child.signalCode === 'SIGKILL' });
      else {
        const [line = ''] = words.split('\n').filter((one) => one.trim() !== '');
        resolve({ why: printable(line, WHY_CHARS) || 'a process that was started to try it did not run' });
      }
    });
    child.stdin?.on('error', () => undefined);
    child.stdout?.on('data', (chunk: string) => {
      if (!chunk.endsWith('\n')) return;
      try {
        if (child.pid !== undefined) process.kill(child.pid, 'SIGKILL');
      } catch {
        // Not allowed: it ends by itself when nobody speaks to it any more.
      }
      child.stdin?.end();
    });
  });
}

function holds(layer: SystemLayer, { facts, dump }: Found, layers: ReadonlySet<SystemLayer>, around: Around): boolean {
  switch (layer) {
    case 'network-namespace':
      return !facts.reached;
    case 'process-namespace':
      return facts.pid === 1 && facts.parent === 0;
    case 'own-proc':
      return facts.pid === 1 && facts.inProc === 1;
    case 'own-user':
      return facts.uid === around.uid && facts.groups.every((group) => group === around.uid) && !facts.signalled;
    case 'no-new-privileges':
      return /^NoNewPrivs:\s+1$/m.test(facts.status) && /^CapEff:\s+0+$/m.test(facts.status);
    case 'resource-limits':
      return limitsOf(layers, around).every(([, name, most]) =>
        new RegExp(`^Max ${name} +${most} +${most} `, 'm').test(facts.limits),
      );
    case 'dies-with-kernel':
      return /^Parent death signal: (?:SIG)?KILL$/im.test(dump);
  }
}
