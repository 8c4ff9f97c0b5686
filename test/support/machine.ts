import * as v from 'valibot';
import { parse } from 'yaml';
import type { ApprovalMatrix } from '../../kernel/approval/matrix.ts';
import { ApprovalMatrixSchema } from '../../kernel/approval/matrix.ts';
import type { ApprovalId, Digest, EventId, OrgId, PrincipalId, RunId, StepRunId } from '../../kernel/base/id.ts';
import type { JsonObject } from '../../kernel/base/json.ts';
import { type UnixMs, unixMs } from '../../kernel/base/time.ts';
import type { Choice } from '../../kernel/playbook/choose.ts';
import { toGraph } from '../../kernel/playbook/compile.ts';
import type { Graph } from '../../kernel/playbook/graph.ts';
import { PlaybookSchema } from '../../kernel/playbook/schema.ts';
import { decide } from '../../kernel/run/decide.ts';
import type { ActionFacts, Decision, Effect, Facts, Input, Verdict } from '../../kernel/run/decision.ts';
import type { RunEvent, StoredTurn } from '../../kernel/run/event.ts';
import { evolveTurn } from '../../kernel/run/evolve.ts';
import type { Run } from '../../kernel/run/state.ts';
import matrix from '../../policies/approval/matrix.json' with { type: 'json' };
import { STEP_TYPES } from '../../sdk/contract/plugin.ts';

/**
 * The run machine alone, with everything around it answered from a table: for tests of decisions. Time moves only when
 * a test moves it; every turn is also kept as it would be stored, so a test can fold it again.
 */
const DIGEST = `sha256:${'0'.repeat(64)}` as Digest;
const ORG = 'acme' as OrgId;
const RUN = `run_${'1'.repeat(32)}` as RunId;
export const step = (name: string) => name as StepRunId;
export const person = (name: string) => name as PrincipalId;

export type MachineOptions = {
  /** YAML of the steps. */
  readonly steps: string;
  readonly timeout?: string;
  /** Changes the graph into one that no document makes. */
  readonly graph?: (graph: Graph) => Graph;
  readonly actions?: Readonly<Record<string, Partial<ActionFacts>>>;
  readonly verdict?: (step: StepRunId) => Verdict;
  /** Place of the path that holds, from 0. */
  readonly branch?: (step: StepRunId) => Choice;
  readonly stopped?: () => boolean;
  /** A run above it is paused. */
  readonly paused?: () => boolean;
  readonly earlier?: Facts['earlier'];
  readonly claim?: Facts['claim'];
  readonly playbooks?: Readonly<Record<string, Digest>>;
  readonly outputs?: Readonly<Record<string, string>>;
  readonly start?: Partial<Extract<Input, { kind: 'start' }>>;
  readonly inputs?: JsonObject;
  /** What the plugin is granted at present. */
  readonly grant?: () => Digest;
  readonly matrix?: ApprovalMatrix;
};

export const START = 1_800_000_000_000;

