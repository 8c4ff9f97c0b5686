import { join } from 'node:path';
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

const playbook = (lookup: string) => `
apiVersion: interlock/v1
kind: Playbook
name: ban
title: Look an address up and ban it
owners: { technical: a, operational: b }
triggers:
  - { id: seen, on: event, where: { fact: event, path: /ip, operator: notEqual, value: "" } }
inputs: { ip: /ip, incident: /incident }
steps:
  - { id: look, type: enrich, uses: http-json/get, with: { url: "${lookup}/v1/reputation/{{ inputs.ip }}" }, retry: ${RETRY} }
  - { id: ban, type: webhook, uses: edge-firewall/ban, with: { ip: "{{ inputs.ip }}", for: 4h }, retry: ${RETRY} }
  - { id: note, type: update_state, incident: "{{ inputs.incident }}", set: { state: contained } }
`;

export type FaultWorld = {
  readonly folder: KernelFolder;
  readonly firewall: Awaited<ReturnType<typeof startEdgeFirewall>>;
  /** The kernel that runs at present. */
  kernel(): KernelProcess;
  /** Asks whichever kernel runs. */
  readonly api: Api;
  /** Starts a kernel on the folder. @returns milliseconds until it listened. */
  start(): Promise<number>;
  /** Starts one and does not wait for it. */
  launch(): KernelProcess;
  close(): Promise<void>;
};

/**
 * @param between what stands between the kernel and the firewall: given its address, it gives the one to use instead.
 * @param extra   more playbooks, made from the addresses of the firewall as the kernel sees it.
 */
export async function openFaultWorld(
  options: {
    readonly between?: (firewall: string) => Promise<{ readonly url: string; close(): Promise<void> }>;
    readonly extra?: (firewall: string) => readonly string[];
  } = {},
): Promise<FaultWorld> {
  const folder = await makeKernelFolder('fault', []);
  const firewall = await startEdgeFirewall({ token: FIREWALL_TOKEN, logFile: join(folder.path, 'firewall.log') });
  const reputation = await startReputation();
  const between = await options.between?.(firewall.url);
  const target = between?.url ?? firewall.url;
  const secret = { name: 'edge-firewall-token', header: 'authorization', format: 'Bearer {}' };
  const own = await makeKernelFolder('fault', [
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
  const token = await prepareKernel(own, async (kernel) => {
    await kernel.secrets.put(personOf(ORG, 'admin', ['admin']), 'edge-firewall-token', FIREWALL_TOKEN);
    for (const text of [playbook(reputation.url), ...(options.extra?.(target) ?? [])])
      await activatePlaybook(kernel, ORG, text);
    const tokens = await tokensFor(kernel, ORG, { operator: ['operator', 'auditor'] });
    return tokens.operator;
  });
  let current: KernelProcess | undefined;
  let url = 'http://127.0.0.1:1';
  const launch = () => {
    const kernel = startKernelProcess(own.config);
    current = kernel;
    kernel.listening.then(
      (at) => {
        url = at;
      },
      () => undefined,
    );
    return kernel;
  };
  return {
    folder: own,
    firewall,
    kernel: () => {
      if (!current) throw new Error('no kernel was started');
      return current;
    },
    api: apiOf(() => url, ORG, token),
    launch,
    async start() {
      const began = performance.now();
      await launch().listening;
      return performance.now() - began;
    },
    async close() {
      await current?.end();
      await between?.close();
      await Promise.all([firewall.close(), reputation.close()]);
      await Promise.all([folder.remove(), own.remove()]);
    },
  };
}
