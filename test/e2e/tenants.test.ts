import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf } from '../../kernel/base/digest.ts';
import type { Playbook } from '../../sdk/contract/api.ts';
import { type Call, callsOf, type Ids, NOWHERE } from '../http/calls.ts';
import { type Answer, apiOf, cloudEvent, until, verifyExport } from '../support/api.ts';
import { held, type Org, openTenantsWorld, playbook, publish, SECRETS, type TenantsWorld } from './tenants-world.ts';

/**
 * Whatever one org does, with the real ids of the other and every permission that there is, the other is not there for
 * it and stays as it was.
 */
let world: TenantsWorld;
let acme: Org;
let globex: Org;
beforeAll(async () => {
  world = await openTenantsWorld();
  ({ acme, globex } = world);
});
afterAll(() => world?.close());

const outcomeOf = ({ status, problem }: Answer) => `${status} ${problem}`;

describe('what has the same name in both orgs', () => {
  test('is an event, a run and an incident of its own in each', async () => {
    const [one, two] = [
      await publish(acme, 'gate', 'same', 'INC-same'),
      await publish(globex, 'gate', 'same', 'INC-same'),
    ];
    expect([one.repeat, two.repeat]).toEqual([false, false]);
    expect([one.triggers, two.triggers].flat().filter((trigger) => trigger.outcome === 'matched')).toHaveLength(2);
    expect(one.event).not.toBe(two.event);
    expect(one.run).not.toBe(two.run);
    for (const [org, { run }] of [
      [acme, one],
      [globex, two],
    ] as const) {
      const again = await publish(org, 'gate', 'same', 'INC-same');
      expect([again.repeat, again.run]).toEqual([true, run]);
      const like = await publish(org, 'gate', undefined, 'INC-same');
      expect([like.repeat, like.run]).toEqual([false, run]);
      const [approval] = (await org.all.run(run)).data.approvals;
      await org.all.vote(approval?.approval ?? '', 'approve', approval?.subject ?? '');
      expect((await org.all.run(run, '10s')).data.state).toBe('completed');
    }
    for (const [org, { run }] of [
      [acme, one],
      [globex, two],
    ] as const) {
      const incident = await org.all.get<{ org: string; timeline: { run: string }[] }>('/incidents/INC-same');
      expect(incident.data.org).toBe(org.all.org);
      expect(incident.data.timeline.map((change) => change.run)).toEqual([run]);
    }
  });

  test('is a secret of its own: the upstream gets the value of the org that asks', async () => {
    const keysSent = async (org: Org) => {
      const { run, approval, subject } = await held(org);
      const before = world.vault.requests.length;
      await org.all.vote(approval, 'approve', subject);
      const ended = await org.all.run(run, '10s');
      const requests = world.vault.requests.slice(before);
      return {
        state: ended.data.state,
        keys: requests.map(({ path, headers }) => `${path} ${headers['authorization']}`),
      };
    };
    const ofAcme = { state: 'completed', keys: [`/acme Bearer ${SECRETS.acme}`] };
    expect(await keysSent(acme)).toEqual(ofAcme);
    expect(await keysSent(globex)).toEqual({ state: 'completed', keys: [`/globex Bearer ${SECRETS.globex}`] });

    await globex.all.put('/secrets/shared-key', { value: 'another-key-of-globex' });
    expect(await keysSent(acme)).toEqual(ofAcme);
    expect(await keysSent(globex)).toEqual({ state: 'completed', keys: ['/globex Bearer another-key-of-globex'] });

    expect((await globex.all.delete('/secrets/shared-key')).status).toBe(200);
    expect(await keysSent(acme)).toEqual(ofAcme);
    expect(await keysSent(globex)).toEqual({ state: 'aborted', keys: [] });
  });

  test('is a playbook of its own: a version of the other cannot be activated under the own name', async () => {
    const other = world.playbooks.gate.replace('title: gate', 'title: another gate');
    const digest = await world.activate(acme, other);
    const before = await globex.all.get<Playbook>('/playbooks/gate');
    expect(before.data.active).not.toBe(digest);
    expect(outcomeOf(await globex.all.post('/playbooks/gate/activate', { digest }))).toBe('404 not-found');
    expect((await globex.all.get('/playbooks/gate')).text).toBe(before.text);
  });
});

