import type { ProviderOf } from '../../../sdk/contract/secrets-policy.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { lenderRule } from '../../egress/lender-rule.ts';
import type { EgressClient } from '../../port/egress.ts';
import { faultOfExchange, LENDER_BODY_BYTES, LENDER_TIMEOUT_MS } from '../../port/lender-request.ts';
import type { Lenders, LendFault, Loan, ReadCredential } from '../../port/secret-lender.ts';
import { readStsAnswer } from './sts-answer.ts';

/**
 * Lends temporary credentials of AWS for a web identity token: AssumeRoleWithWebIdentity, which is not signed. There is no
 * way to take them back, so their term is as short as AWS makes it. Requests are not signed with them (SigV4).
 */
type Provider = ProviderOf<'aws-sts'>;
type Deps = { egress: Pick<EgressClient, 'send'>; readCredential: ReadCredential; now: () => number };

export function openAwsSts(provider: Provider, { egress, readCredential, now }: Deps): Lenders {
  const url = new URL(provider.url);
  const rule = lenderRule(url, provider.addresses, ['POST']);

  const lend = async (secret: Provider['secrets'][number]): Promise<Result<Loan, LendFault>> => {
    const token = await readCredential(provider.token);
    if (!token.ok) return err({ kind: 'unavailable', reason: `the kernel cannot log in: ${token.error}` });
    const body = new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: secret.roleArn,
      RoleSessionName: secret.sessionName,
      WebIdentityToken: token.value,
      DurationSeconds: `${secret.durationSeconds}`,
    });
    const answer = await egress.send({
      rule,
      pool: `lender ${provider.name}`,
      url,
      method: 'POST',
      headers: { accept: 'text/xml', 'content-type': 'application/x-www-form-urlencoded', 'user-agent': 'interlock' },
      body: body.toString(),
      timeoutMs: LENDER_TIMEOUT_MS,
      maxBodyBytes: LENDER_BODY_BYTES,
    });
    if (answer.kind !== 'answered') return err(faultOfExchange(answer));
    if (answer.status !== 200) return err(faultOfStatus(answer.status));
    const read = readStsAnswer(Buffer.from(answer.body).toString('utf8'));
    if (!read) return err({ kind: 'unavailable', reason: 'the server answered in a form that is not known' });
    const { expiresAt, ...fields } = read;
    return ok({ fields, termMs: Math.max(0, expiresAt - now()), renew: null, revoke: null });
  };

  return {
    byName: new Map(
      provider.secrets.map((secret) => {
        const { roleArn, sessionName, durationSeconds, field } = secret;
        const key = JSON.stringify([provider.name, roleArn, sessionName, durationSeconds]);
        return [secret.name, { provider: provider.name, field, lender: { key, lend: () => lend(secret) } }];
      }),
    ),
    close: async () => undefined,
  };
}

function faultOfStatus(status: number): LendFault {
  if (status === 400)
    return { kind: 'unavailable', reason: 'the server refused the web identity token (400): is it fresh?' };
  if (status === 403) return { kind: 'unavailable', reason: 'the role does not trust this identity (403)' };
  return { kind: 'unavailable', reason: `the server answered with ${status}` };
}
