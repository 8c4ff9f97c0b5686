import type * as Api from '../../../sdk/contract/api.ts';
import type { ProblemError } from '../../../sdk/contract/problem.ts';
import { iso, type UnixMs } from '../../base/time.ts';
import type { PlaybookRecord } from '../../flow/playbooks.ts';
import type { Issue } from '../../playbook/issue.ts';

/** Shows playbooks, and what is wrong with one. */
export const playbookView = ({ name, title, active, versions }: PlaybookRecord): Api.Playbook => ({
  name,
  title,
  active,
  versions: versions.map((version) => ({
    ...version,
    at: iso(version.at),
    activatedAt: instant(version.activatedAt),
  })),
});

export function playbookSummary({ name, title, active, versions }: PlaybookRecord): Api.PlaybookSummary {
  const since = versions.find(({ digest }) => digest === active)?.activatedAt;
  const newest = versions.at(-1)?.digest ?? null;
  return { name, title, active, activatedAt: instant(since), newest, versions: versions.length };
}

const instant = (at: UnixMs | null | undefined): string | null => (at == null ? null : iso(at));

/** Issues that one answer lists; whoever mends a hundred asks again. */
const LISTED = 100;

export const issuesView = (issues: readonly Issue[]): Api.Lint['issues'] =>
  issues.slice(0, LISTED).map(({ at, line, text }) => ({ at, line, text }));

export const issuesAsErrors = (issues: readonly Issue[]): readonly ProblemError[] =>
  issues
    .slice(0, LISTED)
    .map(({ at, line, text }) => ({ pointer: at, text: line === null ? text : `line ${line}: ${text}` }));
