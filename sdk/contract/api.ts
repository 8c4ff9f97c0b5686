import * as v from 'valibot';
import { Connector, ConnectorReset, StopForm, StopState, StopTurned } from './api-call.ts';
import { ExplainedPlaybook, Replay, RuleReading } from './api-explain.ts';
import { Graph, GraphEdge, GraphNode } from './api-graph.ts';
import { Incident, IncidentSummary, NoteForm, TimelineEntry } from './api-incident.ts';
import {
  AgainForm,
  Approval,
  ApprovalSummary,
  Attempt,
  CancelForm,
  CloseForm,
  OpenRun,
  PauseForm,
  Role,
  RUN_STATES,
  Run,
  RunApproval,
  RunPaused,
  RunSummary,
  SettleForm,
  Step,
  StepError,
  Vote,
  VoteForm,
  Wait,
} from './api-run.ts';
import { NoisyTrigger, STOPPED_BY, SUPPRESSED, TRIGGER_OUTCOMES, Trigger, TriggerForm } from './api-trigger.ts';
import {
  Count,
  Digest,
  Duration,
  EventId,
  Fields,
  Finding,
  Instant,
  Name,
  Principal,
  PrincipalName,
  RunId,
  Seq,
  StepRunName,
  TokenId,
} from './api-word.ts';
import { LifecycleEvent, LifecycleWebhook } from './lifecycle.ts';
import { PlanSchema, STEP_TYPES } from './plugin.ts';
import { ProblemSchema } from './problem.ts';

/**
 * What the HTTP API takes and gives. Every answer with a body is `{ "data": ... }`, a list also `{ "page": ... }`; the
 * OpenAPI document is made of these schemas. What is taken is strict: a field that is not known here is refused. What is
 * given may get more fields later, so clients read what they know.
 */
export const envelope = <T extends v.GenericSchema>(data: T) => v.object({ data });

/** Opaque: hand it back as it came. Null: this was the last page. A page may be short, or empty, and not the last. */
const Page = v.object({ next: v.nullable(v.string()) });
export const listOf = <T extends v.GenericSchema>(item: T) => v.object({ data: v.array(item), page: Page });

export const TriggerOutcome = v.object({
  playbook: Name,
  trigger: Name,
  /** `matched`: a run was started. `absorbed`: a run that is going on takes it in, or the event was known already. */
  /**
   * `queued`: a run was made that waits. `suppressed`: it matched and started nothing. `not_crossed`: the condition held
   * before.
   */
  outcome: v.picklist(TRIGGER_OUTCOMES),
  /** Of `suppressed`: why. */
  reason: v.nullable(v.picklist(SUPPRESSED)),
  /** Of a cooldown, a rate and a burst: when that was to be over, if nothing more came. Null: not known. Older servers do not say. */
  until: v.optional(v.nullable(Instant)),
  /** Of `stopped`: whose stop it was. Null also of events that were taken in before this was kept. Older servers do not say. */
  stop: v.optional(v.nullable(v.picklist(STOPPED_BY))),
  /** The run that was made, that absorbed the event, or that stands for the one which was not started. */
  run: v.nullable(RunId),
  /** What has become of the run that absorbed the event, as of this answer; null where nothing was absorbed. */
  runState: v.nullable(v.picklist(RUN_STATES)),
  /** The conditions that decided. */
  why: v.array(Finding),
});
export type TriggerOutcome = v.InferOutput<typeof TriggerOutcome>;

/** Of all active triggers of the org: `judged` and `ruledOut` together. */
const JudgedCounts = v.object({
  /** Asked, because the event has every value that their rules need. */
  judged: Count,
  /** Of those that were judged. */
  notMatched: Count,
  /** Not asked, because it has not. */
  ruledOut: Count,
});

export const Receipt = v.object({
  event: EventId,
  /** The event was known already; nothing was changed. */
  repeat: v.boolean(),
  /** Audit record that accepted it. */
  seq: Seq,
  /** All that matched, lack fields or could not be judged, and the first that did not match. */
  triggers: v.array(TriggerOutcome),
  counts: JudgedCounts,
  /** Steps that waited for this event. */
  woke: v.array(v.object({ run: RunId, step: StepRunName })),
  /** How many steps waited for an event with its key, and were not woken because it does not meet their `where`. */
  unmet: Count,
});
/** Always a list, in the order of the request. */
export const Published = v.object({ events: v.array(Receipt) });
export type Published = v.InferOutput<typeof Published>;

