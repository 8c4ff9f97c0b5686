import type { EgressRule } from '../../sdk/contract/egress.ts';
import { invariant } from '../base/assert.ts';
import type { OrgId } from '../base/id.ts';
import { parseRate } from '../base/rate.ts';
import { unixMs } from '../base/time.ts';
import { add, EMPTY, fewerFrom, type Window } from '../base/window.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * Counts the requests under each rule that has a rate, over all runs of its org. Kept in memory: a restart begins the
 * count anew. Bounded by the rules of the orgs, whose counts go with them.
 */
export type Rates = {
  /** Takes a place for one request. @returns 0, or in how many milliseconds there is one: then none is taken. */
  take(org: OrgId, rule: EgressRule): number;
};

export function openRates(scheduler: Pick<Scheduler, 'elapsed'>): Rates {
  const counted = new WeakMap<EgressRule, Map<OrgId, Window>>();
  return {
    take(org, rule) {
      if (rule.rate === undefined) return 0;
      const rate = parseRate(rule.rate);
      invariant(rate, 'the rate of a rule was read with its policy');
      const byOrg = counted.get(rule) ?? new Map<OrgId, Window>();
      counted.set(rule, byOrg);
      const window = byOrg.get(org) ?? EMPTY;
      // Of a clock that nobody sets.
      const now = unixMs(Math.floor(scheduler.elapsed()));
      const free = fewerFrom(window, now, rate.span, rate.most);
      if (free > now) return free - now;
      byOrg.set(org, add(window, now, rate.span));
      return 0;
    },
  };
}
