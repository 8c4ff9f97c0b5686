import type { OrgId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';
import type { Write } from '../port/store.ts';
import { KEYS } from './keys.ts';

/**
 * Something that people should hear of, as a row beside the change that it tells of. One row for each kind and subject:
 * the latest word replaces the one before.
 */
export type Alert = {
  readonly kind: 'trigger.burst';
  readonly org: OrgId;
  /** What it is about: for a burst `playbook/trigger`. */
  readonly subject: string;
  readonly state: 'began' | 'over';
  /** Who is to hear of it, as the policy or the playbook names them. */
  readonly to: string | null;
  readonly at: UnixMs;
};

export const alert = (one: Alert): Write => ({
  key: KEYS.alert(one.org, one.kind, one.subject),
  value: JSON.stringify(one),
});
