import { digestOfJson } from '../base/digest.ts';
import type { EventId, OrgId, RunId } from '../base/id.ts';
import { type JsonObject, resolvePointer } from '../base/json.ts';
import { after, durationMs, parseDuration, type UnixMs } from '../base/time.ts';
import type { Write } from '../port/store.ts';
import type { JudgedTrigger } from '../trigger/schema.ts';
import { type KeptRow, keepRow, readKept } from './kept-row.ts';
import { KEYS } from './keys.ts';
import type { TriggerName } from './trigger-state.ts';

/** Which runs were started for what: the window of repeats, the cooldown, and what a run has taken in. */
export type Matched = {
  readonly org: OrgId;
  readonly name: TriggerName;
  readonly trigger: JudgedTrigger;
  readonly dedupKey: string | null;
  readonly data: JsonObject;
};
type Read = (key: string) => string | undefined;

/** What a run has taken in, in one row whatever the number. */
export type Absorbed = { readonly events: number; readonly last: EventId; readonly at: UnixMs };

const lengthOf = (text: string) => parseDuration(text) ?? durationMs(0);
const rowAt = (read: Read, key: string | undefined, at: UnixMs): KeptRow | undefined => {
  const row = key === undefined ? undefined : readKept(read, key);
  return row && at < row.until ? row : undefined;
};

const cooldownKey = ({ org, name: { playbook }, trigger, data }: Matched): string | undefined => {
  const key = trigger.limits?.cooldown?.key;
  if (!key) return undefined;
  const values = key.map((pointer) => resolvePointer(data, pointer) ?? null);
  return KEYS.cooldown(org, digestOfJson('cooldown', { playbook, trigger: trigger.id, key, values }));
};
const dedupKey = ({ org, dedupKey: key }: Matched): string | undefined => (key ? KEYS.dedup(org, key) : undefined);

/** The run that this match repeats, as of `at`. */
export const repeatedRun = (read: Read, matched: Matched, at: UnixMs) => rowAt(read, dedupKey(matched), at)?.run;

/** The run after which none for the same thing may start yet, as of `at`, and until when. */
export const cooling = (read: Read, matched: Matched, at: UnixMs) => rowAt(read, cooldownKey(matched), at);

/** A run was started for it: the next event is a repeat. */
export function startedRows(read: Read, matched: Matched, run: RunId, now: UnixMs): Write[] {
  const { org, trigger } = matched;
  const dedup = dedupKey(matched);
  const cooldown = cooldownKey(matched);
  const until = (length: string | undefined) => after(now, lengthOf(length ?? ''));
  return [
    ...(dedup ? keepRow(read, org, dedup, { run, until: until(trigger.dedup?.window) }) : []),
    ...(cooldown ? keepRow(read, org, cooldown, { run, until: until(trigger.limits?.cooldown?.for) }) : []),
  ];
}

/** A run takes one more event in, and says so where it is shown. */
export function absorbedRows(read: Read, org: OrgId, run: RunId, last: EventId, at: UnixMs): Write[] {
  const key = KEYS.absorbed(org, run);
  const text = read(key);
  const events = (text === undefined ? 0 : (JSON.parse(text) as Absorbed).events) + 1;
  const row: Absorbed = { events, last, at };
  return [{ key, value: JSON.stringify(row) }];
}
