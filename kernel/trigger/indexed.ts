/**
 * The active triggers of one org, kept so that an event is asked about only those that it may fire: each trigger is found
 * by one value that its rule needs (rule/need.ts), and those that need none are always asked.
 *
 * Owns which triggers are candidates for an event. That does not depend on how they are kept or in which order they
 * came: a candidate is a trigger whose needs are met. Where one is kept decides only how many others are looked at.
 */
import type { Rule } from '../../sdk/contract/rule.ts';
import type { Json } from '../base/json.ts';
import { areMet, type Need, needsOf } from '../rule/need.ts';
import { openIndexTree, type Place } from './index-tree.ts';
import { type JudgedTrigger, ruleOf } from './schema.ts';

/** A trigger of an active playbook version; `digest` pins the version. */
export type ActiveTrigger = { readonly playbook: string; readonly digest: string; readonly trigger: JudgedTrigger };

export type ActiveTriggers = ReturnType<typeof openActiveTriggers>;

type Entry = {
  readonly active: ActiveTrigger;
  /** Among the triggers of its playbook. */
  readonly order: number;
  readonly needs: readonly Need[];
  /** Where it is kept; empty when it must always be asked. */
  places: readonly Place[];
};

/** Values under which one trigger may be kept: a long list is looked through instead. */
const MOST_PLACES = 64;
/** Triggers whose needs are looked at before others get their turn: 3 ms, where each has a list of 1,000 values. */
const LOOKED_AT = 1_024;

export function openActiveTriggers() {
  const tree = openIndexTree<Entry>();
  const always = new Set<Entry>();
  const playbooks = new Map<string, readonly Entry[]>();
  let size = 0;
  let forEnds = 0;
  let revision = 0;

  const add = (entry: Entry): void => {
    entry.places = cheapest(entry.needs).places;
    for (const place of entry.places) tree.add(place, entry);
    if (entry.places.length === 0) always.add(entry);
  };
  const remove = (entry: Entry): void => {
    for (const place of entry.places) tree.remove(place, entry);
    for (const place of mentionsOf(entry.needs)) tree.forget(place);
    always.delete(entry);
  };

  /** Of needs that must all be met one is enough to be found by: the one whose values the fewest others want too. */
  function cheapest(needs: readonly Need[]): { readonly cost: number; readonly places: readonly Place[] } {
    let best: ReturnType<typeof cheapest> = { cost: Number.POSITIVE_INFINITY, places: [] };
    for (const need of needs) {
      const found = costOf(need);
      if (found.places.length <= MOST_PLACES && found.cost < best.cost) best = found;
    }
    return best;
  }
  function costOf(need: Need): ReturnType<typeof cheapest> {
    if (need.kind === 'either') {
      const each = need.of.map(cheapest);
      return { cost: each.reduce((sum, one) => sum + one.cost, 0), places: each.flatMap(({ places }) => places) };
    }
    const places = placesOf(need);
    // An event has one value there, so the most wanted one is the worst that can happen.
    return { cost: Math.max(...places.map(tree.mentions), places.length === 0 ? Number.POSITIVE_INFINITY : 0), places };
  }

  return {
    /** How many triggers there are, and how many of them are for the ends of runs. */
    size: () => size,
    forEnds: () => forEnds,
    /** Another number after every change. */
    revision: () => revision,
    /** Those of a playbook. */
    of: (playbook: string): readonly ActiveTrigger[] => (playbooks.get(playbook) ?? []).map(({ active }) => active),

    /** Puts triggers in the place of those that each of the playbooks had. Work is by what is put, not by what is there. */
    put(changes: Iterable<readonly [playbook: string, triggers: readonly ActiveTrigger[]]>): void {
      const fresh: Entry[] = [];
      for (const [playbook, triggers] of changes) {
        const before = playbooks.get(playbook) ?? [];
        before.forEach(remove);
        const entries = triggers.map((active, order) => ({
          active,
          order,
          needs: needsOfTrigger(active.trigger),
          places: [],
        }));
        playbooks.set(playbook, entries);
        size += entries.length - before.length;
        forEnds += countForEnds(entries) - countForEnds(before);
        fresh.push(...entries);
      }
      // All are counted before the first is kept somewhere, so that what is popular is known from the start.
      for (const { needs } of fresh) for (const place of mentionsOf(needs)) tree.mention(place);
      fresh.forEach(add);
      revision++;
    },

    /** All of them, by name of the playbook, and in its order. */
    all: (): readonly ActiveTrigger[] =>
      [...playbooks.keys()].sort(byCode).flatMap((name) => (playbooks.get(name) ?? []).map(({ active }) => active)),

    /**
     * Those whose needs are met, in the order of `all`. No other can be true: it is false or cannot be answered. Waits
     * only where very many have to be looked at.
     */
    async candidates(facts: Readonly<Record<string, Json>>): Promise<readonly ActiveTrigger[]> {
      const entries = [...tree.find(facts), ...always];
      const met: Entry[] = [];
      for (let from = 0; from < entries.length; from += LOOKED_AT) {
        if (from > 0) await new Promise<void>((resolve) => setImmediate(resolve));
        for (const entry of entries.slice(from, from + LOOKED_AT)) if (areMet(entry.needs, facts)) met.push(entry);
      }
      return met.sort(byPlaybook).map(({ active }) => active);
    },
  };
}

/** Facts that are the event, whichever trigger asks. */
const OF_THE_EVENT = ['event', 'envelope'];

/**
 * Of a trigger that fires on an event. One that fires when something changes would have to hear of every event for which
 * its rule is false: it needs nothing.
 */
const needsOfTrigger = (trigger: JudgedTrigger): readonly Need[] => {
  if (trigger.on === 'condition') return [];
  const rule = ruleOf(trigger);
  return needsOf(trigger.on === 'run' ? { all: [IS_RUN, rule] } : rule, OF_THE_EVENT);
};
const IS_RUN: Rule = { fact: 'envelope', path: '/format', operator: 'equal', value: 'run' };

/** Values that some trigger may be kept under. */
const mentionsOf = (needs: readonly Need[]): readonly Place[] =>
  needs.flatMap((need) => (need.kind === 'value' ? placesOf(need) : need.of.flatMap(mentionsOf)));

/** None where the list is long. A value that stands in it twice is one. */
const placesOf = ({ path, values }: Extract<Need, { kind: 'value' }>): readonly Place[] =>
  values.length > MOST_PLACES ? [] : [...new Set(values)].map((value) => ({ path, value }));

const countForEnds = (entries: readonly Entry[]): number =>
  entries.filter(({ active }) => active.trigger.on === 'run').length;

/** As the store sorts its keys. */
const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byPlaybook = (a: Entry, b: Entry): number => byCode(a.active.playbook, b.active.playbook) || a.order - b.order;
