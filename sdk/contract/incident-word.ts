/** The words that incidents are made of: for playbooks, policies, the API and lifecycle events alike. */
export const INCIDENT_STATES = ['new', 'triaged', 'contained', 'resolved', 'closed'] as const;
export type IncidentState = (typeof INCIDENT_STATES)[number];

/** As OCSF names them, from its `severity_id`. */
export const SEVERITIES = ['unknown', 'informational', 'low', 'medium', 'high', 'critical', 'fatal'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What an entry of an incident's timeline tells of. */
export const ENTRY_KINDS = [
  /** An event carried the finding. */
  'reported',
  /** A step of a run set its state. */
  'updated',
  'run_started',
  'run_ended',
  /** What became of a step that contains. */
  'containment',
  'approval',
  /** A person's note, or change of state. */
  'note',
] as const;
export type EntryKind = (typeof ENTRY_KINDS)[number];
