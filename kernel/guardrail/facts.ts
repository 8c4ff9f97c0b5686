/**
 * What guardrail rules may ask about: the action, its parameters, its plan, the run and the org. Facts that rules cannot
 * work out for themselves (counts, the addresses that are named) are derived here, so that they are always there and a
 * rule about them is always decided.
 */
import { parseAddress } from '../../sdk/contract/cidr.ts';
import type { ActionManifest, Operation, Plan } from '../../sdk/contract/plugin.ts';
import type { Json, JsonObject } from '../base/json.ts';

/** An action about to be taken. */
export type GuardrailFacts = {
  readonly org: string;
  readonly action: {
    readonly plugin: string;
    readonly name: string;
    /** Step type: notify, enrich, open_ticket, webhook, contain, update_state. */
    readonly type: string;
    readonly tier: string;
    readonly effect: ActionManifest['effect'];
    /** Whether the org's egress policy grants the plugin anything. Without it, its requests would all be refused. */
    readonly granted: boolean;
    /** Default `execute`. */
    readonly op?: Operation;
  };
  readonly params: JsonObject;
  /** Null where the action makes no plan, or none yet. */
  readonly plan: Plan | null;
  /** At least `playbook`; whatever else the caller knows. */
  readonly run: { readonly playbook: string } & JsonObject;
};

export const FACT_NAMES = ['action', 'params', 'plan', 'named', 'run', 'org'] as const;

/** The facts by name, as docs and policies/README.md list them. */
export function toRuleFacts({
  org,
  action,
  params,
  plan,
  run,
}: GuardrailFacts): Readonly<Record<(typeof FACT_NAMES)[number], Json>> {
  const { plugin, name, type, tier, effect, granted, op = 'execute' } = action;
  return {
    org,
    action: { plugin, name, type, tier, effect, granted, op },
    params,
    plan: planFacts(plan),
    named: namedFacts(params, plan),
    run,
  };
}

/** Also there when there is no plan: `count` is then 0 and `present` false. */
const planFacts = (plan: Plan | null): JsonObject => {
  const targets = plan?.targets ?? [];
  return {
    present: plan !== null,
    reversible: plan?.reversible ?? false,
    count: targets.length,
    kinds: [...new Set(targets.map(({ kind }) => kind))].sort(),
    ids: targets.map(({ id }) => id),
  };
};

/** Values looked at in parameters and plan. What goes on longer is not read, and counts as a range: it may hide one. */
const MAX_VALUES = 10_000;

/**
 * Every IP address that stands alone in a parameter or a plan target, under whatever name, and the number of texts that
 * name many at once (a block, or first-last) or that readers disagree about (`010.0.0.1`).
 */
function namedFacts(params: JsonObject, plan: Plan | null): JsonObject {
  const addresses = new Set<string>();
  let ranges = 0;
  const open: Json[] = [params, ...(plan?.targets ?? []).map(({ id }) => id), plan?.details ?? null];
  let looked = 0;
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (++looked > MAX_VALUES) return { addresses: [...addresses], rangeCount: ranges + 1 };
    if (typeof value === 'string') {
      const text = value.trim();
      if (parseAddress(text)) addresses.add(text);
      else if (isRange(text)) ranges++;
    } else if (typeof value === 'object' && value !== null) {
      for (const part of Object.values(value)) open.push(part);
    }
  }
  return { addresses: [...addresses], rangeCount: ranges };
}

/** `192.0.2.0/24` (also with bits behind the prefix), `192.0.2.1-192.0.2.9`, and four numbers that are no address. */
function isRange(text: string): boolean {
  if (text.length > 128) return false;
  if (/^(?:(?:0x[0-9a-f]+|[0-9]+)(?:\.(?!$)|$)){4}$/i.test(text)) return true;
  const [first = '', last, ...more] = text.split(/[-/]/).map((part) => part.trim());
  if (last === undefined || more.length > 0 || !parseAddress(first)) return false;
  return parseAddress(last) !== undefined || /^[0-9]{1,3}$/.test(last);
}
