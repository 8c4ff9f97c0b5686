import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { AUDIT_KINDS } from '../../sdk/contract/audit-kind.ts';
import { EXIT_CODES, FINDING_CODES } from '../../sdk/verify/verdict.ts';
import { createVerifier } from '../../sdk/verify/verifier.ts';
import type { OrgId } from '../base/id.ts';
import { unixMs } from '../base/time.ts';
import { append, emptyChain } from './chain.ts';
import type { AuditDraft } from './record.ts';

/** The documents on the audit record are checked against what they describe. */
const page = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const format = page('audit-format.md');

const rowsOf = (text: string, heading: string): string[] => {
  const table = text.slice(text.indexOf(`${heading}\n`)).split('\n\n')[0] ?? '';
  return table.trimEnd().split('\n').slice(2);
};

test('audit-events.md is the catalog in print', () => {
  const printed = Object.entries<{ readonly needs: readonly string[]; readonly means: string }>(AUDIT_KINDS).map(
    ([kind, { needs, means }]) => {
      const fields = needs.map((need) => `\`${need}\``).join(' ') || '-';
      return `| \`${kind}\` | ${fields} | ${means} |`;
    },
  );
  expect(printed.length).toBeGreaterThan(30);
  expect(rowsOf(page('audit-events.md'), '| kind | always has | means |')).toEqual(printed);
});

test('audit-format.md lists every finding and every exit code', () => {
  const printed = Object.entries(FINDING_CODES).map(([code, means]) => `| \`${code}\` | ${means} |`);
  expect(rowsOf(format, '| code | means |')).toEqual(printed);
  const exits = rowsOf(format, '| verdict | exit code | means |').map((row) => row.split('|')[2]?.trim());
  expect(exits).toEqual(Object.values(EXIT_CODES).map(String));
});

const lines = (/```json\n([^`]*)\n```/.exec(format)?.[1] ?? '').split('\n');
const leaves = rowsOf(format, '| seq | org | tseq | leaf hash |').map((row) => /`(.*)`/.exec(row)?.[1]);

test('the example has the hashes that the page gives', () => {
  const computed = lines.map((line) =>
    createHash('sha256')
      .update(Buffer.from([0]))
      .update(line)
      .digest('base64'),
  );
  expect(lines.length).toBe(3);
  expect(leaves).toEqual(computed);
  expect(lines.map((line) => JSON.parse(line).prev).slice(1)).toEqual(computed.slice(0, 2));
  expect(JSON.parse(lines[2] ?? '').tprev).toBe(computed[0]);
});

test('the example is what the kernel writes and the verifier accepts', () => {
  const acme = 'acme' as OrgId;
  const drafts: AuditDraft[] = [
    { org: acme, kind: 'event.accepted', actor: 'principal:siem', ref: 'evt-1' },
    {
      org: 'globex' as OrgId,
      kind: 'policy.put',
      actor: 'principal:ada@globex.example',
      ref: 'guardrails',
      act: `sha256:${'5a'.repeat(32)}`,
    },
    { org: acme, kind: 'run.started', actor: 'system:engine', run: 'run-1', cause: { back: 2 } },
  ];
  const nonces = [1, 2, 3].map((n) => Buffer.alloc(16, n).toString('base64'));
  const appended = append(emptyChain('k1'), () => undefined, drafts, unixMs(1_795_424_400_000), nonces);
  expect(appended.lines.map(({ line }) => line)).toEqual(lines);
  const verifier = createVerifier({ scope: 'log', log: 'k1' });
  for (const line of lines) verifier.push(line);
  expect(verifier.end({ records: 3, leaf: leaves[2] ?? '' }).verdict).toBe('valid');
});
