/**
 * A double of AssumeRoleWithWebIdentity of AWS STS over a real socket; see
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html. It is no proof about the real one.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { type Reply, startDouble } from './http.ts';

export type Credentials = {
  readonly id: string;
  readonly secret: string;
  readonly session: string;
  readonly expires: string;
};

export const stsAnswer = ({
  id,
  secret,
  session,
  expires,
}: Credentials): string => `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>soc</SubjectFromWebIdentityToken>
    <Audience>interlock</Audience>
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/soc/interlock</Arn><AssumedRoleId>AROA:interlock</AssumedRoleId></AssumedRoleUser>
    <Credentials>
      <SessionToken>${session}</SessionToken>
      <SecretAccessKey>${secret}</SecretAccessKey>
      <Expiration>${expires}</Expiration>
      <AccessKeyId>${id}</AccessKeyId>
    </Credentials>
    <Provider>idp.test</Provider>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>`;

export async function startSts() {
  const token = `${randomBytes(12).toString('hex')}.${randomBytes(30).toString('base64url')}.${randomBytes(30).toString('base64url')}`;
  const made: Credentials[] = [];
  const state: { reply: Reply | null } = { reply: null };
  const double = await startDouble(({ path, body }) => {
    if (state.reply) return state.reply;
    const form = new URLSearchParams(body);
    const xml = (status: number, text: string): Reply => ({ status, body: text, type: 'text/xml' });
    if (path !== '/' || form.get('Action') !== 'AssumeRoleWithWebIdentity' || form.get('Version') !== '2011-06-15')
      return xml(400, '<ErrorResponse><Error><Code>InvalidAction</Code></Error></ErrorResponse>');
    if (form.get('WebIdentityToken') !== token)
      return xml(
        400,
        `<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>${form.get('WebIdentityToken')}</Message></Error></ErrorResponse>`,
      );
    if (form.get('RoleArn') !== 'arn:aws:iam::123456789012:role/soc')
      return xml(403, '<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>');
    const expires = new Date(Date.now() + Number(form.get('DurationSeconds')) * 1_000).toISOString();
    const one = {
      id: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
      secret: randomBytes(30).toString('base64'),
      session: randomBytes(200).toString('base64'),
      expires,
    };
    made.push(one);
    return xml(200, stsAnswer(one));
  });
  return { ...double, token, state, made };
}
