import type { Context } from 'hono';
import * as v from 'valibot';
import type { ProblemKind } from '../../sdk/contract/problem.ts';
import { type JsonFault, parseJson } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { toSchemaIssues } from '../rule/issue.ts';
import { isJsonMediaType } from '../trigger/media-type.ts';
import { problem } from './answer.ts';
import type { BodyReader } from './route.ts';

/**
 * Reads request bodies: bounded while they arrive, parsed by our own parser, checked by a strict schema. Nothing of a
 * body is repeated in a refusal.
 */
const BOUNDS = { depth: LIMITS.jsonDepth.value, keys: LIMITS.jsonKeys.value };

/** Largest form in bytes. The longest field has 4,096 characters, of which JSON may make six times as many bytes. */
const FORM_BYTES = 32_768;

/** A small JSON document of the form of `schema`. */
export const form = <T>(schema: v.GenericSchema<unknown, T>): BodyReader<T> => ({
  content: { 'application/json': schema },
  problems: [...BODY_PROBLEMS, 'invalid-body'],
  read: async ({ context }) => {
    if (!isJsonMediaType(context.req.header('content-type') ?? '')) return err(problem('unsupported-media-type'));
    return readJson(context, schema, FORM_BYTES);
  },
});

export const BODY_PROBLEMS = ['malformed-body', 'body-too-large', 'unsupported-media-type'] as const;

/** @param most in bytes. */
export async function readJson<T>(
  context: Context,
  schema: v.GenericSchema<unknown, T>,
  most: number,
): Promise<Result<T, Response>> {
  const bytes = await readBytes(context, most);
  if (!bytes.ok) return bytes;
  const json = parseJson(bytes.value, BOUNDS);
  if (!json.ok) return err(jsonProblem(json.error));
  const parsed = v.safeParse(schema, json.value);
  return parsed.success ? ok(parsed.output) : err(problem('invalid-body', { errors: toSchemaIssues(parsed.issues) }));
}

const JSON_FAULTS: Readonly<Record<JsonFault, { readonly kind: ProblemKind; readonly text: string }>> = {
  not_utf8: { kind: 'malformed-body', text: 'The body is not UTF-8 text.' },
  not_json: { kind: 'malformed-body', text: 'The body is not a whole JSON document.' },
  too_deep: { kind: 'invalid-body', text: `The body is nested deeper than ${BOUNDS.depth} levels.` },
  too_many_keys: { kind: 'invalid-body', text: `The body has more than ${BOUNDS.keys} keys and array items.` },
  forbidden_key: { kind: 'invalid-body', text: 'The body has a key named __proto__; remove it.' },
};

function jsonProblem(fault: JsonFault): Response {
  const { kind, text } = JSON_FAULTS[fault];
  return problem(kind, { detail: text });
}

/**
 * The body, at most `most` bytes; what is more is never held. A body that ends early is a problem, though hardly anyone
 * is left to read the answer.
 */
export async function readBytes(context: Context, most: number): Promise<Result<Uint8Array, Response>> {
  const coding = context.req.header('content-encoding');
  if (coding !== undefined && coding !== 'identity')
    return err(problem('unsupported-media-type', { detail: 'Send the body without a Content-Encoding.' }));
  const declared = context.req.header('content-length');
  try {
    // The HTTP parser hands over exactly as many bytes as were declared, and refuses a message that is chunked as well.
    const body =
      declared === undefined
        ? await collect(context.req.raw.body, most)
        : Number(declared) <= most
          ? new Uint8Array(await context.req.arrayBuffer())
          : undefined;
    return body && body.byteLength <= most ? ok(body) : err(tooLarge(most));
  } catch {
    return err(problem('malformed-body', { detail: 'The body ended early. Send it again.' }));
  }
}

/** @returns undefined as soon as there is more than `most`. The rest is left to the listener, which throws it away. */
async function collect(body: ReadableStream<Uint8Array> | null, most: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Not cancelled at the end: that would close the connection before the answer is out.
  const reader = body?.getReader();
  for (;;) {
    const read = await reader?.read();
    if (!read || read.done) return Buffer.concat(chunks);
    size += read.value.byteLength;
    if (size > most) return undefined;
    chunks.push(read.value);
  }
}

const tooLarge = (most: number): Response =>
  problem('body-too-large', { detail: `A body of this kind has at most ${most} bytes here.` });
