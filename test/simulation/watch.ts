import { digestOf } from '../../kernel/base/digest.ts';
import { within } from '../../kernel/flow/keys.ts';
import type { PlaybookRecord } from '../../kernel/flow/playbooks.ts';
import { type RunSummary, summaryOf } from '../../kernel/flow/project.ts';
import type { StoredVersion } from '../../kernel/flow/registry.ts';
import type { StoredEvent } from '../../kernel/flow/stored-event.ts';
import { toGraph } from '../../kernel/playbook/compile.ts';
import type { Graph } from '../../kernel/playbook/graph.ts';
import type { Write } from '../../kernel/port/store.ts';
import type { RunEvent, StoredTurn } from '../../kernel/run/event.ts';
import { evolveTurn } from '../../kernel/run/evolve.ts';
import type { Run, StepRun } from '../../kernel/run/state.ts';
import type { AuditRecord } from '../../sdk/contract/audit.ts';
import type { Disk } from './disk.ts';
import type { Trace } from './trace.ts';
import { type Ballot, openVotes } from './votes.ts';

/**
 * Looks at every commit as it reaches the disk, and at the run after it, and says which invariant it breaks. Knows runs
 * from their stored events alone, and people from what they really did.
 */
export type Watch = {
  committed(batch: readonly Write[]): void;
  /** The kernel knows what is on the disk. */
  acknowledged(): void;
  /** The run has moved on the disk, and the kernel does not know it yet. */
  isAhead(run: string): boolean;
  /** Told of every event of a run when it is on the disk, with the number of its record. */
  listen(listener: RunListener): void;
  /** Told of every row of an org as it is written, in the order in which the rows were staged. */
  listenRows(listener: RowListener): void;
  /** A person votes: now, and whatever he is answered. */
  cast(ballot: Ballot): void;
  run(id: string): Run | undefined;
  runs(): readonly Run[];
  orgOf(run: string): string;
  graphOf(run: Run): Graph;
  /** The run as it was after so many turns, as JSON text. */
  textAt(run: string, version: number): string | undefined;
  /** A person has said what became of the step. */
  isSettled(run: string, step: string): boolean;
  /** Number of the record that says that the step succeeded. */
  succeededAt(run: string, step: string): number;
  /** When the step first succeeded, failed, or was given up, in elapsed time, whatever became of it then. */
  answeredAt(run: string, step: string): number | undefined;
  /** When the run ended, in elapsed time. */
  endedAt(run: string): number;
  hasEvent(org: string, event: string): boolean;
  wasLent(org: string, name: string, run: string, step: string): boolean;
};

/** `at`: when the turn of the event was decided. */
export type RunListener = (run: Run, event: RunEvent, seq: number, at: number) => void;
/** `id` is what follows `what` in the key. */
export type RowListener = (org: string, what: string, id: string, value: string | null) => void;

/** By its call, by a check, or by a person. */
const SUCCEEDS: readonly string[] = ['step-succeeded', 'step-checked', 'step-settled', 'step-by-hand'];

/** A call of the step is under way, or a run that it has started. */
const owesAnswer = (step: StepRun): boolean =>
  step.state === 'intended' ||
  step.undo?.state === 'intended' ||
  (step.state === 'ready' && step.waitsFor === 'plan') ||
  (step.state === 'indeterminate' && step.checking) ||
  (step.state === 'open' && step.waitsFor === 'run');

/** States of a step in an ended run: each of its lanes has ended. */
const FINAL: readonly string[] = ['succeeded', 'failed', 'indeterminate', 'skipped', 'rolled_back'];
/** What may still be said of a run that has ended, by a person. */
const AFTERWARDS: readonly string[] = ['step-settled', 'run-closed', 'run-resumed'];

type Fail = (rule: string, text: string) => void;

