import { expect, test } from 'vitest';
import { machine, step } from '../../test/support/machine.ts';
import type { Digest } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import type { Effect, Input } from '../run/decision.ts';
import { openChildren } from './children.ts';

/** A run whose only step starts another, and what the flow makes of that. */
function world(inFlight: number) {
  const playbooks = { child: `sha256:${'1'.repeat(64)}` as Digest };
  const m = machine({ steps: '- { id: sub, type: playbook, uses: child }', playbooks });
  const { effects } = m.start();
  const told: Input[] = [];
  const started: string[] = [];
  const children = openChildren({
    driver: {
      load: () => null,
      start: async ({ run }) => {
        started.push(run);
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

test.each([
  [LIMITS.runsInFlightPerOrg.value - 1, 1, []],
  [
    LIMITS.runsInFlightPerOrg.value,
    0,
    [{ kind: 'child-ended', step: step('sub'), completed: false, reason: 'could-not-start' }],
  ],
])('with %i runs under way a step starts %i more', async (inFlight, count, answers) => {
  const { m, children, effect, told, started } = world(inFlight);
  children.act(m.run(), effect);
  await new Promise((resolve) => setImmediate(resolve));
  expect(started).toHaveLength(count);
  expect(told).toMatchObject(answers);
  expect(told).toHaveLength(answers.length);
});
