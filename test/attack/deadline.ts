import { admit } from '../../kernel/cell/admit.ts';
import { moduleOf, text, vector } from '../../kernel/cell/wasm-fixture.ts';
import { all, type Held, type Row, told, verdict } from './row.ts';

/** D: time, and what takes it. */

const UNGRANTED = ['poll_oneoff', 'proc_raise', 'sock_accept', 'sock_recv', 'sock_send', 'sock_shutdown', 'path_open'];

export const DEADLINE_ROWS: readonly Row[] = [
  {
    id: 'D1',
    tries: 'an endless loop, in WebAssembly and in TypeScript',
    must: 'the hard and the soft deadline end it; the next call is served',
    run: async (world) => {
      const cells = world.cells();
      const hard = await cells.call(await cells.load('endless-loop'), '{}', { hardDeadlineMs: 200 });
      const sealed = await world.sealed(cells);
      const soft = await sealed('spin', 'loop', { softDeadlineMs: 50 });
      const next = await sealed('count');
      return all([
        verdict(hard.kind === 'overran' && hard.deadline === 'hard', told(hard)),
        verdict(soft.kind === 'overran' && soft.deadline === 'soft', told(soft)),
        verdict(next.kind === 'replied', `then ${told(next)}`),
      ]);
    },
  },
  {
    id: 'D2',
    tries: 'a regular expression that never ends',
    must: 'the soft deadline ends it',
    run: async (world) => {
      const sealed = await world.sealed(world.cells());
      const outcome = await sealed('spin', 'regex', { softDeadlineMs: 50 });
      return verdict(outcome.kind === 'overran' && outcome.deadline === 'soft', told(outcome));
    },
  },
  {
    id: 'D3',
    tries: 'sleep, signals, sockets and files of WASI',
    must: 'admission refuses each import by its name',
    run: async () =>
      all(
        UNGRANTED.map((name): Held => {
          const wasm = moduleOf({ 2: vector([...text('wasi_snapshot_preview1'), ...text(name), 0, 0]) });
          const admitted = admit(wasm);
          if (admitted.ok) return verdict(false, `${name} admitted`);
          const { code, text: says } = admitted.error;
          return verdict(code === 'import_refused' && says.includes(`${name} is not granted`), code);
        }),
      ),
  },
  {
    id: 'D4',
    tries: 'a promise that never settles',
    must: 'the call ends by itself, long before its deadline',
    run: async (world) => {
      const sealed = await world.sealed(world.cells());
      const outcome = await sealed('hang');
      const answered = outcome.kind === 'replied' && !('output' in (JSON.parse(outcome.reply) as object));
      return verdict(answered, answered ? 'an error of the plugin, no output' : told(outcome));
    },
  },
  {
    id: 'D5',
    tries: 'to hold cells with a target that never answers',
    must: 'another org is served meanwhile',
    run: async (world) => {
      const cells = world.cells({ max: 8 });
      const [requester, echo] = [await cells.load('requester'), await cells.load('echo')];
      const request = JSON.stringify({ url: 'https://api.example/', method: 'GET', headers: {}, body: null });
      const never = { softDeadlineMs: 3_600_000, hardDeadlineMs: 3_600_000 };
      for (let i = 0; i < 8; i++)
        void cells.call(requester, request, { ...never, broker: () => new Promise(() => undefined) });
      const other = await cells.call(echo, 'other', { org: 'globex' as never, hardDeadlineMs: 15_000 });
      return verdict(other.kind === 'replied', `the other org: ${told(other)}`);
    },
  },
  {
    id: 'D6',
    tries: 'to kill one cell after another',
    must: 'quarantine of that module; others are served',
    run: async (world) => {
      const kills = { windowMs: 60_000, backoffMs: 0, killsMax: 3, quarantineMs: 60_000 };
      const cells = world.cells({ kills });
      const [endless, echo] = [await cells.load('endless-loop'), await cells.load('echo')];
      for (let i = 0; i < 3; i++) await cells.call(endless, '{}', { hardDeadlineMs: 50 });
      const again = await cells.call(endless, '{}', { hardDeadlineMs: 50 });
      const other = await cells.call(echo, 'other');
      const quarantined = again.kind === 'refused' && /quarantine until/.test(again.reason);
      return all([
        // The reason tells an instant, which a printed table must not.
        verdict(quarantined, quarantined ? 'refused: in quarantine' : told(again)),
        verdict(other.kind === 'replied', `others: ${told(other)}`),
      ]);
    },
  },
];
