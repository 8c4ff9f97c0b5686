import { afterEach, expect, test } from 'vitest';
import type { RunId } from '../../kernel/base/id.ts';
import { durationMs } from '../../kernel/base/time.ts';
import { openWorkText } from '../../kernel/flow/open-work.ts';
import type { Row } from '../../kernel/port/store.ts';
import { until } from '../support/api.ts';
import {
  EVENT,
  ORG,
  openRecord,
  openStandIn,
  openTarget,
  PLAYBOOK,
  POST_ONCE,
  SENDER,
  type StandIn,
  setUp,
} from './stand-in.ts';

/** Runs that cannot go on, planted by hand into the record: the report of open work finds each and says why. */
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const open = async (rows: readonly Row[], playbook: string, life: number) => {
  const record = await openRecord(rows);
  const standIn = await openStandIn(record.store, openTarget(), life);
  closing.push(() => standIn.kernel.stop());
  const begun = await setUp(standIn, [playbook]);
  return { ...standIn, record, begun };
};
const list = ({ kernel }: StandIn, filter = {}) => kernel.openWork(ORG, filter, 50).items;
const standings = (standIn: StandIn) => list(standIn).map(({ standing }) => Object.values(standing).join(' '));

/** A run that waits for an approval (or for the answer to its post), and what is on the record then. */
async function oneRun(playbook: string) {
  const standIn = await open([], playbook, 0);
  if (playbook.startsWith(POST_ONCE)) {
    const free = standIn.holdCells();
    closing.unshift(free);
  }
  const receipt = await standIn.kernel.ingest(SENDER, EVENT);
  const id = (receipt.ok && receipt.value.triggers[0]?.run) as RunId;
  await until(
    async () => standIn.run(id),
    (run) => (playbook.startsWith(POST_ONCE) ? standIn.calls() === 1 : run?.state === 'waiting'),
  );
  return { standIn, id, rows: standIn.record.rows() };
}
const without = (rows: readonly Row[], prefix: string) => {
  const left = rows.filter(({ key }) => !key.startsWith(prefix));
  expect(left.length, 'something was taken away').toBeLessThan(rows.length);
  return left;
};

test('a run that waits for people is told with whom, since when and until when, and a restart counts it', async () => {
  const { standIn, id, rows } = await oneRun(PLAYBOOK);
  expect(list(standIn)).toMatchObject([
    {
      summary: { run: id },
      waits: [{ what: 'approval', step: 'ban', role: 'approver' }],
      standing: { kind: 'person' },
    },
  ]);
  const hour = durationMs(3_600_000);
  expect(list(standIn, { only: 'stuck' })).toEqual([]);
  expect(list(standIn, { longerThan: hour })).toEqual([]);
  standIn.clock.advance(1_000);
  expect(list(standIn, { longerThan: durationMs(999) })).toHaveLength(1);

  const second = await open(rows, PLAYBOOK, 1);
  expect(openWorkText(second.begun)).toBe(
    'took up 0 calls that were open when the kernel last stopped; runs open: 1 (waiting for: approval 1)',
  );
});

test('a run whose timer row is gone is stuck: its deadline would not come', async () => {
  const { rows } = await oneRun(PLAYBOOK);
  const second = await open(without(rows, '!timer/'), PLAYBOOK, 1);
  expect(standings(second)).toEqual(['stuck no-timer']);
  second.clock.advance(24 * 3_600_000);
  expect(standings(second)).toEqual(['stuck no-timer']);
});

test('a run whose call row is gone is stuck, once the call cannot be on its way any more', async () => {
  const { standIn, rows } = await oneRun(POST_ONCE);
  standIn.clock.advance(11_000);
  expect(standings(standIn), 'in the kernel that carries it out').toEqual(['moving']);
  const second = await open(without(rows, '!call/'), POST_ONCE, 1);
  expect(standings(second)).toEqual(['stuck wait-lost']);
  expect(list(second, { only: 'moving' })).toEqual([]);
  expect(openWorkText(second.begun)).toMatch(/runs open: 1 \(waiting for: action 1\); STUCK: 1$/);
});

test('a call that does not answer in its time is late, and is not given up by the report', async () => {
  const { standIn, id } = await oneRun(POST_ONCE);
  standIn.clock.advance(60_000);
  expect(standings(standIn)).toEqual(['late no-answer']);
  expect(standIn.run(id)?.state).toBe('running');
});

/** What is kept of a run for lists, under another name: a run of which there are no turns. */
const likenessOf = (rows: readonly Row[], id: string, name: string): Row[] =>
  rows
    .filter(({ key }) => key === `${ORG}/run/${id}` || (key.startsWith(`${ORG}/run-by/`) && key.endsWith(`/${id}`)))
    .map(({ key, value }) => ({ key: key.replace(id, name), value: value.replace(id, name) }));

test('a run whose turns cannot be read is stuck, and hides no other', async () => {
  const { id, rows } = await oneRun(PLAYBOOK);
  const other = `run_${'f'.repeat(32)}`;
  const second = await open([...rows, ...likenessOf(rows, id, other)], PLAYBOOK, 1);
  expect(standings(second)).toEqual(['stuck unreadable', 'person']);
});

test('a page that ends early goes on behind the last run that it looked at', async () => {
  const { id, rows } = await oneRun(PLAYBOOK);
  const names = Array.from({ length: 7 }, (_, i) => `run_${String(i).repeat(32)}`);
  const planted = names.flatMap((name) => likenessOf(rows, id, name));
  const second = await open([...rows, ...planted], PLAYBOOK, 1);
  const seen: string[] = [];
  let pages = 0;
  for (let behind: string | undefined; ; pages++) {
    const { items, next } = second.kernel.openWork(ORG, { only: 'stuck' }, 3, behind);
    seen.push(...items.map(({ summary }) => summary.run));
    if (next === null) break;
    behind = next;
  }
  expect(seen.sort()).toEqual(names);
  expect(pages).toBeGreaterThan(1);
});

test('a run that waits for its turn stands in a line; when its row there is gone, it is stuck', async () => {
  const LIMITED = `${POST_ONCE}\nconcurrency: { limit: 1 }\n`;
  const { standIn } = await oneRun(LIMITED);
  const receipt = await standIn.kernel.ingest(SENDER, { ...EVENT, sourceId: 'e2' });
  const queued = receipt.ok && receipt.value.triggers[0]?.run;
  standIn.clock.advance(11_000);
  const of = (from: StandIn) => list(from).find(({ summary }) => summary.run === queued);
  expect(of(standIn)).toMatchObject({ waits: [{ step: null, what: 'release' }], standing: { kind: 'moving' } });
  // It waits for no stop to be released, which is what else a run may wait for as a whole.
  const again = await open(standIn.record.rows(), LIMITED, 1);
  expect(openWorkText(again.begun)).toMatch(/runs open: 2 \(waiting for: retry 1\); queued: 1$/);
  const second = await open(without(standIn.record.rows(), `${ORG}/pending/`), LIMITED, 1);
  expect(of(second)?.standing).toEqual({ kind: 'stuck', why: 'wait-lost' });
});
