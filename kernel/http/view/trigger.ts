import type * as Api from '../../../sdk/contract/api-trigger.ts';
import { iso } from '../../base/time.ts';
import type { TriggerInForce } from '../../flow/triggers.ts';

/** Shows a trigger as it is in force: dates as text. */
export const triggerInForce = ({ burstSince, stopped, next, last, ...rest }: TriggerInForce): Api.Trigger => ({
  ...rest,
  burstSince: burstSince === null ? null : iso(burstSince),
  stopped: stopped && { ...stopped, at: iso(stopped.at) },
  next: next === null ? null : iso(next),
  last: last && { ...last, at: iso(last.at) },
});
