import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import type { OrgId } from '../../kernel/base/id.ts';
import type { SecretLease, SecretSource } from '../../kernel/port/secret-source.ts';
import { judgeSecretValue } from '../../kernel/secret/value.ts';

/**
 * What every source of secrets promises, as checks that know no test runner: `npm test` runs them against the local store
 * and the doubles, `npm run test:vault` against a server of yours.
 */
export type SourceWorld = {
  readonly source: SecretSource;
  readonly org: OrgId;
  /** A secret that is lent. */
  readonly name: string;
  /** One that is named nowhere, or leads to nothing. */
  readonly missing: string;
  /** What `name` is, where that is known before. */
  readonly value?: string;
  /** Whether the provider has taken a value back. Absent: it never does, or cannot be asked. */
  readonly isOver?: (value: string) => boolean | Promise<boolean>;
  /** How a lease ends. */
  readonly ends: 'ended' | 'revoked';
};

type Check = { readonly title: string; run(world: SourceWorld): Promise<void> };

const take = async ({ source, org, name }: SourceWorld, step = 'ban'): Promise<SecretLease> => {
  const leased = await source.lease(org, name, { run: 'run_1', step });
  assert.ok(leased.ok, `a lease of ${name} is ${leased.ok ? '' : leased.error}`);
  return leased.value;
};
const knows = async ({ source, org, name }: SourceWorld, value: string): Promise<boolean> => {
  const known = await source.known(org);
  assert.ok(known.ok, 'what is known can be read');
  return known.value.some((one) => one.name === name && one.reveal() === value);
};

export const SECRET_SOURCE_CHECKS: readonly Check[] = [
  {
    title: 'lends a value that can ride in a header and be searched for',
    async run(world) {
      const lease = await take(world);
      assert.equal(lease.name, world.name);
      assert.ok(judgeSecretValue(lease.reveal()).ok);
      if (world.value !== undefined) assert.equal(lease.reveal(), world.value);
      assert.equal(lease.isOver(), false);
      lease.revoke();
    },
  },
  {
    title: 'says of a name that leads to nothing that it is unknown, and so it is to another org',
    async run({ source, org, name, missing }) {
      const what = { run: 'run_1', step: 'ban' };
      assert.deepEqual(await source.lease(org, missing, what), { ok: false, error: 'unknown' });
      assert.deepEqual(await source.lease('another-org' as OrgId, name, what), { ok: false, error: 'unknown' });
    },
  },
  {
    title: 'cannot be printed by accident',
    async run(world) {
      const lease = await take(world);
      const value = lease.reveal();
      const prints = [
        `${lease}`,
        JSON.stringify({ lease }),
        inspect({ lease }, { depth: null, showHidden: true, getters: true }),
        inspect([lease], { customInspect: false, depth: null, showHidden: true }),
        inspect(world.source, { depth: null, showHidden: true }),
      ].join('\n');
      assert.ok(prints.includes(`[secret:${world.name}]`));
      assert.ok(!prints.includes(value), 'a print holds the value');
      lease.revoke();
    },
  },
  {
    title: 'is known while it is held and when it was a moment ago, to its own org',
    async run(world) {
      const lease = await take(world);
      const value = lease.reveal();
      assert.ok(await knows(world, value));
      const [one, two] = [await world.source.known(world.org), await world.source.known(world.org)];
      assert.ok(one.ok && two.ok && one.value === two.value, 'the list is the same until it changes');
      await lease.revoke();
      assert.ok(await knows(world, value));
      const others = await world.source.known('another-org' as OrgId);
      assert.ok(others.ok && others.value.every((other) => other.reveal() !== value));
    },
  },
  {
    title: 'ends: nothing is revealed after that, twice is once, and the provider takes it back',
    async run(world) {
      const lease = await take(world);
      const value = lease.reveal();
      const [end, again] = [lease.revoke(), lease.revoke()];
      assert.throws(() => lease.reveal(), /has ended/);
      assert.equal(await end, world.ends);
      assert.equal(await again, world.ends);
      if (world.isOver) assert.equal(await world.isOver(value), true);
    },
  },
  {
    title: 'does not end with the lease of another step',
    async run(world) {
      const [one, other] = [await take(world, 'one'), await take(world, 'other')];
      await one.revoke();
      const value = other.reveal();
      assert.equal(other.isOver(), false);
      if (world.isOver) assert.equal(await world.isOver(value), false);
      await other.revoke();
    },
  },
];
