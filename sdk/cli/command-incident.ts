import { type Command, Option } from 'commander';
import type { Incident, IncidentSummary, TimelineEntry } from '../client/client.ts';
import { INCIDENT_STATES, SEVERITIES } from '../contract/incident-word.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, ok, type Result } from './ending.ts';
import { type Listing, readList, withListOptions } from './list.ts';
import { clean, fields, paint, say, sayJson, state, table, when } from './print.ts';
import { type Globals, openSession, type Session } from './session.ts';

const ID = 'its id: that of the finding, or what a playbook names';

/** `interlock incident`: what findings, playbooks and people have made of a case. */
export function addIncident(program: Command): void {
  const incident = program.command('incident').description('see incidents and their timelines, and add to them');
  withExamples(incident, ['interlock incident list --state new', 'interlock incident show INC-4711']);

  withExamples(
    withListOptions(incident.command('list').description('incidents of the org, newest first'))
      .addOption(new Option('--state <state>', 'only incidents in this state').choices(INCIDENT_STATES))
      .addOption(new Option('--severity <severity>', 'only incidents of this severity').choices(SEVERITIES)),
    ['interlock incident list', 'interlock incident list --severity critical --all --json'],
  ).action((_options, command: Command) => act(listIncidents(command.optsWithGlobals())));

  withExamples(
    incident
      .command('show')
      .description('the state of an incident and its latest changes, newest first')
      .argument('<id>', ID),
    ['interlock incident show INC-4711', 'interlock incident show INC-4711 --json'],
    'There is an incident when an event has carried its finding, or a playbook has named it.',
  ).action((id: string, _options, command: Command) => act(showIncident(id, command.optsWithGlobals())));

  withExamples(
    withListOptions(
      incident.command('timeline').description('all that happened about it, newest first').argument('<id>', ID),
    ),
    ['interlock incident timeline INC-4711', 'interlock incident timeline INC-4711 --all --json'],
    'AUDIT has the number of the record that each entry stands on.',
  ).action((id: string, _options, command: Command) => act(showTimeline(id, command.optsWithGlobals())));

  withExamples(
    incident
      .command('note')
      .description('add a note to an incident, or set its state or severity')
      .argument('<id>', ID)
      .option('--note <text>', 'what there is to say; it stays on its timeline with your name')
      .addOption(new Option('--state <state>', 'its state from now on').choices(INCIDENT_STATES))
      .addOption(new Option('--severity <severity>', 'its severity from now on').choices(SEVERITIES)),
    [
      'interlock incident note INC-4711 --note "a test of the red team"',
      'interlock incident note INC-4711 --state closed --note "false positive"',
    ],
    'A state goes forward (new, triaged, contained, resolved, closed), or back to triaged to open the case again.',
  ).action((id: string, _options, command: Command) => act(noteIncident(id, command.optsWithGlobals())));
}

async function listIncidents(options: Globals & Listing & { state?: string; severity?: string }): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const { client } = session.value;
  const filter = { state: options.state, severity: options.severity };
  const rows = await readList(session.value, options, (paging) => client.incidents(filter, paging));
  if (!rows.ok) return rows;
  if (options.json) sayJson(rows.value);
  else if (rows.value.length === 0) say('no incidents');
  else say(table(['INCIDENT', 'STATE', 'SEVERITY', 'SINCE', 'UPDATED', 'TITLE'], rows.value.map(incidentRow)));
  return fine;
}

const incidentRow = (row: IncidentSummary): string[] => [
  clean(row.incident, 256),
  state(row.state),
  row.severity,
  when(row.createdAt),
  when(row.updatedAt),
  clean(row.title ?? '', 80),
];

async function openIncidentSession(id: string, options: Globals): Promise<Result<Session>> {
  // The dots would be taken for steps of a path.
  if (!/^[\x21-\x7e]{1,256}$/.test(id) || /^\.{1,2}$/.test(id))
    return cannot('an incident is named by 1-256 printable characters without spaces.');
  return openSession(options);
}

async function showIncident(id: string, options: Globals): Promise<Ending> {
  const session = await openIncidentSession(id, options);
  if (!session.ok) return session;
  const answer = await session.value.client.incident(id);
  if (!answer.ok) return complain(answer.error, session.value, 'incident');
  if (options.json) sayJson(answer.value);
  else sayIncident(answer.value);
  return fine;
}

async function showTimeline(id: string, options: Globals & Listing): Promise<Ending> {
  const session = await openIncidentSession(id, options);
  if (!session.ok) return session;
  const { client } = session.value;
  const rows = await readList(session.value, options, (paging) => client.timeline(id, paging));
  if (!rows.ok) return rows;
  if (options.json) sayJson(rows.value);
  else sayEntries(rows.value);
  return fine;
}

type NoteOptions = Globals & { readonly note?: string; readonly state?: string; readonly severity?: string };

async function noteIncident(id: string, options: NoteOptions): Promise<Ending> {
  const { note, state: to, severity } = options;
  if (note === undefined && to === undefined && severity === undefined)
    return cannot('there is nothing to add: give --note, --state or --severity. Nothing was sent.');
  const session = await openIncidentSession(id, options);
  if (!session.ok) return session;
  const form = {
    ...(note !== undefined && { note }),
    ...(to !== undefined && { state: to as Incident['state'] }),
    ...(severity !== undefined && { severity: severity as Incident['severity'] }),
  };
  const answer = await session.value.client.noteIncident(id, form);
  if (!answer.ok) return complain(answer.error, session.value, 'incident');
  if (options.json) sayJson(answer.value);
  else sayIncident(answer.value);
  return ok(0);
}

function sayIncident(shown: Incident): void {
  const { incident, org, state: now, severity, title, source, confidence, uncertainty, createdAt, updatedAt } = shown;
  say(`${paint('strong', clean(incident, 256))}  ${state(now)}`);
  say(
    fields([
      ['org', org],
      ['severity', severity],
      ['title', title === null ? undefined : clean(title)],
      ['source', source === null ? undefined : clean(source)],
      ['confidence', confidence === null ? undefined : String(confidence)],
      ['uncertainty', uncertainty === null ? undefined : String(uncertainty)],
      ['since', when(createdAt)],
      ['updated', when(updatedAt)],
    ]),
  );
  say('');
  // The answer has them as they came; here they stand as `timeline` shows them.
  sayEntries(shown.timeline.toReversed());
}

const sayEntries = (entries: readonly TimelineEntry[]): void =>
  say(table(['AT', 'WHAT', 'BY', 'OF', 'AUDIT', 'NOTE'], entries.map(entryRow)));

const entryRow = (entry: TimelineEntry): string[] => [
  when(entry.at),
  `${clean(entry.kind, 20)}${whatOf(entry)}`,
  clean(entry.by, 60),
  ofEntry(entry),
  entry.seq === null ? '-' : String(entry.seq),
  clean(entry.note ?? ''),
];

const whatOf = ({ outcome, state: to, from }: TimelineEntry): string => {
  if (to === null) return outcome === null ? '' : ` ${state(outcome)}`;
  if (outcome === 'refused') return ` ${state(to)} refused (is ${from ?? 'unknown'})`;
  return ` ${state(to)}`;
};

const ofEntry = ({ event, run, step, playbook }: TimelineEntry): string =>
  [playbook, step, run ?? event].flatMap((part) => (part === null ? [] : [clean(part, 128)])).join(' ') || '-';
