import type { GenericSchema } from 'valibot';
import { API_SCHEMAS, envelope, listOf } from '../../sdk/contract/api.ts';
import { ApprovalId, Digest, EventId, IncidentId, Name, RunId, TokenId } from '../../sdk/contract/api-word.ts';
import { PROBLEMS, type ProblemKind } from '../../sdk/contract/problem.ts';
import { SchemaSummary } from '../../sdk/contract/schema.ts';
import { invariant } from '../base/assert.ts';
import { componentSchemas, toSchema } from './openapi-schema.ts';
import type { Route } from './route.ts';

/**
 * Prints the list of routes as an OpenAPI 3.1 document. What it says comes from the routes, the table of problems and
 * the schemas of the contract; here it is only put together.
 */
type Parameter = { readonly schema: GenericSchema; readonly description: string };

/** Every name that a path may have in braces. */
const PATH_PARAMETERS: Readonly<Record<string, Parameter>> = {
  org: { schema: Name, description: 'The org; the one that the token belongs to.' },
  event: { schema: EventId, description: 'Id of the event.' },
  run: { schema: RunId, description: 'Id of the run.' },
  approval: { schema: ApprovalId, description: 'Id of the approval.' },
  playbook: { schema: Name, description: 'Name of the playbook.' },
  version: { schema: Digest, description: 'Digest of a version of the playbook.' },
  trigger: { schema: Name, description: 'Id of the trigger in the playbook.' },
  incident: { schema: IncidentId, description: 'Id of the incident, percent-encoded.' },
  connector: { schema: Name, description: 'Name of the plugin.' },
  secret: { schema: Name, description: 'Name of the secret.' },
  schema: { schema: Name, description: 'Name of the schema.' },
  token: { schema: TokenId, description: 'Id of the token: its middle part, never the token itself.' },
};

/** Anyone may ask for these; nothing is parsed or authorized there. */
export const OPEN_PATHS = {
  health: '/healthz',
  document: '/openapi.json',
  schemas: '/v1/schemas',
  schema: '/v1/schemas/{schema}',
} as const;

const DESCRIPTION =
  'Detections in, playbooks run, people approve, every act on a verifiable record. Each path names its org, and a token ' +
  'works in one org only. Refusals are problem details (RFC 9457) and never repeat what was sent.';

export function openApiDocument(routes: readonly Route[], version: string) {
  const paths: Record<string, Record<string, unknown>> = {
    [OPEN_PATHS.health]: { get: readHealth() },
    [OPEN_PATHS.document]: { get: READ_DOCUMENT },
    [OPEN_PATHS.schemas]: { get: listSchemas() },
    [OPEN_PATHS.schema]: { get: readSchema() },
  };
  for (const route of routes)
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route) };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Interlock',
      version,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'An access token: ilk_...' } },
      schemas: componentSchemas(),
    },
  };
}

/** What a route can refuse with: what any guarded one can, and what this one adds. */
function problemKindsOf({ path, access, query, body, problems = [] }: Route): ReadonlySet<ProblemKind> {
  const kinds = new Set<ProblemKind>(['unauthenticated', 'internal', 'record-unavailable', ...problems]);
  if (path.includes('{')) kinds.add('not-found');
  if (access !== 'signed-in') kinds.add('forbidden');
  if (query) kinds.add('invalid-query');
  for (const kind of body?.problems ?? []) kinds.add(kind);
  return kinds;
}

function operationOf(route: Route) {
  const { operation, summary, access, query, body, answer, path } = route;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => pathParameter(name));
  const inQuery = Object.entries(query?.entries ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: toSchema(schema),
  }));
  return {
    operationId: operation,
    summary,
    ...(access !== 'signed-in' && { description: `Needs the permission \`${access}\`.`, 'x-permission': access }),
    parameters: [...inPath, ...inQuery],
    ...(body && { requestBody: { required: true, content: contentOf(body.content) } }),
    responses: { [answer.status]: answerOf(answer), ...refusalsOf(problemKindsOf(route)) },
  };
}

function pathParameter(name: string) {
  const parameter = PATH_PARAMETERS[name];
  invariant(parameter, 'every parameter of a path is described');
  return { name, in: 'path', required: true, description: parameter.description, schema: toSchema(parameter.schema) };
}

const contentOf = (content: NonNullable<Route['body']>['content']) =>
  Object.fromEntries(
    Object.entries(content).map(([media, schema]) => [media, { schema: 'kind' in schema ? toSchema(schema) : schema }]),
  );

function answerOf({ description, schema, media, also = [], headers = {} }: Route['answer']) {
  const named = Object.entries(headers).map(([name, text]) => [
    name,
    { description: text, schema: { type: 'string' } },
  ]);
  const others = Object.fromEntries(also.map((type) => [type, {}]));
  const content = schema ? { 'application/json': { schema: toSchema(schema) }, ...others } : media && { [media]: {} };
  return { description, ...(named.length > 0 && { headers: Object.fromEntries(named) }), ...(content && { content }) };
}

/** One response for each status; its description lists the kinds of problem behind it. */
function refusalsOf(kinds: Iterable<ProblemKind>) {
  const responses: Record<string, unknown> = {};
  for (const [status, some] of Map.groupBy(kinds, (kind) => PROBLEMS[kind].status))
    responses[status] = {
      description: some.map((kind) => `\`${kind}\`: ${PROBLEMS[kind].title}.`).join(' '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  return responses;
}

const readHealth = () => ({
  operationId: 'readHealth',
  summary: 'Whether the kernel takes work',
  security: [],
  responses: {
    200: {
      description: 'It does.',
      content: { 'application/json': { schema: toSchema(envelope(API_SCHEMAS.Health)) } },
    },
    ...refusalsOf(['record-unavailable']),
  },
});

const KNOWN = { 304: { description: 'What `If-None-Match` names is what there is.' } };

const listSchemas = () => ({
  operationId: 'listSchemas',
  summary: 'The schemas of what the kernel gives and takes, each with its version',
  security: [],
  responses: {
    200: {
      description: 'All of them.',
      content: { 'application/json': { schema: toSchema(listOf(SchemaSummary)) } },
    },
    ...KNOWN,
  },
});

const readSchema = () => ({
  operationId: 'readSchema',
  summary: 'One schema, as JSON Schema 2020-12',
  security: [],
  parameters: [pathParameter('schema')],
  responses: {
    200: { description: 'The schema.', content: { 'application/schema+json': { schema: { type: 'object' } } } },
    ...KNOWN,
    ...refusalsOf(['not-found']),
  },
});

const READ_DOCUMENT = {
  operationId: 'readOpenApi',
  summary: 'This document',
  security: [],
  responses: { 200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } } },
};
