import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Run } from '../../sdk/contract/api-run.ts';
import { buildExample, EXAMPLES } from '../languages/examples.ts';
import { type Api, apiOf, cloudEvent, until } from '../support/api.ts';
import { type KernelProcess, startKernelProcess } from '../support/kernel-process.ts';
import {
  activatePlaybook,
  type KernelFolder,
  makeKernelFolder,
  prepareKernel,
  ruleFor,
  tokensFor,
} from '../support/org-files.ts';

/** A kernel with a plugin of another language in its configuration, a playbook that uses it, and a service that it asks. */

const playbook = (plugin: string) => `
apiVersion: interlock/v1
kind: Playbook
name: look-up
title: Ask what is known of an indicator
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /kind, operator: equal, value: indicator } }]
inputs: { written: /written }
outputs: { verdict: "{{ steps.known.verdict }}" }
steps:
  - { id: plain, type: enrich, uses: ${plugin}/refang, with: { text: "{{ inputs.written }}" } }
  - { id: known, type: enrich, uses: ${plugin}/lookup, with: { indicator: "{{ steps.plain.text }}" }, retry: { attempts: 1 } }`;

describe.each(EXAMPLES)('$name $missing', (example) => {
  const test = it.skipIf(example.missing !== '');
  const asked: string[] = [];
  const service = createServer(({ method, url = '', headers }, answer) => {
    asked.push(`${method} ${url} ${headers.accept}`);
    answer.setHeader('content-type', 'application/json');
    if (url.endsWith('.example')) answer.end('{"verdict":"schädlich"}');
    else answer.writeHead(404).end('{}');
  });
  let plugin: string | undefined;
  let folder: KernelFolder | undefined;
  let kernel: KernelProcess | undefined;
  let api: Api;
  let other: Api;

  beforeAll(async () => {
    if (example.missing !== '') return;
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
    plugin = await buildExample(example);
    const grant = { plugin: example.name, settings: { endpoint } };
    const narrow = ruleFor(endpoint, { methods: ['GET'], pathPrefix: '/v1/indicators' });
    folder = await makeKernelFolder('languages', [
      { id: 'acme', plugins: [plugin], egress: [{ ...grant, rules: [narrow] }] },
      { id: 'globex', plugins: [plugin], egress: [{ ...grant, rules: [{ ...narrow, pathPrefix: '/v2' }] }] },
    ]);
    const tokens = await prepareKernel(folder, async (prepared) => {
      for (const org of ['acme', 'globex']) await activatePlaybook(prepared, org, playbook(example.name));
      const operator = ['operator', 'auditor'] as const;
      const [acme, globex] = [
        await tokensFor(prepared, 'acme', { operator }),
        await tokensFor(prepared, 'globex', { operator }),
      ];
      return { acme: acme.operator, globex: globex.operator };
    });
    kernel = startKernelProcess(folder.config);
    const url = await kernel.listening;
    api = apiOf(url, 'acme', tokens.acme);
    other = apiOf(url, 'globex', tokens.globex);
  }, 60_000);
  afterAll(async () => {
    await kernel?.end();
    await folder?.remove();
    service.closeAllConnections();
    service.close();
    if (plugin) await rm(plugin, { recursive: true });
  });

  const ended = async (org: Api, id: string, written: string): Promise<Run> => {
    const { data } = await org.publish(cloudEvent(id, { kind: 'indicator', written }));
    const run = data.events[0]?.triggers[0]?.run ?? expect.fail('no run');
    return until(
      async () => (await org.run(run)).data,
      ({ endedAt }) => endedAt !== null,
    );
  };
  const known = (run: Run) => run.steps.find(({ step }) => step === 'known');

  test('runs its actions, and asks through the broker', async () => {
    const run = await ended(api, 'i-1', 'evil-ü[.]example');
    expect(run).toMatchObject({ state: 'completed', output: { verdict: 'schädlich' } });
    expect(asked).toEqual(['GET /v1/indicators/evil-%C3%BC.example application/json']);
  });

  test('says of an answer what it means', async () => {
    expect(known(await ended(api, 'i-2', 'unheard[.]of'))).toMatchObject({ error: { class: 'not_found' } });
  });

  test('asks nothing that is not granted', async () => {
    const before = asked.length;
    const run = await ended(other, 'i-3', 'evil[.]example');
    expect(known(run)).toMatchObject({ error: { class: 'refused_by_policy' } });
    expect(asked).toHaveLength(before);
  });

  test('is given nothing that its manifest does not take', async () => {
    const run = await ended(api, 'i-4', '[.]'.repeat(300));
    expect(known(run)).toMatchObject({ error: { class: 'invalid_input' } });
  });
});
