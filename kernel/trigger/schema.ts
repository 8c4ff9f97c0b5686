/**
 * A trigger, as a playbook document writes it: what starts a run, what it must carry, what is a repeat, and how much of
 * it is too much.
 */
import * as v from 'valibot';
import { RUN_ENDS } from '../../sdk/contract/api-run.ts';
import { NAME_PATTERN, notTaken } from '../../sdk/contract/name.ts';
import type { Rule } from '../../sdk/contract/rule.ts';
import { closedObject } from '../../sdk/contract/wanted.ts';
import { POINTER_PATTERN } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { parseRate, RATE_FORM } from '../base/rate.ts';
import { type DurationMs, durationMs, isDurationUpTo, LONGEST_WAIT, parseDuration } from '../base/time.ts';
import { ruleOver } from '../rule/schema.ts';
import { isCron, isZone } from './cron.ts';
import { chainOf, type NormalEvent } from './event.ts';

/** Into the event's data. The whole of it is no field. */
const fieldPointer = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(512),
  v.regex(POINTER_PATTERN, 'a JSON Pointer (RFC 6901) into the event, such as /finding_info/uid'),
);

const keyPointer = v.pipe(
  fieldPointer,
  v.check((pointer) => pointer !== '/time', 'a field that is the same in a repeat; /time differs in every event'),
);

const uniqueItems = (items: string[]) => new Set(items).size === items.length;

/** Fields that together name the thing an event is about. */
const key = v.pipe(v.array(keyPointer), v.minLength(1), v.maxLength(8), v.check(uniqueItems, 'each pointer once'));

/** What it looks like is said of a number, too. */
const durationUpTo = (most: DurationMs, how: string, least = durationMs(0)) =>
  v.pipe(
    v.string(how),
    v.check((text) => isDurationUpTo(text, most) && (parseDuration(text) ?? 0) >= least, how),
  );
const span = durationUpTo(LONGEST_WAIT, 'a duration up to 30d, such as 30m or 4h');

const rate = v.pipe(
  v.string(),
  v.check((text) => parseRate(text) !== undefined, RATE_FORM),
);
const spansDiffer = (rates: string[]) => new Set(rates.map((text) => parseRate(text)?.span)).size === rates.length;
const rates = v.union(
  [
    rate,
    v.pipe(
      v.array(rate),
      v.minLength(1),
      v.maxLength(LIMITS.ratesPerTrigger.value),
      v.check(spansDiffer, 'each length of time once'),
    ),
  ],
  'a rate such as 20/m, or a list of up to 4 with a different length of time each',
);

const id = v.pipe(
  v.string(),
  v.regex(NAME_PATTERN, 'lower-case letters, digits and single hyphens, at most 63'),
  notTaken,
);

/**
 * Facts: `event` (the data), `envelope` ({ source, type, subject, format }), and with `incident` the fact of that name
 * ({ state, severity }).
 */
const where = ruleOver(['event', 'envelope', 'incident']);

/** What a trigger says that is asked about events. */
const judged = {
  /** Where the event names the incident whose state the rule asks about. */
  incident: v.optional(fieldPointer),
  /** Fields that must be there, and not null, before the trigger may fire. */
  requires: v.optional(
    v.pipe(v.array(fieldPointer), v.minLength(1), v.maxLength(64), v.check(uniqueItems, 'each pointer once')),
  ),
  /** Events whose key fields are all the same within the window are repeats of the first. */
  dedup: v.optional(closedObject({ key, window: span, repeat: v.picklist(['drop', 'coalesce', 'queue', 'restart']) })),
  limits: v.optional(
    closedObject({
      /** How many runs it may start. */
      rate: v.optional(rates),
      /** After a run for the same key fields, none for so long. */
      cooldown: v.optional(closedObject({ key, for: span })),
      /** From so many matches on it starts nothing, until they have become fewer; `alert` names who is told. */
      burst: v.optional(closedObject({ over: rate, then: v.literal('suppress'), alert: id })),
    }),
  ),
};

type Incident = { readonly where?: Rule | undefined; readonly incident?: string | undefined };
const mentions = (rule: Rule, fact: string): boolean => {
  if ('fact' in rule) return rule.fact === fact;
  if ('not' in rule) return mentions(rule.not, fact);
  return ('all' in rule ? rule.all : rule.any).some((part) => mentions(part, fact));
};
/** Without the pointer the fact would be an answer that never comes. */
const namesIncident = <T extends Incident>() =>
  v.check<T, string>(
    ({ where, incident }) => incident !== undefined || !where || !mentions(where, 'incident'),
    'a trigger whose rule asks about an incident says where the event names it, such as incident: /finding_info/uid',
  );

