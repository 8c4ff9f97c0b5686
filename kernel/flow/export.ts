import { type AuditHead, leafHash } from '../../sdk/contract/audit.ts';
import { exportHead } from '../audit/head.ts';
import type { OrgId } from '../base/id.ts';
import type { Clock } from '../port/clock.ts';
import type { Store } from '../port/store.ts';
import { KEYS, within } from './keys.ts';

/**
 * Hands out an org's audit records: all of them, in order, exactly as they were hashed, and the head they end in.
 * The head is read first, so records that arrive while the export runs are not part of it.
 */
const CHUNKS_PER_READ = 64;

export type AuditExport = { readonly head: AuditHead; readonly lines: Iterable<string> };

type OrgHeadRow = { readonly tseq: number; readonly tprev: string };

export function openExport(deps: { store: Store; clock: Clock }) {
  const { store, clock } = deps;

  function* linesOf(org: OrgId, records: number): Iterable<string> {
    const span = within(`${org}/audit`);
    let from = span.from;
    let left = records;
    while (left > 0) {
      const rows = store.range({ from, to: span.to, limit: CHUNKS_PER_READ });
      const last = rows.at(-1);
      if (!last) return;
      for (const { value } of rows)
        for (const line of value.split('\n')) {
          if (left-- <= 0) return;
          yield line;
        }
      from = `${last.key}\0`;
    }
  }

  return (org: OrgId): AuditExport => {
    const text = store.get(KEYS.orgHead(org));
    const logText = store.get(KEYS.auditHead);
    const log = logText ? (JSON.parse(logText) as { log: string }).log : 'none';
    const stored = text ? (JSON.parse(text) as OrgHeadRow) : undefined;
    if (!stored || stored.tseq === 0) return { head: exportHead(log, org, undefined, clock.now()), lines: [] };
    const [row] = store.range({ ...within(`${org}/audit`), limit: 1, reverse: true });
    const line = row?.value.split('\n').at(-1) ?? '{}';
    const { seq } = JSON.parse(line) as { seq: number };
    const last = { seq, tseq: stored.tseq - 1, leaf: leafHash(line) };
    return { head: exportHead(log, org, last, clock.now()), lines: linesOf(org, stored.tseq) };
  };
}
