import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, ClientFault } from '../client/answer.ts';
import type { Run } from '../client/client.ts';
import { EXIT, type Exit } from './ending.ts';
import { clean, note, say, state, when } from './print.ts';
import type { Session } from './session.ts';

/** Follows a run to its end. The run does not depend on anyone who watches it. */
const POLL_MS = 10_000;
/** Where the server answers at once (it holds only so many waiting requests), it is not asked in a tight loop. */
const PAUSE_MS = 1_000;
/** A server that is being restarted takes its runs up again; so does whoever follows them. */
const LOST_CONNECTIONS = 5;

/** @param forMs how long to follow; null: to the end. @returns the run as it was last seen. */
export async function followRun(session: Session, id: string, forMs: number | null): Promise<Answer<Run>> {
  const until = forMs === null ? Number.POSITIVE_INFINITY : Date.now() + forMs;
  let lost = 0;
  let said = '';
  let mayWait = true;
  for (;;) {
    const askedAt = Date.now();
    const waitMs = mayWait ? Math.max(1, Math.min(POLL_MS, until - askedAt)) : 0;
    const answer = await session.client.run(id, waitMs);
    if (answer.ok) {
      lost = 0;
      const run = answer.value;
      const progress = progressOf(run);
      if (progress !== said && run.endedAt === null) note(progress);
      said = progress;
      if (run.endedAt !== null || Date.now() >= until) return answer;
      if (Date.now() - askedAt < Math.min(waitMs, PAUSE_MS) || !mayWait) await sleep(PAUSE_MS);
      continue;
    }
    if (isTooManyWaits(answer.error) && mayWait) mayWait = false;
    else if (isLost(answer.error) && ++lost <= LOST_CONNECTIONS && Date.now() < until) {
      if (lost === 1) note(`lost the connection to ${session.address}; asking again`);
      await sleep(PAUSE_MS);
    } else return answer;
  }
}

const isLost = ({ kind }: ClientFault): boolean => kind === 'unreachable' || kind === 'timeout';
const isTooManyWaits = (fault: ClientFault): boolean =>
  fault.kind === 'problem' && fault.problem.type === 'urn:interlock:problem:too-many-waits';

/** What it is doing, or what it waits for and what that takes. */
function progressOf({ run, state: at, steps, approvals }: Run): string {
  const pending = approvals.filter((approval) => approval.state === 'pending');
  const waits = pending.map(
    ({ approval, needed, role, expiresAt }) =>
      `  waits for ${needed} ${clean(role, 20)} until ${when(expiresAt)}: interlock approval show ${approval}`,
  );
  const doing = steps
    .filter(({ state }) => state === 'ready' || state === 'intended')
    .map(({ step }) => clean(step, 63));
  return [`${run} is ${at}${doing.length > 0 ? ` at ${doing.join(', ')}` : ''}`, ...waits].join('\n');
}

export function sayFollowed({ run, state: end, partial, reason }: Run): void {
  const why = reason === null || reason === end ? '' : `: ${clean(reason)}`;
  say(`run ${run} ${state(end)}${partial ? ' in part' : ''}${why}`);
}

/** Runs that were followed to their end: completed is yes, everything else is no. A run that goes on is no answer. */
export function exitOfRuns(runs: readonly Run[]): Exit {
  if (runs.some(({ endedAt }) => endedAt === null)) return EXIT.cannot;
  return runs.every(({ state }) => state === 'completed') ? EXIT.fine : EXIT.no;
}
