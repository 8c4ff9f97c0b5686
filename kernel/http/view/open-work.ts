import type * as Api from '../../../sdk/contract/api-run.ts';
import { iso } from '../../base/time.ts';
import type { OpenRun } from '../../flow/open-work.ts';
import type { Wait } from '../../run/standing.ts';
import { pauseView } from './run.ts';

/** Shows a run that has not ended, with what it waits for. */
export function openRunView({ summary, deadlineAt, waits, standing, paused }: OpenRun): Api.OpenRun {
  const { run, org, playbook, state, startedAt } = summary;
  return {
    run,
    org,
    playbook,
    state,
    startedAt: iso(startedAt),
    deadlineAt: deadlineAt === null ? null : iso(deadlineAt),
    waits: waits.map(waitView),
    standing: standing.kind,
    why: 'why' in standing ? standing.why : null,
    paused: pauseView(paused),
  };
}

function waitView(wait: Wait): Api.OpenRun['waits'][number] {
  const { what, step, since, until } = wait;
  const { approval, role } = what === 'approval' ? wait : { approval: null, role: null };
  const child = what === 'run' ? wait.child : null;
  return { what, step, since: iso(since), until: iso(until), approval, role, child };
}
