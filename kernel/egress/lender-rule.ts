import type { EgressRule, HttpMethod } from '../../sdk/contract/egress.ts';

/**
 * The rule under which the kernel itself asks a lender of secrets: one host, one port, what lies below one path. Addresses
 * are judged as for a plugin.
 */
export function lenderRule(base: URL, addresses: readonly string[], methods: readonly HttpMethod[]): EgressRule {
  const isPlain = base.protocol === 'http:';
  return {
    scheme: isPlain ? 'http' : 'https',
    host: base.hostname,
    port: Number(base.port || (isPlain ? 80 : 443)),
    methods: [...methods],
    pathPrefix: base.pathname.replace(/(?<=.)\/$/, ''),
    addresses: [...addresses],
  };
}
