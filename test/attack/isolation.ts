import { setTimeout as sleep } from 'node:timers/promises';
import { openSystemEntropy } from '../../kernel/adapter/system/clock.ts';
import { seedOf } from '../../kernel/flow/caller.ts';
import type { CellLayer, CellOutcome } from '../../kernel/port/cell-host.ts';
import { openBreakOut, STOPPED_BY } from '../hostile/break-out.ts';
import { type Cells, LAYERS } from '../hostile/cells.ts';
import { all, type Held, type Row, told, verdict, without } from './row.ts';

/** I: one call from another, and a cell from its kernel. */

const SNAPSHOT = 'kernel/adapter/extism/snapshot.ts';
const COMMAND = 'kernel/adapter/extism/cell-command.ts';
const PRELUDE = 'sdk/build/prelude.ts';
/** A restore that puts nothing back of what the module brought along. */
const NO_COPY = without(SNAPSHOT, 'for (const { at, bytes } of copies) live.set(bytes, at);');

const reply = (outcome: CellOutcome): string => (outcome.kind === 'replied' ? outcome.reply : told(outcome));
/** A cell that finds state left ends itself, and another serves: that hides a restore that does nothing. */
const putBack = ({ host }: Cells): Held => {
  const { respawns } = host.stats();
  return verdict(respawns === 0, respawns === 0 ? 'put back by its cell' : 'its cell had to be replaced');
};
/** The first announces 4 GB and sends no more: whoever waits for them is told so by a deadline before the flood comes. */
const TAKEOVERS = [
  ...['four-gigabytes', 'too-large', 'flood', 'garbage', 'unknown-frame', 'ready-again', 'broken-result'],
  ...['foreign-result', 'result-while-asking', 'two-requests'],
];
/** Modules that keep their first input where a module can, with how often a reply holds it. */
const HOARDERS = { hoarder: 3, 'quiet-hoarder': 3, overwriter: 1 };

