import { envelope, listOf } from '../../../sdk/contract/api.ts';
import * as Api from '../../../sdk/contract/api-call.ts';
import { iso, type UnixMs } from '../../base/time.ts';
import type { Connector } from '../../flow/connectors.ts';
import type { HealthState } from '../../flow/health.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { data, page, problem } from '../answer.ts';
import { type Route, route } from '../route.ts';

/** The connectors of an org: how they are doing, and a hand on their circuit breakers. */
export const connectorRoutes = ({ kernel }: { readonly kernel: Kernel }): readonly Route[] => [
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/connectors',
    operation: 'listConnectors',
    summary: 'The connectors of the org: the state of their circuit breakers, calls under way and calls that wait',
    access: 'run.read',
    answer: { status: 200, description: 'All of them, by name.', schema: listOf(Api.Connector) },
    handle: ({ by }) => page(kernel.connectors.list(by.org).map(connectorView), null),
  }),
  route({
    method: 'POST',
    path: '/v1/orgs/{org}/connectors/{connector}/reset',
    operation: 'resetConnector',
    summary: 'Close the circuit breaker of a connector: its next calls are made',
    access: 'connector.reset',
    answer: { status: 200, description: 'The connector after it.', schema: envelope(Api.ConnectorReset) },
    async handle({ by, context }) {
      const name = context.req.param('connector') ?? '';
      const changed = await kernel.connectors.reset(by, name);
      const connector = kernel.connectors.list(by.org).find((one) => one.name === name);
      return changed !== null && connector ? data({ ...connectorView(connector), changed }) : problem('not-found');
    },
  }),
  route({
    method: 'POST',
    path: '/v1/orgs/{org}/connectors/{connector}/check',
    operation: 'checkConnector',
    summary: 'Check the health of a connector now: its settings, its credential, its target',
    access: 'connector.check',
    answer: { status: 200, description: 'The connector after it.', schema: envelope(Api.ConnectorCheck) },
    async handle({ by, context }) {
      const name = context.req.param('connector') ?? '';
      const there = kernel.connectors.list(by.org).find((one) => one.name === name);
      if (!there) return problem('not-found');
      const answer = await kernel.connectors.check(by, name);
      const after = kernel.connectors.list(by.org).find((one) => one.name === name) ?? there;
      return data({ ...connectorView(after), check: answer?.kind ?? 'unasked' });
    },
  }),
];

const connectorView = ({ name, breaker, inFlight, waiting, limit, ...checks }: Connector): Api.Connector => {
  const { state, since, retryAt, failures } = breaker;
  const calls = { failures, inFlight, waiting, limit };
  return { connector: name, state, since: at(since), retryAt: at(retryAt), ...calls, health: healthView(checks) };
};

const at = (instant: UnixMs | null) => (instant === null ? null : iso(instant));

function healthView({ health, checked }: HealthState): NonNullable<Api.Connector['health']> {
  const last = checked?.answer;
  const failed = last?.kind === 'failed' ? last : !checked && health?.state === 'unhealthy' ? health : null;
  return {
    state: health?.state ?? 'unchecked',
    since: health === null || health.state === 'unknown' ? null : iso(health.since),
    checkedAt: at(checked?.at ?? null),
    failure: failed && { stage: failed.stage, ...failed.error },
  };
}