export function openWatch(deps: {
  disk: Disk;
  trace: Trace;
  fail: Fail;
  elapsed: () => number;
  /** The time in which a repeat starts nothing, of a playbook, in milliseconds. */
  windowOf: (playbook: string) => number | null;
}): Watch {
  const { disk, trace, fail, elapsed, windowOf } = deps;
  const runs = new Map<string, Run>();
  const texts = new Map<string, string[]>();
  const graphs = new Map<string, Graph>();
  const votes = openVotes({ trace, fail });
  /** The version of each playbook of each org that new runs use. */
  const active = new Map<string, string | null>();
  const lent = new Set<string>();
  const ahead = new Set<string>();
  const settled = new Set<string>();
  const succeeded = new Map<string, number>();
  const ended = new Map<string, number>();
  const answered = new Map<string, number>();
  /** Starts by what makes events repeats of each other: until when the window of the last is open, by the clock and in elapsed time. */
  const started = new Map<string, { readonly until: number; readonly elapsed: number }>();
  const listeners: RunListener[] = [];
  const rowListeners: RowListener[] = [];
  let commits = 0;

  const graphOf = ({ org, playbook: { name, digest } }: Run): Graph => {
    const key = `${org}/version/${name}/${digest.slice(7)}`;
    const known = graphs.get(key);
    if (known) return known;
    const text = disk.get(key);
    if (!text) throw new Error(`the version ${key} is not on the disk`);
    const graph = toGraph((JSON.parse(text) as StoredVersion).playbook);
    graphs.set(key, graph);
    return graph;
  };

  const onTurn = (org: string, id: string, version: number, turn: StoredTurn, records: Map<number, AuditRecord>) => {
    closeWindows(turn.at);
    const before = runs.get(id);
    const name = trace.name(id);
    if (version !== (before?.version ?? 0) + 1) fail('R3', `${name} turn ${version} follows turn ${before?.version}`);
    if (before?.ended && turn.events.some(({ kind }) => !AFTERWARDS.includes(kind)))
      fail('R6', `${name} has ended, and then: ${turn.events.map(eventText).join(', ')}`);
    const run = evolveTurn(before ?? null, turn);
    runs.set(id, run);
    const text = JSON.stringify(run);
    texts.set(id, [...(texts.get(id) ?? []), text]);
    trace.say(`commit ${commits}: ${name} ${turn.events.map(eventText).join(', ')}`);
    if (run.org !== org) fail('R7', `${name} of ${run.org} is stored with ${org}`);
    turn.events.forEach((event, index) => {
      const record = records.get(turn.seq + index);
      if (record?.run !== id || record.tenant !== org || record.act !== digestOf(JSON.stringify(event)))
        fail('R5', `${name} ${event.kind} has no record of its own in the commit`);
      for (const listener of listeners) listener(run, event, turn.seq + index, turn.at);
      if (event.kind === 'run-ended') ended.set(id, elapsed());
      const over = event.kind === 'step-failed' || event.kind === 'step-succeeded' ? [event.step] : [];
      for (const step of event.kind === 'steps-skipped' ? event.steps : over)
        if (!answered.has(`${id} ${step}`)) answered.set(`${id} ${step}`, elapsed());
      if ('step' in event && SUCCEEDS.includes(event.kind)) succeeded.set(`${id} ${event.step}`, turn.seq + index);
      if (event.kind === 'run-started') onStart(run, turn.at);
      if (event.kind === 'step-settled' || event.kind === 'step-by-hand') settled.add(`${id} ${event.step}`);
      if (event.kind === 'approval-voted') votes.counted(run, event, turn.at);
      if (event.kind === 'approval-decided') votes.decided(run, event);
    });
  };

  const onStart = (run: Run, at: number) => {
    if (!disk.get(`${run.org}/event/${run.event}`)) fail('R5', `${trace.name(run.id)} has no event that started it`);
    const origin = run.parent ?? run.startedBy;
    if (origin) {
      const parent = runs.get(origin.run);
      if (parent?.org !== run.org) fail('R7', `${trace.name(run.id)} is started by a run of another org`);
      if (parent?.playbooks[run.playbook.name] !== run.playbook.digest)
        fail('R9', `${trace.name(run.id)} is started by a version that the run which started it has not pinned`);
      return;
    }
    if (active.get(`${run.org} ${run.playbook.name}`) !== run.playbook.digest)
      fail('R9', `${trace.name(run.id)} is started by a version that is not active any more`);
    // A person asks for it, whatever the window says.
    if (run.trigger !== 'seen' || run.again) return;
    const window = windowOf(run.playbook.name);
    if (window === null) return;
    const key = `${run.org} ${run.playbook.name} ${run.trigger} ${run.inputs.finding}`;
    const last = started.get(key);
    // By the clock, and by the time that has really passed: a clock that is set back makes nothing a repeat for longer.
    if (last && at < last.until && elapsed() < last.elapsed)
      fail('dedup', `${trace.name(run.id)} is started by a repeat within the window of ${window} ms`);
    started.set(key, { until: at + window, elapsed: elapsed() + window });
  };
  /** A commit of that time may have forgotten what was too old: set back, the clock opens no window again. */
  const closeWindows = (at: number) => {
    for (const [key, { until }] of started) if (until <= at) started.delete(key);
  };

  /** What must hold of a run between two turns. */
  const check = (run: Run, timers: ReadonlyMap<string, number>) => {
    const name = trace.name(run.id);
    const due = timers.get(run.id);
    const calls = disk.range({ ...within(`!call/${run.org}/${run.id}`), limit: 1_000 }).length;
    if (run.ended && due !== undefined) fail('R6', `${name} has ended and still waits for a time`);
    if (run.ended && calls > 0) fail('R6', `${name} has ended and still waits for ${calls} calls`);
    if (!run.ended && (due === undefined || due > run.deadlineAt)) fail('R8', `${name} waits without a deadline`);
    const open = Object.values(run.steps).filter(owesAnswer);
    if (!run.ended && calls !== open.length)
      fail('R8', `${name} waits for ${open.length} calls and ${calls} are on the disk`);
    const unfinished = Object.values(run.steps).find(({ state }) => !FINAL.includes(state));
    if (run.ended && unfinished) fail('R6', `${name} has ended and its step ${unfinished.id} is ${unfinished.state}`);
    const text = disk.get(`${run.org}/run/${run.id}`);
    const summary = text ? (JSON.parse(text) as RunSummary) : undefined;
    if (summary?.state !== run.state || (run.ended && text !== JSON.stringify(summaryOf(run))))
      fail('R3', `${name} is ${run.state} and its summary says ${summary?.state}`);
  };

  return {
    committed(batch) {
      commits++;
      const lines = batch
        .filter(({ key }) => /^[a-z0-9-]+\/audit\//.test(key))
        .flatMap(({ value }) => value?.split('\n') ?? []);
      const records = new Map(
        lines.map((line) => {
          const record = JSON.parse(line) as AuditRecord;
          return [record.seq, record];
        }),
      );
      let acts = 0;
      const moved = new Set<string>();
      const accepted = new Set(
        [...records.values()].filter(({ kind }) => kind === 'event.accepted').map(({ ref }) => ref),
      );
      for (const { key, value } of batch) {
        const [org = '', what = '', id = '', version] = key.split('/');
        if (what === 'event' && !accepted.delete(id))
          fail('R5', `the event ${id} is stored without a record of its own`);
        // The rows of a commit stand in the order in which they were staged.
        for (const listener of rowListeners) listener(org, what, key.slice(org.length + what.length + 2), value);
        if (what === 'event' && value !== null) closeWindows((JSON.parse(value) as StoredEvent).receivedAt);
        if (what === 'playbook' && value) active.set(`${org} ${id}`, (JSON.parse(value) as PlaybookRecord).active);
        if (what !== 'turn' || value === null) continue;
        const turn = JSON.parse(value) as StoredTurn;
        acts += turn.events.length;
        moved.add(id);
        ahead.add(id);
        onTurn(org, id, Number(version), turn, records);
      }
      if (accepted.size > 0) fail('R5', 'a record tells of an event that is not stored with it');
      const told = [...records.values()].filter(({ run, act }) => run !== undefined && act !== undefined).length;
      if (told !== acts) fail('R5', `a commit has ${acts} events of runs and ${told} records of them`);
      for (const { kind, tenant, ref, run, step } of records.values())
        if (kind === 'secret.leased') lent.add(`${tenant} ${ref} ${run} ${step}`);
      if (moved.size === 0) return;
      const timers = new Map<string, number>();
      for (const { key } of disk.range({ ...within('!timer'), limit: 10_000 })) {
        const [, due, , id = ''] = key.split('/');
        if (timers.has(id)) fail('R8', `${trace.name(id)} waits for two times at once`);
        timers.set(id, Number(due));
      }
      for (const id of moved) {
        const run = runs.get(id);
        if (run) check(run, timers);
      }
    },
    acknowledged: () => ahead.clear(),
    isAhead: (run) => ahead.has(run),
    listen: (listener) => void listeners.push(listener),
    listenRows: (listener) => void rowListeners.push(listener),
    cast: votes.cast,
    run: (id) => runs.get(id),
    runs: () => [...runs.values()],
    orgOf: (id) => runs.get(id)?.org ?? 'none',
    graphOf,
    textAt: (id, version) => texts.get(id)?.[version - 1],
    isSettled: (run, step) => settled.has(`${run} ${step}`),
    succeededAt: (run, step) => succeeded.get(`${run} ${step}`) ?? -1,
    answeredAt: (run, step) => answered.get(`${run} ${step}`),
    endedAt: (run) => ended.get(run) ?? 0,
    hasEvent: (org, event) => disk.get(`${org}/event/${event}`) !== undefined,
    wasLent: (org, name, run, step) => lent.has(`${org} ${name} ${run} ${step}`),
  };
}

function eventText(event: RunEvent): string {
  const step = 'step' in event ? ` ${event.step}` : '';
  const attempt = 'attempt' in event && event.attempt > 0 ? ` #${event.attempt}` : '';
  const more =
    'outcome' in event
      ? ` ${event.outcome}`
      : event.kind === 'step-failed'
        ? ` (${event.error.class})`
        : event.kind === 'run-ended'
          ? ` ${event.state} (${event.reason})`
          : event.kind === 'approval-voted'
            ? ` ${event.decision} by ${event.by}`
            : event.kind === 'approval-decided'
              ? ` ${event.state}`
              : event.kind === 'step-indeterminate'
                ? ` (${event.reason})`
                : '';
  return `${event.kind}${step}${attempt}${more}`;
}