describe('what one org was given', () => {
  test('a grant does not work for the other: the step is refused and nothing connects', async () => {
    const before = world.inner.connections.length;
    const ended = await globex.all.run((await publish(globex, 'reach')).run, '10s');
    expect([ended.data.state, ended.data.reason]).toEqual(['aborted', 'refused-by-policy']);
    expect(ended.data.steps[0]).toMatchObject({ state: 'failed', error: { class: 'refused_by_policy' } });
    expect(world.inner.connections.length).toBe(before);
    const allowed = await acme.all.run((await publish(acme, 'reach')).run, '10s');
    expect([allowed.data.state, world.inner.connections.length]).toEqual(['completed', before + 1]);
  });

  test('nor for a plugin that only the other has a grant for: it is refused before any call', async () => {
    const before = world.vault.connections.length;
    const ended = await globex.all.run((await publish(globex, 'push')).run, '10s');
    expect([ended.data.state, ended.data.reason]).toEqual(['aborted', 'guardrail']);
    expect(ended.data.steps[0]).toMatchObject({ attempts: [], error: { class: 'refused_by_policy' } });
    expect(world.vault.connections.length).toBe(before);
  });

  test('a plugin is not there for the other', async () => {
    const text = playbook('ban', 'type: contain, uses: edge-firewall/ban, with: { ip: 203.0.113.9, for: 1h }');
    const lint = async (org: Org) =>
      (await org.all.ask<{ valid: boolean }>('POST', `/v1/orgs/${org.all.org}/playbooks/lint`, text, 'text/yaml')).data;
    expect((await lint(acme)).valid).toBe(true);
    expect((await lint(globex)).valid).toBe(false);
    expect(outcomeOf(await globex.all.putPlaybook(text))).toBe('422 invalid-playbook');
  });

  test('a token does not become one of the other by naming it', async () => {
    const renamed = apiOf(world.url, 'globex', acme.all.token.replace('ilk_acme_', 'ilk_globex_'));
    expect(outcomeOf(await renamed.get('/runs'))).toBe('401 unauthenticated');
    expect((await acme.all.get('/runs')).status).toBe(200);
  });

  test('an event that names the other is refused', async () => {
    const event = { ...cloudEvent('named', { kind: 'gate' }), tenantid: 'acme' };
    expect(outcomeOf(await globex.all.publish(event))).toBe('422 invalid-event');
  });
});

describe('lists', () => {
  const LISTS = ['runs', 'approvals'] as const;
  const idsOf = (data: readonly { run: string; approval?: string }[], list: (typeof LISTS)[number]) =>
    data.map((row) => (list === 'runs' ? row.run : (row.approval ?? '')));

  test.each(LISTS)('%s: no page and no cursor leads into the other org', async (list) => {
    for (let i = 0; i < 3; i++) for (const org of [acme, globex]) await held(org);
    const seen = new Map<Org, string[]>();
    const cursors = new Map<Org, string>();
    for (const org of [acme, globex]) {
      const ids: string[] = [];
      for (let next: string | null = ''; next !== null; ) {
        const cursor: string = next === '' ? '' : `&cursor=${next}`;
        const page = await org.all.get<{ run: string; approval?: string; org: string }[]>(`/${list}?limit=2${cursor}`);
        expect(page.data.filter((row) => row.org !== org.all.org)).toEqual([]);
        ids.push(...idsOf(page.data, list));
        next = JSON.parse(page.text).page.next;
        if (next !== null) cursors.set(org, next);
      }
      seen.set(org, ids);
    }
    const [mine = [], theirs = []] = [seen.get(acme), seen.get(globex)];
    expect(Math.min(mine.length, theirs.length)).toBeGreaterThanOrEqual(3);
    expect(new Set([...mine, ...theirs]).size).toBe(mine.length + theirs.length);
    const stolen = await globex.all.get(`/${list}?limit=2&cursor=${cursors.get(acme)}`);
    expect(outcomeOf(stolen)).toBe('422 invalid-cursor');
  });
});

