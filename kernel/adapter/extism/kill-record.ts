import type { Digest, OrgId } from '../../base/id.ts';

/**
 * Remembers which modules killed cells, for each org that calls them: hostile parameters of one org must not take a
 * plugin from another. A module that does it again and again first waits, then is put in quarantine, so that respawning
 * can never become the only thing that the machine does.
 */
export type KillPolicy = {
  readonly windowMs: number;
  /** After the second kill within the window; doubled by each one more. */
  readonly backoffMs: number;
  readonly killsMax: number;
  readonly quarantineMs: number;
};

export const KILL_POLICY: KillPolicy = { windowMs: 60_000, backoffMs: 250, killsMax: 5, quarantineMs: 60_000 };

/** A module as one org calls it. */
export type Culprit = `${OrgId}/${Digest}`;

export function partsOf(culprit: Culprit): { readonly org: OrgId; readonly module: Digest } {
  const slash = culprit.indexOf('/');
  return { org: culprit.slice(0, slash) as OrgId, module: culprit.slice(slash + 1) as Digest };
}

/** `untilMs` is Unix milliseconds. */
type Standing =
  | { readonly kind: 'clear' }
  | { readonly kind: 'backing-off'; readonly untilMs: number }
  | { readonly kind: 'quarantined'; readonly untilMs: number; readonly kills: number };

export type KillRecord = {
  note(culprit: Culprit, nowMs: number): void;
  standing(culprit: Culprit, nowMs: number): Standing;
};

const CLEAR: Standing = { kind: 'clear' };

export function openKillRecord(policy: KillPolicy): KillRecord {
  const killsOf = new Map<Culprit, readonly number[]>();
  return {
    note(culprit, nowMs) {
      const recent = (killsOf.get(culprit) ?? []).filter((at) => nowMs - at < policy.windowMs);
      killsOf.set(culprit, [...recent, nowMs].slice(-policy.killsMax));
    },
    standing(culprit, nowMs) {
      const kills = killsOf.get(culprit);
      const last = kills?.at(-1);
      if (kills === undefined || last === undefined) return CLEAR;
      if (kills.length >= policy.killsMax) {
        const untilMs = last + policy.quarantineMs;
        if (nowMs < untilMs) return { kind: 'quarantined', untilMs, kills: kills.length };
      } else {
        const untilMs = kills.length < 2 ? 0 : last + policy.backoffMs * 2 ** (kills.length - 2);
        if (nowMs < untilMs) return { kind: 'backing-off', untilMs };
        if (nowMs - last < policy.windowMs) return CLEAR;
      }
      killsOf.delete(culprit);
      return CLEAR;
    },
  };
}
