import type { OrgId, RunId } from '../base/id.ts';
import type { Result } from '../base/result.ts';
import type { Principal } from '../org/principal.ts';
import type { CellHost, Quarantine } from '../port/cell-host.ts';
import type { Clock, Entropy } from '../port/clock.ts';
import type { EgressClient } from '../port/egress.ts';
import type { ModuleStore } from '../port/module-store.ts';
import type { OpenLenders } from '../port/secret-lender.ts';
import type { SecretSource } from '../port/secret-source.ts';
import type { Store } from '../port/store.ts';
import type { Run } from '../run/state.ts';
import type { Trusted } from '../trust/judge.ts';
import type { RunAgain } from './again.ts';
import type { BreakerChange } from './breakers.ts';
import type { EgressRefused } from './broker.ts';
import type { Connectors } from './connectors.ts';
import type { Control } from './control.ts';
import type { Explain } from './explain.ts';
import type { AuditExport } from './export.ts';
import type { Feed } from './feed.ts';
import type { HealthChange } from './health.ts';
import type { Incidents } from './incidents.ts';
import type { Ingest } from './ingest.ts';
import type { Intake } from './intake.ts';
import type { NotLent } from './lent-secrets.ts';
import type { OpenCount, openOpenWork } from './open-work.ts';
import type { Outbox } from './outbox.ts';
import type { Playbooks } from './playbooks.ts';
import type { QuarantineChange } from './quarantines.ts';
import type { Query } from './query.ts';
import type { Recovered } from './recover.ts';
import type { Plugin } from './registry.ts';
import type { ReplayEvents } from './replay.ts';
import type { Reports } from './reports.ts';
import type { Rotate } from './rotate.ts';
import type { Scheduler } from './scheduler.ts';
import type { Secrets } from './secrets.ts';
import type { OrgSetup } from './set-up.ts';
import type { StopChange, Stops } from './stop.ts';
import type { FormerPlugin } from './take-up.ts';
import type { Tokens } from './tokens.ts';
import type { Triggers } from './triggers.ts';

/** Everything from outside that the kernel stands on. */
export type Ports = {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly cells: CellHost;
  readonly egress: EgressClient;
  readonly secrets: SecretSource;
  /** Names the key that stored secrets are sealed under, and is not it: that it is another one is put on record. */
  readonly secretKeyId?: string;
  /** Makes the lenders of an org whose secrets policy names some. Without it there are none. */
  readonly openLenders?: OpenLenders;
  /** Reads a file with what the kernel logs in to a provider with. `err`: a sentence for the operator. */
  readonly readCredentialFile?: (path: string) => Promise<Result<string, string>>;
  readonly modules: ModuleStore;
  /** Absent: the timers of the process. */
  readonly scheduler?: Scheduler;
  /** Told of every defect that stopped a turn, so that none is silent. */
  readonly report?: (defect: unknown) => void;
  /** Told of every request of a plugin that was stopped, with what would let it pass. For the operator's eyes. */
  readonly onRefusal?: (refused: EgressRefused) => void;
  /** Told of a secret that a provider did not lend, once for each cause. For the operator's eyes. */
  readonly onNotLent?: (fault: NotLent) => void;
  /** Told when the circuit of a connector opens or closes. */
  readonly onBreaker?: (change: BreakerChange) => void;
  /** Told when a connector becomes healthy or unhealthy. */
  readonly onHealth?: (change: HealthChange) => void;
  /** Told when a plugin is put into quarantine. */
  readonly onQuarantine?: (change: QuarantineChange) => void;
  /** Told when a stop begins or ends. */
  readonly onStop?: (change: StopChange) => void;
  /** The stop switch of the whole machine: the reason while it is engaged. Without it there is none. */
  readonly machineStop?: () => Promise<string | undefined>;
};

/** What the front doors may call. One kernel, one store, one writer. */
export type Kernel = {
  /** To be asked before an event is read. */
  readonly intake: Intake;
  readonly ingest: Ingest;
  readonly explain: Explain;
  readonly replay: ReplayEvents;
  readonly control: Control;
  readonly runAgain: RunAgain;
  readonly incidents: Incidents;
  readonly lifecycle: Pick<Feed, 'read' | 'last' | 'wait'> & { readonly webhooks: Outbox['state'] };
  readonly query: Query;
  /** Every run that has not ended, what it waits for, and whether that is on its way. */
  readonly openWork: ReturnType<typeof openOpenWork>['list'];
  readonly playbooks: Playbooks;
  readonly triggers: Triggers;
  readonly tokens: Tokens;
  readonly secrets: Secrets & Rotate;
  /** The plugins that the org has now, by name, and whether its egress policy has a grant for each. */
  readonly plugins: (org: OrgId) => readonly (Plugin & {
    readonly granted: boolean;
    /** What it may do under the grants of now, in sentences. */
    readonly may: readonly string[];
    readonly trusted: Trusted | undefined;
  })[];
  /** What plugins in report mode asked for beyond their rules. */
  reported(org: OrgId): ReturnType<Reports['list']>;
  /** The connectors of the org by name, and how they are doing. */
  readonly connectors: Connectors;
  /** What the cells tell. */
  readonly quarantined: (quarantine: Quarantine) => void;
  readonly stops: Pick<Stops, 'show' | 'engaged' | 'engage' | 'release'>;
  readonly auditExport: (org: OrgId) => AuditExport;
  /** Records that someone asked for what he may not do. */
  readonly refuseAccess: (by: Principal, what: string) => Promise<void>;
  /** Resolves with the run when it ends, or as it is after `timeoutMs`. Null when there is none. */
  readonly waitForRun: (org: OrgId, run: RunId, timeoutMs: number) => Promise<Run | null>;
  /** Before a stop: whoever waits gets things as they are, and nobody waits any more. */
  readonly endWaits: () => void;
  readonly setUpOrg: (setup: OrgSetup) => Promise<Result<void, string>>;
  /** After all orgs are set up: takes up open work and starts the timers. */
  readonly begin: () => Promise<Recovered & { readonly open: OpenCount; readonly former: readonly FormerPlugin[] }>;
  readonly stats: () => { readonly inFlight: number; readonly cells: ReturnType<CellHost['stats']> };
  readonly healthy: () => boolean;
  /** Resolves with the cause when the record has failed: end the process, start again. */
  readonly failure: Promise<Error>;
  /** Stops in good order. Does not reject; when the record failed on the way, `healthy` is false afterwards. */
  readonly stop: () => Promise<void>;
};
