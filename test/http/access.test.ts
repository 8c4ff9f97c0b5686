import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROLES, type Role } from '../../kernel/org/role.ts';
import { callsOf, type Ids, NOWHERE } from './calls.ts';
import { ACME, CONTAIN, GLOBEX, type House, openHouse, playbook, type Reply, started } from './kit.ts';

/** Who may do what, and that no other org is there for anyone. */
let house: House;
beforeAll(async () => {
  // An hour passes between any two requests, so that every refusal is on record.
  let now = Date.now();
  house = await openHouse({
    app: {
      now: () => {
        now += 3_600_000;
        return now;
      },
    },
  });
});
afterAll(() => house.close());

const kindOf = (reply: Reply): string => String(reply.json?.type).replace('urn:interlock:problem:', '');
const refusals = (org: typeof ACME) => house.records(org).filter((record) => record.kind === 'access.refused');

const READS = [
  'explainTriggers',
  'listApprovals',
  'listConnectors',
  'listEvents',
  'listIncidents',
  'listOpenWork',
  'listPlaybooks',
  'listPlugins',
  'listRuns',
  'listTriggers',
  'listNoisyTriggers',
  'listWebhooks',
  'lintPlaybook',
  'drawPlaybook',
  'readPlaybookGraph',
  'readRunGraph',
  'readApproval',
  'readEvent',
  'readIncident',
  'readLifecycle',
  'readPlaybook',
  'readPlaybookVersion',
  'readRun',
  'readStop',
  'readTimeline',
  'replayTriggers',
];
const HANDS_ON = ['checkConnector', 'engageStop', 'releaseStop', 'resetConnector'];
/** Every role, and every operation that it may use. What is not here is refused. */
const MAY: Readonly<Record<Role, readonly string[]>> = {
  source: ['publishEvents'],
  author: [...READS, 'putPlaybook'],
  approver: [...READS, 'vote', 'activatePlaybook', 'engageStop'],
  operator: [
    ...READS,
    'publishEvents',
    'runAgain',
    'pauseRun',
    'resumeRun',
    'cancelRun',
    'settleStep',
    'closeRun',
    'stopTrigger',
    'resumeTrigger',
    'noteIncident',
    ...HANDS_ON,
  ],
  auditor: [...READS, 'exportAudit', 'readAuditHead'],
  admin: [
    ...READS,
    'runAgain',
    'pauseRun',
    'resumeRun',
    'cancelRun',
    'settleStep',
    'closeRun',
    'stopTrigger',
    'resumeTrigger',
    ...HANDS_ON,
    'readEgressReport',
    'createToken',
    'listTokens',
    'revokeToken',
    'listSecrets',
    'putSecret',
    'rotateSecret',
    'removeSecret',
  ],
};

describe('roles', () => {
  test('the table of calls is complete', () => {
    const guarded = house.contract.operations.filter(({ spec }) => spec['x-permission']).map(({ id }) => id);
    expect(
      callsOf(NOWHERE)
        .map(({ operation }) => operation)
        .sort(),
    ).toEqual(guarded.sort());
  });

  test.each(ROLES)('%s', async (role) => {
    const before = refusals(ACME).length;
    const allowed: string[] = [];
    const refused: string[] = [];
    for (const { operation, method, path, ...asked } of callsOf(NOWHERE)) {
      const reply = await house.ask(`${role}@acme`, method, path.replace('{org}', 'acme'), asked);
      (reply.status === 403 && kindOf(reply) === 'forbidden' ? refused : allowed).push(operation);
      expect(reply.status).not.toBe(401);
    }
    expect(allowed.sort()).toEqual([...MAY[role]].sort());
    expect(refusals(ACME).slice(before)).toMatchObject(
      refused.map((ref) => ({ actor: `principal:${role}@acme`, ref, tenant: 'acme' })),
    );
  });
});

