import * as v from 'valibot';
import { LifecycleFilter } from './lifecycle.ts';
import { NAME_PATTERN } from './name.ts';
import { closedObject } from './wanted.ts';

/** Where the lifecycle events of an org are sent. The URL is the whole grant: nothing else there can be reached. */
const name = v.pipe(v.string(), v.regex(NAME_PATTERN, 'lower-case letters, digits, single hyphens'));

const Webhook = closedObject({
  /** Under which its place in the feed is kept. */
  id: name,
  url: v.pipe(v.string(), v.maxLength(2_048)),
  types: v.pipe(v.array(LifecycleFilter), v.minLength(1), v.maxLength(64)),
  /** Name of the stored secret that deliveries are signed with. */
  secret: name,
  /** Address blocks (CIDR) that the host may resolve to although they are not public. */
  addresses: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(64))), v.maxLength(64)), []),
});

export const LifecyclePolicySchema = closedObject({
  $schema: v.optional(v.string()),
  apiVersion: v.literal('interlock/lifecycle/v1'),
  webhooks: v.pipe(
    v.array(Webhook),
    v.maxLength(8),
    v.check((hooks) => new Set(hooks.map(({ id }) => id)).size === hooks.length, 'webhooks with ids of their own'),
  ),
});
export type LifecyclePolicy = v.InferOutput<typeof LifecyclePolicySchema>;