const EventTrigger = v.pipe(closedObject({ on: v.literal('event'), id, where, ...judged }), namesIncident());

/** Fires when the rule becomes true for a thing, not on every event for which it is. */
const ConditionTrigger = v.pipe(
  closedObject({
    on: v.literal('condition'),
    id,
    where,
    ...judged,
    /** Which thing is watched, and after what time without a word of it it counts as new (without: 24h). */
    crosses: closedObject({ key, forget: v.optional(span) }),
  }),
  namesIncident(),
);

const ScheduleTrigger = v.pipe(
  closedObject({
    on: v.literal('schedule'),
    id,
    /** Minute, hour, day of the month, month, day of the week. */
    cron: v.optional(
      v.pipe(v.string(), v.check(isCron, 'five fields of cron that some day fits, such as 0 6 * * 1-5')),
    ),
    /** From one time to the next. */
    every: v.optional(durationUpTo(LONGEST_WAIT, 'a duration from 1m up to 30d, such as 90m', durationMs(60_000))),
    /** Of `cron`; without it: UTC. */
    zone: v.optional(v.pipe(v.string(), v.check(isZone, 'a time zone such as Europe/Vienna or UTC'))),
    /** What becomes of times at which the kernel was not running; without it they are passed over. */
    missed: v.optional(v.picklist(['skip', 'once', 'all'])),
    /** Spread over so long after the time, so that not everything begins at once. */
    jitter: v.optional(durationUpTo(durationMs(3_600_000), 'a duration up to 1h, such as 30s')),
  }),
  v.check(
    ({ cron, every, zone }) =>
      (cron === undefined) !== (every === undefined) && (every === undefined || zone === undefined),
    'a schedule with exactly one of cron and every; zone belongs to cron',
  ),
  // A time is looked at once the one before it has fired: what is spread over several times passes some of them over.
  v.check(
    ({ every, jitter }) => every === undefined || jitter === undefined || lengthOf(jitter) <= lengthOf(every),
    'a schedule whose jitter is no longer than every',
  ),
);
const lengthOf = (text: string): number => parseDuration(text) ?? 0;

/** Fires on the end of another run of the org. */
const RunTrigger = v.pipe(
  closedObject({
    on: v.literal('run'),
    id,
    /** How the run ended. */
    ends: v.pipe(
      v.array(v.picklist(RUN_ENDS)),
      v.minLength(1),
      v.check((ends) => uniqueItems(ends), 'each way to end once'),
    ),
    where: v.optional(where),
    ...judged,
  }),
  namesIncident(),
);

export const TriggerSchema = v.variant('on', [EventTrigger, ConditionTrigger, ScheduleTrigger, RunTrigger]);
export type Trigger = v.InferOutput<typeof TriggerSchema>;
/** Asked about every event, or about the end of every run. */
export type JudgedTrigger = Exclude<Trigger, { on: 'schedule' }>;
export type ScheduledTrigger = Extract<Trigger, { on: 'schedule' }>;

/** What must be true of the event before the trigger fires. */
export function ruleOf(trigger: JudgedTrigger): Rule {
  if (trigger.on !== 'run') return trigger.where;
  const ends: Rule = { fact: 'event', path: '/state', operator: 'in', value: trigger.ends };
  return trigger.where ? { all: [ends, trigger.where] } : ends;
}

/**
 * The end of a run is asked about by the triggers that are for it, of playbooks that have no run in its chain, and they ask about
 * nothing else.
 */
export const isFor = (
  { playbook, trigger }: { readonly playbook: string; readonly trigger: JudgedTrigger },
  { receivedFormat, data }: Pick<NormalEvent, 'receivedFormat' | 'data'>,
): boolean =>
  receivedFormat === 'run' ? trigger.on === 'run' && !chainOf(data).includes(playbook) : trigger.on !== 'run';

/** Fields without which it cannot be told what the event is about, or that the trigger demands. */
export const neededBy = (trigger: JudgedTrigger): ReadonlySet<string> =>
  new Set([
    ...(trigger.requires ?? []),
    ...(trigger.dedup?.key ?? []),
    ...(trigger.limits?.cooldown?.key ?? []),
    ...(trigger.on === 'condition' ? trigger.crosses.key : []),
  ]);
