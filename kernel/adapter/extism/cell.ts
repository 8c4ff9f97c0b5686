import type { HttpRequest } from '../../../sdk/contract/plugin.ts';
import { LIMITS } from '../../base/limits.ts';
import { type BrokerAnswer, CELL_ENTRIES, type CellLog, type CellOutcome } from '../../port/cell-host.ts';
import { type CellExit, spawnCell } from './cell-child.ts';
import type { CellCommand } from './cell-command.ts';
import { CALL_HEAD_BYTES, type Frame, frameOf, KIND, PAYLOAD_AT, TO_CELL_BYTES_MAX, writeHead } from './frame.ts';
import { parseHttpRequest } from './http-request.ts';
import type { Culprit } from './kill-record.ts';
import { type DecodedResult, readResult, VERDICT } from './result-frame.ts';
import { type CallTask, type CellModule, culpritOf, type Task } from './task.ts';

/**
 * One cell as the kernel sees it: the task that it was given, its deadline, and what the cell's frames mean.
 *
 * Owns: the running task, deadlines, which modules the cell holds. Neighbours: `cell-child.ts` owns the process,
 * `cell-host.ts` chooses a cell for a call and starts and retires cells.
 *
 * - C1 one task at a time. Putting more behind it was measured and bought nothing: two cells hide the round trip.
 * - C2 a cell is believed about its own call only: a frame that does not fit ends the cell.
 * - C3 a denied request decides its call here; no result can undo it.
 * - C4 every task settles exactly once, or is handed back because it did not begin.
 * - C5 a call that is cut off while it waits for its broker settles at once, and its request is denied: the plugin, which
 *   can reach nothing any more, ends by itself, and its result is dropped. Only one that goes on costs its cell.
 */
export type CellEvents = {
  /** The cell can take a task: it is ready, or its task ended. */
  free(): void;
  /** It took long to compile this. */
  slow(module: CellModule): void;
  /** The cell is no more, by itself or by `kill`. Not told after `dismiss`. */
  ended(end: CellEnd): void;
};

export type CellEnd = {
  /** The module that is to blame. */
  readonly culprit: Culprit | undefined;
  /** A task that was given and did not begin. */
  readonly unstarted: Task | undefined;
  /** Why the cell never got ready. */
  readonly bootFault: string | undefined;
  /** What it compiled at its end, if that was before it served. It had begun well. */
  readonly warming: CellModule | undefined;
};

export type Cell = {
  readonly phase: () => 'starting' | 'idle' | 'running' | 'blocked' | 'ended';
  readonly holds: (module: CellModule) => boolean;
  /** How long it has been in its phase, in milliseconds. */
  readonly phaseMs: () => number;
  /** Only to an idle cell. */
  give(task: Task): void;
  /** Settles this task as aborted when the cell has it. The cell ends with it, or is free a moment later (C5). */
  abort(task: Task): void;
  /** Ends the cell now; a running call ends as aborted. */
  kill(): void;
  /** Lets an idle cell go. */
  dismiss(): void;
  /** Settles when the process is gone. */
  readonly gone: Promise<void>;
};

type Distribute<T> = T extends unknown ? Omit<T, 'logs' | 'elapsedMs'> : never;
type Ending = Distribute<CellOutcome>;

const BOOT_DEADLINE_MS = 20_000;
const LOAD_DEADLINE_MS = 10_000;
/** After that a cell compiles nothing more before it serves: those who wait for it wait long enough. */
const WARM_UP_MS = 2_000;
/** Longer, and a module is one that others should not wait for. */
const SLOW_LOAD_MS = 1_000;
/** For a call that was cut off, to end by itself. Ample, because its host lets it do nothing but return. */
const CUT_OFF_GRACE_MS = 1_000;
/** A cell forgets the module that it ran longest ago. */
const MODULES_MAX = 16;
const REQUESTS_MAX = LIMITS.brokerCallsPerStep.value;
const FAULT_CHARS_MAX = 300;
const NO_LOGS: readonly CellLog[] = [];
const ABORTED: Ending = { kind: 'aborted' };
const OVERRAN: Ending = { kind: 'overran', deadline: 'hard' };
const BROKE_PROTOCOL: Ending = { kind: 'crashed', reason: 'The cell sent what no plugin call can send; it was ended.' };

