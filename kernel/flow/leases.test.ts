import { expect, it } from 'vitest';
import type { EgressRule } from '../../sdk/contract/egress.ts';
import type { OrgId } from '../base/id.ts';
import { err, ok } from '../base/result.ts';
import { openLeases, openScrubbers } from './leases.ts';

/** What a step is told of a secret that it does not get: what helps depends on who has it. */
const rule = { secret: { name: 'api-key', header: 'x-api-key', format: '{}' } } as EgressRule;

it.each([
  [
    'unknown',
    false,
    true,
    /^E_SECRET: this org has no secret api-key, .* interlock secret set api-key \(role admin\)$/,
  ],
  ['unknown', true, true, /^E_SECRET: the provider of the secret api-key does not lend what the secrets policy asks/],
  ['unavailable', false, false, /^the secret api-key cannot be read at the moment$/],
  ['unavailable', true, false, /^the provider .* does not lend it at the moment; the log of the kernel says why$/],
] as const)('%s, lent: %s', async (why, isLent, isFinal, text) => {
  const leases = openLeases(
    {
      known: async () => ok([]),
      lease: async () => err(why),
      isLent: (_, name) => isLent && name === 'api-key',
      giveBack: () => undefined,
    },
    openScrubbers(),
    { org: 'acme' as OrgId, run: 'run_1', step: 'ban' },
  );
  expect(await leases.headerFor(rule)).toEqual({ ok: false, error: { isFinal, text: expect.stringMatching(text) } });
});
