import * as v from 'valibot';
import { openManualClock, openSeededEntropy } from '../../kernel/adapter/memory/clock.ts';
import { openMemoryStore, type WriteFault } from '../../kernel/adapter/memory/store.ts';
import { ApprovalMatrixSchema } from '../../kernel/approval/matrix.ts';
import type { Digest, OrgId, RunId } from '../../kernel/base/id.ts';
import { err, ok } from '../../kernel/base/result.ts';
import { openExport } from '../../kernel/flow/export.ts';
import type { Kernel, Ports } from '../../kernel/flow/kernel.ts';
import { openKernel } from '../../kernel/flow/open-kernel.ts';
import { checkGuardrails } from '../../kernel/guardrail/schema.ts';
import type { CellCall, CellHost } from '../../kernel/port/cell-host.ts';
import type { EgressClient } from '../../kernel/port/egress.ts';
import type { ModuleStore, StoredModule } from '../../kernel/port/module-store.ts';
import type { SecretSource } from '../../kernel/port/secret-source.ts';
import type { Row, Store, Write } from '../../kernel/port/store.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { NormalEvent } from '../../kernel/trigger/event.ts';
import matrix from '../../policies/approval/matrix.json' with { type: 'json' };
import rules from '../../policies/guardrails/baseline.rules.json' with { type: 'json' };
import type { CallEnvelope } from '../../sdk/contract/plugin.ts';
import { PluginManifestSchema } from '../../sdk/contract/plugin.ts';
import { createVerifier } from '../../sdk/verify/verifier.ts';
import { hostileModule } from '../hostile/hostile-module.ts';
import { describedAs } from '../support/described.ts';
import { activatePlaybook, personOf } from '../support/org-files.ts';

/**
 * The kernel's flow on a record whose writes a test decides, with stand-ins for cells and network that keep account of
 * what left. The target honours Idempotency-Key, like the real firewall.
 */
export const ORG = 'acme' as OrgId;
const START = 1_800_000_000_000;

const object = { type: 'object' };
const MANIFEST = v.parse(PluginManifestSchema, {
  apiVersion: 'interlock/plugin/v1',
  name: 'target',
  version: '1.0.0',
  title: 'Stands for a target',
  capabilities: { http: true, secrets: ['target-key'] },
  actions: {
    look: { title: 'Look', effect: 'read', input: object, output: {} },
    post: { title: 'Post', types: ['webhook'], effect: 'write', idempotent: 'no', input: object, output: {} },
    claim: { title: 'Claim', types: ['webhook'], effect: 'write', idempotent: 'check', input: object, output: {} },
    deliver: {
      title: 'Deliver',
      types: ['webhook'],
      effect: 'write',
      idempotent: 'key',
      rollback: true,
      input: object,
      output: {},
    },
    ban: { title: 'Ban', effect: 'write', idempotent: 'key', plan: true, rollback: true, input: object, output: {} },
  },
});

export const PLAYBOOK = `
apiVersion: interlock/v1
kind: Playbook
name: governed
title: Look, ask, ban, note
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /kind, operator: equal, value: c2 } }]
inputs: { ip: /ip }
steps:
  - { id: look, type: enrich, uses: target/look, with: { ip: "{{ inputs.ip }}" } }
  - { id: ban, type: contain, uses: target/ban, with: { ip: "{{ inputs.ip }}" } }
  - { id: note, type: update_state, incident: "inc-1", set: { state: contained } }
`;

/** Posts at once, without a promise of the target that a repeat is harmless. */
export const POST_ONCE = `
apiVersion: interlock/v1
kind: Playbook
name: governed
title: Post
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /kind, operator: equal, value: c2 } }]
inputs: { ip: /ip }
steps:
  - { id: post, type: webhook, uses: target/post, with: { ip: "{{ inputs.ip }}" } }
`;

export const EVENT: NormalEvent = {
  receivedFormat: 'cloudevent',
  source: 'urn:test',
  sourceId: 'e1',
  type: 'test',
  subject: null,
  time: null,
  traceparent: null,
  data: { kind: 'c2', ip: '203.0.113.7' },
} as unknown as NormalEvent;