describe('with the real ids of the other org', () => {
  let calls: readonly Call[];
  let secretsOfOther: readonly string[];

  /** Everything there is in acme, and calls that would do something to each of it. */
  beforeAll(async () => {
    const [voted, cancelled] = [await held(acme), await held(acme)];
    const unknown = await publish(acme, 'lost');
    await until(
      async () => (await acme.all.run(unknown.run)).data,
      (run) => run.steps[0]?.state === 'indeterminate',
    );
    // Cancelled while nobody knows what became of its step: somebody has to look at it.
    const doubtful = await publish(acme, 'lost');
    await until(
      async () => (await acme.all.run(doubtful.run)).data,
      (run) => run.steps[0]?.state === 'indeterminate',
    );
    await acme.all.post(`/runs/${doubtful.run}/cancel`, { reason: 'enough' });
    const noted = await held(acme);
    await acme.all.vote(noted.approval, 'approve', noted.subject);
    await acme.all.run(noted.run, '10s');
    const incident = (await acme.all.run(noted.run)).data.inputs['incident'] as string;
    await acme.all.put('/secrets/only-there', { value: 'kept-by-the-other-org' });
    const victim = await acme.all.post<{ tokenId: string }>('/tokens', { principal: 'victim', roles: ['auditor'] });
    const kept = await acme.all.get<Playbook>('/playbooks/lost');
    const ids: Ids = {
      run: voted.run,
      event: voted.event,
      approval: voted.approval,
      token: victim.data.tokenId,
      secret: 'only-there',
      playbook: 'lost',
      incident,
      text: world.playbooks.intruder,
    };
    const real: Readonly<Record<string, Partial<Call>>> = {
      cancelRun: { path: `/v1/orgs/{org}/runs/${cancelled.run}/cancel` },
      pauseRun: { path: `/v1/orgs/{org}/runs/${unknown.run}/pause` },
      resumeRun: { path: `/v1/orgs/{org}/runs/${unknown.run}/resume` },
      closeRun: { path: `/v1/orgs/{org}/runs/${doubtful.run}/close` },
      settleStep: { path: `/v1/orgs/{org}/runs/${unknown.run}/settle` },
      runAgain: { path: `/v1/orgs/{org}/runs/${noted.run}/again` },
      vote: { body: { decision: 'approve', rationale: 'not mine', subject: voted.subject } },
      activatePlaybook: { body: { digest: kept.data.active } },
      readPlaybookGraph: { path: `/v1/orgs/{org}/playbooks/lost/versions/${kept.data.active}/graph` },
      checkConnector: { path: '/v1/orgs/{org}/connectors/webhook/check' },
      resetConnector: { path: '/v1/orgs/{org}/connectors/webhook/reset' },
      readPlaybookVersion: { path: `/v1/orgs/{org}/playbooks/lost/versions/${kept.data.active}` },
    };
    calls = callsOf(ids).map((call) => ({ ...call, ...real[call.operation] }));
    secretsOfOther = [voted, cancelled, doubtful, unknown, noted].flatMap(({ run, event }) => [run, event]);
    secretsOfOther = [...secretsOfOther, voted.approval, victim.data.tokenId, incident, 'only-there'];
  });

  /** All that acme can see of itself, its whole record included: by path, the digest of what is there. */
  const all = async (): Promise<Readonly<Record<string, string>>> => {
    const reads = calls.filter(({ method }) => method === 'GET').map(({ path }) => path.replace('{org}', 'acme'));
    const digests = reads.map(async (path) => {
      const { status, text } = await acme.all.ask('GET', path);
      expect(status, path).toBe(200);
      return [path, digestOf(text.replace(/"exportedAt":"[^"]*"/, ''))];
    });
    return Object.fromEntries(await Promise.all(digests));
  };
  const make = ({ method, path, body, type }: Call, by: Org, org: string) =>
    by.all.ask(method, path.replace('{org}', org), body, type);
  const shapeOf = (answer: Answer) => {
    const { date: _, ...headers } = Object.fromEntries(answer.headers);
    return [answer.status, headers, answer.text.replace(/"instance":"[^"]*"/, '')];
  };

  test('the table of calls is complete', async () => {
    const document = await acme.all.ask('GET', '/openapi.json');
    const paths: Record<string, Record<string, { operationId: string }>> = JSON.parse(document.text).paths;
    const operations = Object.entries(paths)
      .filter(([path]) => path.includes('{org}'))
      .flatMap(([, methods]) => Object.values(methods).map(({ operationId }) => operationId));
    expect(calls.map(({ operation }) => operation).sort()).toEqual(operations.sort());
  });

  test.each(callsOf(NOWHERE).map(({ operation }) => operation))(
    '%s: nothing is there, nothing happens',
    async (name) => {
      const call = calls.find(({ operation }) => operation === name) as Call;
      const before = await all();
      const theirs = await make(call, globex, 'acme');
      expect(outcomeOf(theirs)).toBe('404 not-found');
      expect(shapeOf(theirs)).toEqual(shapeOf(await make(call, globex, 'no-such-org')));

      const own = await make(call, globex, 'globex');
      const asksForOther = secretsOfOther.some((id) => call.path.includes(id)) || call.path.includes('/lost');
      // To put a secret is to make one of the own org, whatever names there are elsewhere.
      if (asksForOther && name !== 'putSecret') expect(outcomeOf(own)).toBe('404 not-found');
      else expect(own.status).toBeLessThan(300);
      if (name !== 'putSecret') for (const id of secretsOfOther) expect(own.text).not.toContain(id);
      expect(await all()).toEqual(before);
      // What the next calls look for must not be there because this one has made it.
      if (name === 'putSecret') await globex.all.delete('/secrets/only-there');
    },
  );

  test('a wait for its runs is answered at once, as for a run that never was', async () => {
    const run = /run_[0-9a-f]{32}/.exec(calls.find(({ operation }) => operation === 'readRun')?.path ?? '')?.[0] ?? '';
    expect(outcomeOf(await globex.all.run(run, '60s'))).toBe('404 not-found');
    expect((await acme.all.run(run)).data.state).toBe('waiting');
  });

  test.each(['acme', 'globex'])('the export of %s holds its own records only, and is whole by itself', async (name) => {
    const [own, other] = name === 'acme' ? [acme, 'globex'] : [globex, 'acme'];
    const { verdict, records } = await verifyExport(own.all, join(world.path, `bundle-${name}`));
    expect(verdict).toMatchObject({ verdict: 'valid', findings: [] });
    expect(verdict.records).toBeGreaterThan(50);
    expect(records().filter(({ tenant }) => tenant !== name)).toEqual([]);
    const text = JSON.stringify(records());
    for (const id of [other, ...(name === 'globex' ? secretsOfOther : [])])
      if (id !== 'only-there') expect(text).not.toContain(id);
    const foreign = records().filter(({ kind, ref }) => kind === 'access.refused' && ref?.includes(';foreign-org'));
    expect(foreign.length > 0).toBe(name === 'globex');
  });

  test('every one of these calls would have done something for someone of the org', async () => {
    for (const call of calls) {
      const answer = await make(call, acme, 'acme');
      expect(answer.status, `${call.operation} ${answer.text}`).toBeLessThan(300);
    }
  });
});

test('the kernel has met no defect of its own, and ends in good order', async () => {
  expect(world.kernel.said()).not.toContain('defect');
  expect(await world.kernel.end('SIGTERM')).toEqual({ code: 0, signal: null });
});
