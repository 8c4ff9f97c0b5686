import { afterEach, describe, expect, test } from 'vitest';
import type { RunId } from '../../kernel/base/id.ts';
import { isEnded } from '../../kernel/run/state.ts';
import { until } from '../support/api.ts';
import { activatePlaybook } from '../support/org-files.ts';
import { runsOf } from './record.ts';
import {
  auditVerdict,
  EVENT,
  type Held,
  OPERATOR,
  ORG,
  openRecord,
  openStandIn,
  openTarget,
  PLAYBOOK,
  POST_ONCE,
  SENDER,
  type StandIn,
  setUp,
  type Target,
} from './stand-in.ts';

/** A run is paused while a call of it waits for a cell, while it is under way, and over the lives of several kernels. */
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Posts, under a key that the target honours, twice. */
const POST_TWICE = POST_ONCE.replace(
  /steps:[\s\S]*/,
  `steps:
  - { id: post, type: webhook, uses: target/deliver, with: { ip: "{{ inputs.ip }}" } }
  - { id: again, type: webhook, uses: target/post, with: { ip: "{{ inputs.ip }}" } }
`,
);
const INNER = POST_ONCE.replace('name: governed', 'name: inner').replace('equal, value: c2', 'equal, value: never');
const OUTER = PLAYBOOK.replace(
  /steps:[\s\S]*/,
  'steps: [{ id: sub, type: playbook, uses: inner, with: { ip: "{{ inputs.ip }}" } }]\n',
);
const OUTERMOST = OUTER.replace('uses: inner', 'uses: middle');
const MIDDLE = OUTER.replace('name: governed', 'name: middle').replace('equal, value: c2', 'equal, value: never');

async function open(playbooks: readonly string[] = [POST_ONCE]) {
  const record = await openRecord();
  const target = openTarget();
  const standIn = await openStandIn(record.store, target);
  closing.push(() => standIn.kernel.stop());
  await setUp(standIn, []);
  for (const text of playbooks) await activatePlaybook(standIn.kernel, ORG, text);
  return { ...standIn, record, target };
}
/** A run whose call is in a cell that is not free yet. */
async function waitingForACell(playbooks?: readonly string[]) {
  const world = await open(playbooks);
  const free = world.holdCells();
  closing.unshift(async () => free());
  const id = await start(world);
  await until(
    async () => world.calls(),
    (calls) => calls === 1,
  );
  return { ...world, free, id };
}
async function start({ kernel }: StandIn): Promise<RunId> {
  const receipt = await kernel.ingest(SENDER, EVENT);
  if (!receipt.ok) throw new Error(receipt.error.kind);
  return receipt.value.triggers.find(({ run }) => run !== null)?.run as RunId;
}
async function nextLife(before: Held, target: Target, life = 1) {
  const record = await openRecord(before.rows());
  const standIn = await openStandIn(record.store, target, life);
  closing.push(() => standIn.kernel.stop());
  await setUp(standIn, []);
  return { ...standIn, record };
}

type Ticking = Pick<StandIn, 'run' | 'clock'>;
const ended = ({ run, clock }: Ticking, id: RunId) =>
  until(
    async () => {
      clock.advance(50);
      return run(id);
    },
    (now) => now !== null && isEnded(now),
  );
const parked = ({ run, clock }: Ticking, id: RunId) =>
  until(
    async () => {
      clock.advance(50);
      return run(id);
    },
    (now) => Object.values(now?.steps ?? {}).some((step) => step.state === 'ready' && step.waitsFor === 'release'),
  );
const tick = () => new Promise((resolve) => setTimeout(resolve, 20));
const kindsOf = ({ store }: Held, id: RunId) =>
  runsOf(store, ORG).flatMap(({ run, turns }) =>
    run.id === id ? turns.flatMap(({ events }) => events.map(({ kind }) => kind)) : [],
  );

