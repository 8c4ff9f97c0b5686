import type { Terminal } from '../../kernel/run/state.ts';
import { ONCE_KEY } from './claims.ts';
import { HIGH } from './crossings.ts';
import { type ActionName, BEHAVIOURS, MANIFEST } from './orgs.ts';
import type { Random } from './random.ts';
import type { Schedule } from './schedules.ts';

/**
 * Playbooks from a grammar: random, and valid by construction. A new kind of step is one more production below, and what
 * must hold of it one more rule in `watch.ts`.
 */
type Step = { readonly id: string; readonly [key: string]: unknown };

/** What a production may know of the steps around it. */
type Place = {
  readonly random: Random;
  readonly id: string;
  /** Actions that have an output on every path that leads here. */
  readonly sure: readonly string[];
  /** Steps after this one in its block, in order. */
  readonly later: readonly string[];
  /** Within a foreach. */
  readonly hasItem: boolean;
  /** Playbooks that it may start. */
  readonly subs: readonly string[];
  /** Steps for a block of this step; none where blocks are deep enough. */
  block(hasItem: boolean): readonly Step[] | undefined;
};

const PRODUCTIONS: Readonly<Record<string, { readonly weight: number; readonly make: (place: Place) => Step }>> = {
  action: { weight: 8, make: actionStep },
  branch: { weight: 2, make: branchStep },
  update: { weight: 1, make: updateStep },
  wait: { weight: 2, make: waitStep },
  approval: { weight: 1, make: approvalStep },
  playbook: { weight: 1, make: playbookStep },
  parallel: { weight: 1.5, make: parallelStep },
  foreach: { weight: 1.5, make: foreachStep },
};

const ipOf = ({ hasItem }: Place) => (hasItem ? '{{ item }}' : '{{ inputs.ip }}');

/** What becomes of the run when the step fails for good. */
const onFailure = ({ random, later }: Place, words: readonly string[] = ['continue', 'manual']) =>
  random.chance(0.35) ? { onFailure: random.pick([...words, 'end', ...later]) } : {};

function actionStep(place: Place): Step {
  const { random, id, sure } = place;
  const action = random.chance(0.15) ? 'claim' : (random.pick(Object.keys(BEHAVIOURS)) as ActionName);
  const { type } = BEHAVIOURS[action];
  const floor = { enrich: 'low', notify: 'low', open_ticket: 'low', webhook: 'moderate', contain: 'high' }[type];
  const tiers = ['low', 'moderate', 'high', 'critical'];
  const higher = tiers.slice(tiers.indexOf(floor));
  const once = random.fork(`once ${id}`);
  return {
    id,
    type,
    uses: `target/${action}`,
    with: {
      ip: ipOf(place),
      ...(sure.length > 0 && random.chance(0.3) && { before: `{{ steps.${random.pick(sure)}.status }}` }),
    },
    ...(random.chance(0.2) && { tier: random.pick(higher) }),
    ...(random.chance(0.4) && { timeout: random.pick(['2s', '20s', '5m']) }),
    ...(random.chance(0.5) && {
      retry: {
        attempts: 1 + random.below(4),
        ...(random.chance(0.6) && { backoff: random.pick(['1s..5s', '100ms..1s', '1m..10m']) }),
        ...(random.chance(0.2) && { on: random.pick([['timeout'], ['unavailable', 'conflict'], ['internal']]) }),
      },
    }),
    ...(once.chance(0.12) && { dedup: { key: [ONCE_KEY], window: once.pick(['10s', '10m', '2h']) } }),
    ...(MANIFEST.actions[action]?.rollback && random.chance(0.7) && { rollback: true }),
    ...onFailure(place),
  };
}

