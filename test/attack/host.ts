import { cellsOf, peakBytes } from '../hostile/processes.ts';
import { all, type Held, type Row, told, verdict, without } from './row.ts';
import type { World } from './world.ts';

/** H: what a running module asks of its host. */

const HOST = 'kernel/adapter/extism/host-functions.ts';

type Ends = readonly [name: string, kind: 'refused' | 'crashed', reason: RegExp];

/** Each fixture ends as said, both in a new instance and in one that is put back, and the cell serves another plugin after it. */
const ends = (...attacks: readonly Ends[]) => ({
  run: async (world: World) => {
    const cells = world.cells();
    const seen: Held[] = [];
    for (const sealed of [false, true])
      for (const [name, kind, reason] of attacks) {
        const outcome = await cells.call(await cells.load(name, sealed), '{}');
        seen.push(verdict(outcome.kind === kind && reason.test(outcome.reason), told(outcome)));
        const after = await cells.call(await cells.load('echo', sealed), 'still here');
        if (after.kind !== 'replied' || after.reply !== 'still here') seen.push(verdict(false, `then ${told(after)}`));
      }
    return all(seen);
  },
});

/** Two tenants in turn: nobody is told what the other one said. */
const seesNobody = (...names: readonly string[]) => ({
  run: async (world: World) => {
    const cells = world.cells({ checkRestoreEvery: 1 });
    const seen: Held[] = [];
    for (const sealed of [false, true])
      for (const name of names) {
        const module = await cells.load(name, sealed);
        for (const input of ['ACME-ONE', 'GLOBEX-2', 'ACME-ONE']) {
          const outcome = await cells.call(module, input);
          const own = outcome.kind === 'replied' && outcome.reply.replaceAll(input, '') === '' && outcome.reply !== '';
          seen.push(verdict(own, own ? 'only its own input' : `another reply (${told(outcome)})`));
        }
      }
    return all(seen);
  },
});

export const HOST_ROWS: readonly Row[] = [
  {
    id: 'H1',
    tries: 'large blocks of host memory, without end',
    must: 'refused at its quota; the memory of the cell stays flat',
    run: async (world) => {
      const cells = world.cells();
      const outcome = await cells.call(await cells.load('host-memory-bomb'), '{}');
      const peak = Math.max(0, ...cellsOf(process.pid).map(peakBytes));
      const held = outcome.kind === 'refused' && /host memory/.test(outcome.reason) && peak > 0 && peak < 300e6;
      return verdict(held, told(outcome));
    },
  },
  {
    id: 'H2',
    tries: 'tiny blocks without end; a block of negative length',
    must: 'refused at its quota, with words of ours',
    ...ends(['tiny-allocations', 'refused', /host memory/], ['negative-allocation', 'refused', /host memory/]),
  },
  {
    id: 'H3',
    tries: 'to catch a refusal with `catch_all` and to go on',
    must: 'refused all the same; its next request never leaves the cell',
    run: async (world) => {
      const cells = world.cells();
      let asked = 0;
      const outcome = await cells.call(await cells.load('catch-and-continue'), '{}', {
        broker: async () => {
          asked++;
          return { denied: 'nothing is granted here' };
        },
      });
      return verdict(outcome.kind === 'refused' && asked === 1, `${told(outcome)}; requests: ${asked}`);
    },
  },
  {
    id: 'H4',
    tries: 'a variable that is set in one call and read in the next',
    must: 'not found',
    ...seesNobody('variables'),
    faults: [without(HOST, 'logBytes = 0;\n    vars = undefined;', 'logBytes = 0;')],
  },
  {
    id: 'H5',
    tries: 'the address of a block of an earlier call',
    must: 'never the bytes of another call',
    ...seesNobody('stale-address'),
  },
  {
    id: 'H6',
    tries: 'settings named `__proto__`, `constructor`, `toString` or like a secret',
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
  },
  {
    id: 'H7',
    tries: 'log without end',
    must: 'refused at its quota',
    ...ends(['log-bomb', 'refused', /more log than/]),
  },
  {
    id: 'H8',
    tries: 'output at a made-up address, output over the limit, output that is not UTF-8',
    must: 'a typed end in words of ours',
    ...ends(
      ['bogus-output', 'crashed', /outside its host memory/],
      ['huge-output', 'refused', /reply has more than/],
      ['bad-utf8', 'crashed', /UTF-8/],
    ),
  },
  {
    id: 'H9',
    tries: 'to read outside its blocks',
    must: 'an error; nothing else dies',
    ...ends(['foreign-read', 'crashed', /outside its host memory/]),
  },
  {
    id: 'H10',
    tries: 'endless recursion',
    must: 'a trap; the cell lives',
    ...ends(['recursion', 'crashed', /recursed/]),
  },
  {
    id: 'H11',
    tries: 'a request inside a request',
    must: 'the cell is ended, the call crashed',
    run: async (world) => {
      const outcome = await world.takenOver('two-requests');
      return verdict(outcome.kind === 'crashed' && /what no plugin call can send/.test(outcome.reason), told(outcome));
    },
  },
];
