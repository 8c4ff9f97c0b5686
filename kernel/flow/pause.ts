import type { OrgId, RunId } from '../base/id.ts';
import type { Pause, Run } from '../run/state.ts';
import { KEYS } from './keys.ts';
import type { RunSummary } from './project.ts';

/**
 * Whose pause keeps a run from sending: its own, or that of a run that it is a part of, at any depth. Those above are
 * looked up each time and nothing is copied, so that a pause holds whatever is below it from the turn on in which it is
 * staged. One that has ended under a pause holds what it had started until its resume.
 */
export type Held = Pause & { readonly run: RunId };
type Read = (key: string) => string | undefined;

/** That of a run above this one; the nearest. Their number is bounded by how deep runs may start runs. */
export function pauseAbove(read: Read, { org, parent }: Pick<Run, 'org' | 'parent'>): Held | null {
  return parent && pauseFrom(read, org, parent.run);
}

/** Its own, or else that of the nearest run above it. */
export const pauseOf = (read: Read, run: Pick<Run, 'org' | 'id' | 'parent' | 'paused'>): Held | null =>
  run.paused ? { ...run.paused, run: run.id } : pauseAbove(read, run);

/** As `pauseOf`, of a run as lists have it. One that has ended is held by none above it. */
export const pauseOfSummary = (read: Read, { org, run, paused, parent, endedAt }: RunSummary): Held | null => {
  if (paused) return { ...paused, run };
  return parent === undefined || endedAt !== null ? null : pauseFrom(read, org, parent);
};

function pauseFrom(read: Read, org: OrgId, first: RunId): Held | null {
  for (let at: RunId | undefined = first; at !== undefined; ) {
    const text = read(KEYS.run(org, at));
    if (text === undefined) return null;
    const { run, paused, parent } = JSON.parse(text) as RunSummary;
    if (paused) return { ...paused, run };
    at = parent;
  }
  return null;
}
