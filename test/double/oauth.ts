/**
 * A double of an OAuth 2.0 authorization server over a real socket: the grant of client credentials (RFC 6749 sections 2.3.1,
 * 4.4, 5), private_key_jwt (RFC 7523), and revocation (RFC 7009). It is no proof about a real server.
 */
import { createPublicKey, generateKeyPairSync, randomUUID, verify } from 'node:crypto';
import { json, type Reply, startDouble } from './http.ts';

export type OAuth = Awaited<ReturnType<typeof startOAuth>>;

export async function startOAuth(options: { seconds?: number | null } = {}) {
  const { seconds = 600 } = options;
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const client = { id: 'interlock at soc', secret: `s3cr+t/${randomUUID()}=` };
  const live = new Set<string>();
  const made: string[] = [];
  const state: { reply: Reply | null; failRevokes: number; tokenType: string } = {
    reply: null,
    failRevokes: 0,
    tokenType: 'Bearer',
  };

  const isClient = (authorization: string | undefined, form: URLSearchParams): boolean => {
    const [, basic] = /^Basic (.+)$/.exec(authorization ?? '') ?? [];
    if (basic !== undefined) {
      const [id, secret] = Buffer.from(basic, 'base64')
        .toString('utf8')
        .split(':')
        .map((part) => decodeURIComponent(part.replaceAll('+', ' ')));
      return id === client.id && secret === client.secret;
    }
    const assertion = form.get('client_assertion');
    if (assertion !== null) {
      const [head = '', body = '', signature = ''] = assertion.split('.');
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
      const key = createPublicKey(publicKey.export({ format: 'pem', type: 'spki' }));
      const isSigned = verify('RSA-SHA256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'));
      return isSigned && claims.iss === client.id && claims.sub === client.id && claims.exp > Date.now() / 1_000;
    }
    return form.get('client_id') === client.id && form.get('client_secret') === client.secret;
  };

  const double = await startDouble(({ path, headers, body }) => {
    if (state.reply) return state.reply;
    const form = new URLSearchParams(body);
    if (!isClient(headers.authorization, form))
      return json(401, { error: 'invalid_client', error_description: `not with ${body}` });
    if (path === '/token') {
      if (form.get('grant_type') !== 'client_credentials') return json(400, { error: 'unsupported_grant_type' });
      if (form.get('scope') === 'none') return json(400, { error: 'invalid_scope', error_description: body });
      const access_token = `at-${randomUUID()}`;
      live.add(access_token);
      made.push(access_token);
      return json(200, { access_token, token_type: state.tokenType, ...(seconds !== null && { expires_in: seconds }) });
    }
    if (path === '/revoke') {
      if (state.failRevokes-- > 0) return json(503, {});
      live.delete(form.get('token') ?? '');
      return { status: 200 };
    }
    return json(404, {});
  });
  return {
    ...double,
    client,
    state,
    /** Every token, the latest last. */
    made,
    isOver: (token: string) => !live.has(token),
    keyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    keyLine: privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
  };
}
