import type { EgressProxy, EgressRule } from '../../sdk/contract/egress.ts';
import type { ErrorClass } from '../../sdk/contract/error.ts';

/**
 * Sends one HTTP request that the egress room has already allowed, to an address that the egress room allows.
 * The adapter resolves the name, has every resolved address judged, and connects to a judged address only.
 * No redirects, no decompression, no proxy from the environment, HTTP/1.1 only.
 */
export type OutboundRequest = {
  readonly rule: EgressRule;
  /** Connections are never shared between different pools. */
  readonly pool: string;
  readonly url: URL;
  /** The proxy of the org; absent: straight to the host. */
  readonly proxy?: OutboundProxy | undefined;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** Whole exchange, in milliseconds. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly signal?: AbortSignal;
};

/** The proxy that is asked for a tunnel to the place of a request. */
export type OutboundProxy = Pick<EgressProxy, 'host' | 'port' | 'addresses'> & {
  /** Whole value of `Proxy-Authorization`. */
  readonly authorization: string | null;
  /** `kernel`: the tunnel is to a judged address; `proxy`: to the name, whose addresses only the proxy knows. */
  readonly resolve: 'kernel' | 'proxy';
};

/** `sent` tells whether any byte of the request may have left; decides between `failed` and `indeterminate`. */
export type OutboundAnswer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Uint8Array;
    }
  /**
   * `hint` is for the operator alone: what the name resolved to, and how to grant it. So is `block`: the address of the
   * host that no block of the rule holds, as one that would; absent where none is to be offered.
   */
  | { readonly kind: 'denied'; readonly reason: string; readonly hint?: string; readonly block?: string }
  | { readonly kind: 'failed'; readonly class: ErrorClass; readonly reason: string; readonly sent: boolean };

export interface EgressClient {
  /** Never rejects. */
  send(request: OutboundRequest): Promise<OutboundAnswer>;
  /**
   * Proves that the guard holds in this process: asks for a loopback listener under a name that no rule allows to be
   * loopback, and counts connections at the listener. The kernel refuses to start on `false`.
   */
  selfTest(): Promise<{ readonly holds: boolean; readonly detail: string }>;
  close(): Promise<void>;
}
