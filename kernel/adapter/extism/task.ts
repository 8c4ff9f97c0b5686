import type { Digest, OrgId } from '../../base/id.ts';
import type { CellCall, CellOutcome } from '../../port/cell-host.ts';
import type { Culprit } from './kill-record.ts';

/** What a cell is given to do: run a call on a module, or only load it. */
export type CellModule = {
  readonly digest: Digest;
  /** Its name in frames. */
  readonly id: number;
  readonly wasm: Uint8Array;
  readonly sealed: boolean;
};

export type CallTask = {
  readonly kind: 'call';
  readonly id: number;
  readonly module: CellModule;
  readonly call: CellCall;
  readonly settle: (outcome: CellOutcome) => void;
};
/** `settle` gets why the module cannot be loaded, or an empty text. */
export type LoadTask = {
  readonly kind: 'load';
  readonly module: CellModule;
  readonly settle: (fault: string) => void;
};
export type Task = CallTask | LoadTask;

/** Nobody calls a module while it is only loaded, so nobody is to blame. */
export const culpritOf = (task: Task | undefined): Culprit | undefined =>
  task?.kind === 'call' ? `${task.call.org}/${task.module.digest}` : undefined;

/** Whose turn a task takes. Loading serves every org with the module: all of it takes turns as one org without a name. */
export const onBehalfOf = (task: Task): OrgId | '' => (task.kind === 'call' ? task.call.org : '');
