/** A kernel in memory behind a real listener: what the HTTP tests stand on. */

import * as v from 'valibot';
import { openMemoryStore, type WriteFault } from '../../kernel/adapter/memory/store.ts';
import { openSystemEntropy, systemClock } from '../../kernel/adapter/system/clock.ts';
import { ApprovalMatrixSchema } from '../../kernel/approval/matrix.ts';
import { digestOf } from '../../kernel/base/digest.ts';
import { type Digest, type OrgId, principalId } from '../../kernel/base/id.ts';
import { err, ok } from '../../kernel/base/result.ts';
import { ExecutionPolicySchema } from '../../kernel/call/policy.ts';
import { pluginDigest } from '../../kernel/cell/parameters.ts';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import { openKernel } from '../../kernel/flow/open-kernel.ts';
import { type AppOptions, createApp } from '../../kernel/http/app.ts';
import { type ConnectionLimits, serve } from '../../kernel/http/serve.ts';
import { ROLES, type Role } from '../../kernel/org/role.ts';
import type { CellCall, CellHost } from '../../kernel/port/cell-host.ts';
import type { Clock } from '../../kernel/port/clock.ts';
import type { EgressClient } from '../../kernel/port/egress.ts';
import type { ModuleStore, StoredModule } from '../../kernel/port/module-store.ts';
import type { SecretSource } from '../../kernel/port/secret-source.ts';
import type { Store } from '../../kernel/port/store.ts';
import type { CallEnvelope, PluginManifest } from '../../sdk/contract/plugin.ts';
import { NO_TRUST, type TrustPolicy } from '../../sdk/contract/trust.ts';
import { describedAs } from '../support/described.ts';
import { openContract, publishedOf } from './contract.ts';

export const MODULE_DIGEST = (): Digest => digestOf(MODULE);
export const PLUGIN_DIGEST = (): Digest => pluginDigest(PROBE, MODULE);
/** As found when it was taken in. */
const TRUSTED = { signer: { id: 'platform', by: { key: `sha256:${'a'.repeat(64)}` } }, locked: true };
export const ACME = 'acme' as OrgId;
export const GLOBEX = 'globex' as OrgId;

const BAN = { type: 'object', required: ['ip'], properties: { ip: {}, host: {} } };

export const PROBE: PluginManifest = v.parse(v.any(), {
  apiVersion: 'interlock/plugin/v1',
  name: 'probe',
  version: '1.0.0',
  title: 'Stands for a connector',
  capabilities: { http: true, secrets: [] },
  healthCheck: ['auth', 'health'],
  actions: Object.fromEntries(
    [
      { name: 'look', effect: 'read', plan: false, types: ['enrich'] },
      { name: 'wait', effect: 'none', plan: false, types: ['enrich'] },
      { name: 'ban', effect: 'write', plan: true, types: ['contain'], input: BAN },
      { name: 'push', effect: 'write', plan: false, types: ['notify', 'webhook'] },
      { name: 'place', effect: 'write', plan: false, types: ['notify'], idempotent: 'key', rollback: true },
    ].map(({ name, effect, plan, types, input = { type: 'object' }, idempotent = 'no', rollback = false }) => [
      name,
      { title: name, types, effect, plan, idempotent, rollback, input, output: {} },
    ]),
  ),
});

/** The smallest module that is admitted; it is never run. */
const MODULE = Buffer.from(
  'AGFzbQEAAAABBQFgAAF/AwMCAAAFAwEAAQcfAwZtZW1vcnkCAAdleGVjdXRlAAAIZGVzY3JpYmUAAQoLAgQAQQALBABBAAs=',
  'base64',
);

const PLAN = {
  summary: 'Ban one address',
  targets: [{ kind: 'ip', id: '203.0.113.9' }],
  reversible: true,
  details: {},
};

/**
 * Stands in for the process cells, which are not what is tested here: answers from a function. `push` sends a request
 * whose answer gets lost; `wait`, and undoing what `place` did, reply when they are released.
 */
function openFakeCells(): CellHost & { release(): void } {
  const waiting = new Set<() => void>();
  const reply = (output: unknown) =>
    ({ kind: 'replied', reply: JSON.stringify({ ok: true, output }), logs: [], elapsedMs: 1 }) as const;
  const call = async ({ entry, envelope, broker, signal }: CellCall) => {
    if (entry === 'describe') return describedAs(PROBE);
    const { action, op, input } = JSON.parse(envelope) as CallEnvelope;
    if (op === 'plan') return reply(PLAN);
    if (op === 'auth' || op === 'health') return reply(null);
    if (action === 'push') {
      await broker({ url: 'https://ban.example/', method: 'POST', headers: {}, body: '{}' });
      const error = { class: 'timeout', message: 'no answer came' };
      return { ...reply(null), reply: JSON.stringify({ ok: false, error }) };
    }
    if (action === 'wait' || op === 'rollback') {
      await new Promise<void>((resolve) => {
        waiting.add(resolve);
        signal?.addEventListener('abort', () => resolve());
      });
      if (signal?.aborted) return { kind: 'aborted', logs: [], elapsedMs: 1 } as const;
    }
    return reply({ score: 95, input });
  };
  return {
    load: async () => ok(undefined),
    call,
    stats: () => ({ cells: 0, busy: waiting.size, waiting: 0, respawns: 0 }),
    close: async () => undefined,
    release() {
      for (const wake of waiting) wake();
      waiting.clear();
    },
  };
}

