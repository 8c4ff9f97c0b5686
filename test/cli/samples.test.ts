import * as v from 'valibot';
import { expect, test } from 'vitest';
import * as api from '../../sdk/contract/api.ts';
import * as apiCall from '../../sdk/contract/api-call.ts';
import * as apiExplain from '../../sdk/contract/api-explain.ts';
import { Graph } from '../../sdk/contract/api-graph.ts';
import * as apiIncident from '../../sdk/contract/api-incident.ts';
import * as apiRun from '../../sdk/contract/api-run.ts';
import * as apiTrigger from '../../sdk/contract/api-trigger.ts';
import * as lifecycle from '../../sdk/contract/lifecycle.ts';
import { SchemaSummary } from '../../sdk/contract/schema.ts';
import * as samples from './samples.ts';

test.each<[string, v.GenericSchema, unknown]>([
  ['a summary', apiRun.RunSummary, samples.summary],
  ['a summary of an ended run', apiRun.RunSummary, samples.completed],
  ['an open run', apiRun.OpenRun, samples.openRun],
  ['a stuck run', apiRun.OpenRun, samples.stuckRun],
  ['an approval row', apiRun.ApprovalSummary, samples.approvalRow],
  ['an approval', apiRun.Approval, samples.approval],
  ['a decided approval', apiRun.Approval, samples.voted('reject')],
  ['a waiting run', apiRun.Run, samples.waitingRun],
  ['a run that runs again', apiRun.Run, samples.againRun],
  ['a paused run', apiRun.RunPaused, samples.pausedRun],
  ['a resumed run', apiRun.RunPaused, samples.resumedRun],
  ['a summary of a run that is held', apiRun.RunSummary, samples.heldSummary],
  ['an open run that is paused', apiRun.OpenRun, samples.pausedOpenRun],
  ['a run that keeps what was done', apiRun.Run, samples.keepingRun],
  ['a completed run', apiRun.Run, samples.completedRun],
  ['a failed run', apiRun.Run, samples.failedRun],
  ['a run that is not undone', apiRun.Run, samples.undoingRun('failed', ['failed', 'indeterminate'])],
  ['a run that is closed', apiRun.Run, samples.closedRun],
  ['a run that answers an end', apiRun.Run, samples.answeringRun],
  ['a run that many answer', apiRun.Run, samples.answeredRun],
  ['a run that the egress policy ended', apiRun.Run, samples.uncoveredRun],
  ['a run that a fail ended', apiRun.Run, samples.endedByFail],
  ['a run that a stop holds up', apiRun.Run, samples.cutOffRun],
  ['a graph', Graph, samples.graph],
  ['a graph of a run', Graph, samples.drawn],
  ['a row of schemas', SchemaSummary, samples.schemas[0]],
  ['a receipt', api.Receipt, samples.receipt],
  ['a trigger', apiTrigger.Trigger, samples.trigger],
  ['a schedule', apiTrigger.Trigger, samples.schedule],
  ['a noisy trigger', apiTrigger.NoisyTrigger, samples.noisy],
  ['an explanation', apiExplain.ExplainedPlaybook, samples.explained],
  ['a replay', apiExplain.Replay, samples.replay],
  ['a playbook', api.Playbook, samples.playbook],
  ['a playbook row', api.PlaybookSummary, samples.playbookRow],
  ['a plugin', api.Plugin, samples.plugin],
  ['connectors', v.array(apiCall.Connector), samples.connectors],
  ['an egress report', v.array(apiCall.EgressReported), samples.egressReport],
  ['a stop', apiCall.StopState, samples.stopped],
  ['a released stop', apiCall.StopState, samples.released],
  ['an incident', apiIncident.Incident, samples.incident],
  ['an incident row', apiIncident.IncidentSummary, samples.incidentRow],
  ['a lifecycle event', lifecycle.LifecycleEvent, samples.lifecycleEvent],
  ['a webhook', lifecycle.LifecycleWebhook, samples.lifecycleWebhook],
  ['a token row', api.TokenSummary, samples.tokenRow],
  ['the holder of a token', api.Whoami, samples.whoami],
  ['a new token', api.NewToken, samples.newToken],
  ['secrets', v.array(api.Secret), samples.secrets],
  ['secretRotated', api.SecretRotated, samples.secretRotated],
  ['a valid playbook', api.Lint, samples.lintValid],
  ['an invalid playbook', api.Lint, samples.lintInvalid],
])('%s is as the contract says', (_name, schema, value) => {
  expect(v.safeParse(schema, value).issues).toBeUndefined();
});
