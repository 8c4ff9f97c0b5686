import * as v from 'valibot';
import { envelope, NewToken, TokenForm, TokenName, Whoami } from '../../../sdk/contract/api.ts';
import { TokenId } from '../../../sdk/contract/api-word.ts';
import { principalId } from '../../base/id.ts';
import { iso, parseDuration, unixMs } from '../../base/time.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { mayDo, PERMISSIONS } from '../../org/role.ts';
import { data, problem } from '../answer.ts';
import { form } from '../body.ts';
import { type Route, route } from '../route.ts';

/** Access tokens: who one is, new ones, and the end of old ones. */
export const tokenRoutes = ({
  kernel,
  now,
}: {
  readonly kernel: Kernel;
  readonly now: () => number;
}): readonly Route[] => [
  route({
    method: 'GET',
    path: '/v1/whoami',
    operation: 'whoami',
    summary: 'Who holds this token, in which org, and what it may do',
    access: 'signed-in',
    answer: { status: 200, description: 'The holder.', schema: envelope(Whoami) },
    handle: ({ by: { org, id, roles } }) =>
      data({ org, principal: id, roles, permissions: PERMISSIONS.filter((permission) => mayDo(roles, permission)) }),
  }),
  route({
    method: 'POST',
    path: '/v1/orgs/{org}/tokens',
    operation: 'createToken',
    summary: 'Make an access token. It is shown in this answer and never again',
    access: 'token.manage',
    body: form(TokenForm),
    answer: { status: 201, description: 'The token.', schema: envelope(NewToken) },
    async handle({ by, body }) {
      const { principal, expiresIn } = body;
      const roles = [...new Set(body.roles)];
      const length = expiresIn === undefined ? undefined : (parseDuration(expiresIn) ?? Infinity);
      if (length !== undefined && length > LIFE_MS)
        return problem('invalid-body', {
          errors: [{ pointer: '/expiresIn', text: 'expected a duration up to 3650d' }],
        });
      const expiresAt = length === undefined ? null : unixMs(now() + length);
      const holder = { id: principalId(principal), roles, expiresAt };
      const { token, tokenId } = await kernel.tokens.create(by.org, `principal:${by.id}`, holder);
      return data(
        { token, tokenId, org: by.org, principal, roles, expiresAt: expiresAt === null ? null : iso(expiresAt) },
        201,
      );
    },
  }),
  route({
    method: 'DELETE',
    path: '/v1/orgs/{org}/tokens/{token}',
    operation: 'revokeToken',
    summary: 'Withdraw an access token. It stops working at once',
    access: 'token.manage',
    answer: { status: 200, description: 'Withdrawn.', schema: envelope(TokenName) },
    async handle({ by, context }) {
      const tokenId = context.req.param('token');
      const revoked = v.is(TokenId, tokenId) && (await kernel.tokens.revoke(by, tokenId));
      return revoked ? data({ tokenId }) : problem('not-found');
    },
  }),
];

/** The longest life of a token that has an end. */
const LIFE_MS = 3_650 * 86_400_000;
