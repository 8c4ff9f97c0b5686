import * as v from 'valibot';
import {
  AuditHead,
  EventSummary as EventSummarySchema,
  envelope,
  Lint as LintSchema,
  listOf,
  NewToken as NewTokenSchema,
  Playbook as PlaybookSchema,
  PlaybookSummary as PlaybookSummarySchema,
  PlaybookVersion as PlaybookVersionSchema,
  Plugin as PluginSchema,
  Published,
  PutPlaybook,
  Secret,
  SecretName,
  SecretRotated as SecretRotatedSchema,
  StoredEvent as StoredEventSchema,
  type TokenForm,
  TokenName,
  TokenSummary as TokenSummarySchema,
  Whoami,
} from '../contract/api.ts';
import {
  ConnectorCheck,
  ConnectorReset,
  Connector as ConnectorSchema,
  EgressReported as EgressReportedSchema,
  type StopForm,
  StopState as StopStateSchema,
  StopTurned,
} from '../contract/api-call.ts';
import { ExplainedPlaybook as ExplainedPlaybookSchema, Replay as ReplaySchema } from '../contract/api-explain.ts';
import { GRAPH_MEDIA, type GraphFormat, Graph as GraphSchema } from '../contract/api-graph.ts';
import {
  Incident as IncidentSchema,
  IncidentSummary as IncidentSummarySchema,
  type NoteForm,
  TimelineEntry as TimelineEntrySchema,
} from '../contract/api-incident.ts';
import {
  type AgainForm,
  Approval as ApprovalSchema,
  ApprovalSummary as ApprovalSummarySchema,
  type CancelForm,
  type CloseForm,
  OpenRun as OpenRunSchema,
  type PauseForm,
  RunPaused as RunPausedSchema,
  Run as RunSchema,
  RunSummary as RunSummarySchema,
  type SettleForm,
  type VoteForm,
} from '../contract/api-run.ts';
import {
  NoisyTrigger as NoisyTriggerSchema,
  type TriggerForm,
  Trigger as TriggerSchema,
} from '../contract/api-trigger.ts';
import { Fields } from '../contract/api-word.ts';
import { AnyLifecycleEvent, LifecycleWebhook as LifecycleWebhookSchema } from '../contract/lifecycle.ts';
import { SchemaSummary as SchemaSummarySchema } from '../contract/schema.ts';
import { type Answer, fail, ok } from './answer.ts';
import { type Ask, askJson, askStream, askText, type Schema, type Target } from './transport.ts';

/**
 * The HTTP API as functions, one for each route. Nothing is retried and nothing is kept: what a function gives is what
 * the server said. Values come as the server sent them, with fields that this version does not know yet.
 */
export type ClientOptions = {
  /** Address of the server; a path in it is kept as prefix. */
  readonly url: URL;
  readonly token: string;
  /** Patience for one exchange in milliseconds; 30,000 without it. */
  readonly timeoutMs?: number;
};

export type OpenWorkFilter = { readonly only?: string | undefined; readonly longerThan?: string | undefined };
export type LifecycleQuery = {
  readonly type?: string | undefined;
  /** `page.next` of the page before, or `now`. */
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
  readonly waitMs?: number | undefined;
};
export type TriggerFilter = { readonly playbook?: string | undefined; readonly trigger?: string | undefined };
export type EventFilter = {
  /** Of one of its triggers. */
  readonly outcome?: string | undefined;
  /** RFC 3339: came at this time or later. */
  readonly since?: string | undefined;
  /** RFC 3339: came before this time. */
  readonly until?: string | undefined;
};
export type RunFilter = {
  readonly [name in
    | 'state'
    | 'closure'
    | 'partial'
    | 'playbook'
    | 'trigger'
    | 'requester'
    | 'incident'
    | 'since'
    | 'until']?: string | undefined;
};
export type Paging = { readonly limit?: number | undefined; readonly cursor?: string | undefined };
export type Page<T> = { readonly data: readonly T[]; readonly page: { readonly next: string | null } };
export type Body = { readonly type: string; readonly content: string | Uint8Array<ArrayBuffer> };

/** All audit records of the org and the head that they end in; chunks are bytes of NDJSON, cut anywhere. */
export type AuditExport = {
  readonly head: v.InferInput<typeof AuditHead>;
  readonly chunks: AsyncIterable<Answer<Uint8Array>>;
};

