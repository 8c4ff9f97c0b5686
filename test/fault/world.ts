import { startEdgeFirewall } from '../service/edge-firewall.ts';
import { startReputation } from '../service/reputation.ts';
import { type Api, apiOf } from '../support/api.ts';
import { type KernelProcess, startKernelProcess } from '../support/kernel-process.ts';
import {
  activatePlaybook,
  type KernelFolder,
  makeKernelFolder,
  personOf,
  prepareKernel,
  ruleFor,
  tokensFor,
} from '../support/org-files.ts';

/**
 * A kernel to be killed, and a world that outlives it: the firewall and the reputation service run in this process and
 * keep their log. What the kernel is told is done without a person, so that only crashes decide how a run goes.
 */
export const ORG = 'acme';
const FIREWALL_TOKEN = 'fault-firewall-token-0001';

/** Retries come soon, so that runs end while the test looks; they are few, because restarts must not use them up. */
const RETRY = '{ attempts: 3, backoff: 20ms..100ms }';

const head = (name: string, field: string) => `
apiVersion: interlock/v1
kind: Playbook
name: ${name}
title: Ban an address
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /${field}, operator: notEqual, value: "" } }]
inputs: { ip: /${field}, incident: /incident }
steps:`;
const NOTE = '  - { id: note, type: update_state, incident: "{{ inputs.incident }}", set: { state: contained } }';

/**
 * What an event with this field starts: `deliver` looks the address up and posts the ban itself, which needs no person;
 * `contain` asks for a plan and a person; `once` posts without the promise that a repeat is harmless.
 */
export type Field = 'deliver' | 'contain' | 'once';
const playbooks = (lookup: string, firewall: string): Readonly<Record<Field, string>> => {
  const post = `with: { url: "${firewall}/v1/bans", payload: { ip: "{{ inputs.ip }}", seconds: 3600 } }`;
  return {
    deliver: `${head('deliver', 'deliver')}
  - { id: look, type: enrich, uses: http-json/get, with: { url: "${lookup}/v1/reputation/{{ inputs.ip }}" }, retry: ${RETRY} }
  - { id: ban, type: webhook, uses: webhook/deliver, ${post}, retry: ${RETRY} }
${NOTE}`,
    contain: `${head('contain', 'contain')}
  - { id: ban, type: contain, uses: edge-firewall/ban, with: { ip: "{{ inputs.ip }}", for: 4h }, retry: ${RETRY} }
${NOTE}`,
    once: `${head('once', 'once')}
  - { id: ban, type: webhook, uses: webhook/post, ${post} }
${NOTE}`,
  };
};

export type FaultWorld = {
  readonly folder: KernelFolder;
  readonly firewall: Awaited<ReturnType<typeof startEdgeFirewall>>;
  /** The kernel that runs at present. */
  kernel(): KernelProcess;
  /** Asks whichever kernel runs. */
  readonly api: Api;
  readonly approver: Api;
  /** Starts a kernel on the folder. @returns milliseconds until it listened. */
  start(): Promise<number>;
  /** Starts one and does not wait for it. */
  launch(): KernelProcess;
  close(): Promise<void>;
};

/** @param between what stands between the kernel and the firewall: given its address, it gives the one to use instead. */
export async function openFaultWorld(
  options: { readonly between?: (firewall: string) => Promise<{ readonly url: string; close(): Promise<void> }> } = {},
): Promise<FaultWorld> {
  await using opening = new AsyncDisposableStack();
  const firewall = await startEdgeFirewall({ token: FIREWALL_TOKEN });
  opening.defer(() => firewall.close());
  const reputation = await startReputation();
  opening.defer(() => reputation.close());
  const between = await options.between?.(firewall.url);
  opening.defer(() => between?.close());
  const target = between?.url ?? firewall.url;
  const secret = { name: 'edge-firewall-token', header: 'authorization', format: 'Bearer {}' };
  const folder = await makeKernelFolder('fault', [
    {
      id: ORG,
      plugins: ['http-json', 'edge-firewall', 'webhook'],
      egress: [
        { plugin: 'http-json', rules: [ruleFor(reputation.url)] },
        { plugin: 'edge-firewall', settings: { endpoint: target }, rules: [ruleFor(target, { secret })] },
        { plugin: 'webhook', rules: [ruleFor(target, { secret })] },
      ],
    },
  ]);
  opening.defer(() => folder.remove());
  const tokens = await prepareKernel(folder, async (kernel) => {
    await kernel.secrets.put(personOf(ORG, 'admin', ['admin']), 'edge-firewall-token', FIREWALL_TOKEN);
    for (const text of Object.values(playbooks(reputation.url, target))) await activatePlaybook(kernel, ORG, text);
    return tokensFor(kernel, ORG, { operator: ['operator', 'auditor'], approver: ['approver'] });
  });
  let current: KernelProcess | undefined;
  let url = 'http://127.0.0.1:1';
  const launch = () => {
    const kernel = startKernelProcess(folder.config);
    current = kernel;
    kernel.listening.then(
      (at) => {
        url = at;
      },
      () => undefined,
    );
    return kernel;
  };
  opening.defer(async () => void (await current?.end()));
  const opened = opening.move();
  return {
    folder,
    firewall,
    kernel: () => {
      if (!current) throw new Error('no kernel was started');
      return current;
    },
    api: apiOf(() => url, ORG, tokens.operator),
    approver: apiOf(() => url, ORG, tokens.approver),
    launch,
    async start() {
      const began = performance.now();
      await launch().listening;
      return performance.now() - began;
    },
    close: () => opened.disposeAsync(),
  };
}
