import type * as Api from '../../../sdk/contract/api.ts';
import type { ProblemError } from '../../../sdk/contract/problem.ts';
import { iso } from '../../base/time.ts';
import type { PlaybookRecord } from '../../flow/playbooks.ts';
import type { Issue } from '../../playbook/issue.ts';

/** Shows playbooks, and what is wrong with one. */
export const playbookView = ({ name, title, active, versions }: PlaybookRecord): Api.Playbook => ({
  name,
  title,
  active,
  versions: versions.map((version) => ({ ...version, at: iso(version.at) })),
});

/** Issues that one answer lists; whoever mends a hundred asks again. */
const LISTED = 100;

export const issuesView = (issues: readonly Issue[]): Api.Lint['issues'] =>
  issues.slice(0, LISTED).map(({ at, line, text }) => ({ at, line, text }));

export const issuesAsErrors = (issues: readonly Issue[]): readonly ProblemError[] =>
  issues
    .slice(0, LISTED)
    .map(({ at, line, text }) => ({ pointer: at, text: line === null ? text : `line ${line}: ${text}` }));
