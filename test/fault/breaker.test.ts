import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RunId } from '../../kernel/base/id.ts';
import { FEED_START } from '../../kernel/flow/feed.ts';
import { until } from '../support/api.ts';
import {
  auditVerdict,
  EVENT,
  type Held,
  OPERATOR,
  ORG,
  openRecord,
  openStandIn,
  openTarget,
  SENDER,
  type StandIn,
  setUp,
} from './stand-in.ts';

/** A target in trouble: its calls stop, that outlives the kernel, and one that is well again gets them back. */
let record: Held;
let standIn: StandIn;
beforeEach(async () => {
  record = await openRecord();
});
afterEach(() => standIn.kernel.stop());

let events = 0;
/** Sends an event and waits until its first step is over or wants another try. */
async function tried(): Promise<{ id: RunId; error: string | undefined; state: string }> {
  const receipt = await standIn.kernel.ingest(SENDER, { ...EVENT, sourceId: `e${events++}` });
  if (!receipt.ok) throw new Error(receipt.error.kind);
  const id = receipt.value.triggers[0]?.run as RunId;
  const step = await until(
    async () => standIn.run(id)?.steps['look' as never],
    (one) => one !== undefined && (one.attempts.at(-1)?.end ?? null) !== null,
  );
  return { id, error: step?.attempts.at(-1)?.error?.class, state: step?.state ?? '' };
}

const connector = () => standIn.kernel.connectors.list(ORG).find(({ name }) => name === 'target');
const kindsOf = (start: string) =>
  [...standIn.kernel.auditExport(ORG).lines]
    .map((line) => JSON.parse(line) as { kind: string; outcome?: string; actor: string })
    .filter(({ kind }) => kind.startsWith(start))
    .map(({ kind, outcome, actor }) => [kind, ...(outcome ? [outcome] : []), actor].join(' '));

const toldOf = (...types: string[]) =>
  standIn.kernel.lifecycle
    .read(ORG, { after: FEED_START, types, limit: 10 })
    .events.map((event) => `${event.type} ${event.subject}`);

async function untilOpen(): Promise<void> {
  standIn = await openStandIn(record.store, openTarget('refuses connections'));
  await setUp(standIn);
  for (let i = 0; i < 5; i++) expect(await tried()).toMatchObject({ error: 'unavailable', state: 'ready' });
}

test('five failures in a row open the circuit; then calls end at once and reach neither cell nor target', async () => {
  await untilOpen();
  expect(connector()).toMatchObject({ breaker: { state: 'open', retryAt: standIn.clock.now() + 30_000 } });
  const before = standIn.calls();
  expect(await tried()).toMatchObject({ error: 'unavailable', state: 'ready' });
  expect(standIn.calls()).toBe(before);
  expect(kindsOf('breaker.')).toEqual(['breaker.opened system:worker']);
  expect(auditVerdict(record.store)).toMatchObject({ verdict: 'valid' });
});

test('it is still open for the next life of the kernel, whose first call finds out that the target is well', async () => {
  await untilOpen();
  const { since } = connector()?.breaker ?? {};
  await standIn.kernel.stop();
  standIn = await openStandIn(record.store, openTarget('answers'), 1);
  await setUp(standIn);
  expect(connector()).toMatchObject({ breaker: { state: 'open', since } });
  expect(await tried()).toMatchObject({ error: undefined });
  expect(connector()).toMatchObject({ breaker: { state: 'closed', since: null, failures: 0 } });
  await standIn.kernel.stop();
  standIn = await openStandIn(record.store, openTarget('answers'), 2);
  await setUp(standIn);
  expect(connector()).toMatchObject({ breaker: { state: 'closed' } });
  expect(kindsOf('breaker.')).toEqual(['breaker.opened system:worker', 'breaker.closed recovered system:worker']);
  expect(toldOf('interlock.breaker.opened', 'interlock.breaker.closed')).toEqual([
    'interlock.breaker.opened target',
    'interlock.breaker.closed target',
  ]);
});

test('a person closes it by hand, on the record', async () => {
  await untilOpen();
  expect(await standIn.kernel.connectors.reset(OPERATOR, 'nothing')).toBeNull();
  expect(await standIn.kernel.connectors.reset(OPERATOR, 'target')).toBe(true);
  expect(connector()).toMatchObject({ breaker: { state: 'closed' } });
  const before = standIn.calls();
  await tried();
  expect(standIn.calls()).toBe(before + 1);
  // Of one that is closed there is nothing to record.
  expect(await standIn.kernel.connectors.reset(OPERATOR, 'target')).toBe(false);
  expect(kindsOf('breaker.')).toEqual(['breaker.opened system:worker', 'breaker.closed reset principal:operator']);
});

test('a target that answers is called as often as there is work', async () => {
  standIn = await openStandIn(record.store, openTarget('answers'));
  await setUp(standIn);
  for (let i = 0; i < 6; i++) await tried();
  // The place of a call is given back after its outcome is on record.
  await until(
    async () => connector()?.inFlight,
    (inFlight) => inFlight === 0,
  );
  expect(connector()).toMatchObject({ breaker: { state: 'closed', failures: 0 }, waiting: 0, limit: 32 });
});
