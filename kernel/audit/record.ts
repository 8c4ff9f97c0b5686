import { ACTOR_PATTERN, AUDIT_CHARS, AUDIT_FORM, AUDIT_LINE_BYTES, isIdentity } from '../../sdk/contract/audit.ts';
import { AUDIT_KINDS, type AuditKind, isAuditKind } from '../../sdk/contract/audit-kind.ts';
import { invariant } from '../base/assert.ts';
import type { OrgId } from '../base/id.ts';

/**
 * The bytes of one audit record. A draft is what a turn wants recorded; its place is what the chain adds.
 *
 * The line is put together by hand because the writer makes some 15,000 a second. It equals JSON.stringify of the
 * ordered object, which (fixed keys, integers only) is RFC 8785. What does not fit the format is a defect of the
 * kernel, never of its input: names were checked where they came in.
 */
export type AuditDraft = {
  readonly org: OrgId;
  readonly kind: AuditKind;
  /** `principal:<id>` or `system:<part>`. */
  readonly actor: string;
  readonly run?: string;
  readonly step?: string;
  readonly attempt?: number;
  /** `seq` of the authorising record, or how many drafts back it stands in the same append. */
  readonly cause?: number | { readonly back: number };
  readonly outcome?: string;
  readonly act?: string;
  readonly ref?: string;
};

/** What the chain gives a record. `prev` and `tprev` are leaf hashes (the chain sees to it), `time` is Unix milliseconds. */
export type Place = {
  readonly log: string;
  readonly seq: number;
  readonly prev: string;
  readonly tseq: number;
  readonly tprev: string;
  readonly time: number;
  /** 16 random bytes, base64. */
  readonly nonce: string;
};

/**
 * @returns the line without its LF, at most 65,535 bytes.
 * @throws InvariantError when a field has not the form that docs/audit-format.md gives it.
 */
export function toLine(draft: AuditDraft, place: Place): string {
  const { kind, actor, run, step, attempt, outcome, act, ref } = draft;
  const { log, seq, time, tseq } = place;
  invariant(isAuditKind(kind), 'an audit kind is in the catalog');
  for (const need of AUDIT_KINDS[kind].needs) invariant(draft[need] !== undefined, `${kind} needs ${need}`);
  invariant(ACTOR_PATTERN.test(actor), 'an audit actor is a principal or a part of the system');
  invariant(act === undefined || AUDIT_FORM.act.test(act), 'audit act is a digest');
  invariant(outcome === undefined || AUDIT_FORM.outcome.test(outcome), 'audit outcome is a word');
  invariant(attempt === undefined || (isCount(attempt) && attempt > 0), 'audit attempt counts from 1');
  invariant(AUDIT_FORM.log.test(log), 'audit log is a short id');
  invariant(AUDIT_FORM.tenant.test(draft.org), 'audit tenant is a name');
  invariant(AUDIT_FORM.nonce.test(place.nonce), 'audit nonce is 16 bytes');
  invariant(isCount(seq) && isCount(tseq) && tseq <= seq && isCount(time), 'an audit place is made of counts');
  const cause = causeOf(draft, seq);

  let line = act === undefined ? '{' : `{"act":"${act}",`;
  line += `"actor":${identity(actor, AUDIT_CHARS.actor)}`;
  if (attempt !== undefined) line += `,"attempt":${attempt}`;
  if (cause !== undefined) line += `,"cause":${cause}`;
  line += `,"kind":"${kind}","log":"${log}","nonce":"${place.nonce}"`;
  if (outcome !== undefined) line += `,"outcome":"${outcome}"`;
  line += `,"prev":"${place.prev}"`;
  if (ref !== undefined) line += `,"ref":${identity(ref, AUDIT_CHARS.ref)}`;
  if (run !== undefined) line += `,"run":${identity(run, AUDIT_CHARS.run)}`;
  line += `,"seq":${seq}`;
  if (step !== undefined) line += `,"step":${identity(step, AUDIT_CHARS.step)}`;
  line += `,"tenant":"${draft.org}","time":${time},"tprev":"${place.tprev}","tseq":${tseq},"v":1}`;
  // A UTF-16 unit takes at most three bytes of UTF-8, and the bounds of the fields leave ample room.
  invariant(line.length * 3 <= AUDIT_LINE_BYTES, 'an audit line fits an entry of a tile');
  return line;
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0);

function causeOf({ cause }: AuditDraft, seq: number): number | undefined {
  if (cause === undefined) return undefined;
  const at = typeof cause === 'number' ? cause : seq - cause.back;
  invariant(isCount(at) && at < seq, 'an audit cause is an earlier record');
  return at;
}

// Visible ASCII without the quote and the backslash: what needs neither a further check nor an escape.
const PLAIN = /^[!#-[\]-~]+$/;

function identity(text: string, chars: number): string {
  if (text.length <= chars && PLAIN.test(text)) return `"${text}"`;
  invariant(isIdentity(text, chars), 'an audit name is short, visible and in normal form');
  return JSON.stringify(text);
}
