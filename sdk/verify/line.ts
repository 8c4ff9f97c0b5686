import { hash } from 'node:crypto';
import {
  ACTOR_PATTERN,
  AUDIT_CHARS,
  AUDIT_FORM,
  AUDIT_LINE_BYTES,
  type AuditRecord,
  GENESIS,
  isIdentity,
  leafHash,
} from '../contract/audit.ts';
import { AUDIT_KINDS, isAuditKind } from '../contract/audit-kind.ts';
import type { FindingCode, Scope } from './verdict.ts';

/**
 * One line, read strictly. Hashes the bytes as they stand, then asks whether they are a record in the only form a
 * record may have. Whatever else the line is becomes a fault, never an exception.
 */
export type Entry = {
  /** Line of the file, from 1. */
  readonly line: number;
  readonly leaf: string;
  /** Number in the scope (`seq`, or `tseq` for an org); -1 when the line is no record. */
  readonly seq: number;
  /** The link in the scope (`prev`, or `tprev` for an org). */
  readonly link: string;
  readonly record: AuditRecord | null;
  readonly fault: Fault | null;
};

export type Fault = { readonly code: FindingCode; readonly why: string };

/** What is to be read: the log, and the one org of an org's export. */
export type Subject = { readonly scope: Scope; readonly log: string; readonly org: string | null };

/** @param bytes a line without its LF: text, or the bytes when they are not UTF-8 or too long to be decoded. */
export function readLine(bytes: string | Uint8Array, line: number, subject: Subject): Entry {
  if (typeof bytes !== 'string') {
    const leaf = hash('sha256', Buffer.concat([new Uint8Array(1), bytes]), 'base64');
    const long = bytes.length > AUDIT_LINE_BYTES;
    return odd(line, leaf, long ? TOO_LONG : { code: 'INVALID_UTF8', why: 'it is not UTF-8' });
  }
  // A UTF-16 unit is one to three bytes of UTF-8, so that only lines in between need to be counted.
  if (bytes.length > AUDIT_LINE_BYTES) return odd(line, '', TOO_LONG);
  if (bytes.length * 3 > AUDIT_LINE_BYTES && Buffer.byteLength(bytes) > AUDIT_LINE_BYTES) {
    return odd(line, '', TOO_LONG);
  }
  const leaf = leafHash(bytes);
  const read = readRecord(bytes);
  if ('code' in read) return odd(line, leaf, read);
  if (read.log !== subject.log) return odd(line, leaf, { code: 'FOREIGN_RECORD', why: 'it names another log' });
  if (subject.scope === 'log') return { line, leaf, seq: read.seq, link: read.prev, record: read, fault: null };
  if (read.tenant !== subject.org) return odd(line, leaf, { code: 'FOREIGN_RECORD', why: 'it names another org' });
  return { line, leaf, seq: read.tseq, link: read.tprev, record: read, fault: null };
}

const TOO_LONG: Fault = { code: 'LIMIT', why: `it is longer than ${AUDIT_LINE_BYTES} bytes` };

const odd = (line: number, leaf: string, fault: Fault): Entry => ({
  line,
  leaf,
  seq: -1,
  link: '',
  record: null,
  fault,
});

/** Every key a record may have, in the order it must have. */
const KEYS = 'act actor attempt cause kind log nonce outcome prev ref run seq step tenant time tprev tseq v'.split(' ');

const CR_LF = 'it ends with CR LF: something converted the line ends; take the file as it was exported, with LF alone';

const schema = (why: string): Fault => ({ code: 'SCHEMA', why });

function readRecord(text: string): AuditRecord | Fault {
  let value: unknown;
  try {
    value = JSON.parse(text);
    // Native printing of what was parsed is the canonical form (RFC 8785) of a flat object of strings and integers
    // whose keys are in order. It differs for spaces, escapes, doubled keys and every other way to write a number.
    if (text.endsWith('\r')) return { code: 'NON_CANONICAL', why: CR_LF };
    if (JSON.stringify(value) !== text) return { code: 'NON_CANONICAL', why: 'it is not in canonical form' };
  } catch {
    return { code: 'NON_CANONICAL', why: 'it is not JSON' };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return schema('it is not an object');
  let at = 0;
  for (const key of Object.keys(value)) {
    const found = KEYS.indexOf(key, at);
    if (found < 0) {
      if (!KEYS.includes(key)) return versionOf(value) ?? schema('it has a field that no record has');
      return { code: 'NON_CANONICAL', why: 'its fields are not in order' };
    }
    at = found + 1;
  }
  return versionOf(value) ?? checkFields(value);
}

/** A later version of the format may have any fields: say so before finding fault with them. */
const versionOf = (value: object): Fault | undefined =>
  'v' in value && Number.isSafeInteger(value.v) && (value.v as number) > 1
    ? { code: 'UNKNOWN_VERSION', why: 'it is of a later version of the format' }
    : undefined;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isName = (value: unknown, chars: number): boolean => typeof value === 'string' && isIdentity(value, chars);
/** A leaf hash by its length: the digits need no look, because a link counts only when it equals a computed hash. */
const isLink = (value: unknown): boolean => typeof value === 'string' && value.length === GENESIS.length;
const matches = (value: unknown, form: RegExp): boolean => typeof value === 'string' && form.test(value);

/** @param value an object of known keys; its own fields only, because it came from JSON.parse. */
function checkFields(value: object): AuditRecord | Fault {
  const r = value as { readonly [K in keyof AuditRecord]: unknown };
  if (r.v !== 1) return schema('v is not 1');
  if (!isCount(r.seq)) return schema('seq is not a count');
  if (!isCount(r.tseq) || r.tseq > r.seq) return schema('tseq is not a count up to seq');
  if (!isCount(r.time)) return schema('time is not a count of milliseconds');
  if (!isLink(r.prev)) return schema('prev is not a leaf hash');
  if (!isLink(r.tprev)) return schema('tprev is not a leaf hash');
  if (!matches(r.nonce, AUDIT_FORM.nonce)) return schema('nonce is not 16 bytes');
  if (!matches(r.log, AUDIT_FORM.log)) return schema('log is not a short id');
  if (!matches(r.tenant, AUDIT_FORM.tenant)) return schema('tenant is not a name');
  if (!matches(r.kind, AUDIT_FORM.kind)) return schema('kind is not a kind');
  if (!isName(r.actor, AUDIT_CHARS.actor) || !matches(r.actor, ACTOR_PATTERN)) return schema('actor is not an actor');
  if (r.act !== undefined && !matches(r.act, AUDIT_FORM.act)) return schema('act is not a digest');
  if (r.attempt !== undefined && (!isCount(r.attempt) || r.attempt === 0)) return schema('attempt is not from 1');
  if (r.cause !== undefined && !isCount(r.cause)) return schema('cause is not a count');
  if (r.outcome !== undefined && !matches(r.outcome, AUDIT_FORM.outcome)) return schema('outcome is not a word');
  if (r.ref !== undefined && !isName(r.ref, AUDIT_CHARS.ref)) return schema('ref is not a name');
  if (r.run !== undefined && !isName(r.run, AUDIT_CHARS.run)) return schema('run is not a name');
  if (r.step !== undefined && !isName(r.step, AUDIT_CHARS.step)) return schema('step is not a name');
  const record = value as AuditRecord;
  if (isAuditKind(record.kind)) {
    for (const need of AUDIT_KINDS[record.kind].needs) {
      if (record[need] === undefined) return schema(`a record of its kind needs ${need}`);
    }
  }
  return record;
}
