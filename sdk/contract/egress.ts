import * as v from 'valibot';
import { NAME_PATTERN } from './name.ts';
import { closedObject } from './wanted.ts';

/** What can be granted. */
export const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type HttpMethod = (typeof HTTP_METHODS)[number];

const host = v.pipe(
  v.string(),
  v.minLength(1),
  v.maxLength(253),
  v.regex(/^[a-z0-9.:[\]-]+$/, 'lower-case ASCII host'),
);
const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const addresses = v.optional(v.array(v.pipe(v.string(), v.maxLength(64))), []);
const name = v.pipe(v.string(), v.regex(NAME_PATTERN));
const format = v.pipe(v.string(), v.maxLength(64), v.includes('{}'));
const names = v.pipe(v.array(name), v.minLength(1), v.maxLength(64));

/** Request headers that one rule may name. */
export const RULE_HEADERS_MAX = 32;

/**
 * Egress policy of one org: which plugin may send what where, and which secret rides in which header.
 * Denied until listed. A rule binds scheme, host, port, methods and path prefix together.
 */
const EgressRule = closedObject({
  scheme: v.picklist(['https', 'http']),
  /** Exact ASCII host name or IP address. No wildcard yet: name each host. */
  host,
  port,
  methods: v.pipe(v.array(v.picklist(HTTP_METHODS)), v.minLength(1)),
  /** Path must equal it or continue it at a `/`. `/` grants the whole host. */
  pathPrefix: v.pipe(v.string(), v.regex(/^\/[\x21-\x7e]*$/, 'begins with / and is printable ASCII')),
  /**
   * Address blocks (CIDR) that the host may resolve to although they are not public unicast: an internal service.
   * Without it, every resolved address must be public.
   */
  addresses,
  secret: v.optional(
    closedObject({
      name,
      header: v.pipe(v.string(), v.regex(/^[a-z0-9-]{1,64}$/, 'lower-case header name')),
      /** `{}` stands for the value, e.g. `Bearer {}`. */
      format: v.optional(format, '{}'),
      /** For whom alone it is: then the rule covers no request of another. Both are names; without one, all of them. */
      for: v.exactOptional(closedObject({ actions: v.exactOptional(names), playbooks: v.exactOptional(names) })),
    }),
  ),
  /** Request headers that the plugin may set beside the harmless ones. */
  headers: v.exactOptional(
    v.pipe(
      v.array(v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'lower-case header name'))),
      v.maxLength(RULE_HEADERS_MAX),
    ),
  ),
  /** How many requests may leave under this rule in a time, e.g. `20/m`: the grammar of the limits of triggers. */
  rate: v.exactOptional(v.pipe(v.string(), v.maxLength(16))),
});
export type EgressRule = v.InferOutput<typeof EgressRule>;

/** The proxy through which all requests of an org leave: asked for a tunnel to each place (RFC 9110 section 9.3.6). */
const EgressProxy = closedObject({
  host,
  port,
  /** As for a rule: address blocks that the proxy itself may resolve to although they are not public. */
  addresses,
  /** Rides in `Proxy-Authorization`, e.g. as `Basic {}`. */
  secret: v.exactOptional(closedObject({ name, format })),
  /** Who finds the addresses of a target and judges them. `proxy`: the proxy alone, which is told the name. */
  resolve: v.exactOptional(v.picklist(['kernel', 'proxy'])),
});
export type EgressProxy = v.InferOutput<typeof EgressProxy>;

export const EgressPolicySchema = closedObject({
  $schema: v.optional(v.string()),
  apiVersion: v.literal('interlock/egress/v1'),
  proxy: v.exactOptional(EgressProxy),
  grants: v.pipe(
    v.array(
      closedObject({
        plugin: v.string(),
        /** `report`: what no rule covers is let out to public places without any secret, and listed with the rule to paste. */
        mode: v.exactOptional(v.picklist(['enforce', 'report'])),
        /** Handed to every call of the plugin; never a secret. */
        settings: v.optional(v.record(v.string(), v.pipe(v.string(), v.maxLength(2_048))), {}),
        rules: v.pipe(v.array(EgressRule), v.maxLength(64)),
      }),
    ),
    v.maxLength(256),
  ),
});
export type EgressPolicy = v.InferOutput<typeof EgressPolicySchema>;
