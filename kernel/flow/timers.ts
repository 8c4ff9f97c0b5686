import { type OrgId, type RunId, toOrgId, toRunId } from '../base/id.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import type { Driver } from './drive.ts';
import { KEYS, within } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { Scheduler } from './scheduler.ts';
import { openSweep } from './sweep.ts';

/**
 * Tells runs that something of theirs is due. Due times are rows of the record, written in the turn that made them;
 * firing twice is harmless, because a run judges for itself what is due (R4).
 */
export function openTimers(deps: {
  store: Store;
  ledger: Pick<Ledger, 'read' | 'healthy'>;
  driver: Pick<Driver, 'submit'>;
  /** Tells a run what came before it was due. */
  tellRun: (org: OrgId, run: RunId) => Promise<void>;
  clock: Clock;
  report: (defect: unknown) => void;
  scheduler?: Pick<Scheduler, 'soon'>;
}) {
  const { driver, tellRun, ...rest } = deps;
  return openSweep({
    ...rest,
    span: (now) => ({ from: within('!timer').from, to: KEYS.timersUntil(now) }),
    async tell({ key }) {
      const [, , orgName = '', runName = ''] = key.split('/');
      const org = toOrgId(orgName);
      const run = toRunId(runName);
      if (!org || !run) return false;
      await tellRun(org, run);
      return (await driver.submit(org, run, { kind: 'timer' })).ok;
    },
  });
}