/** What the server gives, as it came. */
export type Receipt = v.InferInput<typeof Published>['events'][number];
export type TriggerOutcome = Receipt['triggers'][number];
export type Run = v.InferInput<typeof RunSchema>;
export type StoredEvent = v.InferInput<typeof StoredEventSchema>;
export type EventSummary = v.InferInput<typeof EventSummarySchema>;
export type RunPaused = v.InferInput<typeof RunPausedSchema>;
export type RunSummary = v.InferInput<typeof RunSummarySchema>;
export type OpenRun = v.InferInput<typeof OpenRunSchema>;
export type Approval = v.InferInput<typeof ApprovalSchema>;
export type ApprovalSummary = v.InferInput<typeof ApprovalSummarySchema>;
export type Playbook = v.InferInput<typeof PlaybookSchema>;
export type PlaybookSummary = v.InferInput<typeof PlaybookSummarySchema>;
export type Plugin = v.InferInput<typeof PluginSchema>;
export type Trigger = v.InferInput<typeof TriggerSchema>;
export type NoisyTrigger = v.InferInput<typeof NoisyTriggerSchema>;
export type Connector = v.InferInput<typeof ConnectorSchema>;
export type EgressReported = v.InferInput<typeof EgressReportedSchema>;
export type StopState = v.InferInput<typeof StopStateSchema>;
export type Incident = v.InferInput<typeof IncidentSchema>;
export type IncidentSummary = v.InferInput<typeof IncidentSummarySchema>;
export type TimelineEntry = v.InferInput<typeof TimelineEntrySchema>;
export type LifecycleEvent = v.InferInput<typeof AnyLifecycleEvent>;
export type LifecycleWebhook = v.InferInput<typeof LifecycleWebhookSchema>;
export type TokenSummary = v.InferInput<typeof TokenSummarySchema>;
export type NewToken = v.InferInput<typeof NewTokenSchema>;
export type SecretRotated = v.InferInput<typeof SecretRotatedSchema>;
export type SchemaSummary = v.InferInput<typeof SchemaSummarySchema>;
export type Graph = v.InferInput<typeof GraphSchema>;
export type DrawnFormat = Exclude<GraphFormat, 'json'>;
export type ExplainedPlaybook = v.InferInput<typeof ExplainedPlaybookSchema>;
export type Replay = v.InferInput<typeof ReplaySchema>;
export type Lint = v.InferInput<typeof LintSchema>;

export type Client = ReturnType<typeof createClient>;

const PATIENCE_MS = 30_000;

