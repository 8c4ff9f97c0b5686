/**
 * The egress client over undici. Owns the pools: which requests may share a connection, and for how long.
 * Nothing in the environment changes where a request goes: no proxy variable is read, no global agent is used. A proxy is
 * one that the request names.
 */
import tls from 'node:tls';
import { type Dispatcher, Pool } from 'undici';
import type { EgressRule } from '../../../sdk/contract/egress.ts';
import { digestOf } from '../../base/digest.ts';
import { LIMITS } from '../../base/limits.ts';
import type { EgressClient, OutboundAnswer, OutboundProxy, OutboundRequest } from '../../port/egress.ts';
import { guardedConnector, systemAddresses } from './connect.ts';
import { exchange } from './exchange.ts';
import { type Resolve, systemResolve } from './resolve.ts';
import { runSelfTest } from './self-test.ts';

export type EgressLimits = {
  /** Resolving, TCP and TLS of one connection, in milliseconds. */
  readonly connectMs: number;
  /** From the request to the head of the answer, in milliseconds. */
  readonly headersMs: number;
  /** Between two pieces of a body, in milliseconds. */
  readonly bodyIdleMs: number;
  readonly headerBytes: number;
  /** Of one answer on the wire, with all that is around its body. */
  readonly wireBytes: number;
  /** Connections of one pool at a time; further requests wait for one. */
  readonly connections: number;
  /** Pools kept; the one used longest ago is closed first. */
  readonly pools: number;
  /**
   * How long an unused connection is kept, in milliseconds. Short: a server that closes it at the moment of the next
   * request leaves that request's fate unknown, and servers keep theirs for several seconds.
   */
  readonly idleMs: number;
  /** After this time a connection is not used again, so that the name is resolved and judged again, in milliseconds. */
  readonly lifetimeMs: number;
};

const DEFAULT_LIMITS: EgressLimits = {
  connectMs: 5_000,
  headersMs: 60_000,
  bodyIdleMs: 15_000,
  headerBytes: 16_384,
  wireBytes: LIMITS.httpWireBytes.value,
  connections: 64,
  pools: 256,
  idleMs: 1_000,
  lifetimeMs: 60_000,
};

export type EgressOptions = {
  readonly resolve?: Resolve;
  readonly limits?: Partial<EgressLimits>;
  /** Certificates (PEM) of an internal authority, trusted beside the runtime's own. */
  readonly ca?: readonly string[];
  /** Addresses of this machine. */
  readonly ownAddresses?: () => readonly string[];
};

export function openEgressClient(options: EgressOptions = {}): EgressClient {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const secureContext = tls.createSecureContext({
    minVersion: 'TLSv1.2',
    ...(options.ca ? { ca: [...tls.getCACertificates('default'), ...options.ca] } : {}),
  });
  /** In order of use, the latest last. */
  const pools = new Map<string, Pool>();
  /** Evicted, still finishing what they were given. */
  const retiring = new Set<Pool>();
  let isClosed = false;

  const poolFor = (request: OutboundRequest): Pool => {
    const { rule, url } = request;
    const key = `${request.pool}\n${url.origin}\n${identityOf(rule)}${request.proxy ? `\n${proxyIdentityOf(request.proxy)}` : ''}`;
    const known = pools.get(key);
    if (known) pools.delete(key);
    const pool = known ?? openPool(request);
    pools.set(key, pool);
    if (pools.size > limits.pools) retireOldest();
    return pool;
  };
  const retireOldest = (): void => {
    for (const [key, pool] of pools) {
      pools.delete(key);
      retiring.add(pool);
      pool.close().finally(() => retiring.delete(pool));
      return;
    }
  };
  const openPool = ({ url, rule, proxy, pool }: OutboundRequest): Pool =>
    new Pool(url.origin, {
      connect: guardedConnector({
        resolve: options.resolve ?? systemResolve,
        owner: pool,
        ownAddresses: options.ownAddresses ?? systemAddresses,
        allowedBlocks: rule.addresses,
        proxy,
        timeoutMs: limits.connectMs,
        wireBytes: limits.wireBytes,
        secureContext,
      }),
      connections: limits.connections,
      clientTtl: limits.lifetimeMs,
      pipelining: 1,
      allowH2: false,
      headersTimeout: limits.headersMs,
      bodyTimeout: limits.bodyIdleMs,
      maxHeaderSize: limits.headerBytes,
      keepAliveTimeout: limits.idleMs,
      keepAliveMaxTimeout: Math.max(limits.idleMs, 4_000),
      keepAliveTimeoutThreshold: 2_000,
    });

  return {
    send: async (request): Promise<OutboundAnswer> => {
      if (isClosed) return { kind: 'failed', class: 'unavailable', reason: 'the kernel is shutting down', sent: false };
      if (originOf(request.rule) !== request.url.origin) {
        return { kind: 'denied', reason: 'E_NOT_ALLOWED: the request is for another place than its rule' };
      }
      return exchange(poolFor(request), request);
    },
    selfTest: () => runSelfTest((resolve) => openEgressClient({ ...options, resolve, ownAddresses: () => [] })),
    close: async () => {
      isClosed = true;
      const all: readonly Dispatcher[] = [...pools.values(), ...retiring];
      pools.clear();
      await Promise.all(all.map((pool) => pool.destroy()));
    },
  };
}

/** Rules that differ in anything never share a connection: another rule may grant other addresses. */
const identities = new WeakMap<EgressRule, { readonly text: string; readonly origin: string }>();

function factsOf(rule: EgressRule) {
  const known = identities.get(rule);
  if (known) return known;
  const place = `${rule.scheme}://${rule.host.includes(':') && !rule.host.startsWith('[') ? `[${rule.host}]` : rule.host}:${rule.port}`;
  const facts = { text: JSON.stringify(rule), origin: URL.canParse(place) ? new URL(place).origin : '' };
  identities.set(rule, facts);
  return facts;
}
/** A digest, because one of its parts is a secret. */
const proxyIdentityOf = (proxy: OutboundProxy): string => digestOf(JSON.stringify(proxy));
const identityOf = (rule: EgressRule): string => factsOf(rule).text;
const originOf = (rule: EgressRule): string => factsOf(rule).origin;
