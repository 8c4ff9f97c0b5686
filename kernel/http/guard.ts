import type { Context } from 'hono';
import { err, ok, type Result } from '../base/result.ts';
import type { Kernel } from '../flow/kernel.ts';
import type { Principal } from '../org/principal.ts';
import { mayDo } from '../org/role.ts';
import { problem } from './answer.ts';
import type { Refusals } from './refusal.ts';
import type { Route } from './route.ts';

/**
 * Decides who asks and whether he may. The token names the org; a path that names another one gets the answer of a
 * path that names none, so nobody learns which orgs there are.
 */
export type Guard = (context: Context, route: Route) => Result<Principal, Response | Promise<Response>>;

export function openGuard(deps: { readonly kernel: Kernel; readonly refusals: Refusals }): Guard {
  const { kernel, refusals } = deps;
  const refuse = (by: Principal, what: string, answer: Response) => err(refusals(by, what).then(() => answer));

  return (context, { access, operation }) => {
    const header = context.req.header('authorization');
    const token = header !== undefined && /^Bearer /i.test(header) ? header.slice(7).trim() : undefined;
    const by = token === undefined ? undefined : kernel.tokens.recognise(token);
    if (!by) return err(problem('unauthenticated', { headers: challenge(token !== undefined) }));
    const org = context.req.param('org');
    if (org !== undefined && org !== by.org) return refuse(by, `${operation};foreign-org`, problem('not-found'));
    if (access === 'signed-in' || mayDo(by.roles, access)) return ok(by);
    return refuse(by, operation, problem('forbidden', { detail: `This needs the permission ${access}.` }));
  };
}

/** RFC 6750, section 3. */
const challenge = (wasGiven: boolean) => ({
  'www-authenticate': wasGiven ? 'Bearer realm="interlock", error="invalid_token"' : 'Bearer realm="interlock"',
});
