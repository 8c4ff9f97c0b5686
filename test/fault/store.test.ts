import { afterEach, describe, expect, test } from 'vitest';
import type { WriteFault } from '../../kernel/adapter/memory/store.ts';
import type { ApprovalId, RunId } from '../../kernel/base/id.ts';
import { isEnded, type Run } from '../../kernel/run/state.ts';
import { disagreements, keysOf, runsOf } from './record.ts';
import {
  APPROVER,
  auditVerdict,
  EVENT,
  type Held,
  ORG,
  openRecord,
  openStandIn,
  openTarget,
  SENDER,
  type StandIn,
  setUp,
  type Target,
} from './stand-in.ts';

/**
 * The disk fails at every write of a governed run, in both ways a write can fail: nothing is there, or everything is
 * there and nobody was told. Whatever was on the way must not leave after it, and a new kernel on what is left must
 * bring the run to its end with one effect under one key.
 */
const opened: StandIn[] = [];
afterEach(async () => {
  // A kernel whose record has failed cannot say that it stops.
  for (const { kernel } of opened.splice(0)) await kernel.stop().catch(() => undefined);
});

/** One life of the kernel on a record. */
async function live(record: Held, target: Target, life: number): Promise<StandIn> {
  const standIn = await openStandIn(record.store, target, life);
  opened.push(standIn);
  await setUp(standIn);
  return standIn;
}

/** What people were told is done. */
type Told = { event?: string; vote?: ApprovalId };

/** A sender, an approver and time, going on until the run has ended; any of them may meet a kernel that has failed. */
async function carryOn({ kernel, clock, run }: StandIn, told: Told = {}): Promise<Run> {
  const receipt = await kernel.ingest(SENDER, EVENT);
  if (!receipt.ok) throw new Error(receipt.error.kind);
  told.event = receipt.value.event;
  const id = receipt.value.triggers[0]?.run as RunId;
  for (let round = 0; round < 2_000; round++) {
    if (!kernel.healthy()) throw await kernel.failure;
    const now = run(id);
    if (now && isEnded(now)) return now;
    const open = Object.values(now?.approvals ?? {}).find((approval) => approval.state === 'pending');
    if (open) {
      const ballot = { decision: 'approve', rationale: 'seen', subject: open.subject } as const;
      const voted = await kernel.control.vote(APPROVER, open.id, ballot);
      if (voted.ok) told.vote = open.id;
    }
    clock.advance(50);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`the run does not end: ${JSON.stringify(run(id))}`);
}

/** What is on the record before the first event, and how many writes a run then takes when nothing fails. */
async function prepared() {
  const record = await openRecord();
  const target = openTarget();
  const standIn = await live(record, target, 0);
  const rows = record.rows();
  const before = record.writes();
  const run = await carryOn(standIn);
  return { rows, run, target, writes: record.writes() - before };
}

const { rows, run: clean, target: cleanTarget, writes: WRITES } = await prepared();

test('without a fault the run completes with one effect, in the writes that are enumerated below', () => {
  expect(clean.state).toBe('completed');
  expect(cleanTarget.effects()).toHaveLength(1);
  expect(WRITES).toBeGreaterThan(6);
});

describe.each<WriteFault>(['lost', 'failed-but-done'])('a write that is %s', (fault) => {
  // Beyond the last write nothing fails: the control of this table.
  const places = Array.from({ length: WRITES + 2 }, (_, place) => place);

  test.each(places)('at place %i', async (place) => {
    const target = openTarget();
    // A kernel that starts on these rows writes once by itself; then come the writes of the run.
    const record = await openRecord(rows, (write) => (write === place ? fault : 'none'));
    const told: Told = {};
    const standIn = await live(record, target, 1).catch(() => undefined);
    const end = standIn && (await carryOn(standIn, told).catch(() => undefined));
    if (standIn && !end) {
      await standIn.kernel.failure;
      const left = [target.arrived.length, standIn.calls()];
      // It says so, takes nothing more, and nothing more leaves.
      expect(standIn.kernel.healthy()).toBe(false);
      await expect(standIn.kernel.ingest(SENDER, { ...EVENT, sourceId: 'e2' })).rejects.toThrow(/record/);
      await standIn.clock.advance(3_600_000);
      await new Promise((resolve) => setTimeout(resolve, 120));
      expect([target.arrived.length, standIn.calls()]).toEqual(left);
    }
    if (place <= WRITES) expect(end, 'the fault was met').toBeUndefined();

    const survivors = new Map(record.rows().map(({ key, value }) => [key, value]));
    if (told.event) expect(survivors.has(`${ORG}/event/${told.event}`), 'what was taken is there').toBe(true);
    if (told.vote) expect(survivors.get(`${ORG}/approval/${told.vote}`)).toContain('"by":"approver"');
    const second = await openRecord(record.rows());
    const again = await live(second, target, 2);
    const ended = await carryOn(again);
    expect(ended.state).toBe('completed');
    expect(target.effects(), 'one key').toHaveLength(1);
    expect(auditVerdict(second.store)).toMatchObject({ verdict: 'valid', findings: [] });
    const runs = runsOf(second.store, ORG);
    expect(runs).toHaveLength(1);
    const lines = [...again.kernel.auditExport(ORG).lines].map((line) => JSON.parse(line));
    expect(disagreements(runs, lines)).toEqual([]);
    expect([keysOf(second.store, '!call'), keysOf(second.store, '!timer')]).toEqual([[], []]);
  });
});
