import * as v from 'valibot';
import { ApprovalMatrixSchema } from '../../kernel/approval/matrix.ts';
import type { OrgId } from '../../kernel/base/id.ts';
import type { OrgSetup } from '../../kernel/flow/set-up.ts';
import { checkGuardrails } from '../../kernel/guardrail/schema.ts';
import type { Principal } from '../../kernel/org/principal.ts';
import rules from '../../policies/guardrails/baseline.rules.json' with { type: 'json' };
import { type PluginManifest, PluginManifestSchema, type StepType } from '../../sdk/contract/plugin.ts';
import { hostileModule } from '../hostile/hostile-module.ts';
import { personOf } from '../support/org-files.ts';
import type { Random } from './random.ts';

/**
 * The orgs of a world: people, policies, and one plugin whose actions are of every kind. Two orgs have the same names for
 * everything, so that a mix-up would work; only what the secret is tells them apart.
 */
const object = { type: 'object' };
type Sent = 'GET' | 'POST';
type Behaviour = { readonly type: StepType; readonly sends: readonly Sent[] };

/** What each action is used as, and the requests of its `execute`, always the same: a plugin is deterministic. */
export const BEHAVIOURS = {
  compute: { type: 'enrich', sends: [] },
  look: { type: 'enrich', sends: ['GET'] },
  tell: { type: 'notify', sends: ['POST'] },
  ticket: { type: 'open_ticket', sends: ['GET', 'POST'] },
  deliver: { type: 'webhook', sends: ['POST', 'POST'] },
  post: { type: 'webhook', sends: ['POST'] },
  claim: { type: 'webhook', sends: ['POST'] },
  relay: { type: 'webhook', sends: ['GET', 'POST', 'POST'] },
  ban: { type: 'contain', sends: ['POST'] },
  cut: { type: 'contain', sends: ['GET', 'POST'] },
} as const satisfies Record<string, Behaviour>;
export type ActionName = keyof typeof BEHAVIOURS;

const write = { effect: 'write', input: object, output: {} };
export const MANIFEST: PluginManifest = v.parse(PluginManifestSchema, {
  apiVersion: 'interlock/plugin/v1',
  name: 'target',
  version: '1.0.0',
  title: 'Stands for every target',
  capabilities: { http: true, secrets: ['target-key'] },
  actions: {
    compute: { title: 'Compute', effect: 'none', input: object, output: {} },
    look: { title: 'Look', effect: 'read', input: object, output: {} },
    tell: { title: 'Tell', types: ['notify'], ...write, idempotent: 'key', rollback: true },
    ticket: { title: 'Open a ticket', types: ['open_ticket'], ...write, idempotent: 'key' },
    deliver: { title: 'Deliver', types: ['webhook'], ...write, idempotent: 'key', rollback: true },
    post: { title: 'Post', types: ['webhook'], ...write, idempotent: 'no', rollback: true },
    claim: { title: 'Claim', types: ['webhook'], ...write, idempotent: 'check' },
    relay: { title: 'Relay', types: ['webhook'], ...write, idempotent: 'no' },
    ban: { title: 'Ban', ...write, idempotent: 'key', plan: true, rollback: true },
    cut: { title: 'Cut off', ...write, idempotent: 'no', plan: true, rollback: true },
  },
});

/** Whether a repeat under the same key is harmless, as the manifest promises and the targets keep. */
export const honoursKey = (action: string): boolean => MANIFEST.actions[action]?.idempotent === 'key';

const WASM = await hostileModule('echo');
const guardrails = checkGuardrails(rules);
if (!guardrails.ok) throw new Error('the shipped guardrails are refused');
const GUARDRAILS = guardrails.value;

export type Person = Principal;
export type WorldOrg = {
  readonly id: OrgId;
  readonly secret: string;
  /** Sends the events, so that it is the requester of every run. It may approve what others asked for. */
  readonly source: Person;
  /** Puts playbooks, and would like to activate them. */
  readonly author: Person;
  readonly people: readonly Person[];
  /** As the files lie at present; a kernel reads them when it starts. */
  setup(): OrgSetup;
  /** Someone edits the files. */
  edit(random: Random): string;
};

export function makeOrg(name: string, random: Random): WorldOrg {
  const person = (id: string, ...roles: Person['roles']) => personOf(name, id, roles);
  const source = person('pipeline', 'source', 'approver');
  const author = person('ada', 'author', 'approver');
  let endpoint = 1;
  let moderate = random.chance(0.2) ? 1 : 0;
  const expires = random.pick(['45s', '10m', '1h']);
  const setup = (): OrgSetup => ({
    id: name as OrgId,
    policy: {
      guardrails: GUARDRAILS,
      matrix: v.parse(ApprovalMatrixSchema, {
        apiVersion: 'interlock/approval-matrix/v1',
        tiers: {
          low: { approvers: 0 },
          moderate: { approvers: moderate, expires },
          high: { approvers: 1, expires },
          critical: { approvers: 2, expires },
        },
      }),
    },
    egress: {
      apiVersion: 'interlock/egress/v1',
      grants: [
        {
          plugin: 'target',
          settings: { endpoint: `https://target.example/v${endpoint}` },
          rules: [
            {
              scheme: 'https',
              host: 'target.example',
              port: 443,
              methods: ['GET', 'POST'],
              pathPrefix: '/',
              addresses: [],
              secret: { name: 'target-key', header: 'x-api-key', format: '{}' },
            },
          ],
        },
      ],
    },
    plugins: [{ manifest: MANIFEST, wasm: WASM, sealed: false }],
  });
  return {
    id: name as OrgId,
    secret: `the-key-of-${name}-${'0123456789abcdef'.slice(random.below(8))}`,
    source,
    author,
    people: [
      source,
      author,
      person('ann', 'approver'),
      person('ben', 'approver'),
      person('cleo', 'operator', 'approver'),
      person('dan', 'operator'),
      person('eve', 'auditor'),
    ],
    setup,
    edit(chance) {
      if (chance.chance(0.7)) {
        endpoint++;
        return `the settings of ${name} now name another endpoint`;
      }
      moderate = 1 - moderate;
      return `a moderate action of ${name} now needs ${moderate} approvers`;
    },
  };
}
