import { hash } from 'node:crypto';

/**
 * The audit record: one line of strict JSON (a subset of RFC 8785), hashed exactly as it stands.
 *
 * Fixed keys in ASCII order; numbers are integers up to 2^53-1; no free-form text, so nothing secret or personal can
 * be in it. `prev` and `tprev` are RFC 6962 leaf hashes, so that one SHA-256 per record serves the chain now and a
 * Merkle tree over the same leaves later. docs/audit-format.md says the same in words.
 */
export type AuditRecord = {
  /** Digest (sha256:...) of what was done: parameters, plan, event, decision. The thing itself is elsewhere. */
  readonly act?: string;
  /** `principal:<id>` or `system:<part>`. */
  readonly actor: string;
  /** Number of the try, from 1, on records of a step. */
  readonly attempt?: number;
  /** `seq` of the record that authorises this one. */
  readonly cause?: number;
  /** What happened, e.g. `step.intent`. The closed list is AUDIT_KINDS; docs/audit-events.md prints it. */
  readonly kind: string;
  /** Short id of the log; a record of another log is foreign. */
  readonly log: string;
  /** 128 random bits, base64: hides the content from whoever holds only neighbouring hashes. */
  readonly nonce: string;
  /** A word from a closed list, e.g. `approved`, `timeout`. */
  readonly outcome?: string;
  /** Leaf hash of record `seq - 1`; GENESIS for the first. */
  readonly prev: string;
  /** Name of the thing concerned: playbook, trigger, plugin action, approval, secret (never a value). */
  readonly ref?: string;
  readonly run?: string;
  /** Place in the log, from 0, gapless. */
  readonly seq: number;
  readonly step?: string;
  /** The org the record belongs to. */
  readonly tenant: string;
  /** Unix milliseconds; never decreases. */
  readonly time: number;
  /** Leaf hash of the same tenant's previous record; GENESIS for its first. */
  readonly tprev: string;
  /** Place among the tenant's records, from 0, gapless. */
  readonly tseq: number;
  readonly v: 1;
};

/** 32 zero bytes in base64: what stands in `prev` and `tprev` where there is no earlier record. */
export const GENESIS = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=';

/** RFC 6962 section 2.1 leaf hash of a line (without its LF), standard base64. */
export const leafHash = (line: string): string => hash('sha256', `\0${line}`, 'base64');

/** Longest line in bytes, without its LF: C2SP tlog-tiles gives the length of an entry 16 bits. */
export const AUDIT_LINE_BYTES = 65_535;

/** Fields of one fixed form. The writer asserts them, the verifier checks them: this is the one grammar of both. */
export const AUDIT_FORM = {
  act: /^sha256:[0-9a-f]{64}$/,
  kind: /^[a-z]{1,31}\.[a-z_]{1,31}$/,
  log: /^[a-z0-9](?:[a-z0-9]|-(?=[a-z0-9])){0,62}$/,
  /** 16 bytes in canonical base64: the unused bits of the last digit are zero. */
  nonce: /^[A-Za-z0-9+/]{21}[AQgw]==$/,
  /** A word of a closed list, never a sentence. */
  outcome: /^[a-z][a-z0-9_.:-]{0,63}$/,
  tenant: /^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,62}$/,
  /** `prev` and `tprev`: 32 bytes in canonical base64. */
  hash: /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/,
} as const;

/** Longest identity fields, in UTF-16 units. Their form is `isIdentity`. */
export const AUDIT_CHARS = { actor: 320, ref: 512, run: 64, step: 128 } as const;

/** Who may act: a person or token known to the org, or a part of the kernel. */
export const ACTOR_PATTERN = /^(?:principal|system):./u;

const VISIBLE_ASCII = /^[!-~]+$/;
// Controls, format characters (all bidi controls among them), lone surrogates, private use, and every kind of space.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Z}]/u;

/** Text that names someone or something: 1 to `chars` visible characters, well-formed, NFC, so that it reads as one. */
export const isIdentity = (text: string, chars: number): boolean =>
  text.length > 0 &&
  text.length <= chars &&
  (VISIBLE_ASCII.test(text) || (!INVISIBLE.test(text) && text.normalize('NFC') === text));

/**
 * `head.json` of an export bundle: where the exporter says the chain ends. It is a convenience that travels with the
 * data; only a head kept elsewhere (a pin) proves anything against the writer.
 */
export type AuditHead = {
  readonly format: 'interlock/audit-head/v1';
  /** `log`: all records of the log. `org`: all records of one org and nothing of others. */
  readonly scope: 'log' | 'org';
  readonly log: string;
  /** The org of an `org` export; null for a whole log. */
  readonly org: string | null;
  /** How many records the export holds; the last one is number `records - 1` of its scope. */
  readonly records: number;
  /** `seq` of the last record; null when there is none. */
  readonly seq: number | null;
  /** Leaf hash of the last record; GENESIS when there is none. */
  readonly leaf: string;
  /** RFC 3339 in UTC. Informative: nothing is checked against it. */
  readonly exportedAt: string;
};
