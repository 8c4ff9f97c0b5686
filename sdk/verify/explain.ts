import { GENESIS } from '../contract/audit.ts';
import type { Entry, Fault } from './line.ts';
import type { Finding, FindingCode } from './verdict.ts';

/**
 * Names what happened at one place where the chain does not hold.
 *
 * Known are the last record that fitted, the next one that others vouch for, and the lines between them. What is
 * named is the smallest single change that leaves exactly this behind. Two changes at one place may be named as one;
 * that there is a fault is certain either way.
 */
export type Break = {
  /** The last record that fits what stands before it; null at the beginning. Nothing vouches for its own bytes yet. */
  readonly anchor: Entry | null;
  /** The first lines that do not fit, at most BLOCK_KEPT. */
  readonly block: readonly Entry[];
  /** How many they are in all. */
  readonly lines: number;
  /** Leaf hash of the last of them. */
  readonly lastLeaf: string;
  /** The next record that its successor (or the head) vouches for, or the end as the head tells it. */
  readonly next: Next;
  /** Numbers already reported as missing: a record that turns up later was moved. */
  readonly missing: ReadonlySet<number>;
};

export type Next =
  | { readonly kind: 'record'; readonly entry: Entry; readonly vouched: boolean }
  | { readonly kind: 'end'; readonly seq: number; readonly link: string };

/** Lines of a break that are kept to be explained; more are only counted. */
export const BLOCK_KEPT = 8;

export function explain(b: Break): Finding {
  const seq = b.next.kind === 'end' ? b.next.seq : b.next.entry.seq;
  const from = b.anchor ? b.anchor.seq + 1 : 0;
  const wanted = seq - from;
  const first = b.block[0];
  if (!first) return wanted === 0 ? brokenLink(b) : wanted > 0 ? missing(b, from, seq) : tooMany(b, seq);
  if (wanted <= 0) return wanted < 0 ? tooMany(b, seq) : inserted(b, first, from);
  if (wanted === 1 && b.lines === 1) return replaced(b, first, from);
  if (wanted === b.lines && isShuffled(b, from)) {
    const text = wanted === 2 ? `records ${from} and ${from + 1} are swapped` : `${names(from, seq)} are out of order`;
    return { code: 'OUT_OF_ORDER', seq: from, line: first.line, text };
  }
  return uneven(b, first, from, seq);
}

const linkOf = (next: Next): string => (next.kind === 'end' ? next.link : next.entry.link);
const names = (from: number, to: number): string =>
  to - from === 1 ? `record ${from}` : `records ${from} to ${to - 1}`;
const areIs = (count: number): string => (count === 1 ? 'is' : 'are');
const after = (anchor: Entry | null): string => (anchor ? `after record ${anchor.seq}` : 'in front of record 0');

/** The numbers go on, the link does not. */
function brokenLink({ anchor, next }: Break): Finding {
  if (next.kind === 'end') {
    const text = anchor
      ? `record ${anchor.seq}, the last, is not the one the head names: it was changed, or the chain before it was ` +
        'written anew, or the head belongs to another history'
      : 'the head names a record but counts none';
    return { code: 'HEAD_MISMATCH', seq: anchor?.seq ?? null, line: anchor?.line ?? null, text };
  }
  const { seq, line } = next.entry;
  if (!anchor) {
    return { code: 'CHAIN_BREAK', seq, line, text: `record ${seq} is not the beginning: it names a predecessor` };
  }
  if (!next.vouched) {
    const text = `record ${anchor.seq} or record ${seq} was changed: the second does not name the first`;
    return { code: 'CHAIN_BREAK', seq: anchor.seq, line: anchor.line, text };
  }
  if (linksOtherwise(anchor, next.entry)) {
    const text = `record ${seq} names another predecessor, although record ${anchor.seq} is unchanged`;
    return { code: 'CHAIN_BREAK', seq, line, text };
  }
  const text = `record ${anchor.seq} was changed: record ${seq} was written after other bytes`;
  return { code: 'TAMPERED', seq: anchor.seq, line: anchor.line, text };
}

/** Whether the other of the two chains that a record stands in shows that `a` still has its bytes. */
function linksOtherwise(a: Entry, b: Entry): boolean {
  const [x, y] = [a.record, b.record];
  if (!x || !y) return false;
  return (
    (y.tenant === x.tenant && y.tseq === x.tseq + 1 && y.tprev === a.leaf) || (y.seq === x.seq + 1 && y.prev === a.leaf)
  );
}

