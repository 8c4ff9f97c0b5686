import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, ClientFault } from '../client/answer.ts';
import type { Run } from '../client/client.ts';
import { pauseText } from './command-run-pause.ts';
import { cannot, EXIT, type Exit, ok, type Result } from './ending.ts';
import { durationMs } from './form.ts';
import { clean, note, state, when } from './print.ts';
import type { Session } from './session.ts';
import { noteStop } from './stopped.ts';
import { typed } from './typed.ts';

/** Follows a run for a time that somebody gave. The run does not depend on anyone who watches it. */
const POLL_MS = 10_000;
/** Where the server answers at once (it holds only so many waiting requests), it is not asked in a tight loop. */
const PAUSE_MS = 1_000;

/** The value of `--wait` in milliseconds. */
export function waitMsOf(text: string): Result<number> {
  const ms = durationMs(text);
  return ms === undefined ? cannot('--wait takes a whole number and a unit: 30s, 10m or 2h.') : ok(ms);
}

/**
 * A server that is away takes its runs up again when it is back; so does whoever follows them, until their time is over.
 * @param until milliseconds since the epoch.
 * @returns the run as it was last seen, or the fault that the last question ended in.
 */
export async function followRun(session: Session, id: string, until: number): Promise<Answer<Run>> {
  let isAway = false;
  let said = '';
  let mayWait = true;
  for (;;) {
    const askedAt = Date.now();
    const waitMs = mayWait ? Math.max(1, Math.min(POLL_MS, until - askedAt)) : 0;
    const answer = await session.client.run(id, waitMs);
    if (answer.ok) {
      isAway = false;
      const run = answer.value;
      const progress = progressOf(run);
      if (progress !== said && run.endedAt === null) {
        note(progress);
        const pause = pauseText(run);
        if (pause !== undefined) note(`  paused ${pause}`);
        if (isParked(run)) await noteStop(session);
      }
      said = progress;
      if (run.endedAt !== null || Date.now() >= until) return answer;
      if (Date.now() - askedAt < Math.min(waitMs, PAUSE_MS) || !mayWait) await sleep(PAUSE_MS);
      continue;
    }
    if (isTooManyWaits(answer.error) && mayWait) mayWait = false;
    else if (isPassing(answer.error) && Date.now() < until) {
      if (!isAway) note(`no answer from ${session.address}; asking again until the time of --wait is over`);
      isAway = true;
      await sleep(PAUSE_MS);
    } else return answer;
  }
}

/** What a server that is stopped and started looks like, directly or behind a proxy. */
const AWAY: ReadonlySet<number> = new Set([502, 503, 504]);

export function isPassing(fault: ClientFault): boolean {
  switch (fault.kind) {
    case 'unreachable':
    case 'timeout':
      return true;
    case 'problem':
      return AWAY.has(fault.problem.status);
    case 'strange':
      return AWAY.has(fault.status);
    case 'redirected':
      return false;
  }
}

export const isTooManyWaits = (fault: ClientFault): boolean =>
  fault.kind === 'problem' && fault.problem.type === 'urn:interlock:problem:too-many-waits';

/** Something of it waits for the end of a stop or of a pause. */
const isParked = ({ steps }: Run): boolean =>
  steps.some(({ waitsFor, undo }) => waitsFor === 'release' || undo?.state === 'parked');

/** What it is doing, or what it waits for and what that takes. */
function progressOf({ run, state: at, steps, approvals }: Run): string {
  const pending = approvals.filter((approval) => approval.state === 'pending');
  const waits = pending.map(
    ({ approval, needed, role, expiresAt }) =>
      typed`  waits for ${needed} ${clean(role, 20)} until ${when(expiresAt)}: interlock approval show ${approval}\n` +
      typed`  whoever may decide agrees with: interlock approval approve ${approval} --rationale "..."`,
  );
  const doing = steps
    .filter(({ state }) => state === 'ready' || state === 'intended')
    .map(({ step }) => clean(step, 63));
  return [`${run} is ${at}${doing.length > 0 ? ` at ${doing.join(', ')}` : ''}`, ...waits].join('\n');
}

/** How much of a run that did not complete still stands outside; nothing is said of one that did, or that did nothing. */
export const extentOf = ({ partial, undone }: Pick<Run, 'partial' | 'undone'>): string => {
  if (undone) return 'wholly undone';
  return partial ? 'in part' : '';
};

/** The state of a run, and its extent. */
export const endOf = (run: Pick<Run, 'state' | 'partial' | 'undone'>): string => {
  const extent = extentOf(run);
  return extent === '' ? state(run.state) : `${state(run.state)}${run.undone ? ',' : ''} ${extent}`;
};

/** For a run that goes on when the time of whoever watched it is over. */
export const noteStillGoing = ({ run, state: at }: Run): void =>
  note(
    typed`still waiting: ${run} is ${at} and goes on without this command. Go on with: interlock run show ${run} --wait 10m`,
  );

/** Runs that were followed to their end: completed is yes, everything else is no. A run that goes on is no answer. */
export function exitOfRuns(runs: readonly Run[]): Exit {
  if (runs.some(({ endedAt }) => endedAt === null)) return EXIT.cannot;
  return runs.every(({ state }) => state === 'completed') ? EXIT.fine : EXIT.no;
}