function branchStep({ random, id, sure, later }: Place): Step {
  const rule = () =>
    sure.length > 0 && random.chance(0.5)
      ? { fact: `steps.${random.pick(sure)}`, path: '/status', operator: 'equal', value: 200 }
      : {
          fact: 'event',
          path: random.chance(0.9) ? '/score' : '/gone',
          operator: 'greaterThan',
          value: random.below(100),
        };
  const [following = 'end', ...rest] = later;
  const anywhere = () => random.pick(['end', following, ...rest]);
  if (random.chance(0.5)) return { id, type: 'branch', when: rule(), then: following, else: anywhere() };
  const paths = [
    { when: rule(), then: following },
    ...(random.chance(0.5) ? [{ when: rule(), then: anywhere() }] : []),
  ];
  return { id, type: 'branch', paths, else: anywhere() };
}

function updateStep({ random, id, later }: Place): Step {
  // Nothing follows it, so that every step is reached.
  if (later.length === 0 && random.fork(`fail ${id}`).chance(0.2))
    return { id, type: 'fail', message: 'not {{ inputs.ip }}' };
  const state = random.pick(['triaged', 'contained', 'resolved']);
  return { id, type: 'update_state', incident: '{{ inputs.finding }}', set: { state } };
}

function waitStep(place: Place): Step {
  const { random, id } = place;
  const event = {
    match: { '/finding': '{{ inputs.finding }}' },
    ...(random.chance(0.5) && { where: { fact: 'event', path: '/score', operator: 'greaterThan', value: 30 } }),
    ...(random.chance(0.5) && { take: { score: '/score' } }),
  };
  const forEvent = { event, ...(random.chance(0.5) && { timeout: random.pick(['30s', '20m']) }) };
  const forTime = random.pick([{ for: random.pick(['1s', '2m', '2h']) }, { until: '2027-01-15T09:00:00Z' }]);
  const how = random.chance(0.65) ? forEvent : forTime;
  return { id, type: 'wait', ...how, ...onFailure(place) };
}

function approvalStep(place: Place): Step {
  const { random, id } = place;
  return {
    id,
    type: 'approval',
    ask: `Go on with ${ipOf(place)}?`,
    ...(random.chance(0.5) && { tier: random.pick(['low', 'high', 'critical']) }),
    ...(random.chance(0.5) && { expires: random.pick(['30s', '10m']) }),
    ...onFailure(place, []),
  };
}

function playbookStep(place: Place): Step {
  const { random, id, subs } = place;
  if (subs.length === 0) return actionStep(place);
  const given = { ip: ipOf(place), finding: '{{ inputs.finding }}' };
  const isDetached = random.fork(`detached ${id}`).chance(0.3);
  const detached = isDetached && { detached: true };
  return { id, type: 'playbook', uses: random.pick(subs), with: given, ...detached, ...onFailure(place) };
}

const joinOf = (random: Random, most: number) => ({
  ...(random.chance(0.6) && { join: random.pick(['all', 'any', { quorum: 1 + random.below(most) }]) }),
  ...(random.chance(0.5) && { rest: random.pick(['stop', 'finish']) }),
});

function parallelStep(place: Place): Step {
  const { random, id, block, hasItem } = place;
  const names = ['a', 'b', 'c'].slice(0, 2 + random.below(2));
  const lanes = names.flatMap((name) => {
    const steps = block(hasItem);
    return steps ? [[name, steps]] : [];
  });
  if (lanes.length < names.length) return actionStep(place);
  const join = joinOf(random, names.length);
  return { id, type: 'parallel', lanes: Object.fromEntries(lanes), ...join, ...onFailure(place) };
}

function foreachStep(place: Place): Step {
  const { random, id, block } = place;
  if (random.fork(`loop ${id}`).chance(0.4)) return repeatStep(place);
  const steps = block(true);
  if (!steps) return actionStep(place);
  return {
    id,
    type: 'foreach',
    over: '{{ inputs.hosts }}',
    steps,
    ...(random.chance(0.3) && { limit: 2 }),
    ...(random.chance(0.5) && { concurrency: 1 + random.below(3) }),
    ...(random.chance(0.3) && { collect: '{{ item }}' }),
    ...joinOf(random, 2),
    ...onFailure(place),
  };
}

