import { openManualClock, openSeededEntropy } from '../../kernel/adapter/memory/clock.ts';
import { openMemoryStore } from '../../kernel/adapter/memory/store.ts';
import type { OrgId, RunId } from '../../kernel/base/id.ts';
import type { Json } from '../../kernel/base/json.ts';
import { DEFAULT_EXECUTION } from '../../kernel/call/policy.ts';
import { openArrivals } from '../../kernel/flow/arrivals.ts';
import type { Driver, Start } from '../../kernel/flow/drive.ts';
import { openExport } from '../../kernel/flow/export.ts';
import { openIngest } from '../../kernel/flow/ingest.ts';
import { KEYS, within } from '../../kernel/flow/keys.ts';
import { openLedger } from '../../kernel/flow/ledger.ts';
import { openPending } from '../../kernel/flow/pending.ts';
import { openPlaybooks } from '../../kernel/flow/playbooks.ts';
import type { Prepared } from '../../kernel/flow/prepare.ts';
import { openRegistry } from '../../kernel/flow/registry.ts';
import { openSchedule } from '../../kernel/flow/schedule.ts';
import { openTakeIn, type Receipt } from '../../kernel/flow/take-in.ts';
import { OCSF_FINDINGS } from '../../kernel/incident/finding.ts';
import type { Store } from '../../kernel/port/store.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { NormalEvent } from '../../kernel/trigger/event.ts';
import { personOf } from './org-files.ts';

/**
 * The intake of a kernel on a record and a clock that a test owns, with a driver whose runs do nothing by themselves:
 * each goes on until the test ends it. Everything else is what the kernel runs.
 */
export const ORG = 'acme' as OrgId;
const START = Date.UTC(2026, 10, 27, 12, 0, 0);
const SENDER = personOf(ORG, 'pipeline', ['source']);

type Standing = 'running' | 'pending' | 'ended';
type Kept = {
  readonly id: RunId;
  readonly playbook: string;
  readonly standing: Standing;
  readonly reason: string | null;
};

/** A playbook of one step, with these triggers. */
export const playbookOf = (triggers: readonly object[], more: object = {}, name = 'answer'): string =>
  JSON.stringify({
    apiVersion: 'interlock/v1',
    kind: 'Playbook',
    name,
    title: name,
    owners: { technical: 'a', operational: 'b' },
    triggers,
    steps: [{ id: 'note', type: 'update_state', incident: 'inc-1', set: { state: 'triaged' } }],
    ...more,
  });

/** Matches events whose `kind` is `c2`. */
export const seen = (more: object = {}): object => ({
  id: 'seen',
  on: 'event',
  where: { fact: 'event', path: '/kind', operator: 'equal', value: 'c2' },
  ...more,
});

export type TriggerWorld = Awaited<ReturnType<typeof openTriggerWorld>>;

