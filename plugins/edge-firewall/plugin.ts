import { type ActionContext, definePlugin, type HealthContext, PluginError, requireSuccess } from '@interlock/sdk';
import { canonicalIp, isHost } from './ip.ts';

/**
 * Bans addresses at an edge firewall: `POST`, `GET` and `DELETE` on `<endpoint>/v1/bans`.
 * The base URL is the setting `endpoint`; the bearer token rides in a header that the egress policy fills in.
 */

type Target = { readonly ip: string };
type Ban = Target & { readonly for: string; readonly reason?: string };

/** An address for documentation (RFC 5737): to ask about it is to ask about nobody. */
const NOBODY = '192.0.2.1';

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const SECONDS_MAX = 365 * 86_400;

export default definePlugin({
  name: 'edge-firewall',
  version: '1.0.0',

  async auth(ctx) {
    const { status } = await ctx.fetch(urlOf(ctx, NOBODY));
    if (status === 401 || status === 403) {
      throw new PluginError(
        status === 401 ? 'unauthorized' : 'forbidden',
        'the firewall does not take the token: store a new edge-firewall-token',
      );
    }
  },

  async health(ctx) {
    const response = await ctx.fetch(urlOf(ctx, NOBODY));
    if (response.status !== 404) requireSuccess(response);
  },

  actions: {
    ban: {
      async plan(ctx, input: Ban) {
        const ip = addressOf(input);
        const seconds = secondsOf(input.for);
        const until = await banned(ctx, ip);
        const details = { ip, seconds, banned: until !== undefined };
        const targets = [{ kind: 'ip', id: ip }];
        if (until === undefined) {
          return { summary: `Ban ${ip} at the edge firewall for ${input.for}.`, targets, reversible: true, details };
        }
        const summary = `Replace the ban of ${ip}, which holds until ${until}, by one for ${input.for} from now.`;
        // The earlier ban cannot be brought back as it was.
        return { summary, targets, reversible: false, details };
      },

      async execute(ctx, input: Ban) {
        const ip = addressOf(input);
        const reason = input.reason ?? `Interlock ${ctx.run}, step ${ctx.step}`;
        const json = { ip, seconds: secondsOf(input.for), reason };
        const response = await ctx.fetch(`${endpointOf(ctx)}/v1/bans`, { method: 'POST', json });
        requireSuccess(response);
        const { until, replaced } = (await response.json()) as {
          readonly until?: unknown;
          readonly replaced?: unknown;
        };
        if (typeof until !== 'string') throw new PluginError('upstream_error', 'the firewall did not say until when');
        return { ip, until, replaced: replaced === true };
      },

      async check(ctx, input: Ban) {
        return { done: (await banned(ctx, addressOf(input))) !== undefined };
      },

      async rollback(ctx, input: Ban, { plan }) {
        if (plan?.details['banned'] === true) {
          throw new PluginError(
            'conflict',
            'the address was banned before this step too: the ban stays; lift it with unban',
          );
        }
        return remove(ctx, addressOf(input));
      },
    },

    unban: {
      async plan(ctx, input: Target) {
        const ip = addressOf(input);
        const until = await banned(ctx, ip);
        const summary = until
          ? `Lift the ban of ${ip}, which holds until ${until}.`
          : `${ip} is not banned: nothing to lift.`;
        return {
          summary,
          targets: [{ kind: 'ip', id: ip }],
          reversible: false,
          details: { ip, banned: until !== undefined },
        };
      },
      execute: (ctx, input: Target) => remove(ctx, addressOf(input)),
    },
  },
});

/** Until when the address is banned; undefined when it is not. */
async function banned(ctx: ActionContext, ip: string): Promise<string | undefined> {
  const response = await ctx.fetch(urlOf(ctx, ip));
  if (response.status === 404) return undefined;
  requireSuccess(response);
  const { until } = (await response.json()) as { readonly until?: unknown };
  if (typeof until !== 'string' || until.length > 64) {
    throw new PluginError('upstream_error', 'the firewall did not say until when');
  }
  return until;
}

async function remove(ctx: ActionContext, ip: string) {
  const response = await ctx.fetch(urlOf(ctx, ip), { method: 'DELETE' });
  if (response.status !== 404) requireSuccess(response);
  return { ip, removed: response.status !== 404 };
}

const urlOf = (ctx: HealthContext, ip: string) => `${endpointOf(ctx)}/v1/bans/${encodeURIComponent(ip)}`;

function endpointOf(ctx: HealthContext): string {
  const { endpoint } = ctx.settings;
  if (endpoint === undefined || endpoint === '') {
    throw new PluginError(
      'invalid_input',
      'the setting `endpoint` is missing: put the base URL of the firewall into the egress policy',
    );
  }
  return endpoint.replace(/\/+$/, '');
}

function addressOf({ ip }: Target): string {
  const address = canonicalIp(ip);
  if (address === undefined) throw new PluginError('invalid_input', 'ip: not an IPv4 or IPv6 address');
  if (!isHost(address))
    throw new PluginError('invalid_input', 'ip: loopback, multicast or reserved; a ban needs the address of a host');
  return address;
}

function secondsOf(duration: string): number {
  const [, count, unit = ''] = /^([1-9][0-9]{0,8})([smhd])$/.exec(duration) ?? [];
  const seconds = Number(count) * (UNIT_SECONDS[unit] ?? 0);
  if (!(seconds >= 1 && seconds <= SECONDS_MAX)) {
    throw new PluginError('invalid_input', 'for: a whole number and s, m, h or d, up to 365d; for example 4h');
  }
  return seconds;
}
