import { definePlugin, resolvePointer } from '@interlock/sdk';

/** A pure step of the size that real playbooks have: about 1 KB of event in, a few fields out. */

/** OCSF 1.8, severity_id. */
const SEVERITIES = ['unknown', 'informational', 'low', 'medium', 'high', 'critical', 'fatal'];

export default definePlugin({
  name: 'transform',
  version: '1.0.0',
  actions: {
    shape: {
      execute(_ctx, { event }: { readonly event: unknown }) {
        const text = (pointer: string) => {
          const value = resolvePointer(event, pointer);
          return typeof value === 'string' ? value : null;
        };
        const list = (pointer: string): readonly unknown[] => {
          const value = resolvePointer(event, pointer);
          return Array.isArray(value) ? value : [];
        };
        const strings = (items: readonly unknown[], pointer: string) =>
          items.map((item) => resolvePointer(item, pointer)).filter((value) => typeof value === 'string');
        const addresses = list('/observables').filter((item) => resolvePointer(item, '/type_id') === 2);
        const time = resolvePointer(event, '/time');
        return {
          finding: text('/finding_info/uid'),
          title: text('/finding_info/title'),
          severity: SEVERITIES[Number(resolvePointer(event, '/severity_id'))] ?? 'unknown',
          host: text('/device/hostname'),
          user: text('/actor/user/name'),
          techniques: strings(list('/finding_info/attacks'), '/technique/uid'),
          addresses: [...new Set(strings(addresses, '/value'))].sort(),
          seen: typeof time === 'number' && Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : null,
        };
      },
    },
  },
});