/** The network is down: a request leaves and no answer comes. */
const fakeEgress: EgressClient = {
  send: async () => ({ kind: 'failed', class: 'timeout', reason: 'no answer came', sent: true }),
  selfTest: async () => ({ holds: true, detail: '' }),
  close: async () => undefined,
};

function openFakeSecrets(): SecretSource & { readonly values: Map<string, string>; broken: boolean } {
  const values = new Map<string, string>();
  const source = {
    values,
    broken: false,
    known: async () => ok([]),
    lease: async (org: OrgId, name: string) => {
      const value = values.get(`${org}/${name}`);
      if (value === undefined) return err('unknown' as const);
      return ok({ name, reveal: () => value, isOver: () => false, revoke: () => 'ended' as const });
    },
    put: async (org: OrgId, name: string, value: string) => {
      if (source.broken) throw new Error(`cannot write ${value}`);
      values.set(`${org}/${name}`, value);
    },
    list: async (org: OrgId) =>
      [...values.keys()]
        .filter((key) => key.startsWith(`${org}/`))
        .map((key) => ({ name: key.slice(org.length + 1), updatedAt: '2026-01-02T03:04:05.000Z' })),
    remove: async (org: OrgId, name: string) => values.delete(`${org}/${name}`),
  };
  return source;
}

function openFakeModules(): ModuleStore {
  const modules = new Map<Digest, StoredModule>();
  return {
    put: async (digest, module) => void modules.set(digest, module),
    get: async (digest) => modules.get(digest),
  };
}

const POLICY = {
  guardrails: {
    apiVersion: 'interlock/guardrails/v1' as const,
    deny: [],
    hold: [],
    allow: [
      {
        id: 'any',
        title: 'Anything may run.',
        rule: { fact: 'action', path: '/effect', operator: 'in' as const, value: ['none', 'read', 'write'] },
      },
    ],
  },
  matrix: v.parse(ApprovalMatrixSchema, {
    apiVersion: 'interlock/approval-matrix/v1',
    tiers: { low: { approvers: 0 }, moderate: { approvers: 0 }, high: { approvers: 1 }, critical: { approvers: 2 } },
  }),
};

/** Nothing is checked by the clock: what the tests find on the record, they have caused. */
const EXECUTION = v.parse(ExecutionPolicySchema, { apiVersion: 'interlock/execution/v1', health: { every: 'off' } });

const EGRESS = {
  apiVersion: 'interlock/egress/v1' as const,
  grants: [
    {
      plugin: 'probe',
      settings: {},
      rules: [
        { scheme: 'https', host: 'ban.example', port: 443, methods: ['POST' as const], pathPrefix: '/', addresses: [] },
      ],
    },
  ],
} as const;

export type Asked = {
  readonly token?: string | null;
  readonly body?: unknown;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
};
// biome-ignore lint/suspicious/noExplicitAny: the tests read answers of every shape.
type AnyJson = any;
export type Reply = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: AnyJson;
  readonly data: AnyJson;
};

export type House = Awaited<ReturnType<typeof openHouse>>;