export const ISOLATION_ROWS: readonly Row[] = [
  {
    id: 'I1',
    tries: 'to keep state in the module from call to call, also through calls that went wrong',
    must: 'fresh state in every call',
    run: async (world) => {
      const cells = world.cells({ checkRestoreEvery: 1 });
      const sealed = await world.sealed(cells);
      const first = reply(await sealed('count'));
      const seen: Held[] = [verdict(first.includes('[1,1,"fresh"]'), 'fresh')];
      for (const [action, input, more] of [
        ['count', null, {}],
        ['spin', 'loop', { softDeadlineMs: 50 }],
        ['hoard', null, {}],
        ['depth', 'native', {}],
      ] as const) {
        await sealed(action, input, more);
        const same = reply(await sealed('count')) === first;
        seen.push(verdict(same, same ? 'fresh' : `state is left by ${action}`));
      }
      return all([...seen, putBack(cells)]);
    },
    faults: [NO_COPY],
  },
  {
    id: 'I2',
    tries: 'to leave bytes in grown memory for the next call',
    must: 'the next call finds none',
    run: async (world) => {
      const seen: Held[] = [];
      // Once with no restore looked at, so that what is left is seen by who comes next; once with every one.
      for (const checkRestoreEvery of [1_000_000, 1]) {
        const cells = world.cells({ checkRestoreEvery });
        for (const sealed of [false, true])
          for (const [name, times] of Object.entries(HOARDERS)) {
            const module = await cells.load(name, sealed);
            for (const input of ['ACME-ONE', 'GLOBEX-2', 'ACME-ONE']) {
              const own = reply(await cells.call(module, input)) === input.repeat(times);
              seen.push(verdict(own, own ? 'only its own input' : `${name}: bytes of another call`));
            }
          }
        seen.push(putBack(cells));
      }
      return all(seen);
    },
    faults: [
      NO_COPY,
      without(SNAPSHOT, 'for (const run of zeros) run.fill(0);'),
      without(SNAPSHOT, 'for (const { global, value } of globals) global.value = value;'),
    ],
  },
  {
    id: 'I3',
    tries: 'to measure time with `Date.now`',
    must: 'the clock is that of the call',
    run: async (world) => {
      const sealed = await world.sealed(world.cells());
      const said = reply(await sealed('world'));
      const frozen = said.includes(`"now":[${Date.UTC(2026, 0, 2, 3, 4, 5)},"2026-01-02T03:04:05.000Z"`);
      return verdict(frozen, frozen ? 'the clock of the call' : 'another clock');
    },
    faults: [without(PRELUDE, 'setClock(envelope.now);')],
  },
  {
    id: 'I4',
    tries: 'to guess the randomness of another run',
    must: 'another seed gives other numbers, the same seed the same',
    run: async (world) => {
      const sealed = await world.sealed(world.cells());
      const drawn = async (seed: readonly [string, string]) => {
        const said = reply(await sealed('world', null, { seed }));
        return JSON.stringify((JSON.parse(said) as { output: { random: unknown } }).output.random);
      };
      // As a kernel draws them, one for each call.
      const entropy = openSystemEntropy();
      const [one, other] = [seedOf(entropy), seedOf(entropy)];
      const [first, second, again] = [await drawn(one), await drawn(other), await drawn(one)];
      return all([
        verdict(
          first !== second,
          first === second ? 'the same numbers in another call' : 'other numbers in another call',
        ),
        verdict(first === again, first === again ? 'the same of the same seed' : 'other numbers of the same seed'),
      ]);
    },
    faults: [
      without(PRELUDE, 'seed = envelope.seed;'),
      without('kernel/flow/caller.ts', "Buffer.from(entropy.nonce(16), 'base64')", 'Buffer.alloc(16)'),
    ],
  },
  {
    id: 'I5',
    tries: 'a cell that has gone over: files, sockets, processes, signals to its parent',
    must: 'denied by the layers around the process',
    run: async (world) => {
      // Each wall by itself: Node without the system, then the system without Node.
      const cells = world.goneOver('escape', []);
      const within = reply(await cells.call(await cells.load('echo'), '{}'));
      const out = world.opened(await openBreakOut());
      // The control: with no layer at all the same program gets through.
      const bare = await out.reached([]);
      const means = ['connect to the kernel', 'signal the kernel', 'read a file of the kernel', 'write a file'];
      const worked = await out.reached(LAYERS.wrapper);
      const lacks: readonly CellLayer[] = LAYERS.off.map(({ layer }) => layer);
      const explained = (attempt: string) => STOPPED_BY[attempt]?.every((layer) => lacks.includes(layer)) === true;
      const through = worked.filter((attempt) => !explained(attempt));
      const held = all([
        verdict(within === '[]', within === '[]' ? 'Node denies all of it' : `behind Node: ${within}`),
        verdict(
          means.every((attempt) => bare.includes(attempt)),
          'without a layer it gets through',
        ),
        verdict(through.length === 0, through.length === 0 ? 'the layers do not let it' : through.join(', ')),
      ]);
      return { ...held, ...(lacks.length > 0 && { lacks: missing(worked) }) };
    },
    faults: [
      [...without(COMMAND, "'--permission',"), ...without(COMMAND, '...reads.map(', '...reads.slice(0, 0).map(')],
      without('kernel/adapter/extism/probe.ts', 'wrapper: wrapperOf(on, { isRoot, uid }),', 'wrapper: [],'),
    ],
  },
  {
    id: 'I6',
    tries: 'a cell that has gone over: a frame of 4 GB, floods, garbage, frames that no call can send, two results',
    must: 'the cell is ended, the call crashed; nothing of the announced size is allocated',
    run: async (world) => {
      const before = process.memoryUsage().rss;
      for (const mode of TAKEOVERS) {
        const outcome = await world.takenOver(mode, { hardDeadlineMs: 3_000 });
        const ended = outcome.kind === 'crashed' && /what no plugin call can send/.test(outcome.reason);
        // No further one: the next might fill the memory of whoever does not end it.
        if (!ended) return verdict(false, `${mode}: ${told(outcome)}`);
      }
      const grew = process.memoryUsage().rss - before;
      const twice = world.goneOver('two-results');
      const first = reply(await twice.call(await twice.load('echo'), 'first'));
      for (let i = 0; i < 100 && twice.host.stats().respawns === 0; i++) await sleep(20);
      const replaced = twice.host.stats().respawns === 1;
      return all([
        verdict(true, `crashed each time: the cell sent what no plugin call can send; it was ended`),
        verdict(grew < 256e6, grew < 256e6 ? 'memory flat' : 'the memory of the kernel grew'),
        verdict(first === 'first' && replaced, replaced ? 'the first result counts' : 'a second result was taken'),
      ]);
    },
    faults: [
      without('kernel/adapter/extism/frame.ts', ' || rest > bytesMax'),
      without('kernel/adapter/extism/cell.ts', ' || frame?.id !== running.id', ' || frame === undefined'),
    ],
  },
];

/** Which layers this system does not give its cells, and what they let through. */
function missing(worked: readonly string[]): string {
  const layers = LAYERS.off.map(({ layer, why }) => `${layer} (${why})`).join(', ');
  return `not here: ${layers}; so it could: ${worked.join(', ') || 'nothing more'}`;
}
