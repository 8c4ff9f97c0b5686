import * as v from 'valibot';
import { err, ok, type Result } from '../base/result.ts';
import { toSchemaIssues } from '../rule/issue.ts';
import { problem } from './answer.ts';

/**
 * Reads the query of a request. An unknown or repeated parameter is refused: a filter with a slip of the pen must not
 * become no filter.
 */
export type QuerySchema<Query> = v.GenericSchema<unknown, Query> & {
  readonly entries: Readonly<Record<string, v.GenericSchema>>;
};

/** @returns the parsed parameters, or the problem as an answer. Names only parameters that the schema knows. */
export function parseQuery<Query>(url: string, schema: QuerySchema<Query>): Result<Query, Response> {
  const values: Record<string, string> = {};
  const start = url.indexOf('?');
  for (const [name, value] of start < 0 ? [] : new URLSearchParams(url.slice(start + 1))) {
    if (!Object.hasOwn(schema.entries, name)) return refuse('', 'has a parameter that does not belong here; remove it');
    if (Object.hasOwn(values, name)) return refuse(name, 'is there twice; send it once');
    values[name] = value;
  }
  const parsed = v.safeParse(schema, values);
  if (parsed.success) return ok(parsed.output);
  const errors = toSchemaIssues(parsed.issues).map(({ pointer, text }) => ({
    pointer: `?${pointer.slice(1)}`,
    text,
  }));
  return err(problem('invalid-query', { errors }));
}

const refuse = (name: string, text: string) =>
  err(problem('invalid-query', { errors: [{ pointer: `?${name}`, text }] }));
