import * as v from 'valibot';
import type { ProviderOf } from '../../../sdk/contract/secrets-policy.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { lenderRule } from '../../egress/lender-rule.ts';
import type { EgressClient } from '../../port/egress.ts';
import { faultOfExchange, LENDER_BODY_BYTES, LENDER_TIMEOUT_MS } from '../../port/lender-request.ts';
import type { LendFault } from '../../port/secret-lender.ts';

/**
 * Sends one request to the HTTP API of HashiCorp Vault or OpenBao (they are the same where it is used here). Owns what
 * each status means. Nothing of what the server says is repeated: its errors quote paths and policies.
 */
export type VaultFault = LendFault & { readonly status: number | null };
export type VaultRequest = {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Below `/v1/`. Written by us, or checked by the schema of the policy. */
  readonly path: string;
  readonly token: string | null;
  readonly body?: Readonly<Record<string, unknown>>;
};
export type VaultClient = {
  ask<T>(request: VaultRequest, schema: v.GenericSchema<unknown, T>): Promise<Result<T, VaultFault>>;
};

export function openVaultClient(
  provider: Pick<ProviderOf<'vault'>, 'name' | 'url' | 'addresses' | 'namespace'>,
  egress: Pick<EgressClient, 'send'>,
): VaultClient {
  const base = new URL(`${provider.url.replace(/\/$/, '')}/v1/`);
  const rule = lenderRule(base, provider.addresses, ['GET', 'POST', 'PUT']);
  return {
    async ask({ method, path, token, body }, schema) {
      const answer = await egress.send({
        rule,
        pool: `lender ${provider.name}`,
        url: new URL(path, base),
        method,
        headers: {
          // Without it a Vault agent in front refuses, so that nobody is tricked into asking it (SSRF).
          'x-vault-request': 'true',
          accept: 'application/json',
          'user-agent': 'interlock',
          ...(provider.namespace !== undefined && { 'x-vault-namespace': provider.namespace }),
          ...(token !== null && { 'x-vault-token': token }),
          ...(body && { 'content-type': 'application/json' }),
        },
        body: body ? JSON.stringify(body) : null,
        timeoutMs: LENDER_TIMEOUT_MS,
        maxBodyBytes: LENDER_BODY_BYTES,
      });
      if (answer.kind !== 'answered') return err({ ...faultOfExchange(answer), status: null });
      if (answer.status < 200 || answer.status > 299) {
        const [kind, reason] = meaningOf(answer.status);
        return fault(kind, answer.status, reason);
      }
      const parsed = v.safeParse(schema, answer.status === 204 ? null : jsonOf(answer.body), { abortEarly: true });
      if (!parsed.success)
        return fault('unavailable', answer.status, 'the server answered in a form that is not known');
      return ok(parsed.output);
    },
  };
}

const fault = (kind: VaultFault['kind'], status: number | null, reason: string) => err({ kind, status, reason });

/** https://developer.hashicorp.com/vault/api-docs#http-status-codes, and `sys/health` for 472 and 473. */
const STATUS: Readonly<Record<number, readonly [VaultFault['kind'], string]>> = {
  307: [
    'unavailable',
    'the server is a standby that sends elsewhere; name the active one, or turn forwarding on (307)',
  ],
  400: ['unknown', 'the server does not take the request (400): check path, mount and role'],
  403: ['unavailable', 'the server refuses it (403): check the login and the policies of its role'],
  404: ['unknown', 'there is nothing at this path (404)'],
  405: ['unknown', 'the path is not read like this (405): check the engine'],
  412: ['unavailable', 'the server has not caught up with its cluster (412)'],
  429: ['unavailable', 'the server is a standby or asks for patience (429)'],
  472: ['unavailable', 'the server is a disaster recovery standby (472)'],
  473: ['unavailable', 'the server is a performance standby (473)'],
  503: ['unavailable', 'the server is sealed or down for maintenance (503)'],
};
const meaningOf = (status: number): readonly [VaultFault['kind'], string] =>
  STATUS[status] ?? ['unavailable', `the server answered with ${status}`];

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
}
