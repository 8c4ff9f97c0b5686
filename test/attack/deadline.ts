import { setTimeout as sleep } from 'node:timers/promises';
import type { OrgId } from '../../kernel/base/id.ts';
import { admit } from '../../kernel/cell/admit.ts';
import { moduleOf, text, vector } from '../../kernel/cell/wasm-fixture.ts';
import type { CellOutcome, Quarantine } from '../../kernel/port/cell-host.ts';
import { ruleFor } from '../egress/ask.ts';
import { to } from '../egress/steps.ts';
import { answerOk } from '../egress/upstream.ts';
import { all, type Held, type Row, told, verdict, without } from './row.ts';
import { openTwoOrgs } from './two-orgs.ts';
import type { World } from './world.ts';

/** D: time, and what takes it. */

const UNGRANTED = ['poll_oneoff', 'proc_raise', 'sock_accept', 'sock_recv', 'sock_send', 'sock_shutdown', 'path_open'];

const CELL = 'kernel/adapter/extism/cell.ts';
const KILLS = 'kernel/adapter/extism/kill-record.ts';
const NO_SOFT_DEADLINE = without(
  'kernel/adapter/extism/host-functions.ts',
  'overran ||= performance.now() >= softDeadlineAt;\n      return',
  'return',
);

/** Whoever is not ended by a deadline is ended by the row, as `aborted`. */
const patience = () => AbortSignal.timeout(8_000);
const byDeadline = (outcome: CellOutcome, deadline: 'hard' | 'soft'): Held =>
  verdict(outcome.kind === 'overran' && outcome.deadline === deadline, told(outcome));

/** An org calls as often as there are cells, and waits for a target that does not answer; another org calls. */
async function cellsAreLeft(world: World): Promise<Held> {
  const CELLS = 4;
  const cells = world.cells({ min: CELLS, max: CELLS });
  const [requester, echo] = [await cells.load('requester'), await cells.load('echo')];
  const request = JSON.stringify({ url: 'https://api.example/', method: 'GET', headers: {}, body: null });
  const never = { softDeadlineMs: 3_600_000, hardDeadlineMs: 3_600_000 };
  // Every cell is there and serves: each holds a call of an org of its own, until all of them do.
  const serve = Promise.withResolvers<void>();
  let serving = 0;
  const broker = async () => {
    if (++serving === CELLS) serve.resolve();
    await serve.promise;
    return { ok: true as const, status: 200, headers: {}, body: '' };
  };
  const orgs = Array.from({ length: CELLS }, (_, i) => `org-${i}` as OrgId);
  await Promise.all(orgs.map((org) => cells.call(requester, request, { ...never, org, broker })));
  for (let i = 0; i < CELLS; i++)
    void cells.call(requester, request, { ...never, broker: () => new Promise(() => undefined) });
  const other = await cells.call(echo, 'other', { org: 'globex' as OrgId, signal: patience() });
  return verdict(other.kind === 'replied', `another org gets a cell: ${told(other)}`);
}

/** One call waits for an answer that does not come, and one for an answer that comes in drops. */
async function requestsEnd(world: World): Promise<Held> {
  const hanging = await world.listen(() => undefined);
  const dripping = await world.listen((_, socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    const drip = setInterval(() => socket.write('a'), 20);
    socket.on('close', () => clearInterval(drip));
  });
  const steps = await world.steps();
  const ends = await Promise.all(
    [hanging, dripping].map(async ({ port }) => {
      const step = steps.start([ruleFor(port)], { timeoutMs: 300 });
      const got = await Promise.race([step.handle(to(port)), sleep(8_000, undefined, { ref: false })]);
      return got && 'ok' in got && !got.ok ? got.error : 'not ended';
    }),
  );
  return verdict(
    ends.every((end) => end === 'timeout'),
    `its requests end: ${ends.join(' and ')}`,
  );
}

/** A connector with room for two calls is asked for six, all of which hang. */
async function connectorIsCapped(world: World): Promise<Held> {
  const target = await world.listen((request, socket, n) => {
    if (!request.path.startsWith('/hang')) answerOk(request, socket, n);
  });
  const orgs = world.opened(await openTwoOrgs(target, { 'http-json': 2 }));
  const hanging = () => target.requests.filter(({ path }) => path.startsWith('/hang')).length;
  for (let i = 0; i < 6; i++) await orgs.begin('acme', 'get', `hang-${i}`);
  const states: string[] = [];
  for (const [org, kind] of [
    ['acme', 'post'],
    ['globex', 'get'],
    ['globex', 'post'],
  ] as const)
    states.push(await (await orgs.begin(org, kind, `beside-${org}`))());
  const served = states.every((state) => state === 'completed');
  const asked = hanging();
  return all([
    verdict(served, served ? 'other connectors and orgs are served' : `beside it: ${states.join(', ')}`),
    verdict(asked === 2, `calls of the connector at once: ${asked}`),
  ]);
}

