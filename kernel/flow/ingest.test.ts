import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { EVENT } from '../../test/fault/stand-in.ts';
import { personOf } from '../../test/support/org-files.ts';
import { openManualClock, openSeededEntropy } from '../adapter/memory/clock.ts';
import { openMemoryStore } from '../adapter/memory/store.ts';
import type { Digest, OrgId } from '../base/id.ts';
import { DEFAULT_EXECUTION } from '../call/policy.ts';
import { OCSF_FINDINGS } from '../incident/finding.ts';
import { toGraph } from '../playbook/compile.ts';
import { PlaybookSchema } from '../playbook/schema.ts';
import { openArrivals } from './arrivals.ts';
import type { Driver, Start } from './drive.ts';
import { openIngest } from './ingest.ts';
import { openLedger } from './ledger.ts';
import { openPending } from './pending.ts';
import { openRegistry } from './registry.ts';
import { openTakeIn } from './take-in.ts';

const ORG = 'acme' as OrgId;
const digestOf = (digit: string) => `sha256:${digit.repeat(64)}` as Digest;
const playbookOf = (name: string) =>
  v.parse(PlaybookSchema, {
    apiVersion: 'interlock/v1',
    kind: 'Playbook',
    name,
    title: name,
    owners: { technical: 'a', operational: 'b' },
    triggers: [{ id: 't', on: 'event', where: { fact: 'event', path: '/kind', operator: 'equal', value: 'c2' } }],
    steps: [{ id: 'note', type: 'update_state', incident: 'inc-1', set: { state: 'triaged' } }],
  });

/** Three playbooks match; the one named `bad` is broken in the given place, or lacks a judgement the first time. */
async function ingestOf(broken: 'prefetch' | 'prepare' | 'lacks' | 'moves') {
  const store = openMemoryStore();
  const clock = openManualClock(1_000);
  const entropy = openSeededEntropy('ingest');
  const ledger = openLedger({ store, clock, entropy });
  const registry = openRegistry(store);
  registry.addOrg({
    id: ORG,
    policy: digestOf('1'),
    egress: { apiVersion: 'interlock/egress/v1', grants: [] },
    incidents: OCSF_FINDINGS,
    webhooks: [],
    execution: DEFAULT_EXECUTION,
    plugins: new Map(),
  });
  for (const [index, name] of ['after', 'bad', 'calm'].entries()) {
    const playbook = playbookOf(name);
    registry.activate(ORG, digestOf(String(index + 2)), { playbook, graph: toGraph(playbook) });
  }
  const reported: unknown[] = [];
  const adopted: string[] = [];
  const fail = (start: Start, place: typeof broken) => {
    if (broken === place && start.playbook.name === 'bad') throw new Error('a defect');
  };
  let lacking = broken === 'moves';
  const judged: string[] = [];
  const driver = {
    async prefetchStart(start: Start) {
      judged.push(start.playbook.name);
      fail(start, 'prefetch');
      return { verdicts: new Map(), branches: new Map() };
    },
    lacks(start: Start) {
      fail(start, 'lacks');
      const isLacking = lacking && start.playbook.name === 'bad';
      lacking &&= !isLacking;
      return isLacking;
    },
    prepareStart(start: Start) {
      fail(start, 'lacks');
      fail(start, 'prepare');
      return { run: { id: start.playbook.name, org: ORG, playbook: start.playbook }, rows: [], audit: [], effects: [] };
    },
    keep: () => undefined,
    adopt: ({ run }: { run: { id: string } }) => void adopted.push(run.id),
  } as unknown as Driver;
  const report = (defect: unknown) => void reported.push(defect);
  const pending = openPending({ store, ledger, driver, report });
  const runsInFlight = () => 0;
  const arrivals = openArrivals({ store, ledger, driver, registry, clock, report });
  const takeIn = openTakeIn({
    store,
    ledger,
    driver,
    registry,
    pending,
    arrivals,
    clock,
    entropy,
    runsInFlight,
    stopOf: () => null,
    report,
  });
  const { take } = openIngest({ ledger, registry, arrivals, takeIn, clock });
  return { ingest: take, reported, adopted, judged };
}

describe('a playbook that cannot start keeps neither the event nor other playbooks from it', () => {
  test.each(['prefetch', 'prepare', 'lacks'] as const)('broken in its %s', async (broken) => {
    const { ingest, reported, adopted } = await ingestOf(broken);
    const by = personOf(ORG, 'pipeline', ['source']);
    const receipt = await ingest(by, EVENT);
    const outcomes = receipt.ok && receipt.value.triggers.map(({ playbook, outcome }) => `${playbook} ${outcome}`);
    expect(outcomes).toEqual(['after matched', 'bad error', 'calm matched']);
    expect(adopted).toEqual(['after', 'calm']);
    expect(reported).toMatchObject([{ message: 'a defect' }]);
    // The event is on the record, so that it is known when it comes again.
    expect(await ingest(by, EVENT)).toMatchObject({ ok: true, value: { repeat: true } });
  });
});

test('what a step does once has moved since it was judged: all is judged anew, and no run is lost', async () => {
  const { ingest, reported, adopted, judged } = await ingestOf('moves');
  const receipt = await ingest(personOf(ORG, 'pipeline', ['source']), EVENT);
  expect(receipt.ok && receipt.value.triggers.map(({ outcome }) => outcome)).toEqual(['matched', 'matched', 'matched']);
  expect(adopted).toEqual(['after', 'bad', 'calm']);
  expect(judged).toEqual(['after', 'bad', 'calm', 'after', 'bad', 'calm']);
  expect(reported).toEqual([]);
});
