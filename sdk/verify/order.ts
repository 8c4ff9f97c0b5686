import { GENESIS } from '../contract/audit.ts';
import type { Entry } from './line.ts';
import type { Finding, FindingCode } from './verdict.ts';

/**
 * The second chain every record stands in. In a whole log that is each org's own (`tseq`, `tprev`); in an org's export
 * it is what can be seen of the log's (`seq`, `prev`) although most of it is not there.
 */
export type Check = (entry: Entry) => Finding | undefined;

/** Orgs of one log that are followed at once. */
const ORGS_FOLLOWED = 262_144;

/** For a whole log: the records of each org are numbered and linked without a gap. */
export function orgChains(orgsFollowed = ORGS_FOLLOWED): Check {
  const heads = new Map<string, { readonly tseq: number; readonly leaf: string }>();
  return ({ record, leaf, line }) => {
    if (!record) return undefined;
    const { seq, tenant, tseq, tprev } = record;
    const head = heads.get(tenant);
    if (!head && heads.size >= orgsFollowed) return { code: 'CAPACITY', seq, line, text: 'too many orgs to follow' };
    heads.set(tenant, { tseq, leaf });
    const wanted = head ? head.tseq + 1 : 0;
    if (tseq !== wanted) {
      const code: FindingCode = tseq > wanted ? 'GAP' : 'DUPLICATE_SEQ';
      return { code, seq, line, text: `record ${seq} is number ${tseq} of its org, where ${wanted} belongs` };
    }
    if (tprev === (head?.leaf ?? GENESIS)) return undefined;
    return { code: 'CHAIN_BREAK', seq, line, text: `record ${seq} does not name the previous record of its org` };
  };
}

/** For an org's export: the records stand in the order of the log, and neighbours in the log link. */
export function orderInLog(): Check {
  let before = -1;
  let leaf = GENESIS;
  return (entry) => {
    const { record, line } = entry;
    if (!record) return undefined;
    const [last, lastLeaf] = [before, leaf];
    before = record.seq;
    leaf = entry.leaf;
    if (record.seq <= last) {
      const text = `record ${entry.seq} stands at place ${record.seq} of the log, not after ${last}`;
      return { code: 'OUT_OF_ORDER', seq: entry.seq, line, text };
    }
    if (record.seq > last + 1 || record.prev === lastLeaf) return undefined;
    const text = `record ${entry.seq} does not name its neighbour in the log`;
    return { code: 'CHAIN_BREAK', seq: entry.seq, line, text };
  };
}

/** Time never runs backwards, and a cause stands before what it causes. */
export function timeAndCause(): Check {
  let time = 0;
  return ({ record, seq, line }) => {
    if (!record) return undefined;
    const last = time;
    time = record.time;
    if (time < last) return { code: 'CLOCK_REGRESS', seq, line, text: `record ${seq} is earlier than the one before` };
    if (record.cause === undefined || record.cause < record.seq) return undefined;
    return { code: 'STATE_VIOLATION', seq, line, text: `record ${seq} names a cause that came later` };
  };
}
