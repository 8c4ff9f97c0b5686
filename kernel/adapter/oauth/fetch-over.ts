import type { ProviderOf } from '../../../sdk/contract/secrets-policy.ts';
import { lenderRule } from '../../egress/lender-rule.ts';
import type { EgressClient } from '../../port/egress.ts';
import { faultOfExchange, LENDER_BODY_BYTES, LENDER_TIMEOUT_MS } from '../../port/lender-request.ts';
import type { LendFault } from '../../port/secret-lender.ts';

/** Thrown through the library, which passes on what it does not know. */
class LendError extends Error {
  readonly lendFault: LendFault;
  constructor(fault: LendFault) {
    super('the exchange failed');
    this.lendFault = fault;
  }
}

type Request = { readonly method: string; readonly headers: Record<string, string>; readonly body?: unknown };

/**
 * The `fetch` of the library, over the egress client. No redirect is followed, and only the two endpoints of the policy are
 * asked: whatever else the library might come to want has no rule.
 */
export function fetchOver(
  egress: Pick<EgressClient, 'send'>,
  provider: Pick<ProviderOf<'oauth'>, 'name' | 'addresses' | 'tokenUrl' | 'revocationUrl'>,
): (url: string, request: Request) => Promise<Response> {
  const { tokenUrl, revocationUrl } = provider;
  const allowed = new Set([tokenUrl, revocationUrl].flatMap((url) => (url === undefined ? [] : [new URL(url).href])));
  return async (text, { method, headers, body }) => {
    const url = new URL(text);
    if (!allowed.has(url.href) || method !== 'POST')
      throw new LendError({ kind: 'unavailable', reason: 'the library asked for what the policy does not name' });
    const answer = await egress.send({
      rule: lenderRule(url, provider.addresses, ['POST']),
      pool: `lender ${provider.name}`,
      url,
      method,
      headers: { ...headers, 'user-agent': 'interlock' },
      body: String(body ?? ''),
      timeoutMs: LENDER_TIMEOUT_MS,
      maxBodyBytes: LENDER_BODY_BYTES,
    });
    if (answer.kind !== 'answered') throw new LendError(faultOfExchange(answer));
    if (answer.status >= 500 || answer.status === 429 || (answer.status >= 300 && answer.status < 400))
      throw new LendError({ kind: 'unavailable', reason: `the server answered with ${answer.status}` });
    const isEmpty = answer.status === 204;
    return new Response(isEmpty ? null : Buffer.from(answer.body), { status: answer.status, headers: answer.headers });
  };
}
