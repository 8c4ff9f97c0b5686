import type { Context } from 'hono';
import type { GenericSchema } from 'valibot';
import type { ProblemKind } from '../../sdk/contract/problem.ts';
import type { Result } from '../base/result.ts';
import type { Principal } from '../org/principal.ts';
import type { Permission } from '../org/role.ts';
import { parseQuery, type QuerySchema } from './query.ts';

/**
 * The shape of one operation. The app is made of a list of these and so is the OpenAPI document, so the two cannot
 * differ. A handler is one function: it gets what has been parsed and authorized, asks the flow, and prints.
 */
export type Spec<Query, Body> = Described & {
  readonly query?: QuerySchema<Query>;
  readonly body?: BodyReader<Body>;
  readonly handle: (ask: Ask & { readonly query: Query; readonly body: Body }) => Response | Promise<Response>;
};

export type Route = Described & {
  readonly query?: QuerySchema<unknown>;
  readonly body?: Pick<BodyReader<unknown>, 'content' | 'problems'>;
  readonly serve: (ask: Ask) => Response | Promise<Response>;
};

type Described = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** As OpenAPI writes it. Every name in braces is described in openapi.ts. */
  readonly path: string;
  /** Name of the operation: in the document, and in the audit record of a refusal. */
  readonly operation: string;
  readonly summary: string;
  /** `signed-in`: any known token. */
  readonly access: Permission | 'signed-in';
  readonly answer: AnswerSpec;
  /** Besides those that every route can give. */
  readonly problems?: readonly ProblemKind[];
};

type AnswerSpec = {
  readonly status: 200 | 201 | 202;
  readonly description: string;
  /** Of the whole body. Absent: the answer is not JSON, and `media` names what it is. */
  readonly schema?: GenericSchema;
  readonly media?: string;
  /** Other types that the same may be asked for as. */
  readonly also?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
};

/** Who asks, and how. */
export type Ask = { readonly by: Principal; readonly context: Context };

export type BodyReader<Body> = {
  /** What it takes, by media type, for the document. */
  readonly content: Readonly<Record<string, GenericSchema | { readonly description: string; readonly type: string }>>;
  readonly problems: readonly ProblemKind[];
  /** @returns the body, or the answer that says why not. */
  readonly read: (ask: Ask) => Promise<Result<Body, Response>>;
};

/** Puts the parts of an operation together: query, then body, then the handler. */
export function route<Query = undefined, Body = undefined>(spec: Spec<Query, Body>): Route {
  const { query: schema, body: reader, handle, ...described } = spec;
  return {
    ...described,
    ...(schema && { query: schema as QuerySchema<unknown> }),
    ...(reader && { body: reader }),
    serve(ask) {
      const query = schema ? parseQuery(ask.context.req.url, schema) : undefined;
      if (query && !query.ok) return query.error;
      const parsed = query?.value as Query;
      if (!reader) return handle({ ...ask, query: parsed, body: undefined as Body });
      return reader
        .read(ask)
        .then((body) => (body.ok ? handle({ ...ask, query: parsed, body: body.value }) : body.error));
    },
  };
}