/** Two orgs, `acme` and `globex`, each with one holder of every role, named `<role>@<org>`. */
export async function openHouse(
  options: {
    /** Of a house that was closed. */
    readonly store?: Store;
    readonly fault?: (write: number) => WriteFault;
    readonly app?: AppOptions;
    readonly limits?: Partial<ConnectionLimits>;
    readonly alter?: (kernel: Kernel) => Kernel;
    readonly clock?: Clock;
  } = {},
) {
  const store: Store = options.store ?? openMemoryStore(options.fault ? { fault: options.fault } : {});
  const cells = openFakeCells();
  const secrets = openFakeSecrets();
  const kernel = openKernel({
    store,
    clock: options.clock ?? systemClock,
    entropy: openSystemEntropy(),
    cells,
    egress: fakeEgress,
    secrets,
    modules: openFakeModules(),
  });
  const tokens = new Map<string, string>();
  const tokenOf = async (org: OrgId, id: string, roles: readonly Role[]) => {
    const { token } = await kernel.tokens.create(org, 'system:test', { id: principalId(id), roles });
    tokens.set(id, token);
    return token;
  };
  /** As the kernel does it at its start; again with other settings, as at its next one. */
  const setUp = async (
    id: OrgId,
    settings: Readonly<Record<string, string>> = {},
    isGranted = true,
    revoked: TrustPolicy['revoked'] = [],
  ) => {
    const plugins = [{ manifest: PROBE, wasm: MODULE, sealed: false, trusted: TRUSTED }];
    const grants = isGranted ? EGRESS.grants.map((grant) => ({ ...grant, settings })) : [];
    const egress = { ...EGRESS, grants } as never;
    const trust = revoked.length === 0 ? undefined : { ...NO_TRUST, revoked };
    const set = await kernel.setUpOrg({
      id,
      policy: POLICY,
      egress,
      execution: EXECUTION,
      plugins,
      ...(trust && { trust }),
    });
    if (!set.ok) throw new Error(set.error);
  };
  for (const id of [ACME, GLOBEX]) {
    await setUp(id);
    for (const role of ROLES) await tokenOf(id, `${role}@${id}`, [role]);
    await tokenOf(id, `all@${id}`, ROLES);
  }
  await kernel.begin();
  const logged: unknown[] = [];
  const app = createApp(options.alter?.(kernel) ?? kernel, { log: (entry) => void logged.push(entry), ...options.app });
  const { url, close } = await serve(app, { host: '127.0.0.1', port: 0, limits: { graceMs: 200, ...options.limits } });

  const read = async (path: string) => (await fetch(url + path)).json();
  const contract = openContract(await read('/openapi.json'), await publishedOf(read));

  /** Every answer is held against the document. `as` is a principal such as `author@acme`, or null for nobody. */
  const ask = async (as: string | null, method: string, path: string, asked: Asked = {}): Promise<Reply> => {
    const { body, type } = asked;
    const token = asked.token ?? (as === null ? null : tokens.get(as));
    const isRaw = typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream;
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': type ?? 'application/json' }),
        ...asked.headers,
      },
      ...(body !== undefined && { body: (isRaw ? body : JSON.stringify(body)) as string, duplex: 'half' }),
    });
    const text = await response.text();
    const isJson = /[/+]json$/.test(response.headers.get('content-type') ?? '');
    const json = isJson && text !== '' ? JSON.parse(text) : undefined;
    const media = response.headers.get('content-type') ?? '';
    if (method !== 'HEAD') contract.check(method, path, response.status, media, json);
    return { status: response.status, headers: response.headers, text, json, data: json?.data };
  };

  const house = {
    url,
    kernel,
    store,
    cells,
    secrets,
    tokens,
    tokenOf,
    setUp,
    logged,
    contract,
    ask,
    /** Puts a playbook as the author and makes it active as the approver. */
    async activate(text: string, org: OrgId = ACME): Promise<string> {
      const put = await ask(`author@${org}`, 'POST', `/v1/orgs/${org}/playbooks`, { body: text, type: 'text/yaml' });
      if (put.status !== 201) throw new Error(put.text);
      const { name, digest } = put.data;
      const path = `/v1/orgs/${org}/playbooks/${name}/activate`;
      const done = await ask(`approver@${org}`, 'POST', path, { body: { digest } });
      if (done.status !== 200) throw new Error(done.text);
      return digest;
    },
    /** Sends an event of a type; the answer's one receipt. */
    async publish(type: string, org: OrgId = ACME, id: string = crypto.randomUUID()): Promise<AnyJson> {
      const reply = await ask(`source@${org}`, 'POST', `/v1/orgs/${org}/events`, {
        body: event(type, id),
        type: 'application/cloudevents+json',
      });
      if (reply.status !== 202) throw new Error(reply.text);
      return reply.data.events[0];
    },
    /** The audit records of an org. */
    records: (org: OrgId = ACME): AnyJson[] => [...kernel.auditExport(org).lines].map((line) => JSON.parse(line)),
    /** Waits until a value is there. */
    async until<T>(probe: () => Promise<T | undefined> | T | undefined): Promise<T> {
      for (;;) {
        const value = await probe();
        if (value !== undefined) return value;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async close() {
      cells.release();
      await close();
      await kernel.stop();
    },
  };
  return house;
}

/** The run that an event has started. */
export const started = (receipt: AnyJson): string => {
  const run = receipt.triggers.find((one: { readonly run: string | null }) => one.run !== null)?.run;
  if (!run) throw new Error(`no run: ${JSON.stringify(receipt)}`);
  return run;
};

export const event = (type: string, id: string = crypto.randomUUID(), data: unknown = { host: 'h1' }) => ({
  specversion: '1.0',
  id,
  source: '/test',
  type,
  data,
});

/** A playbook of one step that any event of type `<name>.seen` starts. `step` is the rest of the step, as YAML. */
export const playbook = (name: string, step = 'type: enrich, uses: probe/look', more = '') => `
apiVersion: interlock/v1
kind: Playbook
name: ${name}
title: ${name}
owners: { technical: a, operational: b }
triggers:
  - { id: seen, on: event, where: { fact: envelope, path: /type, operator: equal, value: ${name}.seen } }
inputs: { host: /host }
steps:
  - { id: act, ${step} }
${more}`;

export const CONTAIN = 'type: contain, uses: probe/ban, with: { ip: 203.0.113.9, host: "{{ inputs.host }}" }';
