import { createHash } from 'node:crypto';
import { type AuditHead, type AuditRecord, GENESIS } from '../contract/audit.ts';
import type { AuditKind } from '../contract/audit-kind.ts';
import type { Verdict } from './verdict.ts';
import { createVerifier, type ExpectedHead, type VerifierOptions } from './verifier.ts';

/**
 * Logs for the verifier's tests, written from the text of docs/audit-format.md and not with the kernel's writer: two
 * programs that agree on a format are worth more than one that agrees with itself.
 */
export type Said = { readonly tenant: string; readonly kind: AuditKind } & Partial<
  Pick<AuditRecord, 'act' | 'actor' | 'attempt' | 'cause' | 'outcome' | 'ref' | 'run' | 'step' | 'time'>
>;

export const LOG = 'k1';

export const leafOf = (line: string): string =>
  createHash('sha256')
    .update(Buffer.from([0]))
    .update(line, 'utf8')
    .digest('base64');

/** One line: keys sorted, nothing else done. */
export const print = (record: object): string =>
  JSON.stringify(Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))));

export const parse = (line: string): AuditRecord => JSON.parse(line) as AuditRecord;

const nonceOf = (n: number): string => createHash('md5').update(String(n)).digest('base64');

/** Chains what was said. */
export function writeLog(said: readonly Said[], log = LOG): string[] {
  const orgs = new Map<string, { tseq: number; tprev: string }>();
  const lines: string[] = [];
  let prev = GENESIS;
  for (const [seq, words] of said.entries()) {
    const { tseq, tprev } = orgs.get(words.tenant) ?? { tseq: 0, tprev: GENESIS };
    const nonce = nonceOf(seq);
    const line = print({
      actor: 'system:kernel',
      time: 1e12 + seq,
      ...words,
      log,
      nonce,
      prev,
      seq,
      tprev,
      tseq,
      v: 1,
    });
    prev = leafOf(line);
    orgs.set(words.tenant, { tseq: tseq + 1, tprev: prev });
    lines.push(line);
  }
  return lines;
}

/** Changes one record and writes everything after it anew, so that every link holds: what only a head can show. */
export function rewriteFrom(lines: readonly string[], at: number, change: (record: AuditRecord) => object): string[] {
  const said = lines.map(parse).map((record, index) => (index === at ? change(record) : record));
  return writeLog(said as Said[]);
}

/** The lines of one org, as its export holds them. */
export const ofOrg = (lines: readonly string[], org: string): string[] =>
  lines.filter((line) => parse(line).tenant === org);

export const headOf = (lines: readonly string[], org: string | null = null): AuditHead => {
  const last = lines.at(-1);
  return {
    format: 'interlock/audit-head/v1',
    scope: org === null ? 'log' : 'org',
    log: LOG,
    org,
    records: lines.length,
    seq: last === undefined ? null : parse(last).seq,
    leaf: last === undefined ? GENESIS : leafOf(last),
    exportedAt: '2026-11-23T00:00:00.000Z',
  };
};

export const WHOLE: VerifierOptions = { scope: 'log', log: LOG };

/** The verdict over `lines`, with the head of the untouched log. */
export function judge(
  lines: readonly (string | Uint8Array)[],
  head: ExpectedHead | undefined,
  options: VerifierOptions = WHOLE,
): Verdict {
  const verifier = createVerifier(options);
  for (const line of lines) verifier.push(line);
  return verifier.end(head);
}

/** What a run says from its start to its end: held, approved, tried twice, undone. */
export function aRun(tenant: string, run: string): Said[] {
  const step = (kind: AuditKind, rest: Partial<Said> = {}): Said => ({ tenant, kind, run, step: 'ban', ...rest });
  const ref = 'crowdsec/ban-ip';
  return [
    { tenant, kind: 'event.accepted', ref: `evt-${run}` },
    { tenant, kind: 'run.started', run, act: `sha256:${'a'.repeat(64)}` },
    step('step.planned', { ref, act: `sha256:${'b'.repeat(64)}` }),
    step('step.held', { ref: `apr-${run}` }),
    {
      tenant,
      kind: 'approval.voted',
      run,
      ref: `apr-${run}`,
      outcome: 'approved',
      actor: 'principal:ann@acme.example',
    },
    { tenant, kind: 'approval.decided', run, ref: `apr-${run}`, outcome: 'approved' },
    step('step.intent', { ref, attempt: 1 }),
    step('step.failed', { attempt: 1, outcome: 'timeout' }),
    step('step.retry', { attempt: 2 }),
    step('step.intent', { ref, attempt: 2 }),
    step('step.succeeded', { attempt: 2 }),
    step('step.intent', { ref: 'crowdsec/unban-ip', attempt: 1 }),
    step('step.indeterminate', { attempt: 1 }),
    step('step.settled', { attempt: 1, outcome: 'succeeded', actor: 'principal:änn' }),
    { tenant, kind: 'run.ended', run, outcome: 'completed' },
  ];
}

/** Some runs, woven into each other as a kernel at work writes them. */
export function weave(runs: readonly (readonly Said[])[]): Said[] {
  const said: Said[] = [];
  for (let at = 0; said.length < runs.reduce((sum, run) => sum + run.length, 0); at++) {
    for (const run of runs) {
      const words = run[at];
      if (words) said.push(words);
    }
  }
  return said;
}

/** 40 records of three orgs. */
export const sampleLog = (): string[] =>
  writeLog([
    { tenant: 'system', kind: 'kernel.started' },
    ...weave([aRun('acme', 'r1'), aRun('globex', 'r2'), aRun('acme', 'r3').slice(0, 8)]),
    { tenant: 'system', kind: 'kernel.stopped' },
  ]);
