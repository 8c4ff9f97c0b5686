/**
 * A double of HashiCorp Vault / OpenBao over a real socket, for machines on which neither can be had. It knows what the
 * kernel uses, as the API documentation describes it (developer.hashicorp.com/vault/api-docs): AppRole and JWT logins, KV
 * version 2, the database engine, leases that are renewed and revoked, tokens with a term, namespaces, a seal. It is no
 * proof about a real server: `npm run test:vault -- --addr URL` runs the same checks against one.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

type Lease = { readonly token: string; readonly fields: Record<string, string>; endsAt: number; isRevoked: boolean };
type Reply = { readonly status: number; readonly body?: unknown };

export type VaultDouble = Awaited<ReturnType<typeof startVault>>;

export async function startVault(options: { tokenSeconds?: number; leaseSeconds?: number; namespace?: string } = {}) {
  const { tokenSeconds = 600, leaseSeconds = 300, namespace } = options;
  const ids = { roleId: randomUUID(), secretId: randomUUID(), jwt: `${randomUUID()}.${randomUUID()}.${randomUUID()}` };
  const kv = new Map<string, (Record<string, unknown> | null)[]>();
  const tokens = new Map<string, { endsAt: number }>();
  const leases = new Map<string, Lease>();
  const asked: string[] = [];
  const state = {
    isSealed: false,
    isStandby: false,
    status: 0,
    loginStatus: 0,
    failRevokes: 0,
    failRenewals: 0,
    lateMs: 0,
  };
  const seen = { secrets: new Set<string>() };
  const now = () => performance.now() / 1_000;

  const errors = (status: number, ...list: string[]): Reply => ({ status, body: { errors: list } });
  const login = (): Reply => {
    const client_token = `hvs.${randomUUID()}`;
    tokens.set(client_token, { endsAt: now() + tokenSeconds });
    seen.secrets.add(client_token);
    return {
      status: 200,
      body: { auth: { client_token, lease_duration: tokenSeconds, renewable: true, policies: ['soc'] } },
    };
  };

  const answer = (
    method: string,
    url: URL,
    headers: IncomingMessage['headers'],
    body: Record<string, unknown>,
  ): Reply => {
    const path = url.pathname.replace(/^\/v1\//, '');
    if (headers['x-vault-request'] !== 'true') return errors(400, 'missing X-Vault-Request');
    if (namespace !== undefined && headers['x-vault-namespace'] !== namespace) return errors(404, 'no such namespace');
    if (state.isSealed) return errors(503, 'Vault is sealed');
    if (state.isStandby) return errors(429, 'standby');
    if (state.status !== 0) return errors(state.status, `no, ${JSON.stringify(body)}`);
    if (state.loginStatus !== 0 && path.endsWith('/login'))
      return errors(state.loginStatus, `no, ${JSON.stringify(body)}`);
    if (path === 'auth/approle/login')
      return body['role_id'] === ids.roleId && body['secret_id'] === ids.secretId
        ? login()
        : errors(400, 'invalid role or secret ID');
    if (path === 'auth/jwt/login')
      return body['role'] === 'soc' && body['jwt'] === ids.jwt ? login() : errors(400, 'error validating token');
    const token = String(headers['x-vault-token'] ?? '');
    const known = tokens.get(token);
    if (!known || known.endsAt < now()) return errors(403, `permission denied for ${token}`);
    if (path.startsWith('denied/')) return errors(403, 'permission denied');
    if (path === 'auth/token/renew-self') {
      if (state.failRenewals-- > 0) return errors(403, 'no');
      known.endsAt = now() + tokenSeconds;
      return { status: 200, body: { auth: { client_token: token, lease_duration: tokenSeconds, renewable: true } } };
    }
    if (path === 'auth/token/revoke-self') {
      tokens.delete(token);
      for (const lease of leases.values()) if (lease.token === token) lease.isRevoked = true;
      return { status: 204 };
    }
    if (path === 'sys/leases/renew' && method === 'PUT') {
      const lease = leases.get(String(body['lease_id']));
      if (!lease || lease.isRevoked || lease.endsAt < now()) return errors(400, 'lease not found');
      lease.endsAt = now() + leaseSeconds;
      return { status: 200, body: { lease_id: body['lease_id'], lease_duration: leaseSeconds, renewable: true } };
    }
    if (path === 'sys/leases/revoke' && method === 'PUT') {
      if (state.failRevokes-- > 0) return errors(500, `could not revoke ${body['lease_id']}`);
      const lease = leases.get(String(body['lease_id']));
      if (lease) lease.isRevoked = true;
      return { status: 204 };
    }
    const [mount, what, ...rest] = path.split('/');
    if (mount === 'secret' && what === 'data' && method === 'GET') {
      const versions = kv.get(rest.join('/')) ?? [];
      const version = Number(url.searchParams.get('version') ?? versions.length);
      const data = versions[version - 1];
      if (data === undefined) return errors(404);
      const metadata = { version, destroyed: false, deletion_time: data ? '' : new Date().toISOString() };
      return { status: data ? 200 : 404, body: { data: { data, metadata } } };
    }
    if (path === 'database/creds/soc' && method === 'GET') {
      const fields = { username: `v-approle-soc-${randomUUID()}`, password: `A1a-${randomUUID()}` };
      const lease_id = `database/creds/soc/${randomUUID()}`;
      leases.set(lease_id, { token, fields, endsAt: now() + leaseSeconds, isRevoked: false });
      for (const one of [fields.password, lease_id]) seen.secrets.add(one);
      return { status: 200, body: { lease_id, lease_duration: leaseSeconds, renewable: true, data: fields } };
    }
    return errors(404);
  };

  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const url = new URL(request.url ?? '/', 'http://vault.test');
    asked.push(`${request.method} ${url.pathname}${url.search}`);
    if (state.lateMs > 0) await new Promise((resolve) => setTimeout(resolve, state.lateMs));
    const reply = answer(request.method ?? '', url, request.headers, text === '' ? {} : JSON.parse(text));
    response.writeHead(reply.status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(
      reply.body === undefined ? undefined : JSON.stringify({ request_id: randomUUID(), ...(reply.body as object) }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    ids,
    state,
    /** Every request, as `METHOD PATH`. */
    asked,
    /** Everything that the server made and that must stay between it and the kernel. */
    seen,
    /** Adds a version; null: one that was deleted. */
    write: (path: string, data: Record<string, unknown> | null) => void kv.set(path, [...(kv.get(path) ?? []), data]),
    /** Whether the credentials with this password open nothing any more. */
    isOver: (password: string) =>
      [...leases.values()].every((one) => one.fields['password'] !== password || one.isRevoked || one.endsAt < now()),
    /** As an operator would: all tokens, and with them their leases. */
    revokeTokens: () => tokens.clear(),
    live: () => [...leases.values()].filter((one) => !one.isRevoked).length,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
