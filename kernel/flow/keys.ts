import type { Digest, EventId, OrgId, RunId, StepRunId } from '../base/id.ts';
import type { UnixMs } from '../base/time.ts';

/**
 * Every key of the record, in one table. An org's rows begin with its name; `!` begins what belongs to the kernel and
 * names the org next. Ids are checked names or hex, so no part can hold a `/`. Numbers are padded to sort.
 */
const padded = (value: number, width = 15) => String(value).padStart(width, '0');

export type Listed = 'run' | 'approval';

export const KEYS = {
  org: (org: OrgId) => `!org/${org}`,
  auditHead: '!audit/head',
  timer: (due: UnixMs, org: OrgId, run: RunId) => `!timer/${padded(due)}/${org}/${run}`,
  timersUntil: (now: UnixMs) => `!timer/${padded(now + 1)}`,
  /** When a trigger is due: its next time, or the end of a burst. */
  due: (at: UnixMs, org: OrgId, playbook: string, trigger: string) =>
    `!due/${padded(at)}/${org}/${playbook}/${trigger}`,
  dueUntil: (now: UnixMs) => `!due/${padded(now + 1)}`,
  call: (org: OrgId, run: RunId, step: StepRunId) => `!call/${org}/${run}/${step}`,
  /** An event that a step waits for has come, and the run has not been told yet. */
  wake: (org: OrgId, run: RunId, step: StepRunId) => `!wake/${org}/${run}/${step}`,
  /** A run has ended, and triggers that are for that have not been asked yet. */
  end: (org: OrgId, run: RunId) => `!end/${org}/${run}`,

  /** The stop switch of the whole machine. */
  stopAll: '!stop',

  stop: (org: OrgId) => `${org}/stop`,
  breaker: (org: OrgId, connector: string) => `${org}/breaker/${connector}`,
  health: (org: OrgId, connector: string) => `${org}/health/${connector}`,
  reported: (org: OrgId) => `${org}/reported`,
  /** What a plugin in report mode asked of one place. */
  reportedPlace: (org: OrgId, plugin: string, place: Digest) => `${org}/reported/${plugin}/${place.slice(7)}`,
  token: (org: OrgId, id: string) => `${org}/token/${id}`,
  event: (org: OrgId, id: EventId) => `${org}/event/${id}`,
  /** Empty; for reading events in the order in which they came. */
  eventAt: (org: OrgId, at: UnixMs, id: EventId) => `${org}/event-at/${padded(at)}/${id}`,
  eventsFrom: (org: OrgId, at: UnixMs) => `${org}/event-at/${padded(at)}`,
  /** Rows by the digest of what they are about, each good until an instant. */
  dedup: (org: OrgId, key: string) => `${org}/dedup/${key.slice(7)}`,
  cooldown: (org: OrgId, key: string) => `${org}/cooldown/${key.slice(7)}`,
  claim: (org: OrgId, key: string) => `${org}/claim/${key.slice(7)}`,
  above: (org: OrgId, key: string) => `${org}/above/${key.slice(7)}`,
  forget: (org: OrgId, until: UnixMs, row: string) => `${org}/forget/${padded(until)}/${row.slice(org.length + 1)}`,
  forgetUntil: (org: OrgId, now: UnixMs) => `${org}/forget/${padded(now + 1)}`,
  trigger: (org: OrgId, playbook: string, trigger: string) => `${org}/trigger/${playbook}/${trigger}`,
  pending: (org: OrgId, playbook: string, run: RunId) => `${org}/pending/${playbook}/${run}`,
  /** The last run that somebody asked for, of those that an event has started by a trigger. */
  again: (org: OrgId, event: EventId, playbook: string, trigger: string) =>
    `${org}/again/${event}/${playbook}/${trigger}`,
  absorbed: (org: OrgId, run: RunId) => `${org}/absorbed/${run}`,
  run: (org: OrgId, run: RunId) => `${org}/run/${run}`,
  turn: (org: OrgId, run: RunId, version: number) => `${org}/turn/${run}/${padded(version, 6)}`,
  approval: (org: OrgId, id: string) => `${org}/approval/${id}`,
  incident: (org: OrgId, id: string) => `${org}/incident/${encodeURIComponent(id)}`,
  incidentEntry: (org: OrgId, id: string, n: number) => `${org}/incident-at/${encodeURIComponent(id)}/${padded(n)}`,
  incidentList: (org: OrgId, seq: number) => `${org}/incident-list/${padded(seq)}`,
  lifecycle: (org: OrgId, id: string) => `${org}/lifecycle/${id}`,
  webhook: (org: OrgId, id: string) => `${org}/webhook/${id}`,
  playbook: (org: OrgId, name: string) => `${org}/playbook/${name}`,
  version: (org: OrgId, name: string, digest: Digest) => `${org}/version/${name}/${digest.slice(7)}`,
  secretKey: (org: OrgId) => `${org}/secret-key`,
  /** By whose signature the org took a plugin: the id of the signer. */
  signer: (org: OrgId, plugin: Digest) => `${org}/signer/${plugin.slice(7)}`,
  policy: (org: OrgId, digest: Digest) => `${org}/policy/${digest.slice(7)}`,
  auditChunk: (org: OrgId, tseq: number) => `${org}/audit/${padded(tseq)}`,
  orgHead: (org: OrgId) => `${org}/audit-head`,

  /** The runs, or approvals, that have this value in this field: keys with nothing behind them (list-rows.ts). */
  listed: (org: OrgId, what: Listed, field: string, value: string) => `${org}/${what}-by/${field}/${value}`,
  /** How far the lists of what was stored before there were any have come. */
  lists: (org: OrgId) => `${org}/lists`,
} as const;

/** Where an event stands among the others: the instant at which it came, and its id. */
export const EVENT_PLACE = /^\d{15}-evt_[0-9a-f]{32}$/;
/** The key of a place, and the place of a key: `place` has the form above. */
export const keyOfPlace = (org: OrgId, place: string): string => `${org}/event-at/${place.replace('-', '/')}`;
export const placeOfKey = (org: OrgId, key: string): string => key.slice(`${org}/event-at/`.length).replace('/', '-');
export const eventAtPlace = (place: string): EventId => place.slice(16) as EventId;

/** All keys that begin with `prefix`: from it, to the first key past it. `0` follows `/` in ASCII. */
export const within = (prefix: string): { readonly from: string; readonly to: string } => ({
  from: `${prefix}/`,
  to: `${prefix}0`,
});