describe('a run that is paused', () => {
  test.each([
    ['may not be repeated', POST_ONCE],
    ['honours its key', POST_TWICE],
  ])(
    'while its call waits for a cell sends nothing, where the post %s, and sends it once after the resume',
    async (_, playbook) => {
      const world = await waitingForACell([playbook]);
      const { kernel, target, free, id, record } = world;
      expect(await kernel.control.pause(OPERATOR, id, 'look first')).toMatchObject({
        ok: true,
        value: { changed: true },
      });
      free();
      await parked(world, id);
      for (let i = 0; i < 5; i++) await tick();
      expect(target.arrived).toEqual([]);
      expect(await kernel.control.resume(OPERATOR, id)).toMatchObject({ ok: true, value: { changed: true } });
      expect(await ended(world, id)).toMatchObject({ state: 'completed' });
      expect(target.arrived).toHaveLength(playbook === POST_ONCE ? 1 : 2);
      expect(new Set(target.arrived).size).toBe(target.arrived.length);
      expect(auditVerdict(record.store)).toMatchObject({ verdict: 'valid' });
    },
  );

  test('in the moment in which its leaving is on the way to the disk sends nothing', async () => {
    const world = await waitingForACell();
    const { kernel, target, free, id, record } = world;
    const release = record.hold();
    free();
    await tick();
    const paused = kernel.control.pause(OPERATOR, id, 'look first');
    await tick();
    release();
    await paused;
    await parked(world, id);
    // The leaving was first, and the pause before the request: it is known not to have left.
    expect([target.arrived, kindsOf(record, id).filter((kind) => kind === 'step-failed')]).toEqual([
      [],
      ['step-failed'],
    ]);
    await kernel.control.resume(OPERATOR, id);
    expect(await ended(world, id)).toMatchObject({ state: 'completed' });
    expect(target.arrived).toHaveLength(1);
  });

  test('and resumed while its call asks whether it may leave sends it once', async () => {
    const world = await waitingForACell();
    const { kernel, target, free, id } = world;
    await kernel.control.pause(OPERATOR, id, 'look first');
    free();
    await Promise.all([tick(), kernel.control.resume(OPERATOR, id)]);
    expect(await ended(world, id)).toMatchObject({ state: 'completed' });
    expect(target.arrived).toHaveLength(1);
  });

  test('while its call is under way hears its end, and does not go on', async () => {
    const world = await open([POST_TWICE]);
    const { kernel, target } = world;
    const id = await start(world);
    const answer = world.holdCalls();
    closing.unshift(async () => answer());
    await until(
      async () => target.arrived.length,
      (arrived) => arrived === 1,
    );
    await kernel.control.pause(OPERATOR, id, 'look first');
    answer();
    const run = await parked(world, id);
    expect(run?.steps).toMatchObject({ post: { state: 'succeeded' }, again: { state: 'ready', waitsFor: 'release' } });
    expect(target.arrived).toHaveLength(1);
    expect(kernel.openWork(ORG, {}, 10).items).toMatchObject([
      { standing: { kind: 'person' }, paused: { run: id, by: 'operator', reason: 'look first' } },
    ]);
  });

  test('stays so over the end of the kernel, at whatever point it is', async () => {
    const first = await waitingForACell();
    await first.kernel.control.pause(OPERATOR, first.id, 'look first');
    // The call is open on the record.
    const second = await nextLife(first.record, first.target);
    await parked(second, first.id);
    expect(second.run(first.id)?.paused?.reason).toBe('look first');
    // Now it is parked there.
    const third = await nextLife(second.record, first.target, 2);
    for (let i = 0; i < 5; i++) await tick();
    expect([third.calls(), first.target.arrived]).toEqual([0, []]);
    await third.kernel.control.resume(OPERATOR, first.id);
    expect(await ended(third, first.id)).toMatchObject({ state: 'completed' });
    expect(first.target.arrived).toHaveLength(1);
    expect(auditVerdict(third.record.store)).toMatchObject({ verdict: 'valid' });
  });

  test('whose resume was the last thing that a kernel did goes on with the next', async () => {
    const first = await waitingForACell([INNER, OUTER]);
    await first.kernel.control.pause(OPERATOR, first.id, 'look first');
    first.free();
    const child = await until(
      async () => runsOf(first.record.store, ORG).find(({ run }) => run.parent !== null)?.run.id as RunId,
      (found) => found !== undefined,
    );
    await parked(first, child);
    // The resume is on the disk, and what it leads to is not.
    const release = first.record.hold();
    const resumed = first.kernel.control.resume(OPERATOR, first.id);
    await tick();
    release();
    const again = first.record.hold();
    closing.unshift(async () => again());
    await resumed;
    await tick();
    expect(first.run(child)?.steps).toMatchObject({ post: { state: 'ready', waitsFor: 'release' } });
    expect(first.target.arrived).toEqual([]);
    const second = await nextLife(first.record, first.target);
    expect(await ended(second, first.id)).toMatchObject({ state: 'completed' });
    expect(new Set(first.target.arrived).size).toBe(1);
  });
});

