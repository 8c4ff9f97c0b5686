/** Holds every answer against the OpenAPI document that the same server hands out. */
import { type Schema, Validator } from '@cfworker/json-schema';
import { own } from '../../kernel/base/own.ts';

// biome-ignore lint/suspicious/noExplicitAny: a document of that size is read, not typed.
type AnyJson = any;
export type Operation = { readonly method: string; readonly path: string; readonly id: string; readonly spec: AnyJson };

export const operationsOf = (document: AnyJson): readonly Operation[] =>
  Object.entries<AnyJson>(document.paths).flatMap(([path, methods]) =>
    Object.entries<AnyJson>(methods).map(([method, spec]) => ({
      method: method.toUpperCase(),
      path,
      id: spec.operationId,
      spec,
    })),
  );

/** What an operation gives, by the name under which its schema is published; of a list, each row. */
const GIVES: Readonly<Record<string, string>> = {
  listRuns: 'run-summary',
  readRun: 'run',
  runAgain: 'run',
  pauseRun: 'run',
  resumeRun: 'run',
  cancelRun: 'run',
  settleStep: 'run',
  readApproval: 'approval',
  vote: 'approval',
  readEvent: 'event',
  readIncident: 'incident',
};

/** The schemas as the server publishes them, by name. */
export async function publishedOf(read: (path: string) => Promise<AnyJson>): Promise<ReadonlyMap<string, AnyJson>> {
  const { data } = await read('/v1/schemas');
  return new Map(
    await Promise.all(
      data.map(async ({ name }: { name: string }) => [name, await read(`/v1/schemas/${name}`)] as const),
    ),
  );
}

export function openContract(document: AnyJson, published: ReadonlyMap<string, AnyJson>) {
  const operations = operationsOf(document);
  const components = closed(document.components);
  const validators = new Map<string, Validator>();
  const seen = new Set<string>();

  const operationAt = (method: string, path: string) => {
    const segments = path.split('/');
    const fits = (pattern: string) => {
      const parts = pattern.split('/');
      return parts.length === segments.length && parts.every((part, i) => part.startsWith('{') || part === segments[i]);
    };
    // A path without parameters goes before one with them.
    const found = operations.filter((one) => one.method === method && fits(one.path));
    return found.find((one) => !one.path.includes('{playbook}')) ?? found[0];
  };
  const validatorOf = (key: string, schema: Schema) => {
    const known = validators.get(key) ?? new Validator({ ...closed(schema), components } as Schema, '2020-12', false);
    validators.set(key, known);
    return known;
  };

  /** As somebody does who has only the published schemas: as they are, open to what they do not name. */
  const checkPublished = (name: string, value: unknown) => {
    const schema = published.get(name);
    if (!schema) throw new Error(`no schema is published as ${name}`);
    const validator = validators.get(name) ?? new Validator(schema, '2020-12', false);
    validators.set(name, validator);
    for (const one of Array.isArray(value) ? value : [value]) {
      const { valid, errors } = validator.validate(one);
      if (!valid) throw new Error(`${name}: ${errors.map((e) => `${e.instanceLocation} ${e.error}`).join('; ')}`);
    }
  };

  return {
    /** Operations that have given the answer that they are for. */
    seen,
    operations,
    /** @throws when the document does not foresee this answer, or not with this body. */
    check(method: string, path: string, status: number, media: string, json: unknown): void {
      const operation = operationAt(method, path.split('?')[0] ?? '');
      if (!operation) {
        if (status !== 404 && status !== 405) throw new Error(`${method} ${path} is not in the document`);
        return;
      }
      const response = operation.spec.responses[status];
      if (!response) throw new Error(`${operation.id} answered ${status}, which the document does not foresee`);
      const content = response.content?.[media.split(';')[0]?.trim() ?? ''];
      if (!content)
        throw new Error(`${operation.id} answered ${status} as ${media}, which the document does not foresee`);
      if (status < 300) seen.add(operation.id);
      const name = status < 300 ? own(GIVES, operation.id) : 'problem';
      if (name) checkPublished(name, status < 300 ? (json as AnyJson).data : json);
      if (!content.schema) return;
      const result = validatorOf(`${operation.id} ${status}`, content.schema).validate(json);
      if (!result.valid)
        throw new Error(
          `${operation.id} ${status}: ${result.errors.map((e) => `${e.instanceLocation} ${e.error}`).join('; ')}`,
        );
    },
  };
}

/** The same schema, but nothing may be there that it does not name: an answer must not give more than was said. */
function closed<T>(schema: T): T {
  if (Array.isArray(schema)) return schema.map(closed) as T;
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  const isOpen = 'properties' in inner && !('additionalProperties' in inner) && inner.type === 'object';
  return (isOpen ? { ...inner, additionalProperties: false } : inner) as T;
}
