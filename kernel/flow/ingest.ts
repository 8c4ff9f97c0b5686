import type { AuditDraft } from '../audit/record.ts';
import { digestOf } from '../base/digest.ts';
import type { Digest, EventId, OrgId, RunId } from '../base/id.ts';
import { type JsonObject, resolvePointer } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { parseDuration, type UnixMs } from '../base/time.ts';
import { KERNEL_VERSION } from '../base/version.ts';
import type { Principal } from '../org/principal.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import type { Write } from '../port/store.ts';
import { type ActiveTrigger, evaluateTriggers, type TriggerEvaluation } from '../trigger/evaluate.ts';
import type { NormalEvent } from '../trigger/event.ts';
import type { Driver, Judgements, Prepared, Start } from './drive.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import { pinsOf } from './pins.ts';
import type { Registry } from './registry.ts';
import { contentOf, eventIdOf, type StoredEvent, type TriggerOutcome } from './stored-event.ts';

/**
 * Takes events in: match, dedup, and start of runs, all in one commit with every evaluation. What is answered is on
 * disk. The same event again (CloudEvents source and id) is answered again and changes nothing.
 */
export type Receipt = {
  readonly event: EventId;
  readonly repeat: boolean;
  readonly seq: number;
  readonly triggers: readonly TriggerOutcome[];
};
export type IngestFault = { readonly kind: 'unknown_org' | 'event_conflict' | 'too_many_runs' };

/** Conditions that are told for one trigger. */
const REASONS = 4;
/** Inputs of a run, as JSON text. */
const INPUT_CHARS = 65_536;

type DedupRow = { readonly run: RunId; readonly until: UnixMs };

export type Ingest = (by: Principal, event: NormalEvent) => Promise<Result<Receipt, IngestFault>>;

