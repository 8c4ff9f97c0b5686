import * as v from 'valibot';
import { ApprovalId, Digest, EventId, IncidentId, Instant, Name, Principal, RunId, Seq } from './api-word.ts';
import { ERROR_CLASSES, type ErrorClass } from './error.ts';
import { INCIDENT_STATES, SEVERITIES } from './incident-word.ts';
import { HEALTH_STAGES } from './plugin.ts';

/**
 * The catalog of lifecycle events: what the kernel tells the world outside of what became of runs, approvals, incidents
 * and of itself. Each is a CloudEvent 1.0 with small data: names, states, digests and places in the audit log (`seq`),
 * never parameters, outputs or texts of people. docs/lifecycle.md is this table in print.
 *
 * A type keeps its meaning. Data may gain optional fields; any other change is another version of its schema.
 */
const version = 1;

const Word = v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_.:-]{0,63}$/, 'a word of a closed list'));
const Count = v.pipe(v.number(), v.integer(), v.minValue(0));
/** The name of a step run: the step, with its place in a list where it runs for each item of one. */
const StepRun = v.pipe(v.string(), v.minLength(1), v.maxLength(128));
const Actor = v.pipe(v.string(), v.maxLength(320));
const errorClass = v.picklist(Object.keys(ERROR_CLASSES) as [ErrorClass, ...ErrorClass[]]);

/** Of the audit record that says the same. */
const seq = { seq: Seq };
const run = { ...seq, run: RunId, playbook: Name, digest: Digest, incident: v.optional(IncidentId) };
const step = { ...run, step: StepRun };
const approval = { ...step, approval: ApprovalId, subject: Digest, tier: Word, role: Word, needed: Count };

type Kind = { readonly means: string; readonly data: v.GenericSchema<unknown, { readonly seq: number }> };
const kind = <const Entries extends v.ObjectEntries>(means: string, entries: Entries) => ({
  means,
  data: v.object(entries),
});

export const LIFECYCLE = {
  'interlock.run.started': kind('A run began.', { ...run, trigger: Name, event: EventId, requester: Principal }),
  'interlock.run.waiting': kind('A run waits; `for` says for what.', { ...run, for: Word }),
  'interlock.run.ended': kind('A run ended, in whatever state.', {
    ...run,
    state: Word,
    reason: v.string(),
    partial: v.boolean(),
  }),
  'interlock.run.aborted': kind('A guardrail or an approval stopped a run; its end is told as well.', {
    ...run,
    reason: v.string(),
  }),
  'interlock.run.needs_review': kind('A run ended with something unknown, or in part: a person has to look.', {
    ...run,
    state: Word,
  }),
  'interlock.run.undoing': kind('What a run did is being undone; `state` is how it will end.', {
    ...run,
    state: Word,
    reason: v.string(),
  }),
  'interlock.run.closed': kind('A person has looked at a run that needed review.', { ...run, by: Actor }),
  'interlock.step.held': kind('A step waits for an approval.', { ...step, approval: ApprovalId, tier: Word }),
  'interlock.step.succeeded': kind('A step succeeded; `attempt` is 0 for one that calls no action.', {
    ...step,
    attempt: Count,
  }),
  'interlock.step.kept': kind('A step did not act: an ended run (`from`) has done the same.', { ...step, from: RunId }),
  'interlock.step.failed': kind('A step failed, or a try of it; `again`: another follows.', {
    ...step,
    attempt: Count,
    class: errorClass,
    again: v.boolean(),
  }),
  'interlock.step.indeterminate': kind(
    'Nobody knows whether a try of a step happened; `again`: another follows, or the action is asked.',
    {
      ...step,
      attempt: Count,
      again: v.boolean(),
    },
  ),
  'interlock.step.settled': kind(
    'What nobody knew of a step was found out, or what it could not do was done by a person.',
    { ...step, by: Actor, outcome: Word },
  ),
  'interlock.step.rolled_back': kind('What a step had done was undone.', step),
  'interlock.rollback.failed': kind('What a step had done could not be undone: a person has to look.', {
    ...step,
    class: v.optional(errorClass),
  }),
  'interlock.approval.requested': kind('People are asked to agree to a step.', { ...approval, expiresAt: Instant }),
  'interlock.approval.decided': kind('An approval was approved, rejected or withdrawn.', { ...approval, state: Word }),
  'interlock.approval.expired': kind('Nobody decided in time, which denies.', approval),
  'interlock.incident.updated': kind('An incident came to be, or its state or severity changed.', {
    ...seq,
    incident: IncidentId,
    state: v.picklist(INCIDENT_STATES),
    /** Null: it came to be. */
    from: v.nullable(v.picklist(INCIDENT_STATES)),
    severity: v.picklist(SEVERITIES),
    by: Actor,
    run: v.optional(RunId),
    event: v.optional(EventId),
  }),
  'interlock.playbook.activated': kind('A version of a playbook became the one that new runs use.', {
    ...seq,
    playbook: Name,
    digest: Digest,
    by: Principal,
  }),
  'interlock.trigger.burst': kind('More matches came than a trigger may have (`began`), or no more do (`over`).', {
    ...seq,
    playbook: Name,
    trigger: Name,
    outcome: Word,
    /** For whom it is, as the trigger names them. */
    alert: v.optional(Name),
  }),
  'interlock.breaker.opened': kind('Calls to a target are held back, because it does not answer.', {
    ...seq,
    breaker: v.pipe(v.string(), v.maxLength(256)),
  }),
  'interlock.breaker.closed': kind('Calls to a target go on.', {
    ...seq,
    breaker: v.pipe(v.string(), v.maxLength(256)),
  }),
  'interlock.connector.unhealthy': kind('Health checks of a connector fail; `stage` and `class` say how.', {
    ...seq,
    connector: Name,
    stage: v.picklist(HEALTH_STAGES),
    class: errorClass,
  }),
  'interlock.connector.healthy': kind('A connector is well that was not, or that was not known.', {
    ...seq,
    connector: Name,
  }),
  'interlock.stop.engaged': kind('The stop switch is on: nothing is sent.', { ...seq, by: Actor }),
  'interlock.stop.released': kind('The stop switch is off again.', { ...seq, by: Actor }),
  'interlock.webhook.dropped': kind('Lifecycle events were given up for a webhook; the feed has them.', {
    ...seq,
    webhook: Name,
    events: Count,
  }),
} as const satisfies Record<`interlock.${string}.${string}`, Kind>;