/** @throws RangeError when the token is none: it names the org of every path. */
export function createClient({ url, token, timeoutMs = PATIENCE_MS }: ClientOptions) {
  const org = /^ilk_([a-z][a-z0-9-]{0,62})_/.exec(token)?.[1];
  if (org === undefined) throw new RangeError('this is not an access token');
  const target: Target = { url, token, timeoutMs };
  const within = (...path: readonly string[]): readonly string[] => ['v1', 'orgs', org, ...path];

  /** Takes the data out of its envelope. */
  const call = async <T>(ask: Ask, data: Schema<T>): Promise<Answer<T>> => {
    const answer = await askJson(target, ask, envelope(data));
    return answer.ok ? ok(answer.value.data as T) : answer;
  };
  const get = <T>(path: readonly string[], data: Schema<T>): Promise<Answer<T>> => call({ method: 'GET', path }, data);
  const post = <T>(path: readonly string[], form: unknown, data: Schema<T>): Promise<Answer<T>> =>
    call({ method: 'POST', path, body: jsonBody(form) }, data);
  const list = <T>(
    path: string | readonly string[],
    item: Schema<T>,
    query: Readonly<Record<string, string | undefined>>,
    paging: Paging,
  ) =>
    askJson<Page<T>>(
      target,
      {
        method: 'GET',
        path: within(...[path].flat()),
        query: { ...query, ...queryOf(paging) },
      },
      listOf(item) as Schema<Page<T>>,
    );

  return {
    org,
    sendEvents: (body: Body) => call({ method: 'POST', path: within('events'), body }, Published),
    event: (id: string) => get(within('events', id), StoredEventSchema),
    events: (filter: EventFilter, paging: Paging = {}) => list('events', EventSummarySchema, filter, paging),

    /** What the active triggers would say to one event, by playbook. */
    explainTriggers: (event: Body, filter: TriggerFilter, paging: Paging = {}) =>
      askJson<Page<ExplainedPlaybook>>(
        target,
        { method: 'POST', path: within('triggers', 'explain'), body: event, query: { ...filter, ...queryOf(paging) } },
        listOf(ExplainedPlaybookSchema) as Schema<Page<ExplainedPlaybook>>,
      ),
    /** What a changed playbook would make of the newest events, or of those since an instant. */
    replayTriggers: (yaml: Body['content'], span: { readonly since?: string | undefined } & Paging) =>
      call(
        {
          method: 'POST',
          path: within('triggers', 'replay'),
          body: { type: 'application/yaml', content: yaml },
          query: { since: span.since, ...queryOf(span) },
        },
        ReplaySchema,
      ),

    runs: (filter: RunFilter, paging: Paging = {}) => list(['runs'], RunSummarySchema, filter, paging),
    /** @param waitMs the server answers when the run ends, or after this time. */
    run: (id: string, waitMs = 0) =>
      call(
        {
          method: 'GET',
          path: within('runs', id),
          waitMs,
          ...(waitMs > 0 ? { query: { wait: `${Math.round(waitMs)}ms` } } : {}),
        },
        RunSchema,
      ),
    runGraph: (id: string) => get(within('runs', id, 'graph'), GraphSchema),
    /** As an image or text in this format. */
    runGraphAs: (id: string, format: DrawnFormat) =>
      askText(target, { method: 'GET', path: within('runs', id, 'graph'), query: { format } }, GRAPH_MEDIA[format]),
    openWork: (filter: OpenWorkFilter, paging: Paging = {}) => list('open-work', OpenRunSchema, filter, paging),
    runAgain: (id: string, form: v.InferInput<typeof AgainForm>) => post(within('runs', id, 'again'), form, RunSchema),
    pauseRun: (id: string, form: v.InferInput<typeof PauseForm>) =>
      post(within('runs', id, 'pause'), form, RunPausedSchema),
    resumeRun: (id: string) => call({ method: 'POST', path: within('runs', id, 'resume') }, RunPausedSchema),
    cancelRun: (id: string, form: v.InferInput<typeof CancelForm>) =>
      post(within('runs', id, 'cancel'), form, RunSchema),
    closeRun: (id: string, form: v.InferInput<typeof CloseForm>) => post(within('runs', id, 'close'), form, RunSchema),
    settleRun: (id: string, form: v.InferInput<typeof SettleForm>) =>
      post(within('runs', id, 'settle'), form, RunSchema),

    approvals: (filter: { readonly state?: string | undefined }, paging: Paging = {}) =>
      list(['approvals'], ApprovalSummarySchema, filter, paging),
    approval: (id: string) => get(within('approvals', id), ApprovalSchema),
    vote: (id: string, form: v.InferInput<typeof VoteForm>) =>
      post(within('approvals', id, 'votes'), form, ApprovalSchema),

    lintPlaybook: (yaml: Body['content']) =>
      call({ method: 'POST', path: within('playbooks', 'lint'), body: yamlBody(yaml) }, LintSchema),
    drawPlaybook: (yaml: Body['content']) =>
      call({ method: 'POST', path: within('playbooks', 'graph'), body: yamlBody(yaml) }, GraphSchema),
    drawPlaybookAs: (yaml: Body['content'], format: DrawnFormat) =>
      askText(
        target,
        { method: 'POST', path: within('playbooks', 'graph'), query: { format }, body: yamlBody(yaml) },
        GRAPH_MEDIA[format],
      ),
    putPlaybook: (yaml: Body['content']) =>
      call({ method: 'POST', path: within('playbooks'), body: yamlBody(yaml) }, PutPlaybook),
    playbooks: (paging: Paging = {}) => list(['playbooks'], PlaybookSummarySchema, {}, paging),
    playbook: (name: string) => get(within('playbooks', name), PlaybookSchema),
    playbookVersion: (name: string, digest: string) =>
      get(within('playbooks', name, 'versions', digest), PlaybookVersionSchema),
    activatePlaybook: (name: string, digest: string) =>
      post(within('playbooks', name, 'activate'), { digest }, PlaybookSchema),

    triggers: (paging: Paging = {}) => list('triggers', TriggerSchema, {}, paging),
    noisyTriggers: (limit: number) => list(['triggers', 'noisy'], NoisyTriggerSchema, {}, { limit }),
    turnTrigger: (verb: 'stop' | 'resume', playbook: string, trigger: string, form: v.InferInput<typeof TriggerForm>) =>
      post(within('triggers', playbook, trigger, verb), form, TriggerSchema),

    plugins: () => list('plugins', PluginSchema, {}, {}),
    connectors: () => list('connectors', ConnectorSchema, {}, {}),
    checkConnector: (name: string) =>
      call({ method: 'POST', path: within('connectors', name, 'check') }, ConnectorCheck),
    resetConnector: (name: string) =>
      call({ method: 'POST', path: within('connectors', name, 'reset') }, ConnectorReset),

    egressReport: () => list(['egress', 'report'], EgressReportedSchema, {}, {}),

    stopState: () => get(within('stop'), StopStateSchema),
    stop: (form: v.InferInput<typeof StopForm>) => post(within('stop'), form, StopTurned),
    releaseStop: () => call({ method: 'DELETE', path: within('stop') }, StopTurned),

    incidents: (
      filter: { readonly state?: string | undefined; readonly severity?: string | undefined },
      paging: Paging = {},
    ) => list(['incidents'], IncidentSummarySchema, filter, paging),
    incident: (id: string) => get(within('incidents', id), IncidentSchema),
    timeline: (id: string, paging: Paging = {}) => list(['incidents', id, 'timeline'], TimelineEntrySchema, {}, paging),
    noteIncident: (id: string, form: v.InferInput<typeof NoteForm>) =>
      post(within('incidents', id, 'notes'), form, IncidentSchema),

    /** @param waitMs the server answers when there is something, or after this time. */
    lifecycle: ({ type, after, limit, waitMs = 0 }: LifecycleQuery) =>
      askJson<Page<LifecycleEvent>>(
        target,
        {
          method: 'GET',
          path: within('lifecycle'),
          waitMs,
          query: {
            type,
            after,
            limit: limit?.toString(),
            wait: waitMs > 0 ? `${Math.round(waitMs)}ms` : undefined,
          },
        },
        listOf(AnyLifecycleEvent) as Schema<Page<LifecycleEvent>>,
      ),
    webhooks: () => list(['lifecycle', 'webhooks'], LifecycleWebhookSchema, {}, {}),

    async auditExport(): Promise<Answer<AuditExport>> {
      const answer = await askStream(target, { method: 'GET', path: within('audit', 'export') });
      if (!answer.ok) return answer;
      const { status, headers, chunks } = answer.value;
      const head = readHead(headers.get('interlock-audit-head'));
      if (head) return ok({ head, chunks });
      return fail({ kind: 'strange', status, why: 'the export came without its head' });
    },

    /** Where the record of the org ends now. */
    auditHead: () => get(within('audit', 'head'), AuditHead),

    secrets: () => list(['secrets'], Secret, {}, {}),
    setSecret: (name: string, value: string) =>
      call({ method: 'PUT', path: within('secrets', name), body: jsonBody({ value }) }, SecretName),
    rotateSecret: (name: string, value: string, keep: boolean) =>
      call(
        { method: 'POST', path: within('secrets', name, 'rotate'), body: jsonBody(keep ? { value, keep } : { value }) },
        SecretRotatedSchema,
      ),
    removeSecret: (name: string) => call({ method: 'DELETE', path: within('secrets', name) }, SecretName),

    tokens: (paging: Paging = {}) => list(['tokens'], TokenSummarySchema, {}, paging),
    createToken: (form: v.InferInput<typeof TokenForm>) => post(within('tokens'), form, NewTokenSchema),
    revokeToken: (id: string) => call({ method: 'DELETE', path: within('tokens', id) }, TokenName),
    schemas: () =>
      askJson<Page<SchemaSummary>>(
        target,
        { method: 'GET', path: ['v1', 'schemas'] },
        listOf(SchemaSummarySchema) as Schema<Page<SchemaSummary>>,
      ),
    /** JSON Schema 2020-12. */
    schema: (name: string) => askJson(target, { method: 'GET', path: ['v1', 'schemas', name] }, Fields),
    whoami: () => get(['v1', 'whoami'], Whoami),
  };
}

