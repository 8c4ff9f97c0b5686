import { toOrgId, toRunId } from '../base/id.ts';
import type { JsonObject } from '../base/json.ts';
import { iso } from '../base/time.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import { closureOf, isPartial } from '../run/open-work.ts';
import type { Run } from '../run/state.ts';
import { type NormalEvent, OWN_SOURCES } from '../trigger/event.ts';
import type { Driver } from './drive.ts';
import type { TakeEnd } from './ingest.ts';
import { KEYS, within } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { StoredEvent } from './stored-event.ts';
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
  report: (defect: unknown) => void;
}) {
  const { driver, takeEnd, ...rest } = deps;
  const { read } = deps.ledger;

  /** The same of a run that has ended. */
  const lengthOf = ({ org, event }: Run): number => {
    const text = read(KEYS.event(org, event));
    const before = text === undefined ? undefined : (JSON.parse(text) as StoredEvent).event;
    return 1 + (before?.receivedFormat === 'run' ? chainOf(before.data) : 0);
  };

  return openSweep({
    ...rest,
    span: () => within('!end'),
    async tell({ key }) {
      const [, orgName = '', runName = ''] = key.split('/');
      const [org, id] = [toOrgId(orgName), toRunId(runName)];
      const run = org && id && driver.load(org, id);
      return run?.ended ? (await takeEnd(run, eventOf(run, run.ended, lengthOf(run)), key)).ok : false;
    },
  });
}

/** How many runs have started one another by their ends, up to the one whose end this is. */
export const chainOf = (data: JsonObject): number => (typeof data.chain === 'number' ? data.chain : 0);

const eventOf = (run: Run, ended: NonNullable<Run['ended']>, chain: number): NormalEvent => ({
  source: `${OWN_SOURCES}run`,
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
