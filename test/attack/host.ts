import { cellsOf, peakBytes } from '../hostile/processes.ts';
import { crashes, doing, end, GUESSED, isDone, isRefused, lives, REASON } from './calls.ts';
import { all, type Held, type Row, told, verdict, without } from './row.ts';
import type { World } from './world.ts';

/** H: what a running module asks of its host. Here: what it takes of it, and what it finds there. */

const FUNCTIONS = 'kernel/adapter/extism/host-functions.ts';
const MEMORY = 'kernel/adapter/extism/host-memory.ts';
const [ACME, GLOBEX] = ['ACME-ONE', 'GLOBEX-2'];
const VARIABLES = 'The plugin kept more than 64 variables or one of more than 65536 bytes.';

/** Two tenants in turn: nobody is told what the other one said. */
const seesNobody = async (world: World, module: string): Promise<Held> => {
  const cells = world.cells({ checkRestoreEvery: 1 });
  const seen: Held[] = [];
  for (const sealed of [false, true]) {
    const loaded = await cells.load(module, sealed);
    for (const [org, input] of [
      ['acme', ACME],
      ['globex', GLOBEX],
      ['acme', ACME],
    ] as const) {
      const outcome = await cells.call(loaded, input, { org: org as never });
      const own = outcome.kind === 'replied' && outcome.reply === input;
      seen.push(verdict(own, own ? 'only its own input' : `another reply (${told(outcome)})`));
    }
  }
  return all([...seen, lives(cells)]);
};

/** One org fills the memory of the host with its words; another one looks at all that it can get of it. */
const findsNothing = async (world: World, words: number, block: bigint): Promise<Held> => {
  const cells = world.cells();
  const seen: Held[] = [];
  for (const sealed of [false, true]) {
    const looking = await cells.load('at-address', sealed);
    await cells.call(looking, doing('r', 8n).input + ACME.repeat(words / ACME.length));
    const stale = await cells.call(looking, doing('R', 4_096n).input, { org: 'globex' as never });
    seen.push(verdict(stale.kind === 'crashed' && stale.reason === REASON.outside, told(stale)));
    await cells.call(looking, doing('r', 8n).input + ACME.repeat(words / ACME.length));
    const swept = await cells.call(looking, doing('s', block).input, { org: 'globex' as never });
    const empty = swept.kind === 'replied' && swept.reply === '\0'.repeat(Number(block));
    seen.push(verdict(empty, empty ? 'zeros' : `what another call left (${told(swept)})`));
  }
  return all(seen);
};

