import { AUDIT_FORM } from '../contract/audit.ts';
import { isAuditKind } from '../contract/audit-kind.ts';
import { follow } from './follow.ts';
import { type Entry, readLine, type Subject } from './line.ts';
import { orderInLog, orgChains, timeAndCause } from './order.ts';
import { runStates } from './states.ts';
import { type Finding, isFault, LISTED_FINDINGS, type Pin, type Verdict } from './verdict.ts';

/**
 * The verifier: lines in, one verdict out, in memory that does not grow with the number of lines. Rests on nothing but
 * SHA-256 and the record's contract; in particular not on the kernel that wrote the record.
 *
 * Two layers. The chain is followed first, and a break is named (follow, explain). Records that the chain vouches for
 * are then judged by what they say: the other chain, time, states. After the first break the second layer is silent,
 * because it would tell of the same fault in other words.
 */
export type Verifier = {
  /**
   * The next line without its LF: text, or bytes that are not UTF-8 or longer than a record may be.
   * @returns the first thing found to be wrong now, often about a line before.
   */
  push(line: string | Uint8Array): Finding | undefined;
  /** @param expectedHead where the exporter says the chain ends. Call once. */
  end(expectedHead?: ExpectedHead): Verdict;
};

export type ExpectedHead = { readonly records: number; readonly leaf: string };

/** `pin`: a head of the same scope that was kept elsewhere, older than the export or as old. */
export type VerifierOptions = { readonly log: string; readonly pin?: Pin } & (
  | { readonly scope: 'log' }
  | { readonly scope: 'org'; readonly org: string }
);

export function createVerifier(options: VerifierOptions): Verifier {
  const subject: Subject = {
    scope: options.scope,
    log: options.log,
    org: options.scope === 'org' ? options.org : null,
  };
  const { pin } = options;
  const findings: Finding[] = [];
  const checks = [subject.scope === 'log' ? orgChains() : orderInLog(), timeAndCause(), runStates()];
  let found = 0;
  let faulty = false;
  let broken = false;
  let line = 0;
  let records = 0;
  let first: number | null = null;
  let last: Entry | null = null;
  let pinSeen = false;

  let fresh: Finding | undefined;
  const report = (finding: Finding): void => {
    found += 1;
    fresh ??= finding;
    if (isFault(finding.code)) faulty = true;
    if (findings.length < LISTED_FINDINGS) findings.push(finding);
  };

  const vouched = (entry: Entry): void => {
    if (pin && entry.seq === pin.seq) {
      pinSeen = true;
      if (entry.leaf !== pin.leaf) report(forked(entry));
    }
    if (broken) return;
    if (entry.record && !isAuditKind(entry.record.kind)) report(unknownKind(entry));
    for (const check of checks) {
      const finding = check(entry);
      if (finding) report(finding);
    }
  };

  const chain = follow({
    vouched,
    broken(finding) {
      broken = true;
      report(finding);
    },
  });

  return {
    push(bytes) {
      line += 1;
      fresh = undefined;
      const entry = readLine(bytes, line, subject);
      if (entry.record) {
        records += 1;
        first ??= entry.record.seq;
        last = entry;
      }
      chain.push(entry);
      return fresh;
    },

    end(head) {
      chain.end(head);
      if (pin && !pinSeen && (last?.seq ?? -1) < pin.seq) report(rolledBack(pin, last));
      const verdict = faulty ? 'invalid' : found > 0 ? 'cannot_check' : 'valid';
      return {
        verdict,
        records,
        first,
        last: last?.record?.seq ?? null,
        head: last && verdict === 'valid' ? `${last.seq}:${last.leaf}` : null,
        findings,
        found,
        statement: statement(subject, records, verdict, head !== undefined, pin),
      };
    },
  };
}

const forked = ({ seq, line }: Entry): Finding => ({
  code: 'FORKED',
  seq,
  line,
  text: `record ${seq} is not the one of the pinned head: this is another history`,
});

const rolledBack = (pin: Pin, last: Entry | null): Finding => ({
  code: 'ROLLED_BACK',
  seq: pin.seq,
  line: null,
  text: last
    ? `the chain ends at record ${last.seq}, but record ${pin.seq} was seen before`
    : `the chain is empty, but record ${pin.seq} was seen before`,
});

const unknownKind = ({ seq, line }: Entry): Finding => ({
  code: 'UNKNOWN_KIND',
  seq,
  line,
  text: `record ${seq} is of a kind that this verifier does not know: use the verifier of the kernel that wrote it`,
});

function statement(subject: Subject, records: number, verdict: Verdict['verdict'], head: boolean, pin?: Pin): string {
  const name = AUDIT_FORM.log.test(subject.log) ? subject.log : 'of another form';
  const of =
    subject.scope === 'org' ? `of one org in log ${name}, numbered by their place in the org` : `of log ${name}`;
  const span = records === 0 ? `No records ${of}.` : `${records} records ${of}.`;
  if (verdict !== 'valid') return `${span} ${verdict === 'invalid' ? 'The record is broken.' : 'Not judged in full.'}`;
  const held = 'Every byte is the one that was chained, nothing is missing or out of order, and no state contradicts.';
  const tail = head ? '' : ' No head was given: nothing vouches for the last record, nor for the end being the end.';
  const pinned = pin
    ? ` The chain contains the pinned record ${pin.seq}; up to there it is the history seen before.`
    : ' No head from elsewhere was given: a writer who wrote the whole chain anew would not be seen.';
  const scope = subject.scope === 'org' ? ' Nothing is said about other orgs.' : '';
  return `${span} ${held}${tail}${pinned} Nothing is said about later records.${scope}`;
}
