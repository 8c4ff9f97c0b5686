import { toOrgId, toRunId } from '../base/id.ts';
import { iso } from '../base/time.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import { closureOf, isPartial } from '../run/open-work.ts';
import { ledTo } from '../run/part.ts';
import type { Run } from '../run/state.ts';
import { chainOf, type NormalEvent, RUN_SOURCE } from '../trigger/event.ts';
import type { Driver } from './drive.ts';
import type { TakeEnd } from './ingest.ts';
import { KEYS, within } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { Scheduler } from './scheduler.ts';
import type { StoredEvent } from './stored-event.ts';
import { turnsOf } from './stored-run.ts';
import { openSweep } from './sweep.ts';

/**
 * The end of a run is an event, where a trigger of its org is for such ends. The turn that ends the run leaves a row; the
 * commit that takes the event in removes it, so that no end is lost with a crash, and none is told twice. Runs that are
 * steps of other runs are told to those and to nobody else.
 */
export function openRunEnds(deps: {
  store: Store;
  ledger: Pick<Ledger, 'read' | 'healthy'>;
  driver: Pick<Driver, 'load'>;
  takeEnd: TakeEnd;
  clock: Clock;
  scheduler?: Pick<Scheduler, 'soon'>;
  report: (defect: unknown) => void;
}) {
  const { store, driver, takeEnd } = deps;
  const { read } = deps.ledger;

  /** The playbooks of runs that have started one another by their ends, up to one that has ended. */
  const chainTo = ({ org, event, playbook }: Run): readonly string[] => {
    const text = read(KEYS.event(org, event));
    const before = text === undefined ? undefined : (JSON.parse(text) as StoredEvent).event;
    return [...(before?.receivedFormat === 'run' ? chainOf(before.data) : []), playbook.name];
  };

  return openSweep({
    ...deps,
    span: () => within('!end'),
    async tell({ key }) {
      const [, orgName = '', runName = ''] = key.split('/');
      const [org, id] = [toOrgId(orgName), toRunId(runName)];
      const run = org && id && driver.load(org, id);
      if (!org || !id || !run?.ended) return false;
      const event = eventOf(run, run.ended, chainTo(run));
      return (await takeEnd(run, event, { row: key, people: ledTo(turnsOf(store, org, id)) })).ok;
    },
  });
}

const eventOf = (run: Run, ended: NonNullable<Run['ended']>, chain: readonly string[]): NormalEvent => ({
  source: RUN_SOURCE,
  sourceId: run.id,
  type: 'interlock.run',
  subject: run.id,
  time: ended.at,
  receivedFormat: 'run',
  // One trace for what follows from one event. No span has this id; it only has to be one.
  traceparent: `00-${run.trace}-${run.id.slice(4, 20)}-01`,
  data: {
    run: run.id,
    playbook: run.playbook.name,
    trigger: run.trigger,
    event: run.event,
    state: ended.state,
    reason: ended.reason,
    why: whyOf(ended),
    partial: isPartial(run),
    closure: closureOf(run),
    startedAt: iso(run.startedAt),
    endedAt: iso(ended.at),
    ...(run.incident !== undefined && { incident: run.incident }),
    ...(ended.failure && { failure: ended.failure }),
    inputs: run.inputs,
    outputs: ended.output,
    chain,
  },
});

/** Always there, for people. */
const whyOf = ({ state, reason, failure }: NonNullable<Run['ended']>): string =>
  failure ? `step ${failure.step} failed (${failure.class}): ${failure.message}` : `${state}: ${reason}`;