describe('nobody', () => {
  const bearers: [string, Record<string, string>, string][] = [
    ['no header', {}, 'Bearer realm="interlock"'],
    ['another scheme', { authorization: 'Basic YTpi' }, 'Bearer realm="interlock"'],
    ['no token', { authorization: 'Bearer ' }, 'Bearer realm="interlock"'],
    ['a token that is none', { authorization: 'Bearer x' }, 'Bearer realm="interlock", error="invalid_token"'],
    [
      'a token that is not known',
      { authorization: `Bearer ilk_acme_${'0'.repeat(16)}_${'A'.repeat(43)}` },
      'Bearer realm="interlock", error="invalid_token"',
    ],
  ];
  test.each(bearers)('%s', async (_, headers, challenge) => {
    for (const { method, path, ...asked } of callsOf(NOWHERE)) {
      const reply = await house.ask(null, method, path.replace('{org}', 'acme'), {
        ...asked,
        headers,
      });
      expect([reply.status, kindOf(reply)]).toEqual([401, 'unauthenticated']);
      expect(reply.headers.get('www-authenticate')).toBe(challenge);
    }
    const whoami = await house.ask(null, 'GET', '/v1/whoami', { headers });
    expect([whoami.status, kindOf(whoami)]).toEqual([401, 'unauthenticated']);
  });

  test('a token whose secret part differs in one character', async () => {
    const token = house.tokens.get('admin@acme') ?? '';
    const last = token.endsWith('A') ? 'B' : 'A';
    expect((await house.ask(null, 'GET', '/v1/whoami', { token })).status).toBe(200);
    expect((await house.ask(null, 'GET', '/v1/whoami', { token: token.slice(0, -1) + last })).status).toBe(401);
  });
});

describe('another org', () => {
  /** Everything there is in acme, once. */
  const furnish = async (): Promise<Ids> => {
    await house.activate(playbook('contain', CONTAIN));
    const receipt = await house.publish('contain.seen');
    const run = started(receipt);
    const approval = await house.until(
      async () => (await house.ask('approver@acme', 'GET', `/v1/orgs/acme/runs/${run}`)).data.approvals[0]?.approval,
    );
    await house.activate(playbook('note', 'type: update_state, incident: INC-1, set: { state: triaged }'));
    await house.publish('note.seen');
    await house.ask('admin@acme', 'PUT', '/v1/orgs/acme/secrets/edge', { body: { value: 'acme-keeps-this' } });
    const body = { principal: 'victim', roles: ['auditor'] };
    const { data } = await house.ask('admin@acme', 'POST', '/v1/orgs/acme/tokens', { body });
    const text = playbook('intruder');
    const { active: version } = (await house.ask('author@acme', 'GET', '/v1/orgs/acme/playbooks/contain')).data;
    return {
      version,
      run,
      event: receipt.event,
      approval,
      token: data.tokenId,
      secret: 'edge',
      playbook: 'contain',
      incident: 'INC-1',
      text,
    };
  };
  /** Without what is new in every answer. */
  const shapeOf = ({ status, headers, json }: Reply) => {
    const { instance: _, ...rest } = json;
    const { date: __, ...same } = Object.fromEntries(headers);
    return { status, headers: same, rest };
  };

  test('looks like no org at all, on every route, and nothing of it changes', async () => {
    const ids = await furnish();
    const before = { records: house.records(ACME).length, refused: refusals(GLOBEX).length };
    const calls = callsOf(ids);
    for (const { operation, method, path, ...asked } of calls) {
      const at = (org: string) => house.ask('all@globex', method, path.replace('{org}', org), asked);
      const [theirs, nowhere, noName] = [await at('acme'), await at('no-such-org'), await at('No%20Name')];
      expect([operation, theirs.status, kindOf(theirs)]).toEqual([operation, 404, 'not-found']);
      expect(shapeOf(theirs)).toEqual(shapeOf(nowhere));
      expect(shapeOf(theirs)).toEqual(shapeOf(noName));
    }
    expect(house.records(ACME)).toHaveLength(before.records);
    expect(house.secrets.values.get('acme/edge')).toBe('acme-keeps-this');
    expect(
      refusals(GLOBEX)
        .slice(before.refused)
        .map(({ ref, actor }) => `${actor} ${ref}`),
    ).toEqual(calls.flatMap(({ operation }) => Array(3).fill(`principal:all@globex ${operation};foreign-org`)));
    // The same calls by someone of the org, to show that they would have done something.
    const done: string[] = [];
    for (const { operation, method, path, ...asked } of calls) {
      const reply = await house.ask('all@acme', method, path.replace('{org}', 'acme'), asked);
      if (reply.status < 300) done.push(operation);
    }
    expect(calls.map(({ operation }) => operation).filter((operation) => !done.includes(operation))).toEqual([
      'settleStep',
      'closeRun',
      'vote',
      'activatePlaybook',
    ]);
  });

  test('its ids are unknown under the own name, too', async () => {
    const run = started(await house.publish('contain.seen'));
    for (const path of [`/v1/orgs/globex/runs/${run}`, '/v1/orgs/globex/playbooks/contain'])
      expect(kindOf(await house.ask('all@globex', 'GET', path))).toBe('not-found');
    const reason = { body: { reason: 'probe' } };
    expect(kindOf(await house.ask('all@globex', 'POST', `/v1/orgs/globex/runs/${run}/cancel`, reason))).toBe(
      'not-found',
    );
    expect((await house.ask('all@acme', 'GET', `/v1/orgs/acme/runs/${run}`)).data.endedAt).toBeNull();
  });

  test('an event that names it is refused', async () => {
    const body = { specversion: '1.0', id: 't', source: '/t', type: 't', tenantid: 'acme', data: {} };
    const type = 'application/cloudevents+json';
    const reply = await house.ask('source@globex', 'POST', '/v1/orgs/globex/events', { body, type });
    expect([reply.status, reply.json.errors[0].pointer]).toEqual([422, '/tenantid']);
  });
});