export const SENDER = personOf(ORG, 'pipeline', ['source']);
export const OPERATOR = personOf(ORG, 'operator', ['operator']);
export const APPROVER = personOf(ORG, 'approver', ['approver']);

/** The target: what arrived, and what it did. It outlives every kernel of a test. */
export type Target = {
  readonly does: 'answers' | 'answers 504' | 'does not answer' | 'refuses connections';
  /** Idempotency keys of the requests that arrived, in order. */
  readonly arrived: string[];
  /** Effects: the first request of each key. */
  readonly effects: () => readonly string[];
};
export function openTarget(does: Target['does'] = 'answers'): Target {
  const arrived: string[] = [];
  return { does, arrived, effects: () => [...new Set(arrived)] };
}

export type Held = {
  readonly store: Store;
  readonly writes: () => number;
  readonly rows: () => readonly Row[];
  hold(): () => void;
};

/** The record in memory, holding `rows`. `hold` keeps every write from reaching it until the returned function is called. */
export async function openRecord(
  rows: readonly Row[] = [],
  fault: (write: number) => WriteFault = () => 'none',
): Promise<Held> {
  let writes = 0;
  let counting = false;
  const inner = openMemoryStore({ fault: () => (counting ? fault(writes++) : 'none') });
  if (rows.length > 0) await inner.write(rows);
  counting = true;
  let gate: Promise<void> = Promise.resolve();
  const store: Store = {
    ...inner,
    async write(batch: readonly Write[]) {
      await gate;
      await inner.write(batch);
    },
  };
  return {
    store,
    writes: () => writes,
    rows: () => inner.range({ from: '', to: '\u{7f}', limit: Number.MAX_SAFE_INTEGER }),
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
  };
}

export type StandIn = {
  readonly kernel: Kernel;
  readonly clock: ReturnType<typeof openManualClock>;
  /** Calls that a cell was given so far. */
  readonly calls: () => number;
  /** Keeps calls from replying, after what they sent has arrived, until the returned function is called. */
  holdCalls(): () => void;
  /** Keeps calls waiting, before they do anything, until the returned function is called. */
  holdCells(): () => void;
  /** Defects that the kernel reported. */
  readonly reported: readonly unknown[];
  readonly run: (id: RunId) => Run | null;
  readonly secrets: SecretSource;
};

/** @param life how many kernels there were before: each draws its own ids, and time goes on. */
export async function openStandIn(
  store: Store,
  target: Target,
  life = 0,
  secrets: SecretSource = SECRETS,
  machineStop: Ports['machineStop'] = undefined,
): Promise<StandIn> {
  const clock = openManualClock(START + life * 60_000);
  let calls = 0;
  let gate: Promise<void> = Promise.resolve();
  let cell: Promise<void> = Promise.resolve();
  const reported: unknown[] = [];
  const call = async ({ entry, envelope, broker, signal }: CellCall) => {
    if (entry === 'describe') return describedAs(MANIFEST);
    calls++;
    const { action, op, input } = JSON.parse(envelope) as CallEnvelope;
    // As a cell does, it ends with its call when that is stopped.
    const stopped = stopOf(signal);
    await Promise.race([cell, stopped]);
    if (signal?.aborted) return ABORTED;
    const method = action !== 'look' && (op === 'execute' || op === 'rollback') ? 'POST' : 'GET';
    const answer = await broker({ url: 'https://target.example/v1', method, headers: {}, body: null });
    await Promise.race([gate, stopped]);
    if (signal?.aborted) return ABORTED;
    if ('denied' in answer) return { kind: 'refused', reason: answer.denied, logs: [], elapsedMs: 1 } as const;
    const failed = (errorClass: string) => {
      const reply = JSON.stringify({ ok: false, error: { class: errorClass, message: 'it failed' } });
      return { kind: 'replied', reply, logs: [], elapsedMs: 1 } as const;
    };
    // A request without an answer is passed over.
    if (answer.ok && answer.status === 504) return failed('timeout');
    if (!answer.ok && answer.error === 'unavailable') return failed('unavailable');
    const plan = { summary: 'Ban one address', targets: [{ kind: 'ip', id: '203.0.113.7' }], reversible: true };
    const output = op === 'plan' ? plan : { done: true, input };
    return { kind: 'replied', reply: JSON.stringify({ ok: true, output }), logs: [], elapsedMs: 1 } as const;
  };
  const cells: CellHost = {
    load: async () => ok(undefined),
    call,
    stats: () => ({ cells: 1, busy: 0, waiting: 0, respawns: 0 }),
    close: async () => undefined,
  };
  const egress: EgressClient = {
    async send({ headers }) {
      const { does, arrived } = target;
      if (does === 'refuses connections')
        return { kind: 'failed', class: 'unavailable', reason: 'refused', sent: false };
      const key = headers['idempotency-key'];
      if (key !== undefined) arrived.push(key);
      if (does === 'does not answer') return { kind: 'failed', class: 'timeout', reason: 'no answer', sent: true };
      return { kind: 'answered', status: does === 'answers 504' ? 504 : 200, headers: {}, body: Buffer.from('{}') };
    },
    selfTest: async () => ({ holds: true, detail: '' }),
    close: async () => undefined,
  };
  const kernel = openKernel({
    store,
    clock,
    entropy: openSeededEntropy(`life-${life}`),
    cells,
    egress,
    secrets,
    modules: modulesOf(),
    report: (defect) => void reported.push(defect),
    ...(machineStop && { machineStop }),
  });
  return {
    kernel,
    clock,
    calls: () => calls,
    holdCalls() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    holdCells() {
      const { promise, resolve } = Promise.withResolvers<void>();
      cell = promise;
      return resolve;
    },
    reported,
    secrets,
    run: (id) => kernel.query.run(ORG, id),
  };
}

