import { expect, test } from 'vitest';
import type { OrgId } from '../../kernel/base/id.ts';
import { KEYS } from '../../kernel/flow/keys.ts';
import { LISTED_FROM_THE_START } from '../../kernel/flow/list-build.ts';
import { incidentListRow } from '../../kernel/flow/list-rows.ts';
import type { Row } from '../../kernel/port/store.ts';
import {
  APPROVER,
  auditVerdict,
  EVENT,
  OPERATOR,
  ORG,
  openRecord,
  openStandIn,
  openTarget,
  SENDER,
  setUp,
} from '../fault/stand-in.ts';

/** A record from before there were lists gets them while the kernel is in use, and the lists are those it would have. */
const isOfLists = ({ key }: Row) => /^acme\/(?:run-by|approval-by)\//.test(key) || key === KEYS.lists(ORG as OrgId);
const until = async <T>(look: () => T | undefined): Promise<T> => {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
};

/** Runs of every kind: completed, rejected, waiting for a vote. */
async function livedThrough() {
  const record = await openRecord();
  const first = await openStandIn(record.store, openTarget());
  await setUp(first);
  const runs: string[] = [];
  for (const [n, end] of (['approve', 'reject', undefined] as const).entries()) {
    const taken = await first.kernel.ingest(SENDER, { ...EVENT, sourceId: `e${n}` });
    const run = taken.ok ? taken.value.triggers[0]?.run : undefined;
    if (!run) throw new Error('no run');
    runs.push(run);
    const approval = await until(() => Object.values(first.run(run)?.approvals ?? {})[0]);
    if (!end) continue;
    const ballot = { decision: end, rationale: 'because', subject: approval.subject };
    await first.kernel.control.vote(APPROVER, approval.id, ballot);
    await until(() => (first.run(run)?.ended ? true : undefined));
  }
  await first.kernel.stop();
  return { rows: record.rows(), runs };
}

test('the same lists are made as the turns would have written, and the log stays whole', async () => {
  const { rows } = await livedThrough();
  const wanted = rows.filter(isOfLists).map(({ key }) => key);
  expect(wanted.length).toBeGreaterThan(15);
  expect(wanted).toContain(incidentListRow({ org: ORG, id: run0(rows) }, 'inc-1').key);

  const record = await openRecord(rows.filter((row) => !isOfLists(row)));
  const later = await openStandIn(record.store, openTarget(), 1);
  await setUp(later);
  await until(() => (later.kernel.query.areListed(ORG) ? true : undefined));
  await later.kernel.stop();
  expect(
    record
      .rows()
      .filter(isOfLists)
      .map(({ key }) => key),
  ).toEqual(wanted);
  expect(auditVerdict(record.store).verdict).toBe('valid');
  expect(later.reported).toEqual([]);
});

test('until they are made everything is found all the same, and what changes meanwhile is where it belongs', async () => {
  const { rows, runs } = await livedThrough();
  const [completed = '', rejected = '', waiting = ''] = runs;
  const record = await openRecord(rows.filter((row) => !isOfLists(row)));
  const later = await openStandIn(record.store, openTarget(), 1);
  await setUp(later);
  const { query, control } = later.kernel;
  expect(query.areListed(ORG)).toBe(false);
  const found = (filter: object) => query.runs(ORG, filter, 10).items.map(({ run }) => run);
  const ask = () => [
    found({ state: 'completed' }),
    found({ state: 'aborted' }),
    found({ trigger: 'seen' }).toReversed(),
  ];
  expect(ask()).toEqual([[completed], [rejected], runs]);
  expect(query.approvals(ORG, 'pending', 10).items.map(({ run }) => run)).toEqual([waiting]);

  // The run ends while its row is on the way.
  await control.cancel(OPERATOR, waiting as never, 'meanwhile');
  await until(() => (query.areListed(ORG) ? true : undefined));
  await later.kernel.stop();
  expect(ask()).toEqual([[completed], [rejected], runs]);
  expect([found({ state: 'waiting' }), found({ state: 'cancelled' })]).toEqual([[], [waiting]]);
  expect(query.approvals(ORG, 'pending', 10).items).toEqual([]);
  const statuses = record.rows().filter(({ key }) => key.startsWith('acme/run-by/status/') && key.endsWith(waiting));
  expect(statuses).toHaveLength(1);
});

test('an org that begins now has its lists from the start, and no work is done for it', async () => {
  const record = await openRecord();
  const kernel = await openStandIn(record.store, openTarget());
  await setUp(kernel);
  expect(record.store.get(KEYS.lists(ORG))).toBe(LISTED_FROM_THE_START);
  const before = record.writes();
  await new Promise((resolve) => setImmediate(resolve));
  expect(record.writes()).toBe(before);
  await kernel.kernel.stop();
});

const run0 = (rows: readonly Row[]) => {
  const row = rows.find(({ key, value }) => key.startsWith('acme/run/') && value.includes('"completed"'));
  return JSON.parse(row?.value ?? '').run;
};
