import type { AuditDraft } from '../audit/record.ts';
import { digestOf } from '../base/digest.ts';
import { partsOfStepRun, type StepRunId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';
import type { Store, Write } from '../port/store.ts';
import type { Decision, Effect } from '../run/decision.ts';
import type { Run } from '../run/state.ts';
import { claimRows } from './claims.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import { turnRows } from './project.ts';
import type { Registry } from './registry.ts';
import { rowsOfTurn } from './tell.ts';

/** Everything that the commit of a turn holds, and what is sent after it. */
export type Prepared = {
  readonly run: Run;
  readonly rows: readonly Write[];
  readonly audit: readonly AuditDraft[];
  readonly effects: readonly Effect[];
};

export type Prepare = (
  before: Run | null,
  decision: Extract<Decision, { kind: 'turn' }>,
  seq: number,
  at: UnixMs,
  read: Ledger['read'],
) => Prepared;

export const openPrepare =
  (deps: { store: Store; registry: Pick<Registry, 'graph' | 'asksAboutEnd'> }): Prepare =>
  (before, decision, seq, at, read) => {
    const { store, registry } = deps;
    const { run, events, effects } = decision;
    const texts = events.map((event) => JSON.stringify(event));
    const audit = decision.audit.map((record, index) => ({ ...record, act: digestOf(texts[index] ?? '') }));
    const graph = registry.graph(run.org, run.playbook.name, run.playbook.digest);
    const actionOf = (step: StepRunId) => {
      const found = graph?.steps.get(partsOfStepRun(step).step);
      return found?.kind === 'action' ? found : undefined;
    };
    const usesOf = (step: StepRunId) => {
      const action = actionOf(step);
      return action ? `${action.plugin}/${action.action}` : step;
    };
    const rows = turnRows(before, run, { at, seq, events, texts }, usesOf);
    const told = rowsOfTurn(before, run, { at, seq, events }, (step) => actionOf(step)?.type, read);
    const { ended } = run;
    const isAsked = ended && !before?.ended && !run.parent && registry.asksAboutEnd(run, ended.state);
    const end: Write[] = isAsked ? [{ key: KEYS.end(run.org, run.id), value: '' }] : [];
    const claims = claimRows(store, read, run, events, at);
    return { run, rows: [...rows, ...told, ...end, ...claims], audit, effects };
  };