const yamlBody = (content: Body['content']): Body => ({ type: 'application/yaml', content });
const queryOf = ({ limit, cursor }: Paging) => ({ limit: limit?.toString(), cursor });
const jsonBody = (form: unknown): Body => ({ type: 'application/json', content: JSON.stringify(form) });

function readHead(header: string | null): AuditExport['head'] | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(header ?? '', 'base64url').toString('utf8'));
    return v.is(AuditHead, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Every row of a list, page by page. Ends behind the last row, or with the fault that kept it from going on.
 * @param page one of the client's lists, e.g. `(paging) => client.runs({}, paging)`.
 */
export async function* rowsOf<T>(
  page: (paging: Paging) => Promise<Answer<Page<T>>>,
  limit?: number,
): AsyncGenerator<Answer<T>, void> {
  let cursor: string | undefined;
  do {
    const answer = await page({ limit, cursor });
    if (!answer.ok) {
      yield answer;
      return;
    }
    for (const row of answer.value.data) yield ok(row);
    // A server that hands the same cursor back would be asked for ever.
    const next = answer.value.page.next ?? undefined;
    if (next !== undefined && next === cursor) {
      yield fail({ kind: 'strange', status: 200, why: 'its list does not come to an end' });
      return;
    }
    cursor = next;
  } while (cursor !== undefined);
}
