import * as v from 'valibot';
import { StoredEvent } from './api.ts';
import { Incident, TimelineEntry } from './api-incident.ts';
import { Approval, Run, RunSummary, Step } from './api-run.ts';
import { says } from './api-word.ts';
import { AnyLifecycleEvent, dataschemaOf, LIFECYCLE, LIFECYCLE_TYPES } from './lifecycle.ts';
import { PluginManifestSchema } from './plugin.ts';
import { ProblemSchema } from './problem.ts';
import { AuditRecordSchema } from './schema-audit.ts';

/**
 * The contracts with whoever stands before and behind the kernel (S 2.2, 9.1): each the very schema that it checks with,
 * under a name and a version, published as JSON Schema at `/v1/schemas`.
 *
 * `given`: documents of the kernel. What fits today fits every later schema of the same version, which may say more and
 * never less. `taken`: documents for the kernel. What was taken goes on to be taken. Any other change is a new version;
 * test/contract/schemas.test.ts holds each against the one that was published before.
 */
export type Published = {
  readonly version: number;
  readonly use: 'given' | 'taken';
  readonly title: string;
  readonly schema: v.GenericSchema;
  /** Where it is named elsewhere already. */
  readonly id?: string;
};

const given = (version: number, title: string, schema: v.GenericSchema): Published => ({
  version,
  use: 'given',
  title,
  schema,
});
export const taken = (version: number, title: string, schema: v.GenericSchema): Published => ({
  version,
  use: 'taken',
  title,
  schema,
});

/** There are more kinds in later versions, so that for readers they are no closed list. */
const AnyProblem = v.object({
  ...ProblemSchema.entries,
  type: says(
    v.pipe(v.string(), v.regex(/^urn:interlock:problem:[a-z]+(?:-[a-z]+)*$/)),
    'Names the kind. There are more in later versions: go by the status where you do not know it.',
  ),
});

/** The data of each type of lifecycle event, under the id that its `dataschema` gives. */
const lifecycleData: Readonly<Record<`lifecycle-${string}`, Published>> = Object.fromEntries(
  LIFECYCLE_TYPES.map((type) => [
    `lifecycle-${type.replace('interlock.', '').replaceAll(/[._]/g, '-')}`,
    {
      ...given(Number(/v(\d+)$/.exec(dataschemaOf(type))?.[1]), LIFECYCLE[type].means, LIFECYCLE[type].data),
      id: dataschemaOf(type),
    },
  ]),
);

export const SCHEMAS = {
  event: given(2, 'An event as it was taken, and what its triggers said', StoredEvent),
  run: given(2, 'A run with its pins, steps, attempts and approvals', Run),
  'run-summary': given(1, 'A run in a list', RunSummary),
  'step-run': given(2, 'One execution of one step, as a run has it', Step),
  approval: given(1, 'An approval: what would be done, who asked, who voted', Approval),
  incident: given(1, 'An incident: its state, and what moved it', Incident),
  'timeline-entry': given(1, 'One entry of the timeline of an incident', TimelineEntry),
  'lifecycle-event': given(1, 'What the kernel tells the world outside: a CloudEvent 1.0', AnyLifecycleEvent),
  ...lifecycleData,
  'audit-record': given(1, 'One line of an audit export', AuditRecordSchema),
  problem: given(1, 'A refusal (RFC 9457)', AnyProblem),
  'plugin-manifest': taken(1, 'The manifest of a plugin', PluginManifestSchema),
} as const satisfies Record<string, Published>;

/** Its `$id`: it names the schema and does not lead anywhere. */
export const schemaId = (name: string, { version, id }: Published): string =>
  id ?? `urn:interlock:schema:${name}:v${version}`;

/** One row of the list of schemas. */
export const SchemaSummary = v.object({
  name: v.string(),
  version: v.pipe(v.number(), v.integer(), v.minValue(1)),
  id: v.string(),
  title: v.string(),
  /** `given`: of documents that the kernel makes; `taken`: of documents that are made for it. */
  use: v.picklist(['given', 'taken']),
});
export type SchemaSummary = v.InferOutput<typeof SchemaSummary>;
