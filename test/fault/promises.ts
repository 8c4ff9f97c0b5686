import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { OrgId, RunId } from '../../kernel/base/id.ts';
import { KEYS } from '../../kernel/flow/keys.ts';
import type { Store } from '../../kernel/port/store.ts';
import { nextDue, openCalls } from '../../kernel/run/open-work.ts';
import { waitsOf } from '../../kernel/run/standing.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { OpenRun } from '../../sdk/contract/api-run.ts';
import type { AuditRecord } from '../../sdk/contract/audit.ts';
import { type CheckedExport, until, verifyExport } from '../support/api.ts';
import { addressOf, type Load } from './load.ts';
import type { People } from './people.ts';
import { disagreements, keysOf, readRecord, runOf, runsOf } from './record.ts';
import { type FaultWorld, ORG } from './world.ts';

/**
 * What a kernel promises whatever ends it, and how each promise is held against the disk, the API and the world's own
 * record. Throws AssertionError with what was found.
 */
const ACME = ORG as OrgId;

export type Promises = {
  /** While no kernel runs: what is on the disk, as the end has left it. */
  onDisk(when: string): Promise<void>;
  /** With the next kernel: the audit log is whole and goes on from before, and no run is stuck. */
  afterStart(when: string): Promise<{ readonly records: number }>;
  /** Waits until every run has ended. */
  settled(): Promise<void>;
  /** Waits until every run has ended, stops the kernel, and compares all that was promised, stored and done. */
  atEnd(): Promise<{ readonly cut: number; readonly repeats: number; readonly runs: number }>;
};

export function openPromises(world: FaultWorld, load: Load, people?: People): Promises {
  let pin: string | null = null;
  let last: CheckedExport | undefined;
  /** Of every intent that was on the disk when a kernel had ended, its key. */
  const intents = new Set<string>();
  /** Runs, events and votes that were found as they will stay. */
  const ended = new Set<string>();
  const found = new Set<string>();
  let acted = 0;

  const afterStart: Promises['afterStart'] = async (when) => {
    last = await verifyExport(world.api, join(world.folder.path, 'bundle'), pin ? { pinnedHead: pin } : {});
    const { verdict, findings, head, records } = last.verdict;
    assert.deepEqual({ verdict, findings }, { verdict: 'valid', findings: [] }, `${when}: the audit log`);
    pin = head;
    const { data } = await world.api.get<readonly OpenRun[]>('/open-work?only=stuck&limit=200');
    assert.deepEqual(data, [], `${when}: stuck runs`);
    return { records };
  };

  const onDisk = (when: string) =>
    readRecord(world.folder.data, (store) => {
      const lost = [...promisedKeys(store, load, people)].filter(([key, isThere]) => !found.has(key) && !isThere());
      assert.deepEqual(
        lost.map(([key]) => key),
        [],
        `${when}: what was answered as done and is not on the disk`,
      );
      for (const [key] of promisedKeys(store, load, people)) found.add(key);

      for (const key of keysOf(store, `${ORG}/run`)) {
        const id = key.slice(`${ORG}/run/`.length) as RunId;
        if (ended.has(id)) continue;
        const { run, turns } = runOf(store, ACME, id);
        for (const { events } of turns)
          for (const event of events) if (event.kind === 'step-intended') intents.add(event.key);
        if (run.ended) ended.add(id);
        else assert.deepEqual(lacks(store, run), [], `${when}: ${id} has no next move`);
      }
      // What the last kernel had sent has arrived by now, or does before the next check.
      const { entries } = world.firewall.log();
      const unasked = entries.slice(acted).filter(({ key }) => key === null || !intents.has(key));
      acted = entries.length;
      assert.deepEqual(unasked, [], `${when}: effects without an intent on the disk`);
      assert.deepEqual(doubles(world), [], `${when}: keys with more than one effect`);
    });

  // What was cut off again and again waits for about as long as the kills went on.
  const settled = async () => {
    await until(
      async () => (await openRuns(world)).length,
      (open) => open === 0,
      900_000,
    );
  };

  const atEnd: Promises['atEnd'] = async () => {
    await load.stop();
    await settled();
    await people?.stop();
    await afterStart('at the end');
    assert.equal((await world.kernel().end('SIGTERM')).code, 0);
    await onDisk('at the end');
    return readRecord(world.folder.data, (store) => endState(store, world, load, last?.records() ?? []));
  };
  return { onDisk, afterStart, settled, atEnd };
}

