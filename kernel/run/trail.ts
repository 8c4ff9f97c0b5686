import type { UnixMs } from '../base/time.ts';
import type { RunEvent, StoredTurn } from './event.ts';

/**
 * When each thing of a run happened and who did it, by the number of its audit record. A run holds those numbers
 * wherever something became of it, so what is shown of it can be dated and attributed without being stored twice.
 */
export type Moment = {
  readonly at: UnixMs;
  /** As in the audit record: `principal:<id>` or `system:<part>`. */
  readonly by: string;
};
export type Trail = {
  readonly of: (seq: number | null) => Moment | undefined;
  /** Version of the kernel that started the run; null in records from before it was kept. */
  readonly kernel: string | null;
  /** Where a branch led; null: to the end of its block. Undefined: it was not decided. */
  readonly wayOf: (step: string) => string | null | undefined;
  /** Who asked for the run to end, and why; null where nobody did. */
  readonly cancel: (Moment & { readonly reason: string }) | null;
  /** What a person said when settling the step, or doing it by hand. */
  readonly noteOf: (step: string) => string | undefined;
  /** The guardrail that decided about the step last, by its id; `text` says why it was refused, null where it was not. */
  readonly verdictOf: (step: string) => { readonly by: string; readonly text: string | null } | undefined;
};

const ENGINE = 'system:engine';

export function trailOf(turns: Iterable<StoredTurn>): Trail {
  const moments = new Map<number, Moment>();
  const ways = new Map<string, string | null>();
  const notes = new Map<string, string>();
  const verdicts = new Map<string, { readonly by: string; readonly text: string | null }>();
  let kernel: string | null = null;
  let cancel: Trail['cancel'] = null;
  for (const { at, seq, events } of turns) {
    events.forEach((event, index) => {
      if (event.kind === 'run-started') kernel = event.kernel ?? null;
      if (event.kind === 'branch-taken') ways.set(event.step, event.to);
      if (event.kind === 'run-cancel') cancel ??= { at, by: actorOf(event), reason: event.reason };
      if (event.kind === 'step-settled' || event.kind === 'step-by-hand') notes.set(event.step, event.note);
      if (event.kind === 'step-held' || event.kind === 'step-intended')
        verdicts.set(event.step, { by: event.verdict, text: null });
      if (event.kind === 'guardrail-blocked') verdicts.set(event.step, { by: event.rule, text: event.text });
      // What ends a run ends it for whoever asked for that, also when it was undone in between.
      const isCancelled = event.kind === 'run-ended' && event.state === 'cancelled';
      moments.set(seq + index, { at, by: (isCancelled && cancel?.by) || actorOf(event) });
    });
  }
  return {
    of: (seq) => (seq === null ? undefined : moments.get(seq)),
    kernel,
    cancel,
    wayOf: (step) => ways.get(step),
    noteOf: (step) => notes.get(step),
    verdictOf: (step) => verdicts.get(step),
  };
}

function actorOf(event: RunEvent): string {
  if (event.kind === 'run-started') return `principal:${event.requester}`;
  return 'by' in event && event.by !== null ? `principal:${event.by}` : ENGINE;
}