const ABORTED = { kind: 'aborted', logs: [], elapsedMs: 1 } as const;
const stopOf = (signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) resolve();
    else signal?.addEventListener('abort', () => resolve(), { once: true });
  });

/**
 * What an operator does before the first event.
 * @param asksForKey whether the target takes requests with the org's key only.
 */
export async function setUp({ kernel }: StandIn, playbooks: readonly string[] = [PLAYBOOK], asksForKey = true) {
  const guardrails = checkGuardrails(rules);
  if (!guardrails.ok) throw new Error('the shipped guardrails are refused');
  const fine = await kernel.setUpOrg({
    id: ORG,
    policy: { guardrails: guardrails.value, matrix: v.parse(ApprovalMatrixSchema, matrix) },
    egress: {
      apiVersion: 'interlock/egress/v1',
      grants: [
        {
          plugin: 'target',
          settings: {},
          rules: [
            {
              scheme: 'https',
              host: 'target.example',
              port: 443,
              methods: ['GET', 'POST'],
              pathPrefix: '/',
              addresses: [],
              ...(asksForKey && { secret: { name: 'target-key', header: 'x-api-key', format: '{}' } }),
            },
          ],
        },
      ],
    },
    plugins: [{ manifest: MANIFEST, wasm: await hostileModule('echo'), sealed: false }],
  });
  if (!fine.ok) throw new Error(fine.error);
  for (const text of playbooks) await activate({ kernel }, text);
  return kernel.begin();
}

/** Stores the playbook and makes it the active one, unless one is. */
export async function activate({ kernel }: Pick<StandIn, 'kernel'>, text: string): Promise<void> {
  if (!kernel.query.playbook(ORG, 'governed')?.active) await activatePlaybook(kernel, ORG, text);
}

/** Judges the org's part of the log as an auditor would, from the export alone. */
export function auditVerdict(store: Store) {
  const { head, lines } = openExport({ store, clock: openManualClock(START) })(ORG);
  const verifier = createVerifier({ scope: 'org', log: head.log, org: ORG });
  for (const line of lines) verifier.push(line);
  return verifier.end(head);
}

const SECRETS: SecretSource = {
  known: async () => ok([]),
  lease: async (_, name) =>
    name === 'target-key'
      ? ok({ name, reveal: () => 'the-key-of-the-target', isOver: () => false, revoke: () => 'ended' as const })
      : err('unknown' as const),
  put: async () => undefined,
  list: async () => [],
  remove: async () => false,
};

function modulesOf(): ModuleStore {
  const modules = new Map<Digest, StoredModule>();
  return {
    put: async (digest, module) => void modules.set(digest, module),
    get: async (digest) => modules.get(digest),
  };
}
