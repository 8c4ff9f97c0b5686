import { invariant } from '../base/assert.ts';
import type { UnixMs } from '../base/time.ts';
import type { RunEvent } from './event.ts';
import { onStep } from './fold.ts';
import type { LaneState, Open, Run } from './state.ts';

/** Folds what happens to steps that are under way without a call of their own. */
type ForkEvent = Extract<RunEvent, { kind: 'step-opened' | 'lane-started' | 'lane-ended' }>;

export function evolveFork(run: Run, event: ForkEvent, seq: number, at: UnixMs): Run {
  return onStep(run, event.step, seq, at, (step, old) => {
    if (event.kind === 'step-opened') {
      const { open } = event;
      const opened: Open =
        open.waitsFor === 'lanes'
          ? { waitsFor: 'lanes', most: open.most, lanes: Array<LaneState>(open.lanes).fill('waiting'), values: [] }
          : open;
      return { ...step, parameters: event.parameters, state: 'open', ...opened };
    }
    invariant(old?.state === 'open' && old.waitsFor === 'lanes', 'a lane is one of an open fork');
    const lanes = [...old.lanes];
    const values = [...old.values];
    lanes[event.lane] = event.kind === 'lane-started' ? 'open' : event.outcome;
    // A list without holes, so that it is the same when it comes back from disk.
    if (event.kind === 'lane-ended' && event.value !== undefined) {
      while (values.length < event.lane) values.push(null);
      values[event.lane] = event.value;
    }
    const pause = event.kind === 'lane-ended' && event.notBefore !== undefined && { notBefore: event.notBefore };
    return { ...step, state: 'open', waitsFor: 'lanes', most: old.most, lanes, values, ...pause };
  });
}
