import { ORG, openCommand } from './command.ts';
import { data } from './double.ts';
import * as samples from './samples.ts';

/** Incidents, lifecycle events, connectors and the stop switch on the command line. */
const { table } = openCommand();
const { RUN_ID } = samples;
const UNCHECKED = { state: 'unchecked', since: null, checkedAt: null, failure: null };
const CHECK = ['connector', 'check', 'edge-firewall'];
const failing = (message: string, stage = 'auth', errorClass = 'refused_by_policy') => {
  const failure = { stage, class: errorClass, message };
  return { ...samples.connectors[0], check: 'failed', health: { ...samples.connectors[0]?.health, failure } };
};

table({
  'incident show': {
    args: ['incident', 'show', 'INC-4711'],
    answers: { [`GET ${ORG}/incidents/INC-4711`]: data(samples.incident) },
    says: [
      'INC-4711  contained\n',
      'confidence  82\n',
      `2026-11-23 14:33:40Z  updated contained  system:engine  note ${RUN_ID}  17     blocked at the edge\n`,
    ],
    json: samples.incident,
  },
  'incident show, newest first': {
    args: ['incident', 'show', 'INC-4711'],
    answers: {
      [`GET ${ORG}/incidents/INC-4711`]: data({
        ...samples.incident,
        timeline: [
          { ...samples.incident.timeline[0], seq: 17 },
          { ...samples.incident.timeline[0], seq: 18 },
        ],
      }),
    },
    says: ['  18     blocked at the edge\n2026-11-23 14:33:40Z  updated contained  system:engine  note '],
    json: {
      ...samples.incident,
      timeline: [
        { ...samples.incident.timeline[0], seq: 17 },
        { ...samples.incident.timeline[0], seq: 18 },
      ],
    },
  },
  'incident list': {
    args: ['incident', 'list', '--severity', 'high', '--limit', '1'],
    answers: { [`GET ${ORG}/incidents`]: data([samples.incidentRow], null) },
    says: ['INC-4711  contained  high      2026-11-23 14:33:40Z  2026-11-23 14:33:40Z  Outbound connection to C2\n'],
    json: [samples.incidentRow],
  },
  'incident timeline': {
    args: ['incident', 'timeline', 'INC-4711'],
    answers: { [`GET ${ORG}/incidents/INC-4711/timeline`]: data(samples.incident.timeline, null) },
    says: ['updated contained  system:engine'],
    json: samples.incident.timeline,
  },
  'incident note': {
    args: ['incident', 'note', 'INC-4711', '--state', 'contained', '--note', 'blocked'],
    answers: { [`POST ${ORG}/incidents/INC-4711/notes`]: data(samples.incident) },
    sent: { state: 'contained', note: 'blocked' },
    says: ['INC-4711  contained\n'],
    json: samples.incident,
  },
  'lifecycle list': {
    args: ['lifecycle', 'list', '--type', 'interlock.run.*'],
    answers: { [`GET ${ORG}/lifecycle`]: data([samples.lifecycleEvent], 'next-place') },
    says: [`2026-11-23 14:33:40Z  interlock.run.ended  ${RUN_ID}  playbook=contain-c2  state=completed  `],
    json: { data: [samples.lifecycleEvent], page: { next: 'next-place' } },
  },
  'lifecycle follow': {
    args: ['lifecycle', 'follow', '--for', '1ms'],
    answers: { [`GET ${ORG}/lifecycle`]: data([samples.lifecycleEvent], 'next-place') },
    says: [`interlock.run.ended  ${RUN_ID}  playbook=contain-c2`],
    json: samples.lifecycleEvent,
  },
  'lifecycle webhooks': {
    args: ['lifecycle', 'webhooks'],
    answers: { [`GET ${ORG}/lifecycle/webhooks`]: data([samples.lifecycleWebhook], null) },
    says: ['siem     siem.example  41         0        3 times: http.503  2026-11-23 14:33:40Z\n'],
    json: [samples.lifecycleWebhook],
  },
  'connector list': {
    args: ['connector', 'list'],
    answers: { [`GET ${ORG}/connectors`]: data(samples.connectors, null) },
    says: [
      'edge-firewall  unhealthy  open    2026-11-23 14:33:40Z  2026-11-23 14:34:10Z  0         0 of 32    7\n',
      'http-json      -          closed  -                     -                     2         1 of 8     0\n',
    ],
    json: samples.connectors,
  },
  'connector check': {
    args: ['connector', 'check', 'http-json'],
    answers: { [`POST ${ORG}/connectors/http-json/check`]: data({ ...samples.connectors[1], check: 'well' }) },
    says: ['connector http-json of acme is well\n'],
    json: { ...samples.connectors[1], check: 'well' },
  },
  'connector check (fails)': {
    args: ['connector', 'check', 'edge-firewall'],
    code: 1,
    answers: { [`POST ${ORG}/connectors/edge-firewall/check`]: data({ ...samples.connectors[0], check: 'failed' }) },
    says: [
      'connector edge-firewall of acme fails its health check: its target does not let it in (auth): unauthorized: the firewall does not take the token\n',
    ],
    json: { ...samples.connectors[0], check: 'failed' },
  },
  'connector check (kept from asking, by the policy)': {
    args: ['connector', 'check', 'edge-firewall'],
    code: 1,
    answers: {
      [`POST ${ORG}/connectors/edge-firewall/check`]: data(failing('E_NOT_ALLOWED: no rule is for the host')),
    },
    says: [
      'fails its health check: the kernel kept it from asking (auth): refused_by_policy: E_NOT_ALLOWED: no rule is for the host\n',
      'the log of the kernel (its standard error) has the rule that would allow it, after "request refused:"\n',
    ],
    json: failing('E_NOT_ALLOWED: no rule is for the host'),
  },
  'connector check (kept from asking, for want of a secret)': {
    args: ['connector', 'check', 'edge-firewall'],
    code: 1,
    answers: { [`POST ${ORG}/connectors/edge-firewall/check`]: data(failing('E_SECRET: this org has no secret key')) },
    says: ['the kernel kept it from asking (auth): refused_by_policy: E_SECRET: this org has no secret key\n'],
    json: failing('E_SECRET: this org has no secret key'),
  },
  ...Object.fromEntries(
    (
      [
        ['auth', 'unavailable', 'its target does not answer (auth): unavailable: no\n'],
        ['auth', 'timeout', 'its target does not answer (auth): timeout: no\n'],
        ['health', 'upstream_error', 'its target does not answer as it should (health): upstream_error: no\n'],
        ['health', 'forbidden', 'its target does not let it in (health): forbidden: no\n'],
        ['auth', 'rate_limited', 'its target takes no more requests at present (auth): rate_limited: no\n'],
        ['validate', 'invalid_input', 'its settings do not fit (validate): invalid_input: no\n'],
        ['auth', 'not_found', 'its login does not work (auth): not_found: no\n'],
        ['health', 'internal', 'its target is not well (health): internal: no\n'],
      ] as const
    ).map(([stage, errorClass, says]) => {
      const json = failing('no', stage, errorClass);
      const answers = { [`POST ${ORG}/connectors/edge-firewall/check`]: data(json) };
      return [`connector check (${stage}: ${errorClass})`, { args: CHECK, code: 1, answers, says: [says], json }];
    }),
  ),
  'connector check (nothing to ask)': {
    args: ['connector', 'check', 'http-json'],
    code: 1,
    answers: {
      [`POST ${ORG}/connectors/http-json/check`]: data({
        ...samples.connectors[1],
        check: 'unasked',
        health: UNCHECKED,
      }),
    },
    says: ['connector http-json of acme was not asked: its plugin answers no health check, or it has no grant\n'],
    json: { ...samples.connectors[1], check: 'unasked', health: UNCHECKED },
  },
  'egress report': {
    args: ['egress', 'report'],
    answers: { [`GET ${ORG}/egress/report`]: data(samples.egressReport, null) },
    says: [
      'http-json  https://api.example:443/v1  12        let out    2026-11-23 14:33:40Z  2026-11-23 14:34:10Z  run_1  look\n',
      'http-json  http://wiki.test:80/        3         2 refused  2026-11-23 14:33:40Z  2026-11-23 14:33:40Z  run_1  look\n',
      'to allow it, add to the rules of http-json:\n  {"scheme":"https","host":"api.example","port":443,' +
        '"methods":["GET"],"pathPrefix":"/v1","headers":["x-a"]},\n  {"scheme":"http","host":"wiki.test","port":80,' +
        '"methods":["GET"],"pathPrefix":"/","addresses":["10.0.0.7/32"]}\n',
    ],
    json: samples.egressReport,
  },
  'egress report (nothing)': {
    args: ['egress', 'report'],
    answers: { [`GET ${ORG}/egress/report`]: data([], null) },
    says: ['nothing was asked for beyond the rules of a plugin in report mode\n'],
    json: [],
  },
  'connector reset': {
    args: ['connector', 'reset', 'http-json'],
    answers: { [`POST ${ORG}/connectors/http-json/reset`]: data({ ...samples.connectors[1], changed: true }) },
    says: ['connector http-json of acme was open and is closed now: its next calls are made\n'],
    json: { ...samples.connectors[1], changed: true },
  },
  'connector reset (closed)': {
    args: ['connector', 'reset', 'http-json'],
    answers: { [`POST ${ORG}/connectors/http-json/reset`]: data({ ...samples.connectors[1], changed: false }) },
    says: ['connector http-json of acme was closed already: its next calls are made\n'],
    json: { ...samples.connectors[1], changed: false },
  },
  'connector reset (by a server that does not say)': {
    args: ['connector', 'reset', 'http-json'],
    answers: { [`POST ${ORG}/connectors/http-json/reset`]: data(samples.connectors[1]) },
    says: ['connector http-json of acme is closed: its next calls are made\n'],
    json: samples.connectors[1],
  },
  stop: {
    args: ['stop', '--reason', 'it bans our own'],
    answers: { [`POST ${ORG}/stop`]: data(samples.stopped) },
    sent: { reason: 'it bans our own' },
    says: [
      'acme is stopped: nothing is sent any more\n',
      'since   2026-11-23 14:33:40Z\n',
      'reason  it bans our own\n',
    ],
    json: samples.stopped,
  },
  'stop (again)': {
    args: ['stop', '--reason', 'another reason'],
    answers: { [`POST ${ORG}/stop`]: data({ ...samples.stopped, changed: false }) },
    says: ['acme was stopped before; the first reason stays\n', 'reason  it bans our own\n'],
    json: { ...samples.stopped, changed: false },
  },
  'stop release (again)': {
    args: ['stop', 'release'],
    answers: { [`DELETE ${ORG}/stop`]: data({ ...samples.released, changed: false }) },
    says: ['acme was not stopped\n'],
    json: { ...samples.released, changed: false },
  },
  'stop show (of the machine)': {
    args: ['stop', 'show'],
    answers: { [`GET ${ORG}/stop`]: data({ ...samples.released, stopped: true, machine: samples.stopped.org }) },
    says: ['acme is stopped\n', 'switch  machine\n'],
    json: { ...samples.released, stopped: true, machine: samples.stopped.org },
  },
  'stop release': {
    args: ['stop', 'release'],
    answers: { [`DELETE ${ORG}/stop`]: data(samples.released) },
    says: ['acme is released\n'],
    json: samples.released,
  },
});