/** @param life how many kernels this record has had: each draws ids of its own. */
export async function openTriggerWorld(
  texts: readonly string[],
  options: { readonly store?: Store; readonly clock?: ReturnType<typeof openManualClock>; readonly life?: number } = {},
) {
  const { store = openMemoryStore(), clock = openManualClock(START), life = 0 } = options;
  const entropy = openSeededEntropy(`trigger-world-${life}`);
  const ledger = openLedger({ store, clock, entropy });
  const registry = openRegistry(store);
  const reported: unknown[] = [];
  const report = (defect: unknown) => void reported.push(defect);
  const runs = new Map<RunId, Kept>();
  let turned: (run: Run) => void = () => undefined;
  let meanwhile: () => Promise<unknown> = async () => undefined;

  const keyOf = (id: RunId) => `${ORG}/double/${id}`;
  const asRun = ({ id, playbook, standing }: Kept): Run =>
    ({ id, org: ORG, playbook: { name: playbook }, ended: standing === 'ended' ? {} : null }) as unknown as Run;
  const move = async (kept: Kept, kind: 'run.cancel' | 'run.ended' | 'run.released', outcome?: string) => {
    const was = runs.get(kept.id)?.standing;
    runs.set(kept.id, kept);
    const rows = [{ key: keyOf(kept.id), value: JSON.stringify(kept) }];
    const gone = was === 'pending' ? [{ key: KEYS.pending(ORG, kept.playbook, kept.id), value: null }] : [];
    const audit = {
      org: ORG,
      kind: kind as 'run.ended',
      actor: 'system:engine',
      run: kept.id,
      ...(outcome && { outcome }),
    };
    await ledger.stage({ audit: [audit], rows: [...rows, ...gone] });
    turned(asRun(kept));
  };
  const driver = {
    async prefetchStart() {
      const work = meanwhile;
      meanwhile = async () => undefined;
      await work();
      return { verdicts: new Map(), branches: new Map() };
    },
    lacks: () => false,
    prepareStart(start: Start & { readonly queued?: boolean }): Prepared {
      const standing: Standing = start.queued ? 'pending' : 'running';
      const kept: Kept = { id: start.run, playbook: start.playbook.name, standing, reason: null };
      return {
        run: asRun(kept),
        rows: [{ key: keyOf(kept.id), value: JSON.stringify(kept) }],
        audit: [
          { org: ORG, kind: 'run.started', actor: `by:${start.requester}`.replace('by:', 'system:'), run: start.run },
        ],
        effects: [],
      };
    },
    keep(run: Run) {
      const text = ledger.read(keyOf(run.id));
      if (text) runs.set(run.id, JSON.parse(text) as Kept);
    },
    adopt: ({ run }: Prepared) => turned(run),
    isActive: (_: OrgId, id: RunId) => runs.has(id),
    load: (_: OrgId, id: RunId) => {
      const kept = runs.get(id);
      return kept ? asRun(kept) : null;
    },
    async submit(_: OrgId, id: RunId, input: { readonly kind: string; readonly reason?: string }) {
      const kept = runs.get(id);
      if (!kept || kept.standing === 'ended') return { ok: false, refusal: { kind: 'ended' } };
      if (input.kind === 'release') await move({ ...kept, standing: 'running' }, 'run.ended', 'released');
      if (input.kind === 'cancel')
        await move({ ...kept, standing: 'ended', reason: input.reason ?? null }, 'run.ended', 'cancelled');
      return { ok: true, run: asRun(runs.get(id) ?? kept) };
    },
  } as unknown as Driver;

  const pending = openPending({ store, ledger, driver, report });
  turned = pending.turned;
  const inFlight = () => [...runs.values()].filter(({ standing }) => standing !== 'ended').length;
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
    runsInFlight: inFlight,
    stopOf: () => null,
    report,
  });
  const { take, fire } = openIngest({ ledger, registry, arrivals, takeIn, clock });
  const schedule = openSchedule({ store, ledger, registry, fire, clock, report });
  const playbooks = openPlaybooks({ ledger, registry, clock });

  registry.addOrg({
    id: ORG,
    policy: `sha256:${'1'.repeat(64)}` as never,
    egress: { apiVersion: 'interlock/egress/v1', grants: [] },
    incidents: { ...OCSF_FINDINGS, from: [] },
    webhooks: [],
    execution: DEFAULT_EXECUTION,
    plugins: new Map(),
  });
  registry.refreshPlaybooks(ORG);
  const activate = async (text: string) => {
    const put = await playbooks.put(personOf(ORG, 'author', ['author']), text);
    if (!put.ok) throw new Error(JSON.stringify(put.error));
    const active = await playbooks.activate(personOf(ORG, 'approver', ['approver']), put.value.name, put.value.digest);
    if (!active.ok) throw new Error(JSON.stringify(active.error));
  };
  for (const text of texts) await activate(text);
  // As the kernel does it at its start.
  pending.takeUp(ORG);
  for (const { value } of store.range({ ...within(`${ORG}/double`), limit: 100_000 })) {
    const kept = JSON.parse(value) as Kept;
    if (kept.standing === 'ended') continue;
    runs.set(kept.id, kept);
    pending.turned(asRun(kept));
  }
  pending.resume();

  let sent = 0;
  const eventOf = (data: Readonly<Record<string, Json>>, id: string): NormalEvent => ({
    source: 'urn:test',
    sourceId: id,
    type: 'test',
    subject: null,
    time: null,
    receivedFormat: 'cloudevents-structured',
    traceparent: null,
    data,
  });
  const settle = async () => {
    for (let turn = 0; turn < 5; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      await ledger.idle();
    }
  };

  return {
    clock,
    store,
    ledger,
    registry,
    reported,
    activate,
    settle,
    /** The answer to an event of this data, under a new id unless one is given. */
    async receive(data: Readonly<Record<string, Json>>, id = `${life}-${sent++}`): Promise<Receipt> {
      const taken = await take(SENDER, eventOf({ kind: 'c2', ...data }, id));
      await settle();
      if (!taken.ok) throw new Error(taken.error.kind);
      return taken.value;
    },
    /** What became of it for each trigger, in words: the outcome, and the reason where there is one. */
    async send(data: Readonly<Record<string, Json>> = {}, id?: string): Promise<string> {
      const { triggers } = await this.receive(data, id);
      return triggers.map(({ outcome, reason }) => (reason ? `${outcome} ${reason}` : outcome)).join(', ');
    },
    /** Done once, while the next event that would start a run is being looked at. */
    meanwhile(work: () => Promise<unknown>) {
      meanwhile = work;
    },
    async sweep(times = 1) {
      for (let i = 0; i < times; i++) await schedule.sweep();
      await settle();
    },
    /** Runs in the order in which they were made. */
    runs: () => [...runs.values()],
    /** Of each run, in order. */
    standings: () => [...runs.values()].map(({ standing, reason }) => reason ?? standing),
    /** Ends the run made at this place. */
    async end(at: number) {
      const kept = [...runs.values()][at];
      if (!kept) throw new Error('no such run');
      await move({ ...kept, standing: 'ended' }, 'run.ended', 'completed');
      await settle();
    },
    /** Audit records of the org, parsed. */
    records: () =>
      [...openExport({ store, clock })(ORG).lines].map((line) => JSON.parse(line) as Record<string, unknown>),
    rows: (folder: string) => store.range({ ...within(`${ORG}/${folder}`), limit: 100_000 }),
    /** Another kernel on the same record. */
    restart: async () => openTriggerWorld([], { store, clock, life: life + 1 }),
  };
}
