import { availableParallelism } from 'node:os';
import type { Digest, OrgId } from '../../base/id.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { openSharing } from '../../base/sharing.ts';
import { openTurns } from '../../base/turns.ts';
import type { CellCall, CellHost, CellOutcome } from '../../port/cell-host.ts';
import { type Cell, type CellEnd, startCell } from './cell.ts';
import { cellCommand } from './cell-command.ts';
import { type CellHostOptions, defaultOptions } from './cell-options.ts';
import { openGrowth } from './growth.ts';
import { type Culprit, openKillRecord, partsOf } from './kill-record.ts';
import { sourceProgram } from './program.ts';
import type { CellSettings } from './quota.ts';
import { type CallTask, type CellModule, culpritOf, type LoadTask, onBehalfOf, type Task } from './task.ts';

/**
 * The pool of cells: which call runs where, and how many cells there are.
 *
 * Owns: what waits, the known modules, refilling and shrinking, quarantine. Neighbours: `turns.ts` says whose task is
 * next, `cell.ts` runs what it is given, `growth.ts` says when one more cell would help.
 *
 * - P1 orgs take turns; within an org, first in, first out. A task that was handed back goes to the front of its org.
 * - P2 a call is given to one cell at a time and settles once.
 * - P3 there are never more than `max` cells, and `min` of them are kept warm.
 * - P4 of `max` cells the last quarter (at least one, when there are two or more) goes only to orgs that hold none: calls
 *   of one org that wait for a dead target, or spin, cannot keep the first call of another from starting. Nor can they
 *   fill the queue for another: its bound is per org.
 * - P5 while several orgs call, the same holds of the cells that there are: nobody waits for a cell to start because
 *   another org holds all the others.
 * - P6 a cell that joins has compiled what the others run: no call waits for that. What one did not survive to compile,
 *   or took long over, is left to the call that needs it, and its own cell: a module keeps no cell from joining.
 */

const BOOT_BACKOFF_MS = 100;
const BOOT_FAULTS_MAX = 3;
const NEVER_RAN = { logs: [], elapsedMs: 0 } as const;

