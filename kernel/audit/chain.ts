import { AUDIT_FORM, GENESIS, leafHash } from '../../sdk/contract/audit.ts';
import { invariant } from '../base/assert.ts';
import type { OrgId } from '../base/id.ts';
import { type UnixMs, unixMs } from '../base/time.ts';
import { type AuditDraft, toLine } from './record.ts';

/**
 * The chain: gives drafts their places. Owns numbering and linking, in the log and within each org; no I/O.
 * The caller stores lines, head and org heads in one commit, together with the state that the records describe.
 */
export type ChainHead = {
  readonly log: string;
  /** `seq` of the next record. */
  readonly seq: number;
  /** Leaf hash of the last record, or GENESIS. */
  readonly prev: string;
  /** Time of the last record: the next one is never earlier. */
  readonly time: UnixMs;
};

/** Where one org's own chain stands. */
export type OrgHead = {
  /** `tseq` of the org's next record. */
  readonly tseq: number;
  /** Leaf hash of the org's last record, or GENESIS. */
  readonly tprev: string;
};

export type ChainLine = {
  readonly seq: number;
  readonly org: OrgId;
  readonly tseq: number;
  /** The record as it is stored and exported, without LF. */
  readonly line: string;
  readonly leaf: string;
};

export type Appended = {
  readonly lines: readonly ChainLine[];
  readonly head: ChainHead;
  /** The org heads that changed, and only those. */
  readonly orgHeads: ReadonlyMap<OrgId, OrgHead>;
};

export const emptyChain = (log: string): ChainHead => ({ log, seq: 0, prev: GENESIS, time: unixMs(0) });

const EMPTY_ORG: OrgHead = { tseq: 0, tprev: GENESIS };

function storedHead(stored: OrgHead | undefined): OrgHead {
  if (!stored) return EMPTY_ORG;
  invariant(AUDIT_FORM.hash.test(stored.tprev), 'an org head ends in a leaf hash');
  return stored;
}

/**
 * Chains `drafts` onto `head` in their order.
 * @param orgHead the stored head of an org; undefined for an org without records. Asked once per org.
 * @param nonces one per draft: 16 random bytes each, base64.
 */
export function append(
  head: ChainHead,
  orgHead: (org: OrgId) => OrgHead | undefined,
  drafts: readonly AuditDraft[],
  now: UnixMs,
  nonces: readonly string[],
): Appended {
  invariant(nonces.length === drafts.length, 'there is one nonce for each audit draft');
  invariant(AUDIT_FORM.hash.test(head.prev), 'a chain head ends in a leaf hash');
  const { log } = head;
  let { seq, prev } = head;
  // A clock that was set back must not make the record look reordered.
  const time = now > head.time ? now : head.time;
  const orgHeads = new Map<OrgId, OrgHead>();
  const lines: ChainLine[] = [];
  for (const [index, draft] of drafts.entries()) {
    const nonce = nonces[index];
    invariant(nonce !== undefined, 'there is one nonce for each audit draft');
    const { org } = draft;
    const { tseq, tprev } = orgHeads.get(org) ?? storedHead(orgHead(org));
    const line = toLine(draft, { log, seq, prev, tseq, tprev, time, nonce });
    const leaf = leafHash(line);
    lines.push({ seq, org, tseq, line, leaf });
    orgHeads.set(org, { tseq: tseq + 1, tprev: leaf });
    prev = leaf;
    seq += 1;
  }
  return { lines, head: { log, seq, prev, time: lines.length > 0 ? time : head.time }, orgHeads };
}
