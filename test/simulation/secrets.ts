import { err, ok } from '../../kernel/base/result.ts';
import type { KnownSecrets, SecretSource } from '../../kernel/port/secret-source.ts';
import type { Life } from './life.ts';
import type { WorldOrg } from './orgs.ts';
import type { World } from './world.ts';

/** The secrets of every org. They are lent only for what the record says they were lent for. */
export function secretsOf(world: World, life: Life): SecretSource {
  const { faults, fail, trace } = world;
  const random = world.random.fork(`secrets ${life.number}`);
  const lists = new Map<string, KnownSecrets>();
  const orgOf = (id: string): WorldOrg => {
    const org = world.orgs.find((one) => one.id === id);
    if (!org) throw new Error('an org that is not there');
    return org;
  };
  return {
    async known(id) {
      if (faults.happens('secrets unreadable')) return err('unavailable');
      const list = lists.get(id) ?? [{ name: 'target-key', reveal: () => orgOf(id).secret }];
      lists.set(id, list);
      return ok(list);
    },
    async lease(id, name, { run, step }) {
      if (life.isOver()) return new Promise(() => undefined);
      if (run === null) throw new Error('no plugin of this world has a health check');
      if (!world.watch.wasLent(id, name, run, step))
        fail('R5', `${trace.name(run)} ${step} is lent a secret that no record on disk says it is lent`);
      await life.pause(random.pick([0, 0, 2]));
      if (faults.happens('secret unavailable')) return err('unavailable');
      return ok({ name, reveal: () => orgOf(id).secret, isOver: () => false, revoke: () => 'ended' });
    },
    put: async () => undefined,
    list: async () => [],
    remove: async () => false,
  };
}
