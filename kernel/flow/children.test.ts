import { expect, test } from 'vitest';
import { machine, step } from '../../test/support/machine.ts';
import type { Digest, RunId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import type { Effect, Input } from '../run/decision.ts';
import type { Run } from '../run/state.ts';
import { openChildren } from './children.ts';
import type { Start } from './drive.ts';

type World = {
  readonly inFlight?: number;
  readonly detached?: boolean;
  /** How the run that is asked for stands already. */
  readonly child?: Partial<Run>;
};

/** A run whose only step starts another, and what the flow makes of that. */
function world({ inFlight = 0, detached = false, child }: World) {
  const playbooks = { child: `sha256:${'1'.repeat(64)}` as Digest };
  const m = machine({ steps: `- { id: sub, type: playbook, uses: child, detached: ${detached} }`, playbooks });
  const { effects } = m.start();
  const told: Input[] = [];
  const started: Start[] = [];
  const load = (id: RunId) => (id === m.run().id ? m.run() : child && ({ ...m.run(), id, ...child } as Run)) ?? null;
  const children = openChildren({
    driver: {
      load: (_org, id) => load(id),
      start: async (start) => {
        started.push(start);
        return m.run();
      },
      submit: async (_org, _run, input) => {
        told.push(input);
        return { ok: true, run: m.run() };
      },
    },
    registry: { graph: () => m.graph },
    runsInFlight: () => inFlight,
    report: (defect) => expect.fail(String(defect)),
  });
  const effect = effects.find((one): one is Extract<Effect, { kind: 'start-run' }> => one.kind === 'start-run');
  return { m, children, effect: effect ?? expect.fail('no child is asked for'), told, started };
}

const FULL = LIMITS.runsInFlightPerOrg.value;
const IN_VAIN = [{ kind: 'child-ended', step: step('sub'), completed: false, reason: 'could-not-start' }];
const BEGUN = [{ kind: 'child-started', step: step('sub') }];
const ENDED = { state: 'completed', ended: { reason: 'completed', output: { n: 1 } } } as unknown as Partial<Run>;
const UNDER_WAY = { state: 'running', ended: null } as const;

const rows: [string, World, number, object[]][] = [
  ['with room for one more', { inFlight: FULL - 1 }, 1, []],
  ['without room', { inFlight: FULL }, 0, IN_VAIN],
  ['of a run that is there', { child: UNDER_WAY }, 0, []],
  ['with room for one more, and does not wait', { detached: true, inFlight: FULL - 1 }, 1, BEGUN],
  ['without room, and does not wait', { detached: true, inFlight: FULL }, 0, IN_VAIN],
  ['of a run that is there, and does not wait', { detached: true, child: UNDER_WAY }, 0, BEGUN],
  ['of a run that has ended, and does not wait', { detached: true, child: ENDED }, 0, BEGUN],
];
test.each(rows)('a step %s', async (_, about, count, answers) => {
  const { m, children, effect, told, started } = world(about);
  children.act(m.run(), effect);
  await new Promise((resolve) => setImmediate(resolve));
  expect(started).toHaveLength(count);
  expect(told).toMatchObject(answers);
  expect(told).toHaveLength(answers.length);
});

const taken: [string, World, number, object[]][] = [
  ['whose run is not there starts it', {}, 1, []],
  ['whose run has ended hears of it', { child: ENDED }, 0, [{ kind: 'child-ended', completed: true }]],
  ['whose run is under way waits', { child: UNDER_WAY }, 0, []],
  ['that does not wait, and whose run is not there, starts it', { detached: true }, 1, BEGUN],
  ['that does not wait, and whose run has ended, goes on', { detached: true, child: ENDED }, 0, BEGUN],
  ['that does not wait, and whose run is under way, goes on', { detached: true, child: UNDER_WAY }, 0, BEGUN],
];
test.each(taken)('after a restart, a step %s', async (_, about, count, answers) => {
  const { m, children, told, started } = world(about);
  await children.takeUp(m.run().org, m.run().id, step('sub'));
  expect(started).toHaveLength(count);
  expect(told).toMatchObject(answers);
  expect(told).toHaveLength(answers.length);
});

test.each([false, true])(
  'what it starts is of the same event, whoever caused it and trace: detached %s',
  async (detached) => {
    const { m, children, effect, started, told } = world({ detached });
    children.act(m.run(), effect);
    await new Promise((resolve) => setImmediate(resolve));
    const { event, requester, trace, id, deadlineAt } = m.run();
    const origin = { run: id, step: 'sub', depth: 1 };
    const [start] = started;
    expect(start).toMatchObject({ event, requester, trace, run: effect.child });
    expect([start?.parent, start?.until, start?.startedBy]).toEqual(
      detached ? [undefined, undefined, origin] : [origin, deadlineAt, undefined],
    );
    // Its end, and whether anybody still waits for it, is asked of a part of another run alone.
    const before = told.length;
    const child = {
      ...m.run(),
      ...ENDED,
      id: effect.child,
      ...(detached ? { startedBy: origin } : { parent: origin }),
    };
    children.turned(child as Run);
    await children.takeUpOrphan({
      ...child,
      ...UNDER_WAY,
      parent: detached ? null : { ...origin, step: 'gone' },
    } as Run);
    expect(told.slice(before).map(({ kind }) => kind)).toEqual(detached ? [] : ['child-ended', 'cancel']);
  },
);