/** @param warm Modules that it compiles before it is ready, as many as it holds, so that no call waits for that. */
export function startCell(command: CellCommand, warm: readonly CellModule[], events: CellEvents): Cell {
  const cold = warm.slice(-MODULES_MAX);
  const startedUp = performance.now();
  const modules = new Set<CellModule>();
  let phase: ReturnType<Cell['phase']> = 'starting';
  /** When it came into its phase, on the clock of `performance.now()`. */
  let phaseSince = 0;
  let task: Task | undefined;
  // Of the running task.
  let startedAt = 0;
  let settled = false;
  let loading: CellModule | undefined;
  let requests = 0;
  let denied: string | undefined;
  /** What ran before the running task. */
  let previous: Culprit | undefined;

  const child = spawnCell(command, onFrame, onExit);
  let timer: NodeJS.Timeout | undefined = setTimeout(
    () => end(ABORTED, { bootFault: 'It did not get ready in time.' }),
    BOOT_DEADLINE_MS,
  );
  const hasEnded = () => phase === 'ended';
  function enter(next: typeof phase): void {
    phase = next;
    phaseSince = performance.now();
  }

  function settle(ended: Task, ending: Ending, logs = NO_LOGS): void {
    if (settled) return;
    settled = true;
    if (ended.kind === 'call') ended.settle({ ...ending, logs, elapsedMs: performance.now() - startedAt });
    else ended.settle('reason' in ending ? ending.reason : 'The cell ended while it compiled the module.');
  }

  function rest(): void {
    disarm();
    previous = culpritOf(task);
    task = undefined;
    enter('idle');
    events.free();
  }

  /** Starts the clock of the task, or of the loading before it. */
  function startClock(deadlineMs: number): void {
    startedAt = performance.now();
    arm(deadlineMs, onDeadline);
  }

  function arm(ms: number, onDue: () => void): void {
    disarm();
    // A kernel that was held up sees the timer before what the cell wrote in time: the pipe is read first.
    const armed = setTimeout(() => setImmediate(() => timer === armed && onDue()), timerMs(ms));
    timer = armed;
  }

  function disarm(): void {
    clearTimeout(timer);
    timer = undefined;
  }

  function onDeadline(): void {
    if (hasEnded()) return;
    if (loading) end({ kind: 'crashed', reason: 'The module took too long to compile.' }, { culprit: culpritOf(task) });
    // Waiting for an answer is not the module's doing.
    else if (task?.kind === 'call' && phase === 'blocked') cutOff(task, OVERRAN);
    else end(OVERRAN, { culprit: culpritOf(task) });
  }

  function cutOff(running: CallTask, ending: Ending): void {
    settle(running, ending);
    answer(running, { denied: 'The call was cut off.' });
    arm(CUT_OFF_GRACE_MS, () => end(ending, { culprit: culpritOf(running) }));
  }

  function end(ending: Ending, why: Partial<CellEnd>): void {
    if (hasEnded()) return;
    const warming = phase === 'starting' ? loading : undefined;
    phase = 'ended';
    disarm();
    child.kill();
    if (task && task !== why.unstarted) settle(task, denied === undefined ? ending : refused(denied));
    events.ended({ culprit: why.culprit, unstarted: why.unstarted, bootFault: why.bootFault, warming });
  }

  function onExit(exit: CellExit): void {
    if (phase === 'starting') end(ABORTED, loading ? {} : { bootFault: exit.text });
    // The cell gave itself up over the call before, which it had answered; it has not read the present one.
    else if (exit.stateLeft && requests === 0) end(ABORTED, { culprit: previous, unstarted: task });
    else end({ kind: 'crashed', reason: exit.text }, { culprit: culpritOf(task) });
  }

  function onFrame(frame: Frame | undefined): boolean {
    if (hasEnded()) return false;
    const running = phase === 'running' ? task : undefined;
    if (phase === 'starting' && frame?.kind === KIND.ready) warmUp();
    else if (loading && frame?.kind === KIND.loaded && frame.id === loading.id) onLoaded(frame.payload);
    else if (running?.kind !== 'call' || loading || frame?.id !== running.id) breach();
    else if (frame.kind === KIND.result) onResult(running, readResult(frame.payload));
    else if (frame.kind === KIND.http && denied === undefined) onRequest(running, frame.payload);
    else breach();
    return !hasEnded();
  }

  function breach(): void {
    const isBooting = phase === 'starting' && !loading;
    if (isBooting) end(ABORTED, { bootFault: 'It sent what no cell sends before it is ready.' });
    else end(BROKE_PROTOCOL, { culprit: culpritOf(task) });
  }

  function onLoaded(fault: Buffer): void {
    if (loading && performance.now() - startedAt > SLOW_LOAD_MS) events.slow(loading);
    loading = undefined;
    if (phase === 'starting') warmUp();
    else if (task?.kind === 'call') startClock(task.call.hardDeadlineMs);
    else if (task) {
      task.settle(fault.toString('latin1', 0, FAULT_CHARS_MAX));
      rest();
    }
  }

  function onResult(running: CallTask, result: DecodedResult | undefined): void {
    if (result === undefined) {
      breach();
      return;
    }
    settle(running, denied === undefined ? endingOf(result) : refused(denied), result.logs);
    rest();
  }

  function onRequest(running: CallTask, payload: Buffer): void {
    const request = parseHttpRequest(payload);
    requests++;
    enter('blocked');
    if (!request.ok) answer(running, { denied: request.error });
    else if (requests > REQUESTS_MAX)
      answer(running, { denied: `The plugin sent more than ${REQUESTS_MAX} requests.` });
    else ask(running, request.value);
  }

  function ask(running: CallTask, request: HttpRequest): void {
    // A broker that throws is a defect; failing closed, it counts as a denial.
    Promise.try(running.call.broker, request)
      .then((answered) => answer(running, answered))
      .catch(() => answer(running, { denied: 'The broker failed.' }));
  }

  function answer(running: CallTask, answered: BrokerAnswer): void {
    if (phase !== 'blocked' || task !== running) return;
    let text = 'denied' in answered ? '' : JSON.stringify(answered);
    if ('denied' in answered) denied = answered.denied;
    else if (Buffer.byteLength(text) > TO_CELL_BYTES_MAX - PAYLOAD_AT) {
      denied = 'An answer was too large for a cell.';
      text = '';
    }
    enter('running');
    child.send(frameOf(KIND.answer, running.id, 0, text));
  }

  function load(module: CellModule): void {
    const oldest = modules.size >= MODULES_MAX ? modules.values().next().value : undefined;
    if (oldest) {
      modules.delete(oldest);
      child.send(frameOf(KIND.unload, oldest.id, 0, ''));
    }
    modules.add(module);
    const head = Buffer.allocUnsafe(PAYLOAD_AT + 1);
    writeHead(head, KIND.load, module.id, 1 + module.wasm.length);
    head[PAYLOAD_AT] = module.sealed ? 1 : 0;
    child.send(head);
    child.send(module.wasm);
    loading = module;
    startClock(LOAD_DEADLINE_MS);
  }

  function warmUp(): void {
    const next = performance.now() - startedUp < WARM_UP_MS ? cold.shift() : undefined;
    if (next) load(next);
    else rest();
  }

  function give(given: Task): void {
    task = given;
    enter('running');
    settled = false;
    requests = 0;
    denied = undefined;
    // Run last, forgotten last.
    if (modules.delete(given.module)) modules.add(given.module);
    else load(given.module);
    if (given.kind === 'call') {
      const frame = frameOf(KIND.call, given.id, CALL_HEAD_BYTES, given.call.envelope);
      frame.writeUInt32LE(given.module.id, PAYLOAD_AT);
      frame.writeUInt32LE(timerMs(given.call.softDeadlineMs), PAYLOAD_AT + 4);
      frame[PAYLOAD_AT + 8] = CELL_ENTRIES.indexOf(given.call.entry ?? 'execute');
      child.send(frame);
      if (!loading) startClock(given.call.hardDeadlineMs);
    } else if (!loading) {
      given.settle('');
      rest();
    }
  }

  return {
    phase: () => phase,
    holds: (module) => modules.has(module),
    phaseMs: () => performance.now() - phaseSince,
    give,
    abort(aborted) {
      if (task?.kind === 'call' && task === aborted && phase === 'blocked') cutOff(task, ABORTED);
      else if (task === aborted) end(ABORTED, {});
    },
    kill: () => end(ABORTED, {}),
    dismiss() {
      phase = 'ended';
      child.kill();
    },
    gone: child.gone,
  };
}

/** What a timer can wait: a longer time would be taken for none at all. */
const timerMs = (ms: number): number => (ms >= 0 ? Math.min(ms, 0x7fff_ffff) : 0);

const refused = (reason: string): Ending => ({ kind: 'refused', reason });

function endingOf(result: DecodedResult): Ending {
  if (result.verdict === VERDICT.replied) return { kind: 'replied', reply: result.text };
  if (result.verdict === VERDICT.refused) return refused(result.text);
  if (result.verdict === VERDICT.overran) return { kind: 'overran', deadline: 'soft' };
  return { kind: 'crashed', reason: result.text };
}
