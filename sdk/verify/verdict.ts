/**
 * What the verifier says. Three verdicts that are never merged: the record holds, the record is broken (and where), or
 * it cannot be judged from what was given. The same bytes give the same verdict on every engine.
 */
export const FINDING_CODES = {
  TAMPERED: 'the bytes of a record are not those that its successor names',
  CHAIN_BREAK: 'two records do not link, and which of them is at fault cannot be told',
  GAP: 'records are missing between two others',
  DUPLICATE_SEQ: 'a number stands twice: a record was inserted or repeated',
  OUT_OF_ORDER: 'records stand in another order than they were written in',
  FOREIGN_RECORD: 'a record of another log or another org',
  NON_CANONICAL: 'a line that is not strict JSON in the one form it may have',
  SCHEMA: 'a line that is strict JSON but not an audit record',
  INVALID_UTF8: 'a line that is not UTF-8',
  CLOCK_REGRESS: 'time runs backwards',
  TRUNCATED: 'records are missing at the end',
  HEAD_MISMATCH: 'the chain does not end where the head says it does',
  STATE_VIOLATION: 'the records tell of something that must not have happened',
  LIMIT: 'a line longer than a record may be',
  ROLLED_BACK: 'the chain is shorter than a head seen before',
  FORKED: 'the chain is not the one a head seen before belongs to',
  UNKNOWN_VERSION: 'a format that this verifier does not know',
  UNKNOWN_KIND: 'a kind of record that this verifier does not know',
  CAPACITY: 'more open runs or orgs at once than this verifier follows',
  MISSING: 'a file of the bundle is not there',
  UNREADABLE: 'a file of the bundle cannot be read as what it should be',
  BAD_PIN: 'the pinned head is not written as <number>:<leaf hash>',
} as const;

export type FindingCode = keyof typeof FINDING_CODES;

/** Findings that show no fault in the record, only that it could not be judged. */
const UNJUDGED: ReadonlySet<FindingCode> = new Set([
  'UNKNOWN_VERSION',
  'UNKNOWN_KIND',
  'CAPACITY',
  'MISSING',
  'UNREADABLE',
  'BAD_PIN',
]);

export const isFault = (code: FindingCode): boolean => !UNJUDGED.has(code);

export type Scope = 'log' | 'org';

export type Finding = {
  readonly code: FindingCode;
  /**
   * Number of the record concerned: `seq` in a whole log, `tseq` in an org's export. For something inserted, the
   * number it stands in front of. Null when no record is concerned.
   */
  readonly seq: number | null;
  /** Line of the file, from 1; null when it is not about a line. */
  readonly line: number | null;
  /** One sentence for a person. Never holds text of the record. */
  readonly text: string;
};

/** At most this many findings are listed; `Verdict.found` counts them all. */
export const LISTED_FINDINGS = 20;

export type Verdict = {
  readonly verdict: 'valid' | 'invalid' | 'cannot_check';
  /** Records read (lines that are records). */
  readonly records: number;
  /** `seq` of the first and of the last record read. */
  readonly first: number | null;
  readonly last: number | null;
  /** Where a valid chain ends, as a pin: `<number>:<leaf hash>`. Keep it elsewhere. Null when empty or not valid. */
  readonly head: string | null;
  readonly findings: readonly Finding[];
  readonly found: number;
  /** What was judged, and what nothing is said about. */
  readonly statement: string;
};

/** Exit codes of every command that prints a verdict. */
export const EXIT_CODES = { valid: 0, invalid: 1, cannot_check: 2 } as const satisfies Record<
  Verdict['verdict'],
  number
>;

/** A verdict that nothing could be judged, and why. */
export const cannotCheck = (code: FindingCode, text: string): Verdict => ({
  verdict: 'cannot_check',
  records: 0,
  first: null,
  last: null,
  head: null,
  findings: [{ code, seq: null, line: null, text }],
  found: 1,
  statement: 'Nothing was judged.',
});

/** A head known from elsewhere: number of a record in its scope, and its leaf hash. */
export type Pin = { readonly seq: number; readonly leaf: string };

/** @returns undefined when `text` is not `<number>:<leaf hash in base64>`. */
export function parsePin(text: string): Pin | undefined {
  const match = /^(0|[1-9][0-9]{0,15}):([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)$/.exec(text);
  const seq = Number(match?.[1]);
  return match?.[2] !== undefined && Number.isSafeInteger(seq) ? { seq, leaf: match[2] } : undefined;
}
