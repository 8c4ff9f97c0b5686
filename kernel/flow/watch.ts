import { digestOfJson } from '../base/digest.ts';
import type { OrgId } from '../base/id.ts';
import { type JsonObject, resolvePointer } from '../base/json.ts';
import { after, durationMs, parseDuration, type UnixMs } from '../base/time.ts';
import type { Write } from '../port/store.ts';
import { type Crossing, crossingOf } from '../trigger/crossing.ts';
import type { TriggerEvaluation } from '../trigger/evaluate.ts';
import type { JudgedTrigger } from '../trigger/schema.ts';
import { dropRow, keepRow, readKept } from './kept-row.ts';
import { KEYS } from './keys.ts';
import type { TriggerName } from './trigger-state.ts';

/**
 * Which things are above the threshold of a condition, as rows of the org: there is one while a thing is above, and none
 * otherwise. Of a thing that nobody speaks of for `forget` it is not known any more, so it counts as new.
 */
export type Watched = { readonly crossing: Crossing; readonly rows: readonly Write[] };

const FORGET = '24h';
const NOTHING: Watched = { crossing: 'nothing', rows: [] };

export function watch(
  read: (key: string) => string | undefined,
  org: OrgId,
  { playbook, trigger: id }: TriggerName,
  { crosses: { key: pointers, forget = FORGET } }: Extract<JudgedTrigger, { on: 'condition' }>,
  evaluation: Pick<TriggerEvaluation, 'outcome' | 'why'>,
  data: JsonObject,
  now: UnixMs,
): Watched {
  const values = pointers.map((pointer) => resolvePointer(data, pointer) ?? null);
  if (values.includes(null)) return NOTHING;
  const digest = () => digestOfJson('crossing', { playbook, trigger: id, key: pointers, values });
  const length = parseDuration(forget) ?? durationMs(0);
  let key = '';
  const found = () => {
    key ||= KEYS.above(org, digest());
    const row = readKept(read, key);
    return row && now < row.until ? row : undefined;
  };
  const crossing = crossingOf(evaluation, () => found() !== undefined);
  switch (crossing) {
    case 'nothing':
      return NOTHING;
    case 'fell':
      return { crossing, rows: dropRow(read, org, key) };
    case 'crossed':
      return { crossing, rows: keepRow(read, org, key, { until: after(now, length) }) };
    case 'still_above': {
      // Moved only when half of its time is gone: a thing that stays above costs no row for each event.
      const isYoung = (found()?.until ?? 0) - now > length / 2;
      return { crossing, rows: isYoung ? [] : keepRow(read, org, key, { until: after(now, length) }) };
    }
  }
}
