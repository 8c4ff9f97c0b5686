import {
  dataschemaOf,
  type LifecycleData,
  type LifecycleEvent,
  type LifecycleType,
} from '../../sdk/contract/lifecycle.ts';
import { digestOf } from '../base/digest.ts';
import type { OrgId } from '../base/id.ts';
import { iso, type UnixMs } from '../base/time.ts';

/** A lifecycle event in the making: its type, what it is about, and its data, of which `seq` gives it its place. */
export type LifecycleDraft = {
  [T in LifecycleType]: { readonly type: T; readonly subject: string; readonly data: LifecycleData<T> };
}[LifecycleType];

/** A lifecycle event as it is kept: what its place and its type say already is left out. */
export type StoredLifecycle = LifecycleDraft & { readonly at: UnixMs };

/** Its place in the feed. Made of what it says, so that the same is never there twice, and no count has to be kept. */
export const lifecycleId = ({ type, subject, data }: LifecycleDraft): string =>
  `${String(data.seq).padStart(15, '0')}-${digestOf(JSON.stringify([type, subject, data])).slice(7, 15)}`;

/** The event as it is sent: the same bytes however often. */
export const toCloudEvent = (org: OrgId, id: string, { type, subject, data, at }: StoredLifecycle): LifecycleEvent =>
  ({
    specversion: '1.0',
    id,
    source: `/v1/orgs/${org}`,
    type,
    subject,
    time: iso(at),
    datacontenttype: 'application/json',
    dataschema: dataschemaOf(type),
    data,
  }) as LifecycleEvent;
