import { type ActionName, BEHAVIOURS } from './orgs.ts';
import type { Random } from './random.ts';

/**
 * Playbooks from a grammar: random, and valid by construction. A new kind of step is one more production below, and what
 * must hold of it one more rule in `watch.ts`.
 */
type Step = { readonly id: string; readonly [key: string]: unknown };

/** What a production may know of the steps before it. */
type Place = {
  readonly random: Random;
  readonly id: string;
  /** Actions that have run on every path that leads here. */
  readonly sure: readonly string[];
  /** Steps after this one, in order. */
  readonly later: readonly string[];
};

const PRODUCTIONS: Readonly<Record<string, { readonly weight: number; readonly make: (place: Place) => Step }>> = {
  action: { weight: 8, make: actionStep },
  branch: { weight: 2, make: branchStep },
  update: { weight: 1, make: updateStep },
};

function actionStep({ random, id, sure }: Place): Step {
  const action = random.pick(Object.keys(BEHAVIOURS)) as ActionName;
  const { type } = BEHAVIOURS[action];
  const floor = { enrich: 'low', notify: 'low', open_ticket: 'low', webhook: 'moderate', contain: 'high' }[type];
  const tiers = ['low', 'moderate', 'high', 'critical'];
  const higher = tiers.slice(tiers.indexOf(floor));
  return {
    id,
    type,
    uses: `target/${action}`,
    with: {
      ip: '{{ inputs.ip }}',
      ...(sure.length > 0 && random.chance(0.3) && { before: `{{ steps.${random.pick(sure)}.status }}` }),
    },
    ...(random.chance(0.2) && { tier: random.pick(higher) }),
    ...(random.chance(0.4) && { timeout: random.pick(['2s', '20s', '5m']) }),
    ...(random.chance(0.5) && {
      retry: {
        attempts: 1 + random.below(4),
        ...(random.chance(0.6) && { backoff: random.pick(['1s..5s', '100ms..1s', '1m..10m']) }),
      },
    }),
  };
}

function branchStep({ random, id, sure, later }: Place): Step {
  const when =
    sure.length > 0 && random.chance(0.5)
      ? { fact: `steps.${random.pick(sure)}`, path: '/status', operator: 'equal', value: 200 }
      : { fact: 'event', path: random.chance(0.9) ? '/score' : '/gone', operator: 'greaterThan', value: 50 };
  const [following = 'end', ...rest] = later;
  return { id, type: 'branch', when, then: following, else: random.pick(['end', following, ...rest]) };
}

function updateStep({ random, id }: Place): Step {
  const state = random.pick(['triaged', 'contained', 'resolved']);
  return { id, type: 'update_state', incident: '{{ inputs.finding }}', set: { state } };
}

const MOST_STEPS = 5;

/** The steps of a playbook: a line with branches that lead forward, so that every step is reached and every run ends. */
function makeSteps(random: Random): readonly Step[] {
  const ids = Array.from({ length: 1 + random.below(MOST_STEPS) }, (_, i) => `s${i + 1}`);
  const weights = Object.fromEntries(Object.entries(PRODUCTIONS).map(([name, { weight }]) => [name, weight]));
  const sure: string[] = [];
  let hasBranched = false;
  return ids.map((id, i) => {
    const step = PRODUCTIONS[random.weighted(weights)]?.make({ random, id, sure, later: ids.slice(i + 1) });
    if (!step) throw new Error('a production makes a step');
    if (step.type === 'branch') hasBranched = true;
    else if ('uses' in step && !hasBranched) sure.push(id);
    return step;
  });
}

export type MadePlaybook = {
  readonly name: string;
  readonly text: string;
  /** Another version, which nobody has activated yet. */
  readonly other: string | null;
  readonly windowMs: number | null;
};

/** JSON is YAML, so the document is written as JSON. */
export function makePlaybook(name: string, random: Random): MadePlaybook {
  const windowMs = random.chance(0.5) ? random.pick([10_000, 600_000]) : null;
  const dedup = windowMs && { dedup: { key: ['/finding'], window: `${windowMs / 1_000}s`, repeat: 'coalesce' } };
  const document = {
    apiVersion: 'interlock/v1',
    kind: 'Playbook',
    name,
    title: 'Made by a simulation',
    owners: { technical: 'a', operational: 'b' },
    triggers: [
      {
        id: 'seen',
        on: 'event',
        where: { fact: 'event', path: '/kind', operator: 'in', value: random.pick([['c2'], ['c2', 'malware']]) },
        ...dedup,
      },
    ],
    inputs: { ip: '/ip', finding: '/finding' },
    steps: makeSteps(random),
    timeout: random.pick(['1m', '10m', '1h', '4h']),
  };
  const other = random.chance(0.25) ? otherVersion(JSON.stringify(document), random) : null;
  return { name, text: JSON.stringify(document), other, windowMs };
}

/** Other steps; the trigger and its window stay, because they say what is a repeat. */
export const otherVersion = (text: string, random: Random): string =>
  JSON.stringify({ ...JSON.parse(text), steps: makeSteps(random) });
