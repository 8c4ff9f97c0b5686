import type { CellOutcome } from '../../kernel/port/cell-host.ts';
import type { Cells } from '../hostile/cells.ts';
import { all, type Held, type Row, told, verdict } from './row.ts';

/** I: one call from another, and a cell from its kernel. */

const reply = (outcome: CellOutcome): string => (outcome.kind === 'replied' ? outcome.reply : told(outcome));
/** A cell that finds state left ends itself, and another serves: that hides a restore that does nothing. */
const putBack = ({ host }: Cells): Held => {
  const { respawns } = host.stats();
  return verdict(respawns === 0, respawns === 0 ? 'put back by its cell' : 'its cell had to be replaced');
};
const TAKEOVERS = ['flood', 'too-large', 'garbage', 'broken-result', 'foreign-result', 'unknown-frame', 'ready-again'];

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
  },
  {
    id: 'I2',
    tries: 'to leave bytes in grown memory for the next call',
    must: 'the next call finds none',
    run: async (world) => {
      const cells = world.cells({ checkRestoreEvery: 1 });
      const seen: Held[] = [];
      for (const sealed of [false, true])
        for (const name of ['hoarder', 'quiet-hoarder']) {
          const module = await cells.load(name, sealed);
          for (const input of ['ACME-ONE', 'GLOBEX-2', 'ACME-ONE']) {
            const own = reply(await cells.call(module, input)) === input.repeat(3);
            seen.push(verdict(own, own ? 'only its own input' : 'bytes of another call'));
          }
        }
      return all([...seen, putBack(cells)]);
    },
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
  },
  {
    id: 'I4',
    tries: 'to guess the randomness of another run',
    must: 'another seed gives other numbers, the same seed the same',
    run: async (world) => {
      const sealed = await world.sealed(world.cells());
      const drawn = async (low: string) => {
        const said = reply(await sealed('world', null, { seed: [low, '14029467366897019727'] }));
        return JSON.stringify((JSON.parse(said) as { output: { random: unknown } }).output.random);
      };
      const [one, two, again] = [await drawn('1'), await drawn('2'), await drawn('1')];
      return verdict(one !== two && one === again, one === two ? 'the same numbers' : 'of the seed');
    },
  },
  {
    id: 'I5',
    tries: 'a cell that has gone over: files, sockets, processes, signals to its parent',
    must: 'denied by the layers around the process',
    notRun: 'waits for the layers of cells; test/hostile holds what stands today',
  },
  {
    id: 'I6',
    tries: 'a cell that has gone over: floods, garbage, frames that no call can send',
    must: 'the cell is ended, the call crashed; nothing of the announced size is allocated',
    run: async (world) => {
      const before = process.memoryUsage().rss;
      const seen: Held[] = [];
      for (const mode of TAKEOVERS) {
        const outcome = await world.takenOver(mode);
        const ended = outcome.kind === 'crashed' && /what no plugin call can send/.test(outcome.reason);
        seen.push(verdict(ended, ended ? told(outcome) : `${mode}: ${told(outcome)}`));
      }
      const grew = process.memoryUsage().rss - before;
      return all([...seen, verdict(grew < 256e6, 'memory flat')]);
    },
  },
];
