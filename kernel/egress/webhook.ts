/** Makes the one rule under which a webhook may be sent: exactly its URL, by POST, judged like a rule of a grant. */
import type { EgressRule } from '../../sdk/contract/egress.ts';
import type { LifecyclePolicy } from '../../sdk/contract/lifecycle-policy.ts';
import { err, ok, type Result } from '../base/result.ts';
import { type PolicyFault, parseEgressPolicy } from './policy.ts';
import { readTarget } from './url.ts';

export type Webhook = {
  readonly id: string;
  readonly url: URL;
  readonly types: readonly string[];
  readonly secret: string;
  readonly rule: EgressRule;
};

/** @returns the webhooks, or every fault with its place in the document, e.g. `webhooks.0.addresses.1`. */
export function webhooksOf({ webhooks }: LifecyclePolicy): Result<readonly Webhook[], readonly PolicyFault[]> {
  const faults: PolicyFault[] = [];
  const read = webhooks.flatMap(({ id, url, types, secret, addresses }, index): Webhook[] => {
    const at = `webhooks.${index}`;
    const target = readTarget(url);
    if (!target.ok) {
      faults.push({ path: `${at}.url`, text: target.error.text });
      return [];
    }
    const { scheme, host, port, path } = target.value;
    const rule: EgressRule = { scheme, host, port, methods: ['POST'], pathPrefix: path, addresses };
    const checked = parseEgressPolicy({
      apiVersion: 'interlock/egress/v1',
      grants: [{ plugin: 'lifecycle', rules: [rule] }],
    });
    if (!checked.ok) {
      const place = (fault: string) => (/\.addresses\.\d+$/.exec(fault)?.[0] ?? '.url').slice(1);
      faults.push(...checked.error.map((fault) => ({ path: `${at}.${place(fault.path)}`, text: fault.text })));
      return [];
    }
    return [{ id, url: target.value.url, types, secret, rule }];
  });
  return faults.length > 0 ? err(faults) : ok(read);
}