export function machine(options: MachineOptions) {
  const { graph: change = (graph: Graph) => graph } = options;
  const graph = change(
    toGraph(
      v.parse(PlaybookSchema, {
        apiVersion: 'interlock/v1',
        kind: 'Playbook',
        name: 'test',
        title: 'Test',
        owners: { technical: 'a', operational: 'b' },
        triggers: [{ id: 't', on: 'event', where: { fact: 'event', operator: 'equal', value: 1 } }],
        steps: parse(options.steps),
        timeout: options.timeout ?? '30m',
        ...(options.outputs && { outputs: options.outputs }),
      }),
    ),
  );
  let run: Run | null = null;
  let now: UnixMs = unixMs(START);
  let seq = 100;
  const turns: StoredTurn[] = [];

  const decideFully = (input: Input): Decision => {
    const verdicts = new Map<StepRunId, Verdict>();
    const branches = new Map<StepRunId, Choice>();
    for (;;) {
      const facts: Facts = {
        now,
        seq,
        graph,
        matrix: options.matrix ?? v.parse(ApprovalMatrixSchema, matrix),
        action: (plugin, action) => {
          const known = options.actions?.[`${plugin}/${action}`];
          return (
            known && {
              effect: 'write',
              idempotent: 'key',
              plans: false,
              rollsBack: true,
              types: STEP_TYPES,
              checkInput: () => undefined,
              ...known,
            }
          );
        },
        grant: options.grant ?? (() => DIGEST),
        verdicts,
        branches,
        earlier: options.earlier ?? (() => undefined),
        claim: options.claim ?? (() => undefined),
        stopped: options.stopped?.() ?? false,
        paused: options.paused?.() ?? false,
      };
      const decision = decide(run, input, facts);
      if (decision.kind !== 'needs') return decision;
      const { step: id, kind } = decision.need;
      if (kind === 'branch') branches.set(id, options.branch?.(id) ?? 0);
      else verdicts.set(id, options.verdict?.(id) ?? { kind: 'allow', by: 'test' });
    }
  };

  return {
    graph,
    run: (): Run => run as Run,
    turns: (): readonly StoredTurn[] => turns,
    now: (): UnixMs => now,
    wait: (ms: number) => {
      now = unixMs(now + ms);
    },
    /** One input. @returns the kinds of the events and the effects, or the refusal. */
    give(input: Input): { events: readonly RunEvent[]; effects: readonly Effect[]; refused?: string } {
      const decision = decideFully(input);
      if (decision.kind !== 'turn') {
        const { refusal } = decision as Extract<Decision, { kind: 'refused' }>;
        return { events: [], effects: [], refused: refusal.kind === 'vote' ? refusal.why : refusal.kind };
      }
      const turn: StoredTurn = JSON.parse(JSON.stringify({ v: 1, at: now, seq, events: decision.events }));
      turns.push(turn);
      run = evolveTurn(run, turn);
      seq += decision.events.length;
      return decision;
    },
    start(requester = 'asker') {
      return this.give({
        kind: 'start',
        run: RUN,
        org: ORG,
        playbook: { name: 'test', digest: DIGEST },
        policy: DIGEST,
        plugins: { p: DIGEST },
        trigger: 't',
        event: `evt_${'2'.repeat(32)}` as EventId,
        eventSeq: 99,
        requester: person(requester),
        trace: '3'.repeat(32),
        inputs: options.inputs ?? { ip: '203.0.113.7' },
        ...(options.playbooks && { playbooks: options.playbooks }),
        ...options.start,
      });
    },
    /** Time passes, and the run is told that something may be due. */
    timer(ms: number) {
      this.wait(ms);
      return this.give({ kind: 'timer' });
    },
    /** The answer to the call of `execute` that is out. */
    outcome(name: string, result: Extract<Input, { kind: 'outcome' }>['result'], attempt?: number) {
      const tried = attempt ?? run?.steps[step(name)]?.attempt ?? 1;
      return this.give({ kind: 'outcome', step: step(name), attempt: tried, result });
    },
    vote(
      by: string,
      decision: 'approve' | 'reject' = 'approve',
      over: { subject?: Digest; roles?: 'auditor'[]; rationale?: string } = {},
    ) {
      const approval = Object.values(run?.approvals ?? {}).at(-1);
      return this.give({
        kind: 'vote',
        approval: approval?.id ?? (`apr_${'0'.repeat(32)}` as ApprovalId),
        ballot: {
          by: person(by),
          roles: over.roles ?? ['approver'],
          decision,
          rationale: over.rationale ?? 'seen and agreed',
          subject: over.subject ?? approval?.subject ?? DIGEST,
        },
      });
    },
  };
}

export const kinds = (turn: { events: readonly RunEvent[]; refused?: string }): string =>
  turn.refused ? `refused: ${turn.refused}` : turn.events.map((event) => event.kind).join(' ');
export const calls = (turn: { effects: readonly Effect[] }): string =>
  turn.effects
    .map((effect) => {
      if (effect.kind === 'call') return `${effect.op} ${effect.step} #${effect.attempt}`;
      if (effect.kind === 'stop-run' || effect.kind === 'resume-runs') return effect.kind;
      return `${effect.kind} ${effect.step}`;
    })
    .join(', ');