export const StoredEvent = v.object({
  event: EventId,
  org: Name,
  receivedAt: Instant,
  by: Principal,
  seq: Seq,
  format: v.string(),
  source: v.string(),
  id: v.string(),
  type: v.string(),
  subject: v.nullable(v.string()),
  time: v.nullable(Instant),
  data: Fields,
  triggers: v.array(TriggerOutcome),
  counts: JudgedCounts,
  /** Steps that waited for this event. */
  woke: v.array(v.object({ run: RunId, step: StepRunName })),
  /** How many steps waited for an event with its key, and were not woken because it does not meet their `where`. */
  unmet: Count,
});
export type StoredEvent = v.InferOutput<typeof StoredEvent>;

/** In a list: an event, and of its triggers those that matched, lacked fields or could not be judged. */
export const EventSummary = v.object({
  event: EventId,
  org: Name,
  receivedAt: Instant,
  by: Principal,
  source: v.string(),
  id: v.string(),
  type: v.string(),
  triggers: v.array(TriggerOutcome),
  /** Steps that waited for this event. */
  woke: v.array(v.object({ run: RunId, step: StepRunName })),
});
export type EventSummary = v.InferOutput<typeof EventSummary>;

const Version = v.object({
  digest: Digest,
  state: v.picklist(['validated', 'active', 'deprecated']),
  by: Principal,
  at: Instant,
  activatedBy: v.nullable(Principal),
  /** Null where it was never active. */
  activatedAt: v.nullable(Instant),
});
const playbook = { name: Name, title: v.string(), active: v.nullable(Digest), versions: v.array(Version) };
export const Playbook = v.object(playbook);
export type Playbook = v.InferOutput<typeof Playbook>;
/** In a list: the version that new runs use, since when, and the one put last. `versions` counts them. */
export const PlaybookSummary = v.object({
  name: Name,
  title: v.string(),
  active: v.nullable(Digest),
  activatedAt: v.nullable(Instant),
  newest: v.nullable(Digest),
  versions: Count,
});
export type PlaybookSummary = v.InferOutput<typeof PlaybookSummary>;
/** One version as its author wrote it: what whoever activates it has to read. */
export const PlaybookVersion = v.object({ name: Name, digest: Digest, text: v.string() });
/** `digest` names the version that was put. */
export const PutPlaybook = v.object({
  ...playbook,
  digest: Digest,
  /** Whose holders may activate it, and whether whoever asked may. Older servers do not say. */
  activation: v.optional(v.object({ roles: v.array(Role), byYou: v.boolean() })),
});

const LintIssue = v.object({
  /** JSON Pointer into the document. */
  at: v.string(),
  /** From 1; null where it is not known. */
  line: v.nullable(v.pipe(v.number(), v.integer())),
  text: v.string(),
});
export const Lint = v.object({
  valid: v.boolean(),
  digest: v.optional(Digest),
  issues: v.array(LintIssue),
  /** What keeps no version from being stored, and hinders its runs: a plugin without egress grant. Older servers do not say. */
  warnings: v.optional(v.array(LintIssue)),
});
export type Lint = v.InferOutput<typeof Lint>;

const PluginAction = v.object({
  action: Name,
  title: v.string(),
  effect: v.picklist(['none', 'read', 'write']),
  /** The step types that it may be used as. */
  types: v.array(v.picklist(STEP_TYPES)),
  /** What makes a repeat safe. */
  idempotent: v.picklist(['key', 'check', 'no']),
  /** Whether it says first what it would touch. */
  plan: v.boolean(),
  /** What a step gives it under `with`. Older servers do not say; what fits each is checked when a run has bound it. */
  parameters: v.optional(v.array(v.object({ name: v.string(), required: v.boolean() }))),
});
/** A plugin as the org has it now. `digest` covers module and manifest. */
export const Plugin = v.object({
  name: Name,
  title: v.string(),
  version: v.string(),
  digest: Digest,
  /** Whether the org's egress policy has a grant for it: without one nothing that it asks for leaves. */
  granted: v.boolean(),
  /** What it may do under the grants of now, in sentences. Older servers do not say. */
  may: v.optional(v.array(v.string())),
  /** Id of the signer that the org trusts; `null`: it is not signed. Older servers do not say. */
  signer: v.optional(v.nullable(v.string())),
  /** Whether plugins.lock has it. Older servers do not say. */
  locked: v.optional(v.boolean()),
  actions: v.array(PluginAction),
});
export type Plugin = v.InferOutput<typeof Plugin>;

