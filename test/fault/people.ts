import type { OpenRun, Run } from '../../sdk/contract/api-run.ts';
import { pause } from './load.ts';
import type { FaultWorld } from './world.ts';

/**
 * The people of an org whose kernel dies again and again: they agree to what waits for an approval, and look at the
 * firewall to settle what nobody knows. What they were told is done (200) is remembered.
 */
export type People = {
  /** Approvals that a vote was taken for. */
  readonly voted: ReadonlySet<string>;
  /** Runs that a settlement was taken for. */
  readonly settled: ReadonlySet<string>;
  stop(): Promise<void>;
};

const EVERY_MS = 60;

export function startPeople({ api, approver, firewall }: FaultWorld): People {
  const voted = new Set<string>();
  const settled = new Set<string>();
  let stopping = false;

  const vote = async (approval: string) => {
    const shown = await approver.approval(approval);
    if (shown.data?.state !== 'pending') return;
    const answer = await approver.vote(approval, 'approve', shown.data.subject);
    if (answer.status === 200) voted.add(approval);
  };
  const settle = async (run: string, step: string) => {
    const shown = await api.run(run);
    const ip = shown.data?.inputs['ip'];
    const isDone = firewall.log().entries.some((entry) => entry.ip === ip && !entry.repeat);
    const form = { step, outcome: isDone ? 'succeeded' : 'failed', note: 'looked at the firewall' };
    const answer = await api.post<Run>(`/runs/${run}/settle`, form);
    if (answer.status === 200) settled.add(run);
  };
  const look = async () => {
    const { data = [] } = await api.get<readonly OpenRun[]>('/open-work?only=person&limit=200');
    for (const { run, waits } of data)
      for (const { what, step, approval } of waits)
        if (what === 'settlement' && step !== null) await settle(run, step);
        else if (approval !== null) await vote(approval);
  };
  const living = (async () => {
    while (!stopping) {
      // A kernel that is not there is no news here.
      await look().catch(() => undefined);
      await pause(EVERY_MS);
    }
  })();
  return {
    voted,
    settled,
    async stop() {
      stopping = true;
      await living;
    },
  };
}