function repeatStep(place: Place): Step {
  const { random, id, block, hasItem } = place;
  const steps = block(hasItem);
  const [first] = steps ?? [];
  if (!steps || !first) return actionStep(place);
  // The first step of a block has run by its end, and has an output when it is an action whose failure ends the round.
  const isSure = typeof first['uses'] === 'string' && first['uses'].includes('/') && first['onFailure'] === undefined;
  const onOutput = { fact: `steps.${first.id}`, path: '/status', operator: 'equal', value: random.pick([200, 201]) };
  const onEvent = { fact: 'event', path: random.chance(0.9) ? '/score' : '/gone', operator: 'greaterThan', value: 50 };
  return {
    id,
    type: 'repeat',
    until: isSure && random.chance(0.6) ? onOutput : onEvent,
    steps,
    ...(random.chance(0.8) && { times: 1 + random.below(4) }),
    ...(random.chance(0.6) && { pause: random.pick(['1s', '2m', '20m']) }),
    ...(isSure && random.chance(0.3) && { collect: `{{ steps.${first.id}.status }}` }),
    ...onFailure(place),
  };
}

const MOST_STEPS = 4;
const MOST_IN_BLOCK = 2;
const DEEPEST = 2;

/** The steps of a playbook: lines with branches that lead forward, so that every step is reached and every run ends. */
function makeSteps(random: Random, subs: readonly string[] = []): readonly Step[] {
  const weights = Object.fromEntries(Object.entries(PRODUCTIONS).map(([name, { weight }]) => [name, weight]));
  let made = 0;
  const line = (most: number, depth: number, hasItem: boolean, outside: readonly string[]): readonly Step[] => {
    const ids = Array.from({ length: 1 + random.below(most) }, () => `s${++made}`);
    const sure = [...outside];
    let hasBranched = false;
    return ids.map((id, i) => {
      const block = (item: boolean) =>
        depth < DEEPEST ? line(MOST_IN_BLOCK, depth + 1, item || hasItem, sure) : undefined;
      const place = { random, id, sure, later: ids.slice(i + 1), hasItem, subs, block };
      const step = PRODUCTIONS[random.weighted(weights)]?.make(place);
      if (!step) throw new Error('a production makes a step');
      const way = step.onFailure ?? 'fail';
      if (step.type === 'branch' || (way !== 'fail' && way !== 'continue' && way !== 'manual')) hasBranched = true;
      const isAction = typeof step.uses === 'string' && step.uses.includes('/');
      if (isAction && !hasBranched && way === 'fail') sure.push(id);
      return step;
    });
  };
  return line(MOST_STEPS, 0, false, []);
}

export type MadePlaybook = {
  readonly name: string;
  readonly text: string;
  /** Another version, which nobody has activated yet. */
  readonly other: string | null;
  readonly windowMs: number | null;
  /** What becomes of a repeat within the window. */
  readonly repeat: 'drop' | 'coalesce' | 'queue' | 'restart';
  readonly cooldownMs: number | null;
  readonly rate: { readonly most: number; readonly ms: number } | null;
  readonly concurrency: { readonly limit: number; readonly over: 'queue' | 'drop' } | null;
  readonly schedule: Schedule | null;
  /** The ends of runs that it answers; then no other event starts it. */
  readonly ends: readonly Terminal[] | null;
  /** Playbooks that its steps may start. */
  readonly subs: readonly string[];
};

const ENDS: readonly (readonly Terminal[])[] = [
  ['failed'],
  ['failed', 'aborted', 'timed_out'],
  ['completed', 'cancelled'],
];

