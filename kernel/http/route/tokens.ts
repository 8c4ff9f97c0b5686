import * as v from 'valibot';
import type * as Api from '../../../sdk/contract/api.ts';
import { envelope, listOf, NewToken, TokenForm, TokenName, TokenSummary, Whoami } from '../../../sdk/contract/api.ts';
import { TokenId } from '../../../sdk/contract/api-word.ts';
import { principalId } from '../../base/id.ts';
import { iso, parseDuration, unixMs } from '../../base/time.ts';
import type { Kernel } from '../../flow/kernel.ts';
import type { TokenRecord } from '../../org/principal.ts';
import { mayDo, PERMISSIONS } from '../../org/role.ts';
import { data, problem } from '../answer.ts';
import { form } from '../body.ts';
import { listPage, paging } from '../paging.ts';
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
    method: 'GET',
    path: '/v1/orgs/{org}/tokens',
    operation: 'listTokens',
    summary: 'The tokens that are not withdrawn: id, holder, roles and end. Never the token',
    access: 'token.manage',
    query: v.strictObject(paging),
    problems: ['invalid-cursor'],
    answer: { status: 200, description: 'One page, by id.', schema: listOf(TokenSummary) },
    handle: ({ by, query }) =>
      listPage({ operation: 'listTokens', org: by.org, filter: [], key: /^[0-9a-f]{16}$/ }, query, (limit, after) => {
        const { items, next } = kernel.query.tokens(by.org, limit, after);
        return { items: items.map(tokenView), next };
      }),
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
      return data({ token, tokenId, org: by.org, principal, roles, expiresAt: instant(expiresAt) }, 201);
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

/** Field by field: the hash lies in the same record. */
const tokenView = ({ tokenId, id, roles, createdAt, expiresAt }: TokenRecord): Api.TokenSummary => ({
  tokenId,
  principal: id,
  roles: [...roles],
  createdAt,
  expiresAt: instant(expiresAt),
});

const instant = (at: number | null): string | null => (at === null ? null : iso(unixMs(at)));

/** The longest life of a token that has an end. */
const LIFE_MS = 3_650 * 86_400_000;