export const DEADLINE_ROWS: readonly Row[] = [
  {
    id: 'D1',
    tries: 'an endless loop, in WebAssembly and in TypeScript',
    must: 'the hard and the soft deadline end it; the next call is served',
    run: async (world) => {
      const cells = world.cells();
      const endless = await cells.load('endless-loop');
      const held = await cells.call(endless, '{}', { hardDeadlineMs: 200, signal: patience() });
      // The next cell is there, and does not hold the module: its call begins when that is compiled.
      const sealed = await world.sealed(cells);
      const compiled = await cells.call(endless, '{}', { hardDeadlineMs: 200, signal: patience() });
      const soft = await sealed('spin', 'loop', { softDeadlineMs: 50, hardDeadlineMs: 8_000 });
      const next = await sealed('count');
      return all([
        byDeadline(held, 'hard'),
        byDeadline(compiled, 'hard'),
        byDeadline(soft, 'soft'),
        verdict(next.kind === 'replied', `then ${told(next)}`),
      ]);
    },
    faults: [
      without(CELL, 'if (!loading) startClock(given.call.hardDeadlineMs);'),
      without(CELL, 'startClock(task.call.hardDeadlineMs);', 'void 0;'),
      NO_SOFT_DEADLINE,
    ],
  },
  {
    id: 'D2',
    tries: 'a regular expression that never ends',
    must: 'the soft deadline ends it',
    run: async (world) => {
      const sealed = await world.sealed(world.cells());
      return byDeadline(await sealed('spin', 'regex', { softDeadlineMs: 50, hardDeadlineMs: 8_000 }), 'soft');
    },
    faults: [NO_SOFT_DEADLINE],
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
    faults: [
      without(
        'kernel/cell/wasm-sections.ts',
        'const granted = policy.imports.get(full);',
        "const granted = policy.imports.get(full) ?? (module.startsWith('wasi') ? '() -> (i32)' : undefined);",
      ),
    ],
  },
  {
    id: 'D4',
    tries: 'a promise that never settles',
    must: 'the call ends by itself, long before its deadline',
    run: async (world) => {
      const sealed = await world.sealed(world.cells());
      const outcome = await sealed('hang', null, { softDeadlineMs: 3_600_000, hardDeadlineMs: 8_000 });
      const answered = outcome.kind === 'replied' && !('output' in (JSON.parse(outcome.reply) as object));
      return verdict(answered, answered ? 'an error of the plugin, no output' : told(outcome));
    },
    faults: [without('sdk/build/prelude.ts', '(reply ?? NEVER_SETTLED)', '(reply ?? (() => { for (;;); })())')],
  },
  {
    id: 'D5',
    tries: 'to hold cells and connectors with a target that never answers',
    must: 'its requests end by the time of their step, its connector has no more calls than its cap; others are served',
    run: async (world) => all([await cellsAreLeft(world), await requestsEnd(world), await connectorIsCapped(world)]),
    faults: [
      without('kernel/base/turns.ts', '(places < 2 ? 0 : Math.max(1, Math.floor(places / 4)))', '(places < 0 ? 1 : 0)'),
      without(
        'kernel/adapter/undici/exchange.ts',
        'Math.min(Math.max(0, request.timeoutMs), MAX_TIMER_MS)',
        'MAX_TIMER_MS',
      ),
      without('kernel/flow/worker.ts', '0 : callsFor(policyOf(org), connector)', '0 : Infinity'),
    ],
  },
  {
    id: 'D6',
    tries: 'to kill one cell after another',
    must: 'it has to wait, then quarantine of that module, and an alert; others are served',
    run: async (world) => {
      const kills = { windowMs: 60_000, backoffMs: 1_000, killsMax: 3, quarantineMs: 60_000 };
      const alerts: Quarantine[] = [];
      const cells = world.cells({ kills, onQuarantine: (one) => alerts.push(one) });
      const [endless, echo] = [await cells.load('endless-loop'), await cells.load('echo')];
      const kill = () => cells.call(endless, '{}', { hardDeadlineMs: 50 });
      const first = [await kill(), await kill()];
      const waits = await kill();
      let third = waits;
      while (third.kind === 'unavailable') {
        await sleep(50);
        third = await kill();
      }
      const again = await kill();
      const other = await cells.call(echo, 'other');
      const isMade = waits.kind === 'unavailable' && /may run again at/.test(waits.reason);
      const quarantined = again.kind === 'refused' && /quarantine until/.test(again.reason);
      const [alert] = alerts;
      const isTold = alerts.length === 1 && alert?.module === endless && alert.kills === 3;
      return all([
        ...[...first, third].map((outcome) => byDeadline(outcome, 'hard')),
        // The reasons tell an instant, which a printed table must not.
        verdict(isMade, isMade ? 'has to wait after the second' : `after the second: ${told(waits)}`),
        verdict(quarantined, quarantined ? 'in quarantine after the third' : `after the third: ${told(again)}`),
        verdict(isTold, `alerts: ${alerts.length}`),
        verdict(other.kind === 'replied', `others: ${told(other)}`),
      ]);
    },
    faults: [
      without(KILLS, "if (nowMs < untilMs) return { kind: 'backing-off', untilMs };"),
      without(KILLS, "if (nowMs < untilMs) return { kind: 'quarantined', untilMs, kills: kills.length };"),
      without(
        'kernel/adapter/extism/cell-host.ts',
        'options.onQuarantine({ org, module, untilMs: standing.untilMs, kills: standing.kills });',
      ),
    ],
  },
];
