import { afterEach, describe, expect, test } from 'vitest';
import type { WriteFault } from '../../kernel/adapter/memory/store.ts';
import type { RunId } from '../../kernel/base/id.ts';
import type { Store } from '../../kernel/port/store.ts';
import { isEnded } from '../../kernel/run/state.ts';
import { until } from '../support/api.ts';
import { keysOf, runsOf } from './record.ts';
import {
  APPROVER,
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

/** Between the intent and the effect, and between two lives of a kernel: what leaves, and what people are asked. */
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A kernel with one run whose call was handed to a cell that is not free yet. */
async function waitingForACell(playbook = POST_ONCE, does: Target['does'] = 'answers') {
  let fault: WriteFault = 'none';
  const record = await openRecord([], () => fault);
  const target = openTarget(does);
  const standIn = await openStandIn(record.store, target);
  closing.push(() => standIn.kernel.stop());
  await setUp(standIn, [playbook]);
  const free = standIn.holdCells();
  // Before the stop, which waits for what is under way.
  closing.unshift(async () => free());
  const receipt = await standIn.kernel.ingest(SENDER, EVENT);
  if (!receipt.ok) throw new Error(receipt.error.kind);
  const id = receipt.value.triggers[0]?.run as RunId;
  await until(
    async () => standIn.calls(),
    (calls) => calls === 1,
  );
  const failWrites = (how: WriteFault) => {
    fault = how;
  };
  return { ...standIn, record, target, free, id, failWrites };
}

async function nextLife(before: Held, target: Target, life = 1) {
  const record = await openRecord(before.rows());
  const standIn = await openStandIn(record.store, target, life);
  closing.push(() => standIn.kernel.stop());
  await setUp(standIn, []);
  return { ...standIn, record };
}

/** Time goes on until the run has ended. */
const ended = ({ run, clock }: Pick<StandIn, 'run' | 'clock'>, id: RunId, stepMs = 50) =>
  until(
    async () => {
      clock.advance(stepMs);
      return run(id);
    },
    (now) => now !== null && isEnded(now),
  );
const tick = () => new Promise((resolve) => setTimeout(resolve, 20));
const eventsOf = (store: Store) =>
  runsOf(store, ORG).flatMap(({ turns }) => turns.flatMap((turn) => turn.events.map((event) => event.kind)));

describe('a post that may not be repeated', () => {
  test('is sent when its leaving is on disk, in the commit of its secret, and not before', async () => {
    const { record, target, free, id, ...standIn } = await waitingForACell();
    const before = record.writes();
    const release = record.hold();
    free();
    await tick();
    expect(target.arrived).toEqual([]);
    expect(eventsOf(record.store)).toEqual(['run-started', 'step-intended']);
    release();
    expect((await ended(standIn, id))?.state).toBe('completed');
    expect(eventsOf(record.store)).toEqual([
      'run-started',
      'step-intended',
      'step-leaving',
      'step-succeeded',
      'run-ended',
    ]);
    // One for lease and leaving, one for the outcome.
    expect(record.writes() - before).toBe(2);
    expect(target.arrived).toHaveLength(1);
    expect(auditVerdict(record.store)).toMatchObject({ verdict: 'valid' });
  });

  test.each<WriteFault>(['lost', 'failed-but-done'])('does not leave when that write is %s', async (how) => {
    const { target, free, failWrites, kernel } = await waitingForACell();
    failWrites(how);
    free();
    await kernel.failure;
    await tick();
    expect(target.arrived).toEqual([]);
  });

  test('is done by the next kernel when this one ends before a cell is free', async () => {
    const first = await waitingForACell();
    const second = await nextLife(first.record, first.target);
    const run = await ended(second, first.id);
    expect(run).toMatchObject({ state: 'completed' });
    expect(run?.steps['post' as never]?.attempts.map(({ end }) => end)).toEqual(['failed', 'succeeded']);
    expect(first.target.arrived).toHaveLength(1);
    expect(auditVerdict(second.record.store)).toMatchObject({ verdict: 'valid' });
  });

  test('waits for a person when this one ends after it left', async () => {
    const first = await waitingForACell();
    first.holdCalls();
    first.free();
    await until(
      async () => first.target.arrived.length,
      (arrived) => arrived === 1,
    );
    const second = await nextLife(first.record, first.target);
    expect(second.run(first.id)).toMatchObject({ state: 'waiting', steps: { post: { state: 'indeterminate' } } });
    const { control } = second.kernel;
    const form = { step: 'post' as never, outcome: 'succeeded', note: 'it is there' } as const;
    // Two people at once: it is settled once.
    const both = await Promise.all([
      control.settle(OPERATOR, first.id, form),
      control.settle(APPROVER, first.id, form),
    ]);
    expect(both.map(({ ok }) => ok)).toEqual([true, false]);
    expect(first.target.arrived).toHaveLength(1);
    expect(auditVerdict(second.record.store)).toMatchObject({ verdict: 'valid' });
  });

  test.each([
    ['cancelled', 'cancelled'],
    ['past its deadline', 'timed_out'],
  ] as const)('does not leave when the run is %s before a cell is free, and needs no review', async (why, state) => {
    const { kernel, clock, target, free, id, record, run } = await waitingForACell();
    // The cell pays no heed to being stopped.
    if (why === 'cancelled') await kernel.control.cancel(OPERATOR, id, 'mistake');
    else clock.advance(24 * 3_600_000);
    free();
    const end = await ended({ run, clock }, id);
    expect(end?.state).toBe(state);
    await tick();
    expect(target.arrived).toEqual([]);
    expect(runsOf(record.store, ORG).map(({ summary }) => summary.closure)).toEqual(['closed']);
    expect([keysOf(record.store, '!call'), keysOf(record.store, '!timer')]).toEqual([[], []]);
  });
});

describe('a post that may not be repeated, with three attempts', () => {
  const THRICE = POST_ONCE.replace('uses: target/post', 'uses: target/post, retry: { attempts: 3, backoff: 1ms..2ms }');
  test.each([
    ['answers', 1, 'completed', 'succeeded', 1],
    ['answers 504', 1, 'waiting', 'indeterminate', 1],
    ['does not answer', 1, 'waiting', 'indeterminate', 1],
    ['refuses connections', 3, 'failed', 'failed', 0],
  ] as const)('whose target %s: tried %i times', async (does, attempts, state, step, arrived) => {
    const { target, free, run, clock, id, calls } = await waitingForACell(THRICE, does);
    free();
    const isOver = () => ['indeterminate', 'succeeded'].includes(run(id)?.steps['post' as never]?.state ?? '');
    const over = await until(
      async () => {
        clock.advance(50);
        return run(id);
      },
      (now) => now !== null && (isEnded(now) || isOver()),
    );
    // Time for any retry that should not be.
    for (let i = 0; i < 5; i++) {
      clock.advance(1_000);
      await tick();
    }
    expect(run(id)).toMatchObject({ state, steps: { post: { state: step, attempt: attempts } } });
    expect(over?.steps['post' as never]?.attempts).toHaveLength(attempts);
    expect([calls(), target.arrived.length]).toEqual([attempts, arrived]);
  });
});

describe('a stop', () => {
  test.each<WriteFault>(['lost', 'failed-but-done'])('ends and tells when its own record is %s', async (how) => {
    const { kernel, free, id, failWrites, reported, run, clock } = await waitingForACell();
    free();
    await ended({ run, clock }, id);
    failWrites(how);
    await kernel.stop();
    expect(kernel.healthy()).toBe(false);
    expect(reported).toHaveLength(1);
  });

  test('sends nothing after it, when an outcome is long on its way to the disk', { timeout: 20_000 }, async () => {
    const { kernel, free, record, calls, holdCalls } = await waitingForACell(PLAYBOOK);
    const answer = holdCalls();
    const before = record.writes();
    free();
    await until(
      async () => record.writes(),
      // The lease of its secret.
      (writes) => writes === before + 1,
    );
    await tick();
    const release = record.hold();
    answer();
    await tick();
    const stopping = kernel.stop();
    // Longer than a stop waits for what is under way.
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    release();
    await stopping;
    await tick();
    expect(calls()).toBe(1);
  });
});

describe('an approval that a restart finds', () => {
  const MINUTES = 24 * 60;
  test.each([
    ['due since long', MINUTES, 50],
    ['not due, because the clock was set back', -MINUTES, 600_000],
  ])('%s', async (_, life, stepMs) => {
    const first = await waitingForACell(PLAYBOOK);
    first.free();
    await until(
      async () => Object.keys(first.run(first.id)?.approvals ?? {}).length,
      (approvals) => approvals === 1,
    );
    const second = await nextLife(first.record, first.target, life);
    if (life < 0) {
      await tick();
      expect(second.run(first.id)?.state).toBe('waiting');
    }
    const run = await ended(second, first.id, stepMs);
    expect(run?.ended?.reason).toMatch(/^(approval-expired|run-timeout)$/);
    expect(first.target.arrived).toEqual([]);
    expect(keysOf(second.record.store, '!timer')).toEqual([]);
  });
});
