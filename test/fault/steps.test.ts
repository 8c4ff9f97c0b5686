import { cpSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { partsOfStepRun, type StepRunId } from '../../kernel/base/id.ts';
import type { CellCall, CellHost, CellOutcome } from '../../kernel/port/cell-host.ts';
import type { EgressClient } from '../../kernel/port/egress.ts';
import type { Write } from '../../kernel/port/store.ts';
import type { StoredTurn } from '../../kernel/run/event.ts';
import { mayRepeat, planRetryPolicy, retryPolicy } from '../../kernel/run/retry.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { CallEnvelope } from '../../sdk/contract/plugin.ts';
import type { Disk } from './disk.ts';
import { eventFor, openShippedWorld, playOut, type Shipped } from './shipped.ts';

/**
 * Each step of every shipped playbook meets each fault once. The table is made from the graphs and from the calls of a
 * run without a fault, so that a new playbook or step is in it without a change here. What the world did is held against
 * its own record: every effect once for its key, and the same effects and the same end as without the fault.
 */
const world = await openShippedWorld();
afterAll(() => world.close());

/** Of the reputation service: addresses that are bad, and addresses that are fine. */
const WAYS = { bad: '203.0.113', fine: '198.51.100' } as const;
type Way = keyof typeof WAYS;
let count = 0;

type Call = { readonly step: string; readonly op: CallEnvelope['op'] };
type Played = {
  readonly run: Run;
  readonly calls: readonly Call[];
  /** What the firewall did, repeats left out. */
  readonly effects: readonly { readonly effect: string; readonly key: string | null }[];
};

type Fault = {
  readonly endOf?: (batch: readonly Write[]) => boolean;
  readonly call?: (disk: Disk, cells: CellHost, call: CellCall) => Promise<CellOutcome>;
  readonly isSentTwice?: () => boolean;
};

const envelopeOf = ({ envelope }: CellCall): CallEnvelope => JSON.parse(envelope) as CallEnvelope;

/** Plays the playbook out; after a crash, a second kernel does the rest. */
async function play(
  base: string,
  shipped: Shipped,
  way: Way,
  fault: Fault = {},
): Promise<Played & { hasEnded: boolean }> {
  const folder = await world.newFolder();
  cpSync(base, folder, { recursive: true });
  const ip = `${WAYS[way]}.${(count % 250) + 1}`;
  const event = eventFor(shipped, ip, `e-${count++}`);
  const calls: Call[] = [];
  const from = world.firewall.log().entries.length;
  let hasEnded = false;
  const first = {
    endOf: (_: number, batch: readonly Write[]) => (fault.endOf?.(batch) ? 'crash' : 'done') as 'crash' | 'done',
    call: (disk: Disk, cells: CellHost) => {
      disk.crashed.then(() => {
        hasEnded = true;
      });
      return (call: CellCall) => {
        const { step, op } = envelopeOf(call);
        calls.push({ step, op });
        return fault.call?.(disk, cells, call) ?? cells.call(call);
      };
    },
    send: (egress: EgressClient) => async (request: Parameters<EgressClient['send']>[0]) => {
      if (fault.isSentTwice?.()) await egress.send(request);
      return egress.send(request);
    },
  };
  const playOn = (options: object) => world.live(folder, options, (kernel, clock) => playOut(kernel, clock, event));
  let run = await playOn(first).catch((error) => {
    if (hasEnded) return undefined;
    throw error;
  });
  // What is on the disk can be read before the kernel ends; the next one must find it all the same.
  if (hasEnded) run = await playOn({});
  if (!run) throw new Error('it was played to its end');
  const entries = world.firewall.log().entries.slice(from);
  const effects = entries.filter(({ repeat }) => !repeat).map(({ effect, key }) => ({ effect, key }));
  return { run, calls, effects, hasEnded };
}

const endOf = ({ state, steps }: Run) => ({
  state,
  steps: Object.fromEntries(Object.entries(steps).map(([id, step]) => [id, step.state])),
});
const kindsOf = ({ effects }: Played) => effects.map(({ effect }) => effect).sort();
const doubled = ({ effects }: Played) =>
  effects.filter(({ key }, at) => key === null || effects.findIndex((one) => one.key === key) !== at);

/** Without a fault, on both ways. */
const clean = await Promise.all(
  world.playbooks.map(async (shipped) => {
    const base = await world.prepare(shipped);
    return { shipped, base, ways: {} as Record<Way, Played> };
  }),
);
for (const { shipped, base, ways } of clean)
  for (const way of Object.keys(WAYS) as Way[]) ways[way] = await play(base, shipped, way);

/** A fault that happens at the first call of this step and operation, and not again. */
const once = (at: Call, act: (disk: Disk, cells: CellHost, call: CellCall) => Promise<CellOutcome>): Fault => {
  let met = false;
  return {
    call: (disk, cells, call) => {
      const { step, op } = envelopeOf(call);
      if (met || step !== at.step || op !== at.op) return cells.call(call);
      met = true;
      return act(disk, cells, call);
    },
  };
};

const failed = (): CellOutcome => {
  const error = { class: 'unavailable', message: 'the target is not there' };
  return { kind: 'replied', reply: JSON.stringify({ ok: false, error }), logs: [], elapsedMs: 1 };
};
const never = <T>() => new Promise<T>(() => undefined);

/** What may go wrong with a call. `isWrite`: it may change something outside. */
const CALL_FAULTS: Readonly<Record<string, (at: Call, isWrite: boolean) => Fault>> = {
  'fails once, before anything left': (at) => once(at, async () => failed()),
  'fails once, after it was done': (at) => once(at, (_, cells, call) => cells.call(call).then(failed)),
  'is sent twice on its way': (at) => {
    let isUnderWay = false;
    const fault = once(at, async (_, cells, call) => {
      isUnderWay = true;
      return cells.call(call).finally(() => {
        isUnderWay = false;
      });
    });
    return { ...fault, isSentTwice: () => isUnderWay };
  },
  'has left when the kernel ends': (at, isWrite) =>
    once(at, (disk, cells, call) => {
      const broker: CellCall['broker'] = async (request) => {
        const answer = await call.broker(request);
        // What only looks before it changes something is let pass.
        if (isWrite && ['GET', 'HEAD'].includes(request.method)) return answer;
        disk.crash();
        return never();
      };
      return cells.call({ ...call, broker });
    }),
};

/** The kernel ends right after the first commit that says something of the step. */
function endsAfterCommitOf(step: string): Fault {
  let met = false;
  return {
    endOf: (batch) => {
      const says = batch.some(({ key, value }) => {
        if (met || !key.includes('/turn/') || value === null) return false;
        return (JSON.parse(value) as StoredTurn).events.some((event) => 'step' in event && event.step === step);
      });
      met ||= says;
      return says;
    },
  };
}

/** Whether the step is tried again after a failure that passes, and whether its action may be sent twice. */
function policyOf({ graph }: Shipped, { step: id, op }: Call) {
  const step = graph.steps.get(partsOfStepRun(id as StepRunId).step);
  if (step?.kind !== 'action') throw new Error(`${id} is called and is no action`);
  const manifest = world.manifests.find(({ name }) => name === step.plugin);
  const { effect, idempotent } = manifest?.actions[step.action] ?? { effect: 'write', idempotent: 'no' };
  const facts = { effect, idempotent } as Parameters<typeof retryPolicy>[1];
  const isWrite = (op === 'execute' || op === 'rollback') && effect === 'write';
  const { attempts } = isWrite ? retryPolicy(step, facts) : planRetryPolicy(step);
  return { isRetried: attempts > 1, mayRepeat: !isWrite || mayRepeat(facts), isWrite };
}

test('the shipped playbooks were found', () => {
  expect(clean.length).toBeGreaterThan(0);
});

describe.each(clean)('$shipped.name', ({ shipped, base, ways }) => {
  test('completes without a fault, and both ways together reach every step', () => {
    for (const way of Object.keys(WAYS) as Way[]) {
      expect(ways[way].run.state, way).toBe('completed');
      expect(doubled(ways[way])).toEqual([]);
    }
    const reached = new Set<string>(
      Object.values(ways)
        .flatMap(reachedOn)
        .map((id) => partsOfStepRun(id).step),
    );
    expect([...shipped.graph.steps.keys()].filter((id) => !reached.has(id))).toEqual([]);
  });

  const calls = (Object.keys(WAYS) as Way[]).flatMap((way) => {
    const seen = ways[way].calls.filter(
      (call, at, all) => all.findIndex(({ step, op }) => step === call.step && op === call.op) === at,
    );
    return seen.flatMap((call) => Object.keys(CALL_FAULTS).map((fault) => ({ way, ...call, fault })));
  });
  test.each(calls)('$step ($op, $way): the call $fault', { timeout: 60_000 }, async ({ way, fault, ...call }) => {
    const { isRetried, mayRepeat, isWrite } = policyOf(shipped, call);
    const fresh = CALL_FAULTS[fault]?.(call, isWrite) ?? {};
    const played = await play(base, shipped, way, fresh);
    expect(doubled(played), 'one effect for each key').toEqual([]);
    expect(played.hasEnded).toBe(fault === 'has left when the kernel ends');
    // What is not tried again may end otherwise, and has done no more than without the fault.
    if (!isRetried || !mayRepeat) return expect(kindsOf(played).length).toBeLessThanOrEqual(kindsOf(ways[way]).length);
    expect([endOf(played.run), kindsOf(played)]).toEqual([endOf(ways[way].run), kindsOf(ways[way])]);
  });

  const reached = (Object.keys(WAYS) as Way[]).flatMap((way) => reachedOn(ways[way]).map((step) => ({ way, step })));
  test.each(reached)(
    '$step ($way): the kernel ends right after its commit',
    { timeout: 60_000 },
    async ({ way, step }) => {
      const played = await play(base, shipped, way, endsAfterCommitOf(step));
      expect(doubled(played), 'one effect for each key').toEqual([]);
      expect(played.hasEnded).toBe(true);
      expect([endOf(played.run), kindsOf(played)]).toEqual([endOf(ways[way].run), kindsOf(ways[way])]);
    },
  );
});

/** Steps that were not passed over. */
function reachedOn({ run }: Played): readonly StepRunId[] {
  return Object.values(run.steps).flatMap(({ id, state }) => (state === 'skipped' ? [] : [id]));
}