/** Starts `min` cells at once; calls may be made immediately. */
export function openCellHost(given: Partial<CellHostOptions> = {}): CellHost {
  const options = { ...defaultOptions(), ...given };
  const settings: CellSettings = { quota: options.quota, checkRestoreEvery: options.checkRestoreEvery };
  const command = cellCommand(
    settings,
    options.wrapper,
    options.entry === undefined ? undefined : sourceProgram(options.entry),
  );
  const modules = new Map<Digest, CellModule>();
  const kills = openKillRecord(options.kills);
  const cells: Cell[] = [];
  const leaving = new Set<Promise<void>>();
  const sharing = openSharing<OrgId>(Date.now);
  const waiting = openTurns<ReturnType<typeof onBehalfOf>, Task>(() =>
    sharing.isShared() ? cells.filter(isServing).length : options.max,
  );
  const givenTo = new Map<Cell, Task>();
  /** What no cell compiles before it serves: one ended with it, or took long. */
  const unfit = new WeakSet<CellModule>();
  let lastId = 0;
  let respawns = 0;
  let bootFaults = 0;
  let closed = false;
  let retry: NodeJS.Timeout | undefined;

  const shrink = setInterval(
    () => {
      for (const cell of [...cells]) {
        if (cells.length > options.min && waiting.size() === 0 && isIdle(cell) && cell.phaseMs() > options.idleMs) {
          leave(cell);
          cell.dismiss();
        }
      }
    },
    Math.max(50, options.idleMs / 4),
  );
  shrink.unref();

  const growth = openGrowth({
    cells,
    isShort: () => !closed && cells.length < options.max && bootFaults === 0 && wouldTakeMore(),
    add: start,
    processors: availableParallelism(),
  });

  /** Whether something waits that one more cell would run. */
  const wouldTakeMore = () => (sharing.isShared() ? waiting.size() > 0 : waiting.mayTake());
  const isIdle = (cell: Cell) => cell.phase() === 'idle';
  const isServing = (cell: Cell) => cell.phase() !== 'starting';

  function leave(cell: Cell): void {
    const at = cells.indexOf(cell);
    if (at >= 0) cells.splice(at, 1);
    leaving.add(cell.gone);
    void cell.gone.then(() => leaving.delete(cell.gone));
  }

  function start(): void {
    const inUse = [...modules.values()].filter(
      (module) => !unfit.has(module) && cells.some((each) => each.holds(module)),
    );
    const cell: Cell = startCell(command, inUse, {
      free: () => {
        takeBack(cell);
        if (bootFaults > 0) {
          bootFaults = 0;
          refill();
        }
        pump();
      },
      slow: (module) => void unfit.add(module),
      ended: (end) => onEnded(cell, end),
    });
    cells.push(cell);
  }

  /** The cell has nothing to do any more: its place is free. */
  function takeBack(cell: Cell): void {
    const task = givenTo.get(cell);
    if (task === undefined) return;
    givenTo.delete(cell);
    waiting.done(onBehalfOf(task));
  }

  function onEnded(cell: Cell, end: CellEnd): void {
    leave(cell);
    takeBack(cell);
    if (closed) {
      if (end.unstarted) discard(end.unstarted);
      return;
    }
    if (end.unstarted) waiting.pushFirst(onBehalfOf(end.unstarted), end.unstarted);
    if (end.warming) unfit.add(end.warming);
    if (end.culprit) blame(end.culprit);
    if (end.bootFault === undefined) bootFaults = 0;
    else if (++bootFaults >= BOOT_FAULTS_MAX && !cells.some(isServing)) giveUp(end.bootFault);
    respawns++;
    refill();
    pump();
  }

  function blame(culprit: Culprit): void {
    const now = Date.now();
    kills.note(culprit, now);
    const standing = kills.standing(culprit, now);
    if (standing.kind !== 'quarantined') return;
    const { org, module } = partsOf(culprit);
    options.onQuarantine({ org, module, untilMs: standing.untilMs, kills: standing.kills });
  }

  /** Keeps `min` cells. After cells that never got ready, it waits ever longer before the next try. */
  function refill(): void {
    if (closed || cells.length >= options.min) return;
    if (bootFaults === 0) {
      start();
      refill();
    } else {
      retry ??= setTimeout(
        () => {
          retry = undefined;
          if (!closed && cells.length < options.min) start();
        },
        Math.min(5_000, BOOT_BACKOFF_MS * 2 ** bootFaults),
      );
    }
  }

  function giveUp(fault: string): void {
    for (const task of waiting.clear()) unavailable(task, `No cell can be started. ${fault}`);
  }

  function unavailable(task: Task, reason: string): void {
    if (task.kind === 'load') task.settle(reason);
    else task.settle({ ...NEVER_RAN, kind: 'unavailable', reason });
  }

  /** Gives waiting calls to cells, in turn, as long as there is room. */
  function pump(): void {
    while (!closed && waiting.size() > 0) {
      const idle = cells.find(isIdle);
      if (idle === undefined) {
        growth.consider();
        return;
      }
      const task = waiting.take();
      // What is left may not hold more cells; it goes on when a call of its org ends, or with one cell more.
      if (task === undefined) {
        growth.consider();
        return;
      }
      if (task.kind === 'call' && isBarred(task)) {
        waiting.done(onBehalfOf(task));
        continue;
      }
      const cell = cells.find((each) => isIdle(each) && each.holds(task.module)) ?? idle;
      givenTo.set(cell, task);
      cell.give(task);
    }
  }

  /** Settles a call whose module may not run at present. */
  function isBarred(task: CallTask): boolean {
    const suspect = culpritOf(task);
    const standing = suspect && kills.standing(suspect, Date.now());
    if (!standing || standing.kind === 'clear') return false;
    const until = new Date(standing.untilMs).toISOString();
    task.settle(
      standing.kind === 'quarantined'
        ? {
            ...NEVER_RAN,
            kind: 'refused',
            reason: `The module is in quarantine until ${until}: it killed ${standing.kills} cells.`,
          }
        : { ...NEVER_RAN, kind: 'unavailable', reason: `The module killed cells and may run again at ${until}.` },
    );
    return true;
  }

  function call(given: CellCall): Promise<CellOutcome> {
    const module = modules.get(given.module);
    const { signal } = given;
    if (closed || signal?.aborted) return Promise.resolve({ ...NEVER_RAN, kind: 'aborted' });
    if (module === undefined) return refused('The module is not loaded.');
    if (Buffer.byteLength(given.envelope) > options.envelopeBytesMax) {
      return refused(`The input of the call has more than ${options.envelopeBytesMax} bytes.`);
    }
    return new Promise((resolve) => {
      const settle = (outcome: CellOutcome) => {
        signal?.removeEventListener('abort', onAbort);
        resolve(outcome);
      };
      const task: CallTask = { kind: 'call', id: nextId(), module, call: given, settle };
      const onAbort = () => {
        if (waiting.remove(task)) settle({ ...NEVER_RAN, kind: 'aborted' });
        else for (const cell of [...cells]) cell.abort(task);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      if (isBarred(task)) return;
      if (waiting.waitingOf(given.org) < options.waitingMax) enqueue(task);
      else unavailable(task, `${options.waitingMax} calls of the org wait already.`);
    });
  }

  function enqueue(task: Task): void {
    if (task.kind === 'call') sharing.note(task.call.org);
    waiting.push(onBehalfOf(task), task);
    pump();
  }

  /** Ids wrap within 32 bits; long before, the call that had the number is over. */
  function nextId(): number {
    lastId = lastId === 0xffff_ffff ? 1 : lastId + 1;
    return lastId;
  }

  async function load(
    digest: Digest,
    wasm: Uint8Array,
    { sealed }: { readonly sealed: boolean },
  ): Promise<Result<void, string>> {
    if (closed) return err('The cells are closed.');
    if (modules.has(digest)) return ok(undefined);
    const module: CellModule = {
      digest,
      id: nextId(),
      wasm: wasm.slice(),
      sealed,
    };
    const fault = await new Promise<string>((settle) => {
      const task: LoadTask = { kind: 'load', module, settle };
      enqueue(task);
    });
    if (fault !== '') return err(fault);
    if (!modules.has(digest)) modules.set(digest, module);
    return ok(undefined);
  }

  refill();
  return {
    load,
    call,
    stats: () => ({
      cells: cells.length,
      busy: cells.filter((cell) => isServing(cell) && !isIdle(cell)).length,
      waiting: waiting.size(),
      respawns,
    }),
    async close() {
      closed = true;
      clearInterval(shrink);
      clearTimeout(retry);
      growth.stop();
      for (const cell of [...cells]) cell.kill();
      for (const task of waiting.clear()) discard(task);
      await Promise.all(leaving);
    },
  };
}

function discard(task: Task): void {
  if (task.kind === 'load') task.settle('The cells are closed.');
  else task.settle({ ...NEVER_RAN, kind: 'aborted' });
}

const refused = (reason: string): Promise<CellOutcome> => Promise.resolve({ ...NEVER_RAN, kind: 'refused', reason });
