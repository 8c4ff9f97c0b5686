import { expect, test } from 'vitest';
import { openManualClock, openSeededEntropy } from '../adapter/memory/clock.ts';
import { openMemoryStore } from '../adapter/memory/store.ts';
import type { OrgId } from '../base/id.ts';
import type { Principal } from '../org/principal.ts';
import { openLedger } from './ledger.ts';
import { openStops } from './stop.ts';

test.each([1, 2, 3])(
  'whoever turns the switch as one of %i is told how it stands when it is on the disk',
  async (count) => {
    const clock = openManualClock(1_800_000_000_000);
    const store = openMemoryStore();
    const ledger = openLedger({ store, clock, entropy: openSeededEntropy('stop') });
    const registry = { orgs: () => ['acme' as OrgId] };
    const stops = openStops({ ledger, registry, store, clock, machine: async () => undefined });
    const by = (id: string) => ({ org: 'acme', id, roles: ['operator'] }) as unknown as Principal;
    const names = Array.from({ length: count }, (_, i) => `o${i}`);

    const engaged = await Promise.all(names.map((name) => stops.engage(by(name), `says ${name}`)));
    expect(engaged.map(({ org }) => [org?.reason, org?.released])).toEqual(names.map(() => ['says o0', null]));
    const released = await Promise.all(names.map((name) => stops.release(by(name))));
    expect(released.map(({ org }) => org?.released?.by)).toEqual(names.map(() => 'o0'));
  },
);
