import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../kernel/config.ts';
import { type Running, startKernel } from '../../kernel/main.ts';
import { startEdgeFirewall } from '../service/edge-firewall.ts';
import { type KernelFolder, makeKernelFolder, personOf, ruleFor } from '../support/org-files.ts';

/** A rotation against a target that takes the new value, that refuses it, and that is not there. */
const NAME = 'edge-firewall-token';
const TAKEN = 'a-token-that-is-taken';
const ADMIN = personOf('acme', 'dana', ['admin']);
let firewall: Awaited<ReturnType<typeof startEdgeFirewall>>;
let folder: KernelFolder;
let running: Running;

beforeAll(async () => {
  firewall = await startEdgeFirewall({ token: TAKEN });
  const secret = { name: NAME, header: 'authorization', format: 'Bearer {}' };
  const egress = [
    { plugin: 'edge-firewall', settings: { endpoint: firewall.url }, rules: [ruleFor(firewall.url, { secret })] },
  ];
  folder = await makeKernelFolder('rotate-secret', [{ id: 'acme', plugins: ['edge-firewall'], egress }]);
  const config = await readConfig(folder.config);
  const started = config.ok ? await startKernel(config.value) : config;
  if (!started.ok) throw new Error(started.error);
  running = started.value;
  await running.kernel.secrets.put(ADMIN, NAME, 'a-token-of-before');
}, 60_000);
afterAll(async () => {
  await running?.stop();
  await firewall?.close();
  await folder?.remove();
});

const rotate = async (value: string) => {
  const done = await running.kernel.secrets.rotate(ADMIN, NAME, value, { keep: false });
  if (!done.ok) throw new Error(done.error);
  const { kept, checks } = done.value;
  return [kept, ...checks.map(({ state, reason }) => `${state}: ${reason}`)];
};

test('the new value stays where the target takes it, and goes where it refuses it', async () => {
  expect(await rotate(TAKEN)).toEqual(['new', 'healthy: null']);
  expect(await rotate('a-token-of-somebody')).toEqual([
    'former',
    'unhealthy: the firewall does not take the token: store a new edge-firewall-token',
  ]);
  // What is stored is what the target took.
  expect(await rotate(TAKEN)).toEqual(['new', 'healthy: null']);
});

test('the new value stays where the target is down: that is no refusal', async () => {
  await firewall.close();
  const done = await rotate('a-token-for-later');
  expect(done).toEqual(['new', expect.stringMatching(/^unknown: /)]);
});
