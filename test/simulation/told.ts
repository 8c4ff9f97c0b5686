import type { Entry, Incident } from '../../kernel/incident/incident.ts';
import type { StoredLifecycle } from '../../kernel/lifecycle/event.ts';
import type { IncidentState } from '../../sdk/contract/incident-word.ts';
import type { World } from './world.ts';

/**
 * What is told outside. Incidents: each stands where its timeline has moved it, by moves that there are, and every update
 * of a run is one entry. The feed: whoever reads on from where he was has read everything once and in order at the end,
 * over whatever lives of the kernel.
 */
const MOVES: Readonly<Record<IncidentState, readonly IncidentState[]>> = {
  new: ['triaged', 'contained', 'resolved', 'closed'],
  triaged: ['contained', 'resolved', 'closed'],
  contained: ['resolved', 'closed', 'triaged'],
  resolved: ['closed', 'triaged'],
  closed: ['triaged'],
};
const STATES = Object.keys(MOVES) as IncidentState[];
const START = `${'0'.repeat(15)}-${'0'.repeat(8)}`;

type Known = { state: IncidentState; entries: number };

/** @returns what is checked when all time has passed. */
export function openTold(world: World): () => void {
  const { fail, trace, time, watch, orgs } = world;
  const random = world.random.fork('told');
  const incidents = new Map<string, Known>();
  /** Records of updates that have no entry yet, with the state that they ask for. */
  const owed = new Map<number, string>();
  /** Ends of runs that the feed has not told of yet. */
  const untold = new Set<string>();
  /** Ids in the feed of each org that were not removed before they were read. */
  const feeds = new Map(orgs.map(({ id }) => [id as string, new Set<string>()]));
  const readers = new Map(orgs.map(({ id }) => [id as string, { next: START, read: new Set<string>() }]));

  const onEntry = (org: string, id: string, n: number, entry: Entry) => {
    const key = `${org} ${id}`;
    const known = incidents.get(key) ?? { state: 'new', entries: 0 };
    incidents.set(key, known);
    const name = `entry ${n} of ${key}`;
    if (n !== known.entries) fail('incident', `${name} follows entry ${known.entries - 1}`);
    known.entries = n + 1;
    if (entry.seq !== undefined && entry.kind === 'updated') {
      if (owed.get(entry.seq) !== entry.state) fail('incident', `${name} tells of an update that there was not`);
      owed.delete(entry.seq);
    }
    if (entry.state === undefined) return;
    if (entry.from !== known.state) fail('incident', `${name} comes from ${entry.from}, and it is ${known.state}`);
    const may = MOVES[known.state].includes(entry.state);
    const right = entry.state !== known.state ? (may ? 'moved' : 'refused') : n === 0 ? 'moved' : 'kept';
    if (entry.outcome !== right) fail('incident', `${name} is ${entry.outcome}, from ${known.state} to ${entry.state}`);
    if (right === 'moved') known.state = entry.state;
  };

  watch.listenRows((org, what, id, value) => {
    if (what === 'lifecycle') onFeed(org, id, value);
    if (value === null) return;
    const [incident = '', n] = id.split('/');
    if (what === 'incident-at') onEntry(org, decodeURIComponent(incident), Number(n), JSON.parse(value) as Entry);
    if (what !== 'incident') return;
    const row = JSON.parse(value) as Incident;
    const known = incidents.get(`${org} ${row.incident}`);
    if (row.state !== known?.state || row.entries !== known.entries)
      fail('incident', `${org} ${row.incident} is ${row.state}, and its timeline says ${known?.state}`);
  });

  const onFeed = (org: string, id: string, value: string | null) => {
    const reader = readers.get(org);
    if (value === null) {
      feeds.get(org)?.delete(id);
      return;
    }
    const { type, subject } = JSON.parse(value) as StoredLifecycle;
    if (reader && id <= reader.next) fail('feed', `${type} of ${trace.name(subject)} comes before what was read`);
    feeds.get(org)?.add(id);
    if (type === 'interlock.run.ended' && !untold.delete(subject)) untold.add(`${subject} too early`);
  };

  watch.listen((run, event, seq) => {
    if (event.kind === 'incident-updated') owed.set(seq, event.state);
    if (event.kind === 'run-ended') untold.add(run.id);
  });

  const read = (org: string, limit: number) => {
    const kernel = world.kernel();
    const reader = readers.get(org);
    if (!kernel || !reader) return 0;
    const { events, next } = kernel.lifecycle.read(org as never, { after: reader.next, types: [], limit });
    for (const { id } of events) {
      if (id <= reader.next || reader.read.has(id)) fail('feed', `${org} ${id} is read a second time`);
      if (!feeds.get(org)?.has(id)) fail('feed', `${org} ${id} is read and not on the disk`);
      reader.read.add(id);
      reader.next = id;
    }
    if (next < reader.next) fail('feed', `${org} is to be read on from before what was read`);
    reader.next = next;
    return events.length;
  };

  for (let i = random.below(10); i > 0; i--) {
    const limit = 1 + random.below(20);
    time.after(world.instant(random), () => void read(random.pick(orgs).id, limit));
  }
  for (let i = random.below(4); i > 0; i--)
    time.after(world.instant(random), () => {
      const kernel = world.kernel();
      const { people } = random.pick(orgs);
      const state = random.pick(STATES);
      const by = people.find(({ roles }) => roles.includes('operator'));
      const finding = `finding-${random.below(3)}`;
      if (kernel && by) void world.answer(kernel, kernel.incidents.note(by, finding, { state, note: 'seen' }));
    });

  return () => {
    for (const [seq, state] of owed) fail('incident', `the update ${seq} to ${state} is in no timeline`);
    for (const id of untold) fail('feed', `the end of ${trace.name(id)} is not told`);
    for (const [org, feed] of feeds) {
      while (read(org, 7) > 0);
      const missed = [...feed].find((id) => !readers.get(org)?.read.has(id));
      if (missed) fail('feed', `${org} ${missed} was never read`);
    }
  };
}
