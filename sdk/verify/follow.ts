import { GENESIS } from '../contract/audit.ts';
import { BLOCK_KEPT, type Break, explain, type Next } from './explain.ts';
import type { Entry } from './line.ts';
import type { Finding } from './verdict.ts';

/**
 * Follows the chain line by line in constant memory.
 *
 * A record is vouched for when its successor names its bytes. Where a line does not fit, lines are set aside until two
 * records in a row fit each other; the break between is then explained as a whole, and the chain goes on from there.
 */
export type Follow = {
  push(entry: Entry): void;
  /** @param end how many records there should be and the last leaf hash, when a head tells so. */
  end(end: { readonly records: number; readonly leaf: string } | undefined): void;
};

export type Followed = {
  /** Is given each record once its bytes are vouched for, in order. */
  vouched(entry: Entry): void;
  /** Is given each break, before any record after it. */
  broken(finding: Finding): void;
};

/** Missing numbers that are remembered, to recognise a record that was moved. */
const MISSING_KEPT = 1_000;

export function follow({ vouched, broken }: Followed): Follow {
  let anchor: Entry | null = null;
  let candidate: Entry | null = null;
  let block: Entry[] = [];
  let lines = 0;
  let lastLeaf = '';
  const missing = new Set<number>();

  const fits = (before: Entry | null, entry: Entry): boolean =>
    before ? entry.seq === before.seq + 1 && entry.link === before.leaf : entry.seq === 0 && entry.link === GENESIS;

  const setAside = (entry: Entry): void => {
    if (block.length < BLOCK_KEPT) block.push(entry);
    lines += 1;
    lastLeaf = entry.leaf;
  };

  const closeBreak = (next: Next): void => {
    const at: Break = { anchor, block, lines, lastLeaf, next, missing };
    const finding = explain(at);
    if (finding.code === 'GAP' && next.kind === 'record') {
      const from = anchor ? anchor.seq + 1 : 0;
      for (let seq = from; seq < next.entry.seq && missing.size < MISSING_KEPT; seq++) missing.add(seq);
    }
    if (finding.code === 'OUT_OF_ORDER' && finding.seq !== null && missing.size < MISSING_KEPT)
      missing.add(finding.seq);
    block = [];
    lines = 0;
    candidate = null;
    broken(finding);
  };

  return {
    push(entry) {
      if (!candidate && lines === 0 && !entry.fault && fits(anchor, entry)) {
        if (anchor) vouched(anchor);
        anchor = entry;
      } else if (candidate && !entry.fault && fits(candidate, entry)) {
        const resumed = candidate;
        closeBreak({ kind: 'record', entry: resumed, vouched: true });
        vouched(resumed);
        anchor = entry;
      } else {
        if (candidate) setAside(candidate);
        candidate = entry.fault ? null : entry;
        if (entry.fault) setAside(entry);
      }
    },

    end(end) {
      if (candidate && (!end || (candidate.leaf === end.leaf && candidate.seq === end.records - 1))) {
        const resumed: Entry = candidate;
        closeBreak({ kind: 'record', entry: resumed, vouched: end !== undefined });
        anchor = resumed;
      }
      if (candidate) setAside(candidate);
      const odd = block[0];
      const fitsEnd = !end || (end.records === (anchor ? anchor.seq + 1 : 0) && end.leaf === (anchor?.leaf ?? GENESIS));
      if (!odd && fitsEnd) {
        if (anchor) vouched(anchor);
      } else if (end) closeBreak({ kind: 'end', seq: end.records, link: end.leaf });
      else if (odd) broken(tail(anchor, odd, lines));
    },
  };
}

/** Lines at the end that do not fit, and no head that says what belongs there. */
function tail(anchor: Entry | null, odd: Entry, lines: number): Finding {
  const where = anchor ? `after record ${anchor.seq}` : 'at the beginning';
  const why = odd.fault?.why ?? 'it does not link';
  const many = lines === 1 ? 'a line does not belong to the chain' : `${lines} lines do not belong to the chain`;
  const seq = anchor ? anchor.seq + 1 : 0;
  return { code: odd.fault?.code ?? 'CHAIN_BREAK', seq, line: odd.line, text: `${where}, ${many}: ${why}` };
}
