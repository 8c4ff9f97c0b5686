/** What the contract of all sources does not ask. Against a double; see test/double/sts.ts. */
import { afterEach, describe, expect, it } from 'vitest';
import type { ProviderOf } from '../../../sdk/contract/secrets-policy.ts';
import { ACME, credentialsOf, openLent } from '../../../test/contract/lent.ts';
import { startSts, stsAnswer } from '../../../test/double/sts.ts';
import { openEgressClient } from '../undici/egress-client.ts';
import { openAwsSts } from './aws-sts.ts';
import { readStsAnswer } from './sts-answer.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function worldOf(credential?: string, roleArn = 'arn:aws:iam::123456789012:role/soc') {
  const double = await startSts();
  const egress = openEgressClient();
  open.push(double, egress);
  const terms = { roleArn, sessionName: 'interlock', durationSeconds: 900 };
  const provider: ProviderOf<'aws-sts'> = {
    kind: 'aws-sts',
    name: 'aws',
    addresses: ['127.0.0.0/8'],
    url: double.url,
    token: { secret: 'login' },
    secrets: [
      { name: 'key-id', ...terms, field: 'accessKeyId' },
      { name: 'secret-key', ...terms, field: 'secretAccessKey' },
      { name: 'session', ...terms, field: 'sessionToken' },
    ],
  };
  const readCredential = credentialsOf({ login: credential ?? double.token });
  const { source, told } = openLent(openAwsSts(provider, { egress, readCredential, now: Date.now }));
  const read = async (name: string) => {
    const leased = await source.lease(ACME, name, { run: 'run_1', step: 'ban' });
    return leased.ok ? leased.value.reveal() : leased.error;
  };
  return { double, told, read };
}

it('the three fields of one step are of one answer', async () => {
  const { read, double } = await worldOf();
  const read3 = await Promise.all(['key-id', 'secret-key', 'session'].map(read));
  const [{ id, secret, session } = { id: '', secret: '', session: '' }] = double.made;
  expect(read3).toEqual([id, secret, session]);
  expect(double.made.length).toBe(1);
  expect(new URLSearchParams(double.asked[0]?.body).get('DurationSeconds')).toBe('900');
});

it.each([
  ['a token that is not valid', 'another-token', undefined, '(400)'],
  ['a role that trusts another', undefined, 'arn:aws:iam::123456789012:role/other', '(403)'],
])('%s is unavailable, in words that repeat nothing', async (_, credential, role, reason) => {
  const { read, told, double } = await worldOf(credential, role);
  expect(await read('session')).toBe('unavailable');
  expect(told[0]?.reason).toContain(reason);
  expect(JSON.stringify(told)).not.toMatch(credential ?? double.token);
});

describe('an answer', () => {
  const one = {
    id: 'ASIA0123456789ABCDEF',
    secret: 'abcdefghijklmnopqrstuvwxyz0123456789+/==',
    session: `${'FwoGZXIvYXdzE'.repeat(20)}==`,
    expires: '2030-01-01T00:00:00Z',
  };
  const fine = stsAnswer(one);

  it('of the documentation is read', () => {
    expect(readStsAnswer(fine)).toEqual({
      accessKeyId: one.id,
      secretAccessKey: one.secret,
      sessionToken: one.session,
      expiresAt: Date.parse(one.expires),
    });
  });

  it.each([
    ['nothing', ''],
    ['JSON', '{"AccessKeyId":"ASIA0123456789ABCDEF"}'],
    ['another answer', fine.replaceAll('AssumeRoleWithWebIdentityResponse', 'GetCallerIdentityResponse')],
    ['a document type', `<!DOCTYPE a [<!ENTITY b "c">]>${fine}`],
    [
      'a comment',
      fine.replace('<Credentials>', '<Credentials><!-- <AccessKeyId>ASIA000000000000OTHER</AccessKeyId> -->'),
    ],
    ['CDATA', fine.replace(one.id, `<![CDATA[${one.id}]]>`)],
    ['an entity', fine.replace(one.id, '&key;ASIA0123456789ABCDEF')],
    ['two keys', fine.replace('<Credentials>', `<Credentials><AccessKeyId>${one.id}</AccessKeyId>`)],
    ['two sets of credentials', fine.replace('<Provider>', '<Credentials></Credentials><Provider>')],
    ['no secret', fine.replace(/<SecretAccessKey>.*<\/SecretAccessKey>/, '')],
    ['an element within one', fine.replace(one.secret, `<b>${one.secret}</b>`)],
    ['an attribute', fine.replace('<AccessKeyId>', '<AccessKeyId a="b">')],
    ['a time that is none', fine.replace(one.expires, 'tomorrow')],
    ['a break in the token', fine.replace('FwoG', 'Fw\r\noG')],
    ['an end that is missing', fine.replace('</Credentials>', '')],
  ])('with %s is not', (_, text) => {
    expect(readStsAnswer(text)).toBeUndefined();
  });
});