/** Keys of the record that somebody was told are there, each with a look whether what he was told is. */
function* promisedKeys(store: Store, load: Load, people: People | undefined): Iterable<[string, () => boolean]> {
  for (const { event } of load.taken.values()) {
    const key = `${ORG}/event/${event}`;
    yield [key, () => store.get(key) !== undefined];
  }
  for (const approval of people?.voted ?? []) {
    const key = `${ORG}/approval/${approval}`;
    yield [key, () => store.get(key)?.includes('"by":"approver"') === true];
  }
  for (const run of people?.settled ?? [])
    yield [
      `${ORG}/turn/${run}`,
      () => runOf(store, ACME, run as RunId).turns.some(({ events }) => events.some((e) => e.kind === 'step-settled')),
    ];
}

/** What an open run lacks to go on after the next start: something that it waits for, and the rows that bring it. */
function lacks(store: Store, run: Run): readonly string[] {
  const due = nextDue(run);
  const calls = openCalls(run).filter(({ step }) => store.get(KEYS.call(ACME, run.id, step)) === undefined);
  return [
    ...(waitsOf(run, () => undefined).length === 0 ? ['anything that it waits for'] : []),
    ...(due === null || store.get(KEYS.timer(due, ACME, run.id)) === undefined ? ['its timer'] : []),
    ...calls.map(({ step }) => `the call of ${step}`),
  ];
}

const doubles = ({ firewall }: FaultWorld) => {
  const effects = firewall.log().entries.filter((entry) => !entry.repeat);
  return [...Map.groupBy(effects, ({ key }) => key)].filter(([key, list]) => key === null || list.length > 1);
};

async function openRuns({ api }: FaultWorld): Promise<readonly OpenRun[]> {
  const answer = await api.get<readonly OpenRun[]>('/open-work?limit=200');
  const { next } = JSON.parse(answer.text).page as { next: string | null };
  // A page may be empty and not the last.
  if (answer.data.length > 0 || next === null) return answer.data;
  return (await api.get<readonly OpenRun[]>(`/open-work?limit=200&cursor=${next}`)).data;
}

function endState(store: Store, { firewall }: FaultWorld, { taken }: Load, records: readonly AuditRecord[]) {
  const runs = runsOf(store, ACME);
  const byId = new Map(runs.map((one) => [one.run.id as string, one.run]));
  assert.equal(runs.length, taken.size, 'one run for each event');
  const effects = firewall.log().entries.filter((entry) => !entry.repeat);
  const perAddress = Map.groupBy(effects, (entry) => entry.ip);
  const wrong = [...taken].flatMap(([n, { run, field }]) => {
    const state = byId.get(run ?? '')?.state;
    const done = perAddress.get(addressOf(n))?.length ?? 0;
    // What may not be repeated and was settled as not done has failed, and nothing was done.
    const isFine = (state === 'completed' && done === 1) || (field === 'once' && state === 'failed' && done === 0);
    return isFine ? [] : [{ n, field, run, state, done }];
  });
  assert.deepEqual(wrong, [], 'runs that did not end as they should, with exactly one effect');
  assert.deepEqual(keysOf(store, '!call'), [], 'calls left open');
  assert.deepEqual(keysOf(store, '!timer'), [], 'timers left');
  assert.deepEqual(disagreements(runs, records), [], 'record and audit');
  const attempts = runs.flatMap(({ run }) => Object.values(run.steps).flatMap((step) => step.attempts));
  const cut = attempts.filter((attempt) => attempt.end === 'indeterminate').length;
  return { cut, repeats: firewall.log().entries.length - effects.length, runs: runs.length };
}

/** What the kernel said that it should never have to say. */
export const defects = (world: FaultWorld): readonly string[] =>
  world
    .kernel()
    .said()
    .split('\n')
    .filter((line) => /defect|error|at file:|STUCK/i.test(line));
