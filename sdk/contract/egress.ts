import * as v from 'valibot';
import { closedObject } from './wanted.ts';

/** What can be granted. */
export const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type HttpMethod = (typeof HTTP_METHODS)[number];

/**
 * Egress policy of one org: which plugin may send what where, and which secret rides in which header.
 * Denied until listed. A rule binds scheme, host, port, methods and path prefix together.
 */
const EgressRule = closedObject({
  scheme: v.picklist(['https', 'http']),
  /** Exact ASCII host name or IP address. No wildcard yet: name each host. */
  host: v.pipe(v.string(), v.minLength(1), v.maxLength(253), v.regex(/^[a-z0-9.:[\]-]+$/, 'lower-case ASCII host')),
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
  methods: v.pipe(v.array(v.picklist(HTTP_METHODS)), v.minLength(1)),
  /** Path must equal it or continue it at a `/`. `/` grants the whole host. */
  pathPrefix: v.pipe(v.string(), v.regex(/^\/[\x21-\x7e]*$/, 'begins with / and is printable ASCII')),
  /**
   * Address blocks (CIDR) that the host may resolve to although they are not public unicast: an internal service.
   * Without it, every resolved address must be public.
   */
  addresses: v.optional(v.array(v.pipe(v.string(), v.maxLength(64))), []),
  secret: v.optional(
    closedObject({
      name: v.pipe(v.string(), v.regex(/^[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,62}$/)),
      header: v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,64}$/, 'lower-case header name')),
      /** `{}` stands for the value, e.g. `Bearer {}`. */
      format: v.optional(v.pipe(v.string(), v.maxLength(64), v.includes('{}')), '{}'),
    }),
  ),
});
export type EgressRule = v.InferOutput<typeof EgressRule>;

export const EgressPolicySchema = closedObject({
  $schema: v.optional(v.string()),
  apiVersion: v.literal('interlock/egress/v1'),
  grants: v.pipe(
    v.array(
      closedObject({
        plugin: v.string(),
        /** Handed to every call of the plugin; never a secret. */
        settings: v.optional(v.record(v.string(), v.pipe(v.string(), v.maxLength(2_048))), {}),
        rules: v.pipe(v.array(EgressRule), v.maxLength(64)),
      }),
    ),
    v.maxLength(256),
  ),
});
export type EgressPolicy = v.InferOutput<typeof EgressPolicySchema>;
