import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, apiOf } from '../support/api.ts';
import { type KernelProcess, startKernelProcess } from '../support/kernel-process.ts';
import { type KernelFolder, makeKernelFolder, prepareKernel, tokensFor } from '../support/org-files.ts';

/** The receiver of docs/examples and a kernel, each a process of its own: what is told is what comes out, over a crash. */
const RECEIVER = join(import.meta.dirname, '../../docs/examples/webhook-receiver.ts');
const SECRET = `whsec_${Buffer.from('the key of the receiver').toString('base64')}`;
const PLAYBOOK = `
apiVersion: interlock/v1
kind: Playbook
name: note
title: Note
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /kind, operator: equal, value: c2 } }]
inputs: { finding: /finding }
incident: "{{ inputs.finding }}"
steps: [{ id: note, type: update_state, incident: "{{ inputs.finding }}", set: { state: triaged } }]
`;

type Told = { readonly id: string; readonly type: string; readonly subject: string };
let receiver: ChildProcess;
let folder: KernelFolder;
let kernel: KernelProcess;
let admin: Api;
let approver: Api;
const told: Told[] = [];
let news: () => void = () => undefined;
let restart: () => Promise<void>;

const until = async (isSo: () => boolean) => {
  while (!isSo()) {
    const { promise, resolve } = Promise.withResolvers<void>();
    news = resolve;
    await promise;
  }
};

beforeAll(async () => {
  receiver = spawn(process.execPath, [RECEIVER], {
    env: { PATH: process.env['PATH'] ?? '', WEBHOOK_SECRET: SECRET },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: receiver.stdout as NodeJS.ReadableStream });
  const address = new Promise<{ port: number }>((resolve) => lines.once('line', (line) => resolve(JSON.parse(line))));
  const { port } = await address;
  lines.on('line', (line) => {
    told.push(JSON.parse(line));
    news();
  });
  folder = await makeKernelFolder('webhook', [
    {
      id: 'acme',
      plugins: [],
      egress: [],
      webhooks: [
        {
          id: 'receiver',
          url: `http://127.0.0.1:${port}/hook`,
          types: ['interlock.run.*', 'interlock.incident.*', 'interlock.playbook.*'],
          secret: 'receiver-key',
          addresses: ['127.0.0.1/32'],
        },
      ],
    },
  ]);
  const tokens = await prepareKernel(folder, (prepared) =>
    tokensFor(prepared, 'acme', {
      admin: ['admin', 'author', 'operator', 'auditor'],
      approver: ['approver'],
    }),
  );
  let url = '';
  const start = async () => {
    kernel = startKernelProcess(folder.config);
    url = await kernel.listening;
  };
  admin = apiOf(() => url, 'acme', tokens.admin);
  approver = apiOf(() => url, 'acme', tokens.approver);
  restart = async () => {
    await kernel.end();
    await start();
  };
  await start();
});
afterAll(async () => {
  await kernel?.end();
  receiver?.kill();
  await folder?.remove();
});

test('what is told comes out at the receiver, in order and once, also when the kernel is killed in between', async () => {
  await admin.put('/secrets/receiver-key', { value: SECRET });
  const { digest } = (await admin.putPlaybook(PLAYBOOK)).data;
  await approver.post('/playbooks/note/activate', { digest });
  await until(() => told.length === 1);
  const send = (n: number) =>
    admin.publish({
      specversion: '1.0',
      id: `e${n}`,
      source: 'urn:test',
      type: 't',
      data: { kind: 'c2', finding: `F-${n}` },
    });
  for (let n = 0; n < 5; n++) await send(n);
  await restart();
  for (let n = 5; n < 10; n++) await send(n);
  const ends = () => told.filter(({ type }) => type === 'interlock.run.ended').length;
  await until(() => ends() === 10);
  const feed = await admin.get<Told[]>('/lifecycle?limit=200');
  const wanted = feed.data.filter(({ type }) => !type.startsWith('interlock.step.'));
  await until(() => told.length >= wanted.length);
  expect(told).toEqual(wanted);
  expect(told.filter(({ type }) => type === 'interlock.incident.updated').map(({ subject }) => subject)).toEqual(
    Array.from({ length: 10 }, (_, n) => `F-${n}`).flatMap((id) => [id, id]),
  );
  expect((await admin.get('/lifecycle/webhooks')).data).toMatchObject([
    { webhook: 'receiver', dropped: 0, failure: null },
  ]);
});