export type LifecycleType = keyof typeof LIFECYCLE;
export type LifecycleData<T extends LifecycleType> = v.InferOutput<(typeof LIFECYCLE)[T]['data']>;

export const LIFECYCLE_TYPES = Object.keys(LIFECYCLE) as [LifecycleType, ...LifecycleType[]];

/** The schema of a type's data, as the CloudEvents attribute `dataschema` names it. */
export const dataschemaOf = (type: LifecycleType): string => `urn:interlock:lifecycle:${type.slice(10)}:v${version}`;

/** Place in the feed of an org: the audit number, and what tells several events on one record apart. Sorts by time. */
export const LIFECYCLE_ID = /^[0-9]{15}-[0-9a-f]{8}$/;

const envelope = {
  specversion: v.literal('1.0'),
  /** Unique within `source`, and the same however often it is sent. */
  id: v.pipe(v.string(), v.regex(LIFECYCLE_ID)),
  /** The org: `/v1/orgs/<org>`. */
  source: v.string(),
  /** What it is about: a run, an incident, a playbook. */
  subject: v.string(),
  time: Instant,
  datacontenttype: v.literal('application/json'),
};

const eventOf = <T extends LifecycleType>(type: T) =>
  v.object({
    ...envelope,
    type: v.literal(type),
    dataschema: v.literal(dataschemaOf(type)),
    data: LIFECYCLE[type].data as v.GenericSchema<unknown, LifecycleData<T>>,
  });

/** One lifecycle event, data and all. What reads them should take a type that it does not know for one to pass over. */
export const LifecycleEvent = v.variant('type', LIFECYCLE_TYPES.map(eventOf) as [ReturnType<typeof eventOf>]);
export type LifecycleEvent = v.InferOutput<typeof LifecycleEvent>;

/** As a reader takes it who does not know every type. */
export const AnyLifecycleEvent = v.object({
  ...envelope,
  type: v.string(),
  dataschema: v.string(),
  data: v.record(v.string(), v.unknown()),
});

/** A receiver of lifecycle events, and how far it is. */
export const LifecycleWebhook = v.object({
  webhook: Name,
  host: v.string(),
  types: v.array(v.string()),
  /** Events that it took, and events that were given up. */
  delivered: Count,
  dropped: Count,
  /** Tries of the next event that failed, the word of the last failure, and when it is tried again. */
  attempts: Count,
  failure: v.nullable(v.string()),
  retryAt: v.nullable(Instant),
});
export type LifecycleWebhook = v.InferOutput<typeof LifecycleWebhook>;

/** Chooses types: one, or all of a group (`interlock.run.*`). */
export const LifecycleFilter = v.pipe(
  v.string(),
  v.check(
    (text) => LIFECYCLE_TYPES.some((type) => matchesType(text, type)),
    'a type of lifecycle event, or all of a group such as interlock.run.*',
  ),
);

export const matchesType = (filter: string, type: string): boolean =>
  filter === type || (filter.endsWith('.*') && type.startsWith(filter.slice(0, -1)));
