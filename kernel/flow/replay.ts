import type { Digest, EventId, OrgId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';
import { SCHEDULE } from '../org/principal.ts';
import type { Checked } from '../playbook/lint.ts';
import type { Store } from '../port/store.ts';
import type { Finding } from '../rule/explain.ts';
import { eventAtPlace, KEYS, keyOfPlace, placeOfKey, within } from './keys.ts';
import type { Query } from './query.ts';
import { openRehearsal, type Rehearsed } from './rehearse.ts';
import type { StoredEvent, TriggerOutcome } from './stored-event.ts';

/**
 * Says what a changed playbook would have made of events that have come, beside what the record says was made of them
 * (S 12.1). Nothing is stored, changed or recorded. Events are read by the time at which they came; those from before
 * there was a row for it are not found.
 */
export type ReplayResult = {
  readonly playbook: string;
  readonly digest: Digest;
  readonly active: Digest | null;
  readonly events: number;
  readonly from: UnixMs | null;
  readonly to: UnixMs | null;
  readonly triggers: readonly TriggerDifference[];
  readonly gained: readonly ReplayExample[];
  readonly lost: readonly ReplayExample[];
  /** Of the last event that was looked at, when there are more. */
  readonly next: string | null;
};
/** Runs that were started, or made and had to wait; matches that a run took in; matches that were held back. */
type Fired = { runs: number; absorbed: number; suppressed: number };
export type TriggerDifference = {
  readonly trigger: string;
  readonly recorded: Fired;
  readonly changed: Fired;
  gained: number;
  lost: number;
  same: number;
};
export type ReplayExample = {
  readonly event: EventId;
  readonly receivedAt: UnixMs;
  readonly trigger: string;
  readonly recorded: TriggerOutcome['outcome'] | null;
  readonly changed: Rehearsed['outcome'] | null;
  readonly why: readonly Finding[];
};

/** Without `since` the newest; `after` goes before both. */
export type Span = {
  readonly since?: UnixMs | undefined;
  readonly after?: string | undefined;
  /** Of events. */
  readonly limit: number;
};

const EXAMPLES = 16;
/** Names of triggers that are told apart: those of the text, and as many that only the record knows. */
const NAMES = 64;
/** Stored events in characters that one request reads, and that one turn does. */
const CHARS = 16_000_000;
const CHARS_PER_TURN = 65_536;

export type ReplayEvents = ReturnType<typeof openReplayEvents>;

export function openReplayEvents(deps: { store: Store; query: Query }) {
  const { store, query } = deps;

  /** Places of events in their order, one more than asked for when there are more. */
  const placesOf = (org: OrgId, { since, after, limit }: Span): readonly string[] => {
    const span = within(`${org}/event-at`);
    const from =
      after !== undefined
        ? `${keyOfPlace(org, after)}!`
        : since !== undefined
          ? KEYS.eventsFrom(org, since)
          : undefined;
    const rows =
      from === undefined
        ? store.range({ ...span, limit, reverse: true }).reverse()
        : store.range({ from, to: span.to, limit: limit + 1 });
    return rows.map(({ key }) => placeOfKey(org, key));
  };

  return async (org: OrgId, { playbook, digest }: Checked, span: Span): Promise<ReplayResult> => {
    const triggers = playbook.triggers.flatMap((trigger) =>
      trigger.on === 'schedule' ? [] : [{ playbook: playbook.name, digest, trigger }],
    );
    const rehearse = openRehearsal(org, triggers);
    const tally = openTally(triggers.map(({ trigger }) => trigger.id));
    const places = placesOf(org, span);
    let [events, chars, turn] = [0, 0, 0];
    let last: string | undefined;
    let [from, to]: (UnixMs | null)[] = [null, null];
    for (const place of places.slice(0, span.limit)) {
      if (chars > CHARS) break;
      if (turn > CHARS_PER_TURN) {
        turn = 0;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      last = place;
      const text = store.get(KEYS.event(org, eventAtPlace(place)));
      if (text === undefined) continue;
      chars += text.length;
      // One event is work, however small it is.
      turn += text.length + 2_048;
      const stored = JSON.parse(text) as StoredEvent;
      // A time of a schedule: no trigger that is replayed was asked about it.
      if (stored.by === SCHEDULE) continue;
      events++;
      from ??= stored.receivedAt;
      to = stored.receivedAt;
      tally.add(stored, playbook.name, await rehearse(stored.event, stored.id, stored.receivedAt));
    }
    const active = query.playbook(org, playbook.name)?.active ?? null;
    const next = last !== undefined && last !== places.at(-1) ? last : null;
    return {
      playbook: playbook.name,
      digest,
      active,
      events,
      from: from ?? null,
      to: to ?? null,
      ...tally.result(),
      next,
    };
  };
}

function openTally(names: readonly string[]) {
  const differences = new Map<string, TriggerDifference>();
  const gained: ReplayExample[] = [];
  const lost: ReplayExample[] = [];
  const differenceOf = (trigger: string): TriggerDifference | undefined => {
    const known = differences.get(trigger);
    if (known || differences.size >= NAMES) return known;
    const fresh = { trigger, recorded: none(), changed: none(), gained: 0, lost: 0, same: 0 };
    differences.set(trigger, fresh);
    return fresh;
  };
  names.forEach(differenceOf);

  return {
    add(stored: StoredEvent, playbook: string, replayed: readonly Rehearsed[]): void {
      const recorded = new Map(
        stored.triggers.filter((one) => one.playbook === playbook).map((one) => [one.trigger, one]),
      );
      const changed = new Map(replayed.map((one) => [one.trigger, one]));
      for (const trigger of new Set([...changed.keys(), ...recorded.keys()])) {
        const [before, now] = [recorded.get(trigger)?.outcome, changed.get(trigger)];
        const [did, does] = [isFired(before), isFired(now?.outcome)];
        const [wasCounted, isCounted] = [countedAs(before), countedAs(now?.outcome)];
        const difference = wasCounted || isCounted ? differenceOf(trigger) : undefined;
        if (!difference) continue;
        if (wasCounted) difference.recorded[wasCounted]++;
        if (isCounted) difference.changed[isCounted]++;
        if (!did && !does) continue;
        difference[did === does ? 'same' : does ? 'gained' : 'lost']++;
        const examples = does ? gained : lost;
        if (did === does || examples.length >= EXAMPLES) continue;
        examples.push({
          event: stored.id,
          receivedAt: stored.receivedAt,
          trigger,
          recorded: before ?? null,
          changed: now?.outcome ?? null,
          why: now?.why.slice(0, 4) ?? [],
        });
      }
    },
    result: () => ({ triggers: [...differences.values()], gained, lost }),
  };
}

const none = (): Fired => ({ runs: 0, absorbed: 0, suppressed: 0 });

function countedAs(outcome: TriggerOutcome['outcome'] | undefined): keyof Fired | undefined {
  if (outcome === 'matched' || outcome === 'queued') return 'runs';
  return outcome === 'absorbed' || outcome === 'suppressed' ? outcome : undefined;
}

/** A run was started for it, or took it in. */
const isFired = (outcome: TriggerOutcome['outcome'] | undefined): boolean =>
  outcome !== 'suppressed' && countedAs(outcome) !== undefined;
