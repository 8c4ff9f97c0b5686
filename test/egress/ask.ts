/** Requests for the egress client, with what a test does not care about filled in. */
import type { OutboundAnswer, OutboundRequest } from '../../kernel/port/egress.ts';
import type { EgressRule } from '../../sdk/contract/egress.ts';

export const HOST = 'api.test';

export const ruleFor = (port: number, part: Partial<EgressRule> = {}): EgressRule => ({
  scheme: 'http',
  host: HOST,
  port,
  methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
  pathPrefix: '/',
  addresses: ['127.0.0.1/32'],
  ...part,
});

export const requestFor = (rule: EgressRule, part: Partial<OutboundRequest> = {}): OutboundRequest => ({
  rule,
  pool: 'acme/tracker',
  url: new URL(`${rule.scheme}://${rule.host}:${rule.port}/v1/items`),
  method: 'GET',
  headers: {},
  body: null,
  timeoutMs: 5_000,
  maxBodyBytes: 100_000,
  ...part,
});

/** What a test compares: the kind, and for a failure whether it may have left. */
export const gist = (answer: OutboundAnswer): string => {
  if (answer.kind === 'answered') return `${answer.status}`;
  return answer.kind === 'denied' ? 'denied' : `${answer.class}, ${answer.sent ? 'may have left' : 'not sent'}`;
};

export const bodyOf = (answer: OutboundAnswer): string =>
  answer.kind === 'answered' ? Buffer.from(answer.body).toString('utf8') : gist(answer);
