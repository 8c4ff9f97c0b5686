import * as v from 'valibot';

/** The words that the API is made of: ids, names, digests, instants and sentences, in one grammar everywhere. */
export const Name = v.pipe(
  v.string(),
  v.regex(/^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,62}$/, 'lower-case letters, digits and single hyphens, at most 63'),
);
export const Digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/, 'sha256: and 64 lower-case hex digits'));
export const EventId = v.pipe(v.string(), v.regex(/^evt_[0-9a-f]{32}$/, 'the id of an event: evt_ and 32 hex digits'));
export const RunId = v.pipe(v.string(), v.regex(/^run_[0-9a-f]{32}$/, 'the id of a run: run_ and 32 hex digits'));
export const ApprovalId = v.pipe(
  v.string(),
  v.regex(/^apr_[0-9a-f]{32}$/, 'the id of an approval: apr_ and 32 hex digits'),
);
export const TokenId = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/, 'the id of a token: 16 hex digits'));

/**
 * How a new token names its holder, a person or a service. Lower case only, so that one person cannot be taken for two where two are asked for.
 */
export const PrincipalName = v.pipe(
  v.string(),
  v.regex(
    /^[a-z0-9](?:[a-z0-9._@+-]{0,126}[a-z0-9])?$/,
    'lower-case letters, digits and . _ @ + - in between, at most 128',
  ),
);

/** Who acted, as it was recorded. */
export const Principal = v.pipe(v.string(), v.minLength(1), v.maxLength(310));

/** The id of an incident, as playbooks make it. */
export const IncidentId = v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,256}$/, '1-256 printable characters, no spaces'));

/** RFC 3339 in UTC with milliseconds. */
export const Instant = v.pipe(v.string(), v.isoTimestamp());

/** A whole number and one unit (ms, s, m, h, d), such as 30s or 7d. */
export const Duration = v.pipe(
  v.string(),
  v.regex(/^[1-9][0-9]{0,8}(?:ms|s|m|h|d)$/, 'a whole number and a unit, such as 30s, 15m or 7d'),
);

/** Place in the audit log. */
export const Seq = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Who did something, as the audit record says it: a person or service, or a part of the kernel. */
export const Actor = v.pipe(v.string(), v.regex(/^(?:principal|system):/, 'principal: or system: and a name'));

/** With what it means, for whoever reads the schema and not this code. */
export const says = <const S extends v.GenericSchema>(schema: S, text: string) => v.pipe(schema, v.description(text));
/** How many. */
export const Count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** Any JSON value. */
export const Anything = v.unknown();
export const Fields = v.record(v.string(), Anything);

/** A condition that decided. */
export const Finding = v.object({
  fact: v.string(),
  /** JSON Pointer into the fact. */
  path: v.string(),
  operator: v.string(),
  /** From the rule. What the event held there is not shown. */
  expected: Anything,
  reason: v.picklist(['true', 'false', 'missing', 'wrong_type']),
});

export const SENTENCE_CHARS = 2_000;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it keeps out.
const SENTENCE = /^(?=[\s\S]*\S)[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]+$/;
/** What a person gives as a reason: not blank, no control characters but line ends and tabs. */
export const Sentence = v.pipe(
  v.string(),
  v.maxLength(SENTENCE_CHARS),
  v.regex(SENTENCE, 'text that is not blank, without control characters'),
);

/** A step as a run executes it: its id, and inside of a `foreach` the number of the item, `scan[3]`. */
export const StepRunName = v.pipe(
  v.string(),
  v.regex(
    /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,62}(?:\[(?:0|[1-9][0-9]{0,3})(?:\.(?:0|[1-9][0-9]{0,3})){0,3}\])?$/,
    'the id of a step, with the item in brackets inside of a foreach, such as scan[3]',
  ),
);