export const HOST_ROWS: readonly Row[] = [
  {
    id: 'H1',
    tries: 'large blocks of host memory, without end; to write where they would be',
    must: 'refused at its quota, and at each address; the memory of the cell stays flat',
    run: async (world) => {
      const seen = await end(world, [
        { module: 'host-memory-bomb', ...isRefused(REASON.hostMemory) },
        { ...doing('a', 256n << 20n), ...isRefused(REASON.hostMemory) },
        ...GUESSED.flatMap((address) =>
          ['w', 'W'].map((letter) => ({ ...doing(letter, address), ...crashes(REASON.outside) })),
        ),
        // Begins in its last block, and ends behind it.
        { ...doing('W', 28n), ...crashes(REASON.outside) },
      ]);
      const peak = Math.max(0, ...cellsOf(process.pid).map(peakBytes));
      return all([seen, verdict(peak > 0 && peak < 300e6, peak > 0 && peak < 300e6 ? 'memory flat' : 'memory grew')]);
    },
    faults: [
      without(MEMORY, 'next <= FIRST + bytesMax && '),
      without(MEMORY, 'address >= FIRST && address + length <= used;', 'address + length <= bytes.length;'),
    ],
  },
  {
    id: 'H2',
    tries: 'tiny blocks without end, blocks of no possible length; variables too many, too large, too long in name',
    must: 'refused at its quota, with words of ours',
    run: (world) =>
      end(world, [
        { module: 'tiny-allocations', ...isRefused(REASON.hostMemory) },
        { ...doing('m', 30_000n), ...isRefused(REASON.hostMemory) },
        ...[-1n, 1n << 63n, (1n << 63n) - 1n].map((bytes) => ({
          ...doing('a', bytes),
          ...isRefused(REASON.hostMemory),
        })),
        { ...doing('V', 64n), ...isDone },
        { ...doing('V', 65n), ...isRefused(VARIABLES) },
        { ...doing('L', 65_537n), ...isRefused(VARIABLES) },
        { ...doing('N', 257n), ...isRefused('The plugin used a variable name of more than 256 bytes.') },
      ]),
    faults: [
      without(MEMORY, ' && allocated < blocksMax'),
      without(MEMORY, 'length >= 0 && next', 'next'),
      without(FUNCTIONS, '(vars.size >= quota.vars && !vars.has(key))', 'false'),
    ],
  },
  {
    id: 'H3',
    tries: 'to catch a refusal with `catch_all` and to go on, with each function of the host',
    must: 'refused all the same; its reply is dropped, each later call of the host throws, and no request leaves',
    run: async (world) => {
      const cells = world.cells();
      const request = JSON.stringify({ url: 'http://169.254.169.254/', method: 'GET', headers: {}, body: null });
      const seen: Held[] = [];
      for (const sealed of [false, true])
        for (const [name, input, reason, requests] of [
          ['after-refusal', 'no request', REASON.hostMemory, 0],
          ['after-refusal', request, 'nothing is granted here', 1],
          ['catch-and-continue', '{}', 'nothing is granted here', 1],
        ] as const) {
          let asked = 0;
          const broker = async () => {
            asked++;
            return { denied: 'nothing is granted here' };
          };
          const outcome = await cells.call(await cells.load(name, sealed), input, { broker, hardDeadlineMs: 5_000 });
          const isIt = outcome.kind === 'refused' && outcome.reason === reason && outcome.logs.length === 0;
          seen.push(verdict(isIt && asked === requests, `${told(outcome)}; requests: ${asked}`));
          // Where it is not so, each takes its time.
          if (!isIt) return all(seen);
        }
      return all([...seen, lives(cells)]);
    },
    faults: [
      without(FUNCTIONS, 'if (ending !== undefined) stop(ending);'),
      without(FUNCTIONS, 'if (ending !== undefined && ending !== ENDING.exited && !trappedWhileSetUp) return ending;'),
    ],
  },
  {
    id: 'H4',
    tries: 'a variable that is set in one call and read in the next',
    must: 'not found',
    run: (world) => seesNobody(world, 'variables'),
    faults: [without(FUNCTIONS, 'logBytes = 0;\n    vars = undefined;', 'logBytes = 0;')],
  },
  {
    id: 'H5',
    tries: 'the address of a block of an earlier call; what is left in new blocks',
    must: 'never the bytes of another call',
    run: async (world) =>
      all([
        await seesNobody(world, 'stale-address'),
        await findsNothing(world, 32_000, 32_000n),
        // So much that the memory of the host is made anew after it.
        await findsNothing(world, 1_000_000, 1_000_000n),
      ]),
    faults: [
      without(MEMORY, 'else bytes.fill(0, FIRST, used);'),
      without(MEMORY, 'used = FIRST;\n      allocated = 0;', 'allocated = 0;'),
      without(
        MEMORY,
        'if (bytes.length > KEPT_BYTES_MAX) use(new Uint8Array(START_BYTES));',
        'if (bytes.length > KEPT_BYTES_MAX) allocated = 0;',
      ),
    ],
  },
  {
    id: 'H6',
    tries: 'settings and variables named `__proto__`, `constructor`, `toString` or like a secret',
    must: 'not found',
    run: async (world) => {
      const cells = world.cells();
      const module = await cells.load('configuration');
      const seen: Held[] = [];
      for (const name of ['__proto__', 'constructor', 'toString', 'api-key']) {
        const outcome = await cells.call(module, name);
        const none = outcome.kind === 'replied' && outcome.reply === name;
        seen.push(verdict(none, none ? 'not found' : `${name}: ${told(outcome)}`));
      }
      return all(seen);
    },
    faults: [
      // As the host functions of Extism do it.
      without(
        FUNCTIONS,
        'block(address);\n      return 0n;',
        'return Buffer.from(block(address)).toString() in {} ? 8n : 0n;',
      ),
      without(
        FUNCTIONS,
        'const value = vars?.get(key);',
        'const value = key in {} ? new Uint8Array(1) : vars?.get(key);',
      ),
    ],
  },
];