export function openIngest(deps: {
  ledger: Ledger;
  driver: Driver;
  registry: Registry;
  clock: Clock;
  entropy: Entropy;
  runsInFlight: (org: OrgId) => number;
  report: (defect: unknown) => void;
}): Ingest {
  const { ledger, driver, registry, clock, entropy, runsInFlight, report } = deps;

  return async (by, event) => {
    const org = registry.org(by.org);
    if (!org) return err({ kind: 'unknown_org' });
    const id = eventIdOf(by.org, event);
    for (;;) {
      const known = ledger.read(KEYS.event(by.org, id));
      if (known !== undefined) return answerRepeat(by, event, known);

      // Prefetch: everything that waits. Nothing is decided until all of it is here.
      const arrived = clock.now();
      const { triggers } = org;
      const evaluations = await evaluateTriggers(triggers, event);
      const candidates = await candidatesOf(by, id, event, triggers, evaluations, arrived);

      // Decide and commit: nothing below waits until the change is staged. An event that has come twice meanwhile is a
      // repeat, and what was judged by triggers that are not in force any more is judged again.
      if (ledger.read(KEYS.event(by.org, id)) !== undefined || org.triggers !== triggers) continue;
      if (candidates.length > 0 && runsInFlight(by.org) >= LIMITS.runsInFlightPerOrg.value)
        return err({ kind: 'too_many_runs' });
      return commit(by, id, event, evaluations, candidates, arrived);
    }
  };

  async function candidatesOf(
    by: Principal,
    id: EventId,
    event: NormalEvent,
    triggers: readonly ActiveTrigger[],
    evaluations: readonly TriggerEvaluation[],
    arrived: UnixMs,
  ): Promise<readonly Candidate[]> {
    const candidates: Candidate[] = [];
    for (const [index, evaluation] of evaluations.entries()) {
      const active = triggers[index];
      if (!active || evaluation.outcome !== 'matched') continue;
      // One playbook that cannot start must not keep the others from starting, and not the event from being taken in.
      try {
        const start = startOf(by, id, event, active);
        if (!start) continue;
        // A repeat that is absorbed needs no judgement of a run it will not start.
        const judgements = absorbedBy(by.org, evaluation, arrived) ? undefined : await driver.prefetchStart(start);
        candidates.push({ evaluation, active, start, judgements });
      } catch (defect) {
        report(defect);
      }
    }
    return candidates;
  }

  type Candidate = {
    readonly evaluation: TriggerEvaluation;
    readonly active: ActiveTrigger;
    readonly start: Start;
    readonly judgements: Judgements | undefined;
  };

  async function commit(
    by: Principal,
    id: EventId,
    event: NormalEvent,
    evaluations: readonly TriggerEvaluation[],
    candidates: readonly Candidate[],
    arrived: UnixMs,
  ): Promise<Result<Receipt, IngestFault>> {
    const now = clock.now();
    const seq = ledger.nextSeq();
    const rows: Write[] = [];
    const audit: AuditDraft[] = [];
    const started: Prepared[] = [];
    const begun = new Map<TriggerEvaluation, { run: RunId; outcome: 'matched' | 'absorbed' }>();
    for (const { evaluation, active, start, judgements } of candidates) {
      const absorbing = absorbedBy(by.org, evaluation, arrived);
      if (absorbing) {
        begun.set(evaluation, { run: absorbing, outcome: 'absorbed' });
        continue;
      }
      const prepared = judgements && prepareOrReport(start, judgements, seq, audit.length);
      if (!prepared) continue;
      rows.push(...prepared.rows);
      audit.push(...prepared.audit);
      started.push(prepared);
      begun.set(evaluation, { run: start.run, outcome: 'matched' });
      const window = active.trigger.dedup && parseDuration(active.trigger.dedup.window);
      if (evaluation.dedupKey && window) {
        const row: DedupRow = { run: start.run, until: (now + window) as UnixMs };
        rows.push({ key: KEYS.dedup(by.org, evaluation.dedupKey), value: JSON.stringify(row) });
      }
    }
    const triggers = evaluations.map(({ dedupKey: _, why, ...rest }, index) => {
      // An event keeps the first reasons of each trigger: enough to see why, whatever the size of the rule.
      const evaluation = { ...rest, why: why.slice(0, REASONS) };
      const run = begun.get(evaluations[index] as TriggerEvaluation);
      // A match that could not start is said to be an error, not a match.
      const outcome = run?.outcome ?? (evaluation.outcome === 'matched' ? 'error' : evaluation.outcome);
      return { ...evaluation, outcome, run: run?.run ?? null };
    });
    const stored: StoredEvent = { id, receivedAt: now, by: by.id, seq, event, triggers };
    const text = JSON.stringify(stored);
    rows.push({ key: KEYS.event(by.org, id), value: text });
    const accepted: AuditDraft = {
      org: by.org,
      kind: 'event.accepted',
      actor: `principal:${by.id}`,
      ref: id,
      act: digestOf(text),
    };
    const durable = ledger.stage({ audit: [accepted, ...audit], rows });
    for (const { run } of started) driver.keep(run);
    await durable;
    for (const prepared of started) driver.adopt(prepared);
    return ok({ event: id, repeat: false, seq, triggers });
  }

  /** As in the prefetch: one that cannot start keeps no other from it. */
  function prepareOrReport(start: Start, judgements: Judgements, seq: number, before: number): Prepared | undefined {
    try {
      return driver.prepareStart({ ...start, eventSeq: seq }, judgements, seq + 1 + before);
    } catch (defect) {
      report(defect);
      return undefined;
    }
  }

  /** The answer to an event that is known already, if it is the same event. `text` is what is stored of it. */
  async function answerRepeat(by: Principal, event: NormalEvent, text: string): Promise<Result<Receipt, IngestFault>> {
    const stored = JSON.parse(text) as StoredEvent;
    const { id } = stored;
    if (contentOf(stored.event) !== contentOf(event)) return err({ kind: 'event_conflict' });
    const triggers = stored.triggers.map((one) =>
      one.outcome === 'matched' ? { ...one, outcome: 'absorbed' as const } : one,
    );
    const repeated: AuditDraft = {
      org: by.org,
      kind: 'event.repeated',
      actor: `principal:${by.id}`,
      ref: id,
      cause: stored.seq,
    };
    await ledger.stage({ audit: [repeated], rows: [] });
    return ok({ event: id, repeat: true, seq: stored.seq, triggers });
  }

  /** Judged as of the event's arrival, so that the answer is the same before and after the waits of the prefetch. */
  function absorbedBy(org: OrgId, { dedupKey }: TriggerEvaluation, arrived: UnixMs): RunId | undefined {
    const text = dedupKey && ledger.read(KEYS.dedup(org, dedupKey));
    if (!text) return undefined;
    const row = JSON.parse(text) as DedupRow;
    return arrived < row.until ? row.run : undefined;
  }

  function startOf(by: Principal, id: EventId, event: NormalEvent, active: ActiveTrigger): Start | undefined {
    const org = registry.org(by.org);
    const digest = active.digest as Digest;
    const graph = org && registry.graph(by.org, active.playbook, digest);
    if (!org || !graph) return undefined;
    const found = Object.entries(graph.inputs).map(([name, at]) => [name, resolvePointer(event.data, at)] as const);
    const inputs = Object.fromEntries(found.filter(([, value]) => value !== undefined)) as JsonObject;
    // Many inputs may point at the same large field; what a run carries is bounded all the same.
    if (JSON.stringify(inputs).length > INPUT_CHARS) return undefined;
    return {
      kind: 'start',
      run: `run_${entropy.id()}` as RunId,
      org: by.org,
      playbook: { name: active.playbook, digest },
      policy: org.policy,
      ...pinsOf(registry, by.org, graph),
      trigger: active.trigger.id,
      event: id,
      eventSeq: 0,
      requester: by.id,
      trace: event.traceparent?.split('-')[1] ?? entropy.id(),
      inputs,
      kernel: KERNEL_VERSION,
    };
  }
}