describe('paths and methods that are not there', () => {
  const paths: [string, string, number, string | null][] = [
    ['GET', '/', 404, null],
    ['GET', '/v1', 404, null],
    ['GET', '/v1/orgs/acme', 404, null],
    ['GET', '/v1/orgs/acme/runs/', 404, null],
    ['GET', '/v1/orgs//runs', 404, null],
    ['GET', '/v1/orgs/acme/runs/../../globex/runs', 404, null],
    ['DELETE', '/v1/orgs/acme/events', 405, 'GET, HEAD, POST'],
    ['DELETE', '/v1/orgs/acme/runs', 405, 'GET, HEAD'],
    ['PATCH', '/v1/orgs/acme/secrets/x', 405, 'DELETE, PUT'],
    ['POST', '/healthz', 405, 'GET, HEAD'],
    ['OPTIONS', '/v1/orgs/acme/playbooks/lint', 405, 'GET, HEAD, POST'],
  ];
  test.each(paths)('%s %s', async (method, path, status, allow) => {
    const reply = await house.ask('all@acme', method, path);
    expect([reply.status, reply.headers.get('allow')]).toEqual([status, allow]);
    expect(kindOf(reply)).toBe(status === 404 ? 'not-found' : 'method-not-allowed');
  });

  test('HEAD is GET without a body', async () => {
    for (const path of ['/healthz', '/v1/whoami', '/v1/orgs/acme/runs', '/v1/orgs/acme/audit/export']) {
      const reply = await house.ask('all@acme', 'HEAD', path);
      expect([reply.status, reply.text]).toEqual([200, '']);
    }
  });
});

test('every answer carries the security headers', async () => {
  const replies = [
    await house.ask(null, 'GET', '/healthz'),
    await house.ask(null, 'GET', '/openapi.json'),
    await house.ask(null, 'GET', '/v1/whoami'),
    await house.ask('all@acme', 'GET', '/v1/whoami'),
    await house.ask('all@acme', 'GET', '/nowhere'),
    await house.ask('all@acme', 'GET', '/v1/orgs/acme/audit/export'),
    await house.publish('none.seen').then(() => house.ask('all@acme', 'GET', '/v1/orgs/acme/runs')),
  ];
  for (const { headers } of replies)
    expect(Object.fromEntries(headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
});
