/**
 * A double of the part of the GitHub API that makes and revokes installation tokens, over a real socket; see
 * https://docs.github.com/en/rest/apps. It is no proof about the real one.
 */
import { generateKeyPairSync, randomBytes, verify } from 'node:crypto';
import { json, type Reply, startDouble } from './http.ts';

export async function startGithub() {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const live = new Set<string>();
  const made: string[] = [];
  /** What the app logged in with. */
  const asserted: string[] = [];
  const state: { reply: Reply | null; failRevokes: number } = { reply: null, failRevokes: 0 };

  const isApp = (bearer: string): boolean => {
    const [head = '', body = '', signature = ''] = bearer.split('.');
    if (!verify('RSA-SHA256', Buffer.from(`${head}.${body}`), publicKey, Buffer.from(signature, 'base64url')))
      return false;
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
    const now = Date.now() / 1_000;
    return claims.iss === 'Iv1.app' && claims.iat <= now && claims.exp > now && claims.exp - claims.iat <= 600;
  };

  const double = await startDouble(({ method, path, headers, body }) => {
    if (state.reply) return state.reply;
    if (headers['user-agent'] === undefined)
      return json(403, { message: 'Request forbidden by administrative rules.' });
    const [, bearer = ''] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? [];
    if (method === 'DELETE' && path === '/installation/token') {
      if (state.failRevokes-- > 0) return json(500, {});
      if (!live.delete(bearer)) return json(401, { message: `Bad credentials ${bearer}` });
      return { status: 204 };
    }
    asserted.push(bearer);
    if (!isApp(bearer)) return json(401, { message: 'A JSON web token could not be decoded' });
    if (method !== 'POST' || path !== '/app/installations/42/access_tokens') return json(404, { message: 'Not Found' });
    const { permissions = { contents: 'write' }, repositories } = JSON.parse(body);
    if (permissions.secrets !== undefined) return json(422, { message: 'The permissions requested are not granted' });
    const token = `ghs_${randomBytes(18).toString('hex')}`;
    live.add(token);
    made.push(token);
    const expires_at = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+/, '');
    return json(201, {
      token,
      expires_at,
      permissions,
      ...(repositories && { repositories: repositories.map((name: string) => ({ name })) }),
    });
  });
  return {
    ...double,
    state,
    made,
    asserted,
    isOver: (token: string) => !live.has(token),
    keyPem: privateKey.export({ format: 'pem', type: 'pkcs1' }).toString(),
    keyLine: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
  };
}
