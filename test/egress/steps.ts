/** Steps of one kernel that ask the broker over real sockets, with a secret store on disk and a resolver that the test writes. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSecretStore } from '../../kernel/adapter/file/secret-store.ts';
import { type EgressOptions, openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import type { OrgId } from '../../kernel/base/id.ts';
import { createBroker, type EgressRefused, type StepBroker, type StepScope } from '../../kernel/flow/broker.ts';
import { leasesOnRecord } from '../../kernel/flow/secrets.ts';
import { type EgressRule, HTTP_METHODS } from '../../sdk/contract/egress.ts';
import type { HttpRequest } from '../../sdk/contract/plugin.ts';

export const CANARY = 'canary/4f9a+B"c&e=Zz90';
export const acme = 'acme' as OrgId;

export type Steps = Awaited<ReturnType<typeof openSteps>>;

/** They share the broker and the store. */
export async function openSteps({ canary = CANARY, ...options }: EgressOptions & { readonly canary?: string } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'interlock-broker-'));
  const store = await openSecretStore({ file: join(folder, 'secrets.json'), key: randomBytes(32) });
  if (!store.ok) throw new Error(store.error);
  await store.value.put(acme, 'api-key', canary);
  const egress = openEgressClient({ resolve: async () => ['127.0.0.1'], ...options });
  const refused: EgressRefused[] = [];
  /** What would be on record. */
  const staged: unknown[] = [];
  const broker = createBroker({
    egress,
    secrets: leasesOnRecord(store.value, { stage: async (one) => void staged.push(one) }, () => undefined),
    onRefusal: (one) => void refused.push(one),
  });
  const scope: Omit<StepScope, 'rules'> = {
    org: acme,
    run: 'run_1',
    step: 'ban',
    attempt: 1,
    plugin: 'tracker',
    action: 'create',
    playbook: 'contain-c2',
    reports: false,
    effect: 'write',
    methods: HTTP_METHODS,
    op: 'execute',
    idempotencyKey: 'key-of-step',
    traceparent: '',
    timeoutMs: 5_000,
  };
  const start = (rules: readonly EgressRule[], part: Partial<StepScope> = {}): StepBroker =>
    broker.forStep({ ...scope, rules, ...part });
  const close = async () => {
    await egress.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { store: store.value, refused, staged, start, close };
}

export const secret = { name: 'api-key', header: 'x-api-key', format: 'Token {}' };

export const to = (port: number, part: Partial<HttpRequest> = {}): HttpRequest => ({
  url: `http://api.test:${port}/v1/items`,
  method: 'GET',
  headers: {},
  body: null,
  ...part,
});
