import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callsOf, type Ids, NOWHERE } from './calls.ts';
import { event, type House, openHouse, playbook } from './kit.ts';

/**
 * Nothing that is sent comes back in a refusal: not from a body, a path, a query or a header. Whoever pastes a secret
 * into the wrong field must not find it in a log of answers.
 */
const CANARY = 'zzcanary7f3a';
let house: House;
beforeAll(async () => {
  house = await openHouse();
});
afterAll(() => house.close());

type Asked = Parameters<House['ask']>[3];
const refuse = async (as: string | null, method: string, path: string, asked: Asked = {}) => {
  const reply = await house.ask(as, method, path, asked);
  const all = `${reply.text}\n${JSON.stringify([...reply.headers])}`;
  expect(all.toLowerCase()).not.toContain(CANARY);
  expect(house.logged).toEqual([]);
  return reply.status;
};

describe('in a path', () => {
  const spellings = [CANARY, CANARY.toUpperCase(), `run_${CANARY}`, `%20${CANARY}`, `${CANARY}%2e%2e`, `<${CANARY}>`];
  test.each(spellings)('%s', async (word) => {
    const ids: Ids = {
      ...NOWHERE,
      run: word,
      event: word,
      approval: word,
      token: word,
      secret: word,
      playbook: word,
      incident: word,
    };
    const statuses: number[] = [];
    for (const { operation, method, path, ...asked } of callsOf(ids)) {
      // A secret that is stored under a name is answered with that name.
      if (operation !== 'putSecret')
        statuses.push(await refuse('all@acme', method, path.replace('{org}', word), asked));
      if (path.includes(word) && operation !== 'putSecret')
        statuses.push(await refuse('all@acme', method, path.replace('{org}', 'acme'), asked));
    }
    statuses.push(await refuse('all@acme', 'GET', `/v1/${word}`), await refuse(null, 'PATCH', `/${word}/${word}`));
    expect(new Set(statuses)).toEqual(new Set([404]));
  });
});

describe('in a query', () => {
  const names = ['state', 'playbook', 'limit', 'cursor', 'wait', CANARY];
  test.each(names)('%s', async (name) => {
    // Not a name, or it would be the name of a playbook of which there are no runs.
    for (const path of ['runs', 'approvals', `runs/${NOWHERE.run}`])
      expect(await refuse('all@acme', 'GET', `/v1/orgs/acme/${path}?${name}=${CANARY.toUpperCase()}`)).toBe(422);
  });
});

describe('in a header', () => {
  const headers = [
    'accept',
    'authorization',
    'content-type',
    'content-encoding',
    'ce-id',
    'ce-specversion',
    'ce-type',
    'ce-source',
    `ce-${CANARY}x-`,
    'traceparent',
    'if-match',
    'x-request-id',
    'x-forwarded-host',
    'origin',
    'referer',
    'cookie',
  ];
  test.each(headers)('%s', async (name) => {
    const body = { canary: true };
    await refuse('all@acme', 'POST', '/v1/orgs/acme/events', { body, headers: { [name]: CANARY } });
    await refuse('all@acme', 'POST', '/v1/orgs/acme/tokens', { body, headers: { [name]: CANARY } });
    await refuse('all@acme', 'GET', '/nowhere', { headers: { [name]: CANARY } });
    expect(await refuse(null, 'GET', '/v1/whoami', { headers: { authorization: `Bearer ${CANARY}` } })).toBe(401);
  });
});

describe('in a form', () => {
  const forms = callsOf(NOWHERE).filter(({ body, type }) => typeof body === 'object' && type === undefined);
  test.each(forms)('$operation', async ({ method, path, body }) => {
    const post = (form: unknown) => refuse('all@acme', method, path.replace('{org}', 'acme'), { body: form });
    const fields = Object.keys(body as object);
    for (const value of [`${CANARY}\u0000`, [CANARY], { [CANARY]: CANARY }, CANARY.repeat(1_000)])
      for (const field of fields) expect(await post({ ...(body as object), [field]: value })).toBe(422);
    expect(await post({ ...(body as object), [CANARY]: CANARY })).toBe(422);
    expect(await post(JSON.stringify(CANARY))).toBe(422);
    expect(await post(`{"${CANARY}`)).toBe(400);
  });

  test('a secret that cannot be kept', async () => {
    for (const value of [`${CANARY}\n`, ` ${CANARY}`, CANARY.slice(0, 7), CANARY.repeat(400)])
      await refuse('admin@acme', 'PUT', '/v1/orgs/acme/secrets/edge', { body: { value } });
    expect(house.secrets.values.size).toBe(0);
  });
});

describe('in an event', () => {
  const fine = {
    ...event('fine'),
    subject: 's',
    time: '2026-01-02T03:04:05Z',
    dataschema: '/s',
    datacontenttype: 'application/json',
  };
  const values = [{ [CANARY]: CANARY }, [CANARY], `${CANARY}\u0000`, ''];
  test.each(Object.keys(fine))('%s', async (field) => {
    // Data may be any object, and that is taken.
    for (const value of values)
      for (const [type, body] of [
        ['application/cloudevents+json', { ...fine, [field]: value }],
        ['application/cloudevents-batch+json', [fine, { ...fine, [field]: value, [CANARY.toUpperCase()]: 1 }]],
      ] as const)
        if (field !== 'data' || Array.isArray(body))
          await refuse('all@acme', 'POST', '/v1/orgs/acme/events', { body, type });
  });

  test('bare findings', async () => {
    const { FALCO, OCSF } = await import('../samples/intake.ts');
    for (const finding of [FALCO, OCSF])
      for (const field of Object.keys(finding))
        for (const value of values)
          await refuse('all@acme', 'POST', '/v1/orgs/acme/events', { body: { ...finding, [field]: value } });
  });

  test('another event under a known name', async () => {
    const type = 'application/cloudevents+json';
    const send = (data: unknown) => ({ body: event('known', `id-${CANARY}`, data), type });
    await refuse('all@acme', 'POST', '/v1/orgs/acme/events', send({ a: CANARY }));
    expect(await refuse('all@acme', 'POST', '/v1/orgs/acme/events', send({ b: CANARY }))).toBe(409);
  });
});

describe('in a playbook', () => {
  // Names of steps, plugins and fields are said again, because they are how an author finds the place. Values are not.
  const documents: [string, string][] = [
    ['no YAML', `: [${CANARY}`],
    ['no playbook', CANARY],
    ['a title', playbook('fine').replace('title: fine', `title: ${CANARY.repeat(100)}`)],
    ['an owner', playbook('fine').replace('technical: a', `technical: [${CANARY}]`)],
    ['a parameter', playbook('fine', `type: enrich, uses: probe/none, with: { token: ${CANARY} }`)],
    ['a reference', playbook('fine', `type: enrich, uses: probe/look, with: { a: "{{ ${CANARY}! }}" }`)],
    ['a step', playbook('fine', `type: ${CANARY}`)],
    ['a rule', playbook('fine').replace('value: fine.seen', `value: { ${CANARY}: ${CANARY} }`)],
    ['a timeout', playbook('fine', `type: enrich, uses: probe/look, timeout: ${CANARY}`)],
    ['a digest', playbook('fine').replace('kind: Playbook', `kind: ${CANARY}`)],
  ];
  test.each(documents)('%s', async (_, text) => {
    expect(await refuse('all@acme', 'POST', '/v1/orgs/acme/playbooks', { body: text, type: 'text/yaml' })).toBe(422);
    expect(await refuse('all@acme', 'POST', '/v1/orgs/acme/playbooks/lint', { body: { text } })).toBe(200);
  });
});