describe('runs below a run that is paused', () => {
  test('are held from the turn on, at any depth, and let go with it; one that was paused by itself is not', async () => {
    const world = await waitingForACell([INNER, MIDDLE, OUTERMOST]);
    const { kernel, target, free, id, record } = world;
    const depths = () => runsOf(record.store, ORG).map(({ run }) => [run.parent?.depth ?? 0, run.id] as const);
    const child = new Map(depths()).get(2) as RunId;
    await kernel.control.pause(OPERATOR, id, 'look first');
    free();
    await parked(world, child);
    expect(target.arrived).toEqual([]);
    expect(kernel.query.pauseOf(kernel.query.runSummary(ORG, child) as never)).toMatchObject({ run: id });
    await kernel.control.pause(OPERATOR, child, 'this one, too');
    await kernel.control.resume(OPERATOR, id);
    for (let i = 0; i < 5; i++) await tick();
    expect([target.arrived, world.run(child)?.paused?.reason]).toEqual([[], 'this one, too']);
    await kernel.control.resume(OPERATOR, child);
    expect(await ended(world, id)).toMatchObject({ state: 'completed' });
    expect(target.arrived).toHaveLength(1);
  });

  test('stay held when it times out, until it is resumed', async () => {
    const BAN = INNER.replace(
      /steps:[\s\S]*/,
      `steps:
  - { id: ban, type: webhook, uses: target/deliver, rollback: true, with: { ip: "{{ inputs.ip }}" } }
  - { id: later, type: wait, event: { match: { /case: "{{ inputs.ip }}" } } }
`,
    );
    const world = await open([BAN, OUTER]);
    const { kernel, target, clock, record } = world;
    const id = await start(world);
    await until(
      async () => target.arrived.length,
      (arrived) => arrived === 1,
    );
    await kernel.control.pause(OPERATOR, id, 'look first');
    await until(
      async () => {
        clock.advance(60_000);
        return world.run(id);
      },
      (run) => run?.ended != null,
    );
    const child = runsOf(record.store, ORG).find(({ run }) => run.parent)?.run.id as RunId;
    await until(
      async () => world.run(child)?.steps['ban' as never]?.undo?.state,
      (state) => state === 'parked',
    );
    for (let i = 0; i < 5; i++) await tick();
    expect([world.run(id)?.state, target.arrived.length]).toEqual(['timed_out', 1]);
    expect(await kernel.control.pause(OPERATOR, id, 'too late')).toMatchObject({ ok: false });
    expect(await kernel.control.resume(OPERATOR, id)).toMatchObject({ ok: true, value: { changed: true } });
    await ended(world, child);
    expect(target.arrived).toHaveLength(2);
  });
});
