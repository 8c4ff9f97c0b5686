import { type Published, SCHEMAS, type SchemaSummary, schemaId, taken } from '../../sdk/contract/schema.ts';
import { digestOf } from '../base/digest.ts';
import { own } from '../base/own.ts';
import { PlaybookSchema } from '../playbook/schema.ts';
import { CloudEventSchema } from '../trigger/cloudevent.ts';
import { notModified, problem, text } from './answer.ts';
import { toWholeSchema } from './openapi-schema.ts';

/**
 * The schemas that are published: those of the contract, and the two whose grammar is the kernel's own. They hold
 * nothing of any org, so anyone may read them: a pipeline that checks what it sends needs no token for that. There are
 * a fixed few, each printed once, and an answer costs a look into a table.
 */
const PUBLISHED = {
  cloudevent: taken(1, 'An event as it may be sent: a CloudEvent 1.0 in structured mode', CloudEventSchema),
  ...SCHEMAS,
  playbook: taken(1, 'A playbook document', PlaybookSchema),
} as const satisfies Readonly<Record<string, Published>>;

export type SchemaName = keyof typeof PUBLISHED;
export const SCHEMA_NAMES = Object.keys(PUBLISHED) as readonly SchemaName[];

type SchemaDocument = Omit<ReturnType<typeof toWholeSchema>, '$id' | 'title'> & {
  readonly $id: string;
  readonly title: string;
};

export function schemaDocument(name: SchemaName): SchemaDocument {
  const published = PUBLISHED[name];
  const { title, use, schema } = published;
  const { $schema, $id: _, title: __, description: ___, ...rest } = toWholeSchema(schema);
  return { $schema, $id: schemaId(name, published), title, description: NOTE[use], ...rest };
}

const NOTE = {
  given: 'Later documents of this version may have more fields: read those that you know.',
  taken: 'What fits may still be refused where it stands for something that is not there; lint and the answer say why.',
} as const;

const summaries = (): readonly SchemaSummary[] =>
  SCHEMA_NAMES.map((name) => {
    const published = PUBLISHED[name];
    const { version, title, use } = published;
    return { name, version, id: schemaId(name, published), title, use };
  });

type Printed = { readonly text: string; readonly etag: string };
const printed = (value: unknown): Printed => {
  const json = JSON.stringify(value);
  return { text: json, etag: `"${digestOf(json).slice(7, 39)}"` };
};

/** A schema may be kept for a while, and asked for again with what is known of it. */
const CACHE = 'public, max-age=300';

export function openSchemas() {
  const known = new Map<string, Printed>();
  const once = (key: string, make: () => unknown): Printed => {
    const there = known.get(key) ?? printed(make());
    known.set(key, there);
    return there;
  };
  const answer = ({ text: json, etag }: Printed, media: string, ifNoneMatch: string | undefined): Response => {
    const headers = { etag, 'cache-control': CACHE };
    // RFC 9110, 13.1.2: a list, in which a weak tag fits too.
    const isKnown = ifNoneMatch
      ?.split(',')
      .some((tag) => tag.trim().replace(/^W\//, '') === etag || tag.trim() === '*');
    return isKnown ? notModified(headers) : text(json, 200, { ...headers, 'content-type': media });
  };

  return {
    list: (ifNoneMatch: string | undefined): Response =>
      answer(
        once('', () => ({ data: summaries(), page: { next: null } })),
        'application/json',
        ifNoneMatch,
      ),
    one(name: string, ifNoneMatch: string | undefined): Response {
      if (!own(PUBLISHED, name as SchemaName)) return problem('not-found');
      const document = once(name, () => schemaDocument(name as SchemaName));
      return answer(document, 'application/schema+json', ifNoneMatch);
    },
  };
}
