import { afterAll, beforeAll, expect, test } from 'vitest';
import { CONTAIN, type House, openHouse, playbook, started } from './kit.ts';

/** Pictures of playbooks and runs, in the form that was asked for and within the org. */
let house: House;
let run: string;
let digest: string;
beforeAll(async () => {
  house = await openHouse();
  digest = await house.activate(playbook('contain', CONTAIN));
  run = started(await house.publish('contain.seen'));
  await house.until(async () => {
    const { data } = await house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}`);
    return data.state === 'waiting' ? data : undefined;
  });
});
afterAll(() => house.close());

const ofRun = () => `/v1/orgs/acme/runs/${run}/graph`;
const ofVersion = () => `/v1/orgs/acme/playbooks/contain/versions/${digest}/graph`;

test('a run: its steps with their states, the way it took, and what came after what', async () => {
  const { data } = await house.ask('operator@acme', 'GET', ofRun());
  expect(data).toMatchObject({ playbook: 'contain', digest, run, state: 'waiting' });
  expect(data.nodes.map(({ id, state }: { id: string; state: string }) => [id, state])).toEqual([
    ['start!', 'succeeded'],
    ['act', 'held'],
    ['end!', 'pending'],
  ]);
  expect(data.edges.map(({ taken }: { taken: boolean }) => taken)).toEqual([true, false]);
  expect(data.path).toEqual([{ step: 'act', seq: expect.any(Number) }]);
});

test('a version, and a document that is not stored, look alike', async () => {
  const stored = await house.ask('author@acme', 'GET', ofVersion());
  expect(stored.data).toMatchObject({ playbook: 'contain', digest, run: null, state: null, path: [] });
  const path = '/v1/orgs/acme/playbooks/graph';
  const body = { body: playbook('contain', CONTAIN), type: 'text/yaml' };
  expect((await house.ask('author@acme', 'POST', path, body)).data).toEqual(stored.data);
  const wrong = await house.ask('author@acme', 'POST', path, { body: 'name: x', type: 'text/yaml' });
  expect([wrong.status, wrong.json.type]).toEqual([422, 'urn:interlock:problem:invalid-playbook']);
});

test('as an image and as text, by what is asked for or accepted; the question goes before the header', async () => {
  const kinds = async (path: string, accept?: string) => {
    const headers = { authorization: `Bearer ${house.tokens.get('all@acme')}`, ...(accept && { accept }) };
    const answer = await fetch(house.url + path, { headers });
    return [answer.status, answer.headers.get('content-type')];
  };
  const [json, svg, mermaid] = ['application/json', 'image/svg+xml', 'text/vnd.mermaid; charset=utf-8'];
  for (const path of [ofRun(), ofVersion()]) {
    expect(await kinds(path)).toEqual([200, json]);
    expect(await kinds(path, '*/*')).toEqual([200, json]);
    expect(await kinds(path, 'text/html, Image/SVG+XML;q=0.9')).toEqual([200, svg]);
    expect(await kinds(path, 'text/vnd.mermaid')).toEqual([200, mermaid]);
    expect(await kinds(`${path}?format=svg`, 'application/json')).toEqual([200, svg]);
    expect(await kinds(`${path}?format=mermaid`)).toEqual([200, mermaid]);
    expect(await kinds(`${path}?format=png`)).toEqual([422, 'application/problem+json']);
  }
  const { text, headers } = await house.ask('operator@acme', 'GET', `${ofRun()}?format=svg`);
  expect(text).toMatch(/^<svg [\s\S]*held[\s\S]*<\/svg>\n$/);
  // Opened by itself in a browser it may load and run nothing.
  expect(headers.get('content-security-policy')).toContain("default-src 'none'");
});

test('what is not of the org, or not there, is not drawn', async () => {
  const none = `run_${'0'.repeat(32)}`;
  const paths = [
    ['all@globex', ofRun()],
    ['all@globex', ofVersion()],
    ['all@globex', ofRun().replace('acme', 'globex')],
    ['all@globex', ofVersion().replace('acme', 'globex')],
    ['all@acme', ofRun().replace(run, none)],
    ['all@acme', ofRun().replace(run, 'constructor')],
    ['all@acme', ofVersion().replace(digest, `sha256:${'0'.repeat(64)}`)],
  ] as const;
  for (const [as, path] of paths) expect([path, (await house.ask(as, 'GET', path)).status]).toEqual([path, 404]);
  expect((await house.ask(null, 'GET', ofRun())).status).toBe(401);
  expect((await house.ask('source@acme', 'GET', ofRun())).status).toBe(403);
});
