/** The words that incidents are made of: for playbooks, policies, the API and lifecycle events alike. */
export const INCIDENT_STATES = ['new', 'triaged', 'contained', 'resolved', 'closed'] as const;
export type IncidentState = (typeof INCIDENT_STATES)[number];

/** As OCSF names them, from its `severity_id`. */
export const SEVERITIES = ['unknown', 'informational', 'low', 'medium', 'high', 'critical', 'fatal'] as const;
export type Severity = (typeof SEVERITIES)[number];
