import { open, stat } from 'node:fs/promises';
import { AUDIT_FORM, type AuditHead, GENESIS } from '../contract/audit.ts';
import { readLines } from './lines.ts';
import { cannotCheck, type Finding, type FindingCode, type Pin, parsePin, type Verdict } from './verdict.ts';
import { createVerifier, type VerifierOptions } from './verifier.ts';

/**
 * Verifies an export bundle: a folder with `entries.ndjson` and `head.json`. Reads nothing else and needs nothing else.
 * What comes with the bundle is never trusted for more than it is: `head.json` can show that the export is cut, not
 * that the history is the true one. That takes a head from elsewhere.
 */
export type BundleOptions = {
  /** `<number>:<leaf hash>`, as an earlier verdict gave it in `head`. */
  readonly pinnedHead?: string;
  /** The log and the org that the bundle must be of; without them, the bundle says. */
  readonly log?: string;
  readonly org?: string;
};

const HEAD_BYTES = 4_096;

export async function verifyBundle(dir: string, options: BundleOptions = {}): Promise<Verdict> {
  let pin: Pin | undefined;
  if (options.pinnedHead !== undefined) {
    pin = parsePin(options.pinnedHead);
    if (!pin) return cannotCheck('BAD_PIN', 'write the pinned head as <number>:<leaf hash in base64>');
  }
  const read = await readHead(`${dir}/head.json`);
  if ('code' in read) return cannotCheck(read.code, read.text);
  const { head } = read;
  const other = otherSubject(head, options);
  if (other) return { ...cannotCheck('FOREIGN_RECORD', other), verdict: 'invalid' };

  const path = `${dir}/entries.ndjson`;
  const fault = await fileFault(path, 'entries.ndjson');
  if (fault) return cannotCheck(fault.code, fault.text);
  const subject = head.org === null ? { scope: 'log' as const } : { scope: 'org' as const, org: head.org };
  const verifierOptions: VerifierOptions = { ...subject, log: head.log, ...(pin ? { pin } : {}) };
  const verifier = createVerifier(verifierOptions);
  let torn: boolean;
  try {
    ({ torn } = await readLines(path, (line) => void verifier.push(line)));
  } catch {
    return cannotCheck('UNREADABLE', 'entries.ndjson could not be read to its end');
  }
  const verdict = verifier.end(head);
  if (torn) return withFault(verdict, 'TRUNCATED', 'entries.ndjson ends inside a line: the rest was cut off');
  // The leaf hash fixes the last record, so that this can only be a head that contradicts itself.
  if (verdict.verdict !== 'invalid' && verdict.last !== head.seq) {
    return withFault(verdict, 'HEAD_MISMATCH', 'the head names another last record than its own leaf hash does');
  }
  return verdict;
}

const withFault = (verdict: Verdict, code: FindingCode, text: string): Verdict => ({
  ...verdict,
  verdict: 'invalid',
  findings: [...verdict.findings, { code, seq: null, line: null, text }],
  found: verdict.found + 1,
  statement: 'The record is broken.',
});

function otherSubject(head: AuditHead, { log, org }: BundleOptions): string | undefined {
  if (log !== undefined && head.log !== log) return 'the bundle is of another log';
  if (org !== undefined && head.org !== org) return 'the bundle is not of that org';
  return undefined;
}

type Trouble = Pick<Finding, 'code' | 'text'>;

async function fileFault(path: string, name: string): Promise<Trouble | undefined> {
  try {
    // A pipe or a device in the place of the file would be waited for without end.
    if ((await stat(path)).isFile()) return undefined;
    return { code: 'UNREADABLE', text: `${name} is not a file` };
  } catch {
    return { code: 'MISSING', text: `${name} is not in the bundle: ask for the whole export` };
  }
}

async function readHead(path: string): Promise<{ readonly head: AuditHead } | Trouble> {
  const fault = await fileFault(path, 'head.json');
  if (fault) return fault;
  const bad: Trouble = { code: 'UNREADABLE', text: 'head.json is not the head of an audit export' };
  let value: unknown;
  try {
    await using file = await open(path, 'r');
    const { bytesRead, buffer } = await file.read(new Uint8Array(HEAD_BYTES + 1), 0, HEAD_BYTES + 1, 0);
    if (bytesRead === 0) return { code: 'UNREADABLE', text: 'head.json is empty: export the record again' };
    if (bytesRead > HEAD_BYTES) return bad;
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, bytesRead)));
  } catch {
    return bad;
  }
  if (typeof value !== 'object' || value === null || !('format' in value)) return bad;
  if (value.format !== 'interlock/audit-head/v1') {
    return { code: 'UNKNOWN_VERSION', text: 'head.json is of a format that this verifier does not know' };
  }
  return isHead(value) ? { head: value } : bad;
}

const HEAD_KEYS = ['exportedAt', 'format', 'leaf', 'log', 'org', 'records', 'scope', 'seq'].join();

function isHead(value: object): value is AuditHead {
  if (Object.keys(value).sort().join() !== HEAD_KEYS) return false;
  const { scope, log, org, records, seq, leaf, exportedAt } = value as { readonly [K in keyof AuditHead]: unknown };
  const isText = (field: unknown, form: RegExp): boolean => typeof field === 'string' && form.test(field);
  if (!Number.isSafeInteger(records) || (records as number) < 0) return false;
  if (!isText(log, AUDIT_FORM.log) || !isText(leaf, AUDIT_FORM.hash) || typeof exportedAt !== 'string') return false;
  if (scope === 'log' ? org !== null : scope !== 'org' || !isText(org, AUDIT_FORM.tenant)) return false;
  return records === 0 ? seq === null && leaf === GENESIS : Number.isSafeInteger(seq) && (seq as number) >= 0;
}