function missing({ anchor, next }: Break, from: number, to: number): Finding {
  const what = `${names(from, to)} ${areIs(to - from)} missing`;
  if (next.kind === 'end') {
    const none = anchor ? '' : 'there are no records at all: ';
    return { code: 'TRUNCATED', seq: from, line: null, text: `${none}${what} at the end` };
  }
  const { line, link } = next.entry;
  if (link !== (anchor?.leaf ?? GENESIS)) return { code: 'GAP', seq: from, line, text: what };
  if (next.vouched) return { code: 'GAP', seq: from, line, text: `${what}, though the records around them link` };
  return { code: 'TAMPERED', seq: from, line, text: `record ${from} was changed: it bears another number` };
}

/** The numbers fall back. */
function tooMany({ anchor, next, lines }: Break, seq: number): Finding {
  const last = anchor?.seq ?? -1;
  if (next.kind === 'end') {
    const line = anchor?.line ?? null;
    return {
      code: 'HEAD_MISMATCH',
      seq,
      line,
      text: `${names(seq, last + 1)} ${areIs(last + 1 - seq)} not in the head`,
    };
  }
  const { line, leaf, link } = next.entry;
  const code = 'DUPLICATE_SEQ';
  if (anchor && lines === 0 && leaf === anchor.leaf) return { code, seq, line, text: `record ${seq} stands twice` };
  if (anchor && lines === 0 && seq === last && link === anchor.link) {
    const where = seq === 0 ? 'in front of record 0' : `after record ${seq - 1}`;
    return { code, seq, line: anchor.line, text: `a record was inserted ${where}` };
  }
  return { code, seq, line, text: `the numbers fall back from ${last} to ${seq}` };
}

/** Lines stand where none belong. */
function inserted({ anchor, next, lines, missing: gone }: Break, first: Entry, from: number): Finding {
  const { line, fault, seq } = first;
  const where = after(anchor);
  const also = linkOf(next) === (anchor?.leaf ?? GENESIS) ? '' : ', and the records around it do not link';
  const code = fault ? changedAs(fault) : 'DUPLICATE_SEQ';
  if (lines > 1) return { code, seq: from, line, text: `${lines} lines were inserted ${where}${also}` };
  if (fault) return { code, seq: from, line, text: `a line was inserted ${where}: ${fault.why}${also}` };
  if (gone.has(seq) || seq > from) {
    return { code: 'OUT_OF_ORDER', seq, line, text: `record ${seq} is out of its place: it stands ${where}${also}` };
  }
  const text = seq === from ? `a record was inserted ${where}` : `record ${seq} stands again ${where}`;
  return { code, seq, line, text: text + also };
}

/** One line in the place of one record. */
function replaced({ anchor, next }: Break, entry: Entry, from: number): Finding {
  const { line, fault, leaf, seq, link } = entry;
  if (fault) {
    const chained = linkOf(next) === leaf;
    if (chained) return { code: fault.code, seq: from, line, text: `record ${from} was written so: ${fault.why}` };
    return { code: changedAs(fault), seq: from, line, text: `record ${from} was changed: ${fault.why}` };
  }
  if (seq === from) {
    return { code: 'TAMPERED', seq: from, line, text: `record ${from} was changed: it links to neither neighbour` };
  }
  if (link === (anchor?.leaf ?? GENESIS)) {
    return { code: 'TAMPERED', seq: from, line, text: `record ${from} was changed: it bears the number ${seq}` };
  }
  const text = `record ${from} is not in its place: a record with the number ${seq} stands there`;
  return { code: 'OUT_OF_ORDER', seq: from, line, text };
}

/** Whether the lines between are just the missing records in another order. */
function isShuffled({ anchor, block, lines, next }: Break, from: number): boolean {
  if (lines > block.length) return false;
  let leaf = anchor?.leaf ?? GENESIS;
  for (const [index, entry] of block.toSorted((a, b) => a.seq - b.seq).entries()) {
    if (entry.seq !== from + index || entry.link !== leaf) return false;
    leaf = entry.leaf;
  }
  return linkOf(next) === leaf;
}

function uneven({ block, lines, lastLeaf, next }: Break, first: Entry, from: number, to: number): Finding {
  const wanted = to - from;
  const fault = block.find((entry) => entry.fault)?.fault;
  const stand = lines === 1 ? 'line stands' : 'lines stand';
  const why = fault ? `; the first odd one: ${fault.why}` : '';
  const text = `${names(from, to)} ${areIs(wanted)} not as written: ${lines} ${stand} there${why}`;
  const short: FindingCode = next.kind === 'end' ? 'TRUNCATED' : 'GAP';
  // A run of records of a later format, as many as belong here and vouched for at its end, is no fault.
  const chained = fault && lines === wanted && linkOf(next) === lastLeaf;
  const code = chained ? fault.code : fault ? changedAs(fault) : lines < wanted ? short : 'TAMPERED';
  return { code, seq: from, line: first.line, text };
}

/** A changed version number is a change, whatever version it pretends to be. */
const changedAs = (fault: Fault): FindingCode => (fault.code === 'UNKNOWN_VERSION' ? 'TAMPERED' : fault.code);
