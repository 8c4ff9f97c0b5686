import * as v from 'valibot';
import { Count, Digest, EventId, Instant, Name, Principal, RunId, Sentence } from './api-word.ts';

/** Triggers that are in force, as the API shows them, and what they made of what matched them. */
export const SUPPRESSED = ['stopped', 'burst', 'cooldown', 'rate', 'concurrency', 'queue_full', 'chain'] as const;
/** Why a match started no run. */
export type Suppressed = (typeof SUPPRESSED)[number];
/** Whose stop it was, of what was `stopped`. */
export const STOPPED_BY = ['trigger', 'org', 'machine'] as const;
export type StoppedBy = (typeof STOPPED_BY)[number];

/** What came out for a trigger when it was asked about an event. */
export const TRIGGER_OUTCOMES = [
  'matched',
  'queued',
  'absorbed',
  'suppressed',
  'not_crossed',
  'not_matched',
  'missing_fields',
  'error',
] as const;

const name = { playbook: Name, trigger: Name };

/** What became of the matches of the last 24 hours; a schedule's times count as matches. */
const counts = {
  matched: Count,
  /** Runs that began, at once or after they had waited. */
  started: Count,
  absorbed: Count,
  suppressed: v.object(
    Object.fromEntries(SUPPRESSED.map((reason) => [reason, Count])) as Record<Suppressed, typeof Count>,
  ),
  /** Matches whose run could not be made. */
  failed: Count,
};

export const Trigger = v.object({
  ...name,
  on: v.picklist(['event', 'condition', 'schedule', 'run']),
  /** The version of the playbook that it stands in. */
  digest: Digest,
  /** Since when more matches come than its burst limit allows; null when they do not. */
  burstSince: v.nullable(Instant),
  /** Null while it may fire. */
  stopped: v.nullable(v.object({ by: Principal, at: Instant, reason: v.string() })),
  /** Of a schedule: the next time. */
  next: v.nullable(Instant),
  /** The last run that it started. */
  last: v.nullable(v.object({ at: Instant, event: EventId, run: RunId })),
});
export type Trigger = v.InferOutput<typeof Trigger>;

/** In the noisy list: those first of which the most came to nothing. */
export const NoisyTrigger = v.object({
  ...name,
  ...counts,
  /** Part of the matches, from 0 to 1, that started no run. */
  inVain: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
});
export type NoisyTrigger = v.InferOutput<typeof NoisyTrigger>;

export const TriggerForm = v.strictObject({ reason: Sentence });