/** As `AuditHead` in audit.ts says. */
export const AuditHead = v.object({
  format: v.literal('interlock/audit-head/v1'),
  scope: v.picklist(['log', 'org']),
  log: v.string(),
  org: v.nullable(Name),
  records: Seq,
  seq: v.nullable(Seq),
  leaf: v.string(),
  exportedAt: Instant,
});

export const Secret = v.object({ name: Name, updatedAt: Instant });
export const SecretName = v.object({ name: Name });
/** After the new value was stored and the connectors that carry it were asked how they are. */
export const SecretRotated = v.object({
  name: Name,
  /** `former`: a target refused the new value, so the one before is stored again. */
  kept: v.picklist(['new', 'former']),
  checks: v.array(
    v.object({
      connector: Name,
      /** `unhealthy`: its target refused the new value. `unknown`: that is not known, because it did not come to it. */
      state: v.picklist(['healthy', 'unhealthy', 'unknown']),
      reason: v.nullable(v.string()),
    }),
  ),
});
export type SecretRotated = v.InferOutput<typeof SecretRotated>;

export const NewToken = v.object({
  /** Shown here and never again. */
  token: v.string(),
  tokenId: TokenId,
  org: Name,
  principal: Principal,
  roles: v.array(Role),
  expiresAt: v.nullable(Instant),
});
/** Of a token that is not withdrawn; never the token, nor anything made of it. */
export const TokenSummary = v.object({
  tokenId: TokenId,
  principal: Principal,
  roles: v.array(Role),
  createdAt: Instant,
  /** Null: it is good until it is withdrawn. */
  expiresAt: v.nullable(Instant),
});
export type TokenSummary = v.InferOutput<typeof TokenSummary>;
export const TokenName = v.object({ tokenId: TokenId });

export const Whoami = v.object({
  org: Name,
  principal: Principal,
  roles: v.array(Role),
  permissions: v.array(v.string()),
});
const Health = v.object({ status: v.literal('ok') });

/** A playbook in JSON clothes; the same routes take YAML as it is. */
export const PlaybookForm = v.strictObject({ text: v.pipe(v.string(), v.minLength(1)) });
export const ActivateForm = v.strictObject({ digest: Digest });
/** What a value may be is judged where it is kept: 8-4096 printable ASCII characters. */
export const SecretForm = v.strictObject({ value: v.pipe(v.string(), v.minLength(1), v.maxLength(4_096)) });
export const RotateForm = v.strictObject({
  ...SecretForm.entries,
  /** The new value stays, whatever the connectors say. */
  keep: v.optional(v.boolean()),
});
export const TokenForm = v.strictObject({
  principal: PrincipalName,
  roles: v.pipe(v.array(Role), v.minLength(1), v.maxLength(6)),
  /** Without it the token does not expire. */
  expiresIn: v.optional(Duration),
});

/** The named schemas of the OpenAPI document. */
export const API_SCHEMAS = {
  ActivateForm,
  AgainForm,
  Approval,
  ApprovalSummary,
  Attempt,
  AuditHead,
  CancelForm,
  CloseForm,
  Connector,
  ConnectorReset,
  ExplainedPlaybook,
  Finding,
  Graph,
  GraphEdge,
  GraphNode,
  Health,
  Incident,
  IncidentSummary,
  LifecycleEvent,
  LifecycleWebhook,
  JudgedCounts,
  Lint,
  LintIssue,
  NewToken,
  NoisyTrigger,
  NoteForm,
  OpenRun,
  PauseForm,
  Page,
  Plan: PlanSchema,
  Playbook,
  PlaybookForm,
  PlaybookSummary,
  PlaybookVersion,
  Plugin,
  PluginAction,
  Problem: ProblemSchema,
  Published,
  PutPlaybook,
  Receipt,
  Replay,
  RotateForm,
  RuleReading,
  Run,
  RunApproval,
  RunPaused,
  RunSummary,
  Secret,
  SecretForm,
  SecretName,
  SecretRotated,
  SettleForm,
  Step,
  StepError,
  StopForm,
  StopState,
  StopTurned,
  StoredEvent,
  TimelineEntry,
  TokenForm,
  TokenName,
  TokenSummary,
  Trigger,
  TriggerForm,
  TriggerOutcome,
  Version,
  Vote,
  VoteForm,
  Wait,
  Whoami,
} as const;