/** JSON is YAML, so the document is written as JSON. */
export function makePlaybook(
  name: string,
  random: Random,
  subs: readonly string[] = [],
  about: 'events' | 'ends' = 'events',
): MadePlaybook {
  const windowMs = random.chance(0.5) ? random.pick([10_000, 600_000]) : null;
  const paced = random.fork('pace');
  const repeat = paced.pick(['drop', 'coalesce', 'queue', 'restart'] as const);
  const cooldownMs = paced.chance(0.15) ? paced.pick([20_000, 600_000]) : null;
  const rate = paced.chance(0.15) ? { most: 1 + paced.below(2), ms: paced.pick([60_000, 3_600_000]) } : null;
  const concurrency = paced.chance(0.25)
    ? { limit: 1 + paced.below(2), over: paced.pick(['queue', 'queue', 'drop'] as const) }
    : null;
  const isAnswer = about === 'ends';
  const ends = isAnswer ? random.fork('ends').pick(ENDS) : null;
  const schedule: Schedule | null = paced.chance(isAnswer ? 0 : 0.3)
    ? {
        minutes: paced.pick([
          [1, 2],
          [0, 1, 5, 30],
          [1, 20, 40],
        ]),
        missed: paced.pick(['skip', 'once', 'all'] as const),
      }
    : null;
  const due = schedule && {
    id: 'due',
    on: 'schedule',
    cron: `${schedule.minutes.join(',')} 8 15 1 *`,
    missed: schedule.missed,
  };
  const high = paced.chance(isAnswer ? 0 : 0.2) && {
    id: 'high',
    on: 'condition',
    where: { fact: 'event', path: '/score', operator: 'greaterThan', value: HIGH },
    crosses: { key: ['/finding'] },
  };
  const dedup = windowMs && { dedup: { key: ['/finding'], window: `${windowMs / 1_000}s`, repeat } };
  const at = isAnswer ? '/inputs' : '';
  const limits = (cooldownMs || rate) && {
    limits: {
      ...(cooldownMs && { cooldown: { key: [`${at}/finding`], for: `${cooldownMs / 1_000}s` } }),
      ...(rate && { rate: `${rate.most}/${rate.ms === 60_000 ? 'm' : 'h'}` }),
    },
  };
  const document = {
    apiVersion: 'interlock/v1',
    kind: 'Playbook',
    name,
    title: 'Made by a simulation',
    owners: { technical: 'a', operational: 'b' },
    triggers: ends
      ? [{ id: 'ended', on: 'run', ends, ...limits }]
      : [
          {
            id: 'seen',
            on: 'event',
            where: { fact: 'event', path: '/kind', operator: 'in', value: random.pick([['c2'], ['c2', 'malware']]) },
            ...dedup,
            ...limits,
          },
          ...(due ? [due] : []),
          ...(high ? [high] : []),
        ],
    inputs: { ip: `${at}/ip`, finding: `${at}/finding`, hosts: `${at}/hosts` },
    steps: makeSteps(random, subs),
    timeout: random.pick(['1m', '10m', '1h', '4h']),
    ...(concurrency && { concurrency }),
  };
  const other = random.chance(0.2) ? otherVersion(JSON.stringify(document), random, subs) : null;
  return {
    name,
    text: JSON.stringify(document),
    other,
    windowMs,
    repeat,
    cooldownMs,
    rate,
    concurrency,
    schedule,
    ends,
    subs,
  };
}

/** Other steps; the trigger and its window stay, because they say what is a repeat. */
export const otherVersion = (text: string, random: Random, subs: readonly string[] = []): string =>
  JSON.stringify({ ...JSON.parse(text), steps: makeSteps(random, subs) });

/** The same steps; each action is told something else than before. */
export const withWord = (text: string, word: number): string =>
  JSON.stringify(
    JSON.parse(text, (_, value) =>
      typeof value?.uses === 'string' && value.uses.includes('/') ? { ...value, with: { ...value.with, word } } : value,
    ),
  );
