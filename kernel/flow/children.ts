import type { OrgId, RunId, StepRunId } from '../base/id.ts';
import { partsOfStepRun } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { own } from '../base/own.ts';
import { KERNEL_VERSION } from '../base/version.ts';
import { incidentOfRun } from '../incident/of-run.ts';
import type { Effect } from '../run/decision.ts';
import type { Run } from '../run/state.ts';
import { depthOf, startRunOf } from '../run/sub.ts';
import type { Driver, Start } from './drive.ts';
import type { Registry } from './registry.ts';

/**
 * Runs that are steps of other runs. What one asks for and what the other answers are turns of two runs, so a crash may
 * lie between them: the open call of the parent stands on the record until the answer is there, and asking twice, or
 * answering twice, changes nothing.
 */
export type Children = ReturnType<typeof openChildren>;

export function openChildren(deps: {
  driver: Pick<Driver, 'load' | 'start' | 'submit'>;
  registry: Pick<Registry, 'graph'>;
  runsInFlight: (org: OrgId) => number;
  report: (defect: unknown) => void;
}) {
  const { driver, registry, runsInFlight, report } = deps;
  /** Those that were asked for, and are not on the disk yet. */
  const starting = new Set<RunId>();

  const start = async (parent: Run, effect: Extract<Effect, { kind: 'start-run' }>): Promise<void> => {
    if (driver.load(parent.org, effect.child)) {
      if (effect.detached) await tellStarted(parent, effect);
      return;
    }
    starting.add(effect.child);
    try {
      await begin(parent, effect);
    } finally {
      starting.delete(effect.child);
    }
  };

  const begin = async (parent: Run, effect: Extract<Effect, { kind: 'start-run' }>): Promise<void> => {
    const { org, policy, plugins, playbooks, event, requester, senders, trace, startedSeq, deadlineAt } = parent;
    const origin = { run: parent.id, step: effect.step, depth: depthOf(parent) + 1 };
    const graph = registry.graph(org, effect.playbook.name, effect.playbook.digest);
    const incident = incidentOfRun(graph?.incident, effect.inputs, parent.incident);
    const first: Start = {
      kind: 'start',
      kernel: KERNEL_VERSION,
      run: effect.child,
      org,
      playbook: effect.playbook,
      policy,
      plugins,
      playbooks,
      trigger: parent.trigger,
      event,
      eventSeq: startedSeq,
      requester,
      ...(senders && { senders }),
      trace,
      inputs: effect.inputs,
      ...(incident !== undefined && { incident }),
      // One that is on its own is a part of no run: what stops, holds or undoes this one passes it over.
      ...(effect.detached ? { startedBy: origin } : { parent: origin, until: deadlineAt }),
      ...(effect.keeps !== undefined && { keeps: effect.keeps }),
    };
    // Lists of lists of runs that start runs would be millions: the bound of the org holds for these too.
    const isFull = runsInFlight(org) >= LIMITS.runsInFlightPerOrg.value;
    const started = isFull ? undefined : await driver.start(first);
    // It cannot begin: the org is full, or its pinned version is not there any more.
    if (!started) await tell(parent.org, parent.id, effect.step, effect.child, undefined);
    else if (effect.detached) await tellStarted(parent, effect);
  };

  /** To a step that waits for no more. What is told here is staged behind the start, so it is never on the disk alone. */
  const tellStarted = ({ org, id }: Run, { step, child }: Extract<Effect, { kind: 'start-run' }>) =>
    driver.submit(org, id, { kind: 'child-started', step, child });

  const tell = (org: OrgId, parent: RunId, step: StepRunId, child: RunId, ended: Run | undefined) =>
    driver.submit(org, parent, {
      kind: 'child-ended',
      step,
      child,
      completed: ended?.state === 'completed',
      ...(ended?.senders && { senders: ended.senders }),
      reason: ended?.ended?.reason ?? 'could-not-start',
      output: ended?.ended?.output ?? {},
    });

  const cancel = (org: OrgId, child: RunId) =>
    driver.submit(org, child, { kind: 'cancel', by: null, reason: 'the run that started it has ended' });

  /** Whether the run that started this one is over: then nobody waits for it any more. */
  const isOrphan = (run: Run): boolean => {
    if (!run.parent) return false;
    const step = own(driver.load(run.org, run.parent.run)?.steps ?? {}, run.parent.step);
    return !(step?.state === 'open' && step.waitsFor === 'run' && step.child === run.id);
  };

  return {
    isStarting: (child: RunId): boolean => starting.has(child),

    act(run: Run, effect: Extract<Effect, { kind: 'start-run' | 'stop-run' }>): void {
      if (effect.kind === 'stop-run') cancel(run.org, effect.child).catch(report);
      else
        start(run, effect).catch((defect) => {
          report(defect);
          // A run that a defect keeps from beginning is one that did not begin: nobody waits for it until the deadline.
          return tell(run.org, run.id, effect.step, effect.child, undefined).catch(report);
        });
    },

    /** A turn is durable. The end of a child is told to its parent; whoever has none any more is stopped. */
    turned(run: Run): void {
      const { parent, org, id } = run;
      if (!parent || !run.ended) return;
      tell(org, parent.run, parent.step, id, run).catch(report);
    },

    /** After a restart: the open step of a parent. Its child is started, heard, or waited for. */
    async takeUp(org: OrgId, parent: RunId, step: StepRunId): Promise<void> {
      const run = driver.load(org, parent);
      const known = run && registry.graph(org, run.playbook.name, run.playbook.digest);
      const graph = known?.steps.get(partsOfStepRun(step).step);
      const effect = run && graph?.kind === 'playbook' ? startRunOf(run, graph, step) : undefined;
      if (!run || !effect) return;
      const child = driver.load(org, effect.child);
      if (!child || effect.detached) await start(run, effect);
      else if (child.ended) await tell(org, parent, step, child.id, child);
    },

    /** After a restart: a run that is under way, and that nobody waits for any more. */
    async takeUpOrphan(run: Run): Promise<void> {
      if (isOrphan(run)) await cancel(run.org, run.id);
    },
  };
}
