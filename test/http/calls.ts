/** One call of every guarded operation that would do something, were it allowed. */
export type Call = {
  readonly operation: string;
  readonly method: string;
  /** `{org}` stands for the org. */
  readonly path: string;
  readonly body?: unknown;
  readonly type?: string;
};

const SUBJECT = `sha256:${'0'.repeat(64)}`;

/** Ids of things that are there, in the org that is called. */
export type Ids = {
  /** Digest of a version of the playbook. */
  readonly version?: string;
  readonly run: string;
  readonly event: string;
  readonly approval: string;
  readonly token: string;
  readonly secret: string;
  readonly playbook: string;
  readonly incident: string;
  /** A whole playbook. */
  readonly text: string;
};

export const callsOf = (ids: Ids): readonly Call[] => [
  {
    operation: 'publishEvents',
    method: 'POST',
    path: '/v1/orgs/{org}/events',
    body: { specversion: '1.0', id: 'probe', source: '/probe', type: 'probe', data: {} },
    type: 'application/cloudevents+json',
  },
  { operation: 'listEvents', method: 'GET', path: '/v1/orgs/{org}/events' },
  { operation: 'readEvent', method: 'GET', path: `/v1/orgs/{org}/events/${ids.event}` },
  {
    operation: 'explainTriggers',
    method: 'POST',
    path: '/v1/orgs/{org}/triggers/explain',
    body: { specversion: '1.0', id: 'probe', source: '/probe', type: 'probe', data: {} },
    type: 'application/cloudevents+json',
  },
  {
    operation: 'replayTriggers',
    method: 'POST',
    path: '/v1/orgs/{org}/triggers/replay',
    body: ids.text,
    type: 'text/yaml',
  },
  { operation: 'listRuns', method: 'GET', path: '/v1/orgs/{org}/runs' },
  { operation: 'listOpenWork', method: 'GET', path: '/v1/orgs/{org}/open-work' },
  { operation: 'readRun', method: 'GET', path: `/v1/orgs/{org}/runs/${ids.run}` },
  { operation: 'readRunGraph', method: 'GET', path: `/v1/orgs/{org}/runs/${ids.run}/graph` },
  { operation: 'pauseRun', method: 'POST', path: `/v1/orgs/{org}/runs/${ids.run}/pause`, body: { reason: 'probe' } },
  { operation: 'resumeRun', method: 'POST', path: `/v1/orgs/{org}/runs/${ids.run}/resume` },
  { operation: 'cancelRun', method: 'POST', path: `/v1/orgs/{org}/runs/${ids.run}/cancel`, body: { reason: 'probe' } },
  { operation: 'runAgain', method: 'POST', path: `/v1/orgs/{org}/runs/${ids.run}/again`, body: { reason: 'probe' } },
  {
    operation: 'settleStep',
    method: 'POST',
    path: `/v1/orgs/{org}/runs/${ids.run}/settle`,
    body: { step: 'act', outcome: 'failed', note: 'probe' },
  },
  { operation: 'closeRun', method: 'POST', path: `/v1/orgs/{org}/runs/${ids.run}/close`, body: { note: 'probe' } },
  { operation: 'listApprovals', method: 'GET', path: '/v1/orgs/{org}/approvals' },
  { operation: 'readApproval', method: 'GET', path: `/v1/orgs/{org}/approvals/${ids.approval}` },
  {
    operation: 'vote',
    method: 'POST',
    path: `/v1/orgs/{org}/approvals/${ids.approval}/votes`,
    body: { decision: 'reject', rationale: 'probe', subject: SUBJECT },
  },
  {
    operation: 'readPlaybookGraph',
    method: 'GET',
    path: `/v1/orgs/{org}/playbooks/${ids.playbook}/versions/${ids.version ?? SUBJECT}/graph`,
  },
  {
    operation: 'drawPlaybook',
    method: 'POST',
    path: '/v1/orgs/{org}/playbooks/graph',
    body: ids.text,
    type: 'text/yaml',
  },
  {
    operation: 'lintPlaybook',
    method: 'POST',
    path: '/v1/orgs/{org}/playbooks/lint',
    body: ids.text,
    type: 'text/yaml',
  },
  { operation: 'putPlaybook', method: 'POST', path: '/v1/orgs/{org}/playbooks', body: ids.text, type: 'text/yaml' },
  { operation: 'readPlaybook', method: 'GET', path: `/v1/orgs/{org}/playbooks/${ids.playbook}` },
  { operation: 'listPlaybooks', method: 'GET', path: '/v1/orgs/{org}/playbooks' },
  { operation: 'listTriggers', method: 'GET', path: '/v1/orgs/{org}/triggers' },
  { operation: 'listNoisyTriggers', method: 'GET', path: '/v1/orgs/{org}/triggers/noisy' },
  ...['stop', 'resume'].map((verb) => ({
    operation: `${verb}Trigger`,
    method: 'POST',
    path: `/v1/orgs/{org}/triggers/${ids.playbook}/seen/${verb}`,
    body: { reason: 'probe' },
  })),
  { operation: 'listPlugins', method: 'GET', path: '/v1/orgs/{org}/plugins' },
  { operation: 'readEgressReport', method: 'GET', path: '/v1/orgs/{org}/egress/report' },
  { operation: 'listConnectors', method: 'GET', path: '/v1/orgs/{org}/connectors' },
  { operation: 'checkConnector', method: 'POST', path: '/v1/orgs/{org}/connectors/probe/check' },
  { operation: 'resetConnector', method: 'POST', path: '/v1/orgs/{org}/connectors/probe/reset' },
  { operation: 'readStop', method: 'GET', path: '/v1/orgs/{org}/stop' },
  { operation: 'engageStop', method: 'POST', path: '/v1/orgs/{org}/stop', body: { reason: 'probe' } },
  { operation: 'releaseStop', method: 'DELETE', path: '/v1/orgs/{org}/stop' },
  {
    operation: 'readPlaybookVersion',
    method: 'GET',
    path: `/v1/orgs/{org}/playbooks/${ids.playbook}/versions/${ids.version ?? SUBJECT}`,
  },
  {
    operation: 'activatePlaybook',
    method: 'POST',
    path: `/v1/orgs/{org}/playbooks/${ids.playbook}/activate`,
    body: { digest: SUBJECT },
  },
  { operation: 'listIncidents', method: 'GET', path: '/v1/orgs/{org}/incidents' },
  { operation: 'readIncident', method: 'GET', path: `/v1/orgs/{org}/incidents/${ids.incident}` },
  { operation: 'readTimeline', method: 'GET', path: `/v1/orgs/{org}/incidents/${ids.incident}/timeline` },
  {
    operation: 'noteIncident',
    method: 'POST',
    path: `/v1/orgs/{org}/incidents/${ids.incident}/notes`,
    body: { note: 'probe' },
  },
  { operation: 'readLifecycle', method: 'GET', path: '/v1/orgs/{org}/lifecycle' },
  { operation: 'listWebhooks', method: 'GET', path: '/v1/orgs/{org}/lifecycle/webhooks' },
  { operation: 'exportAudit', method: 'GET', path: '/v1/orgs/{org}/audit/export' },
  { operation: 'readAuditHead', method: 'GET', path: '/v1/orgs/{org}/audit/head' },
  { operation: 'listSecrets', method: 'GET', path: '/v1/orgs/{org}/secrets' },
  {
    operation: 'putSecret',
    method: 'PUT',
    path: `/v1/orgs/{org}/secrets/${ids.secret}`,
    body: { value: 'another-long-value' },
  },
  {
    operation: 'rotateSecret',
    method: 'POST',
    path: `/v1/orgs/{org}/secrets/${ids.secret}/rotate`,
    body: { value: 'the-value-after-it' },
  },
  { operation: 'removeSecret', method: 'DELETE', path: `/v1/orgs/{org}/secrets/${ids.secret}` },
  { operation: 'listTokens', method: 'GET', path: '/v1/orgs/{org}/tokens' },
  {
    operation: 'createToken',
    method: 'POST',
    path: '/v1/orgs/{org}/tokens',
    body: { principal: 'probe', roles: ['admin'] },
  },
  { operation: 'revokeToken', method: 'DELETE', path: `/v1/orgs/{org}/tokens/${ids.token}` },
];

export const NOWHERE: Ids = {
  run: `run_${'0'.repeat(32)}`,
  event: `evt_${'0'.repeat(32)}`,
  approval: `apr_${'0'.repeat(32)}`,
  token: '0'.repeat(16),
  secret: 'none',
  playbook: 'none',
  incident: 'none',
  text: 'none',
};
