import { type AuditHead, GENESIS } from '../../sdk/contract/audit.ts';
import type { OrgId } from '../base/id.ts';
import { iso, type UnixMs } from '../base/time.ts';
import type { ChainLine } from './chain.ts';

/**
 * `head.json` for an export whose last line is `last` (undefined: the export is empty).
 * @param org the org of an org's export; null for the whole log.
 */
export function exportHead(
  log: string,
  org: OrgId | null,
  last: Pick<ChainLine, 'seq' | 'tseq' | 'leaf'> | undefined,
  now: UnixMs,
): AuditHead {
  const records = last ? (org === null ? last.seq : last.tseq) + 1 : 0;
  return {
    format: 'interlock/audit-head/v1',
    scope: org === null ? 'log' : 'org',
    log,
    org,
    records,
    seq: last?.seq ?? null,
    leaf: last?.leaf ?? GENESIS,
    exportedAt: iso(now),
  };
}
