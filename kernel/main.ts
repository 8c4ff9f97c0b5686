#!/usr/bin/env node
import './adapter/system/threads.ts';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sealedCodeDigest } from '../sdk/build/base.ts';
import { openCellHost } from './adapter/extism/cell-host.ts';
import { type ProbedLayers, probeLayers } from './adapter/extism/probe.ts';
import { openCredentialFiles } from './adapter/file/credential-file.ts';
import { makeFolder } from './adapter/file/folder.ts';
import { lockFolder } from './adapter/file/folder-lock.ts';
import { loadSecretKey, secretKeyId } from './adapter/file/key.ts';
import { openModuleStore } from './adapter/file/module-store.ts';
import { rotateSecretKey, settleKeyFile } from './adapter/file/rotate-key.ts';
import { openSecretStore } from './adapter/file/secret-store.ts';
import { readStopFile } from './adapter/file/stop-file.ts';
import { openLmdbStore } from './adapter/lmdb/store.ts';
import { openSystemEntropy, systemClock } from './adapter/system/clock.ts';
import { openEgressClient } from './adapter/undici/egress-client.ts';
import { err, ok, type Result } from './base/result.ts';
import { iso } from './base/time.ts';
import {
  absentSecrets,
  type Config,
  idleGrants,
  looseTrust,
  readConfig,
  readOrg,
  reportingGrants,
  revokedTrust,
} from './config.ts';
import type { BreakerChange } from './flow/breakers.ts';
import type { EgressRefused } from './flow/broker.ts';
import type { HealthChange } from './flow/health.ts';
import type { Kernel } from './flow/kernel.ts';
import type { NotLent } from './flow/lent-secrets.ts';
import { openKernel } from './flow/open-kernel.ts';
import { openWorkText } from './flow/open-work.ts';
import type { StopChange } from './flow/stop.ts';
import type { FormerPlugin } from './flow/take-up.ts';
import { createApp } from './http/app.ts';
import { serve } from './http/serve.ts';
import { lendersOver } from './lenders.ts';
import { readLock } from './plugin-files.ts';
import type { Quarantine } from './port/cell-host.ts';

/**
 * The composition root: the one place that knows every adapter. Opens them in order, refuses to start when a promise
 * cannot be kept (egress guard, policies, plugins), and closes in reverse.
 */
export type Running = { readonly url: string; readonly kernel: Kernel; readonly stop: () => Promise<void> };

export async function startKernel(
  config: Config,
  say: (line: string) => void = () => undefined,
): Promise<Result<Running, string>> {
  // The rule engine's debug output prints the values it compares: events and parameters.
  if (/(^|[\s,])(\*|json-rules-engine\S*)/.test(process.env.DEBUG ?? ''))
    return err('DEBUG makes the rule engine print what it judges; unset DEBUG and start again');
  const pluginsLock = await readLock(config.pluginsLock);
  if (!pluginsLock.ok) return pluginsLock;
  const folder = await makeFolder(config.data);
  if (!folder.ok) return folder;
  const lock = await lockFolder(config.data);
  if (!lock.ok) return lock;
  const egress = openEgressClient();
  const guard = await egress.selfTest();
  if (!guard.holds) return err(`the egress guard does not hold here, so the kernel does not start: ${guard.detail}`);
  const secrets = await openSecrets(config);
  if (!secrets.ok) return secrets;
  const sealedBases = new Set([await sealedCodeDigest()]);
  const modules = await openModuleStore(join(config.data, 'modules'), sealedBases);
  const { min, max, uid, require } = config.cells;
  const layers = await probeLayers({ uid });
  const missing = layers.off.filter(({ layer }) => require.includes(layer));
  if (missing.length > 0) return err(`cells.require asks for layers that are not here:\n${offText(missing)}`);
  say(layersText(layers));
  // No cell runs anything before the kernel is there.
  const onQuarantine = (quarantine: Quarantine) => kernel.quarantined(quarantine);
  const cells = openCellHost({ min, max: Math.max(min, max), wrapper: layers.wrapper, onQuarantine });
  const store = openLmdbStore(join(config.data, 'record'));
  const entropy = openSystemEntropy();
  const lenders = lendersOver(egress);
  const kernel = openKernel({
    store,
    clock: systemClock,
    entropy,
    cells,
    egress,
    secrets: secrets.value.store,
    secretKeyId: secrets.value.keyId,
    openLenders: lenders.open,
    readCredentialFile: openCredentialFiles([config.data, keyFileOf(config)]),
    modules,
    report: (defect) => say(defectText(defect)),
    onRefusal: (refused) => say(refusalText(refused)),
    onBreaker: (change) => say(breakerText(change)),
    onNotLent: (fault) => say(notLentText(fault)),
    onQuarantine: ({ org, plugin, until }) =>
      say(`plugin ${plugin} of org ${org} killed its cells again and again: it does not run until ${iso(until)}`),
    onHealth: (change) => say(healthText(change)),
    onStop: (change) => say(stopText(change)),
    machineStop: () => readStopFile(join(config.data, 'STOP')),
  });

  for (const files of config.orgs) {
    const org = await readOrg(files, sealedBases, pluginsLock.value);
    const fine = org.ok ? await kernel.setUpOrg(org.value) : org;
    if (org.ok) {
      const stored = (await secrets.value.store.list(org.value.id)).map(({ name }) => name);
      const told = [looseTrust, revokedTrust, idleGrants, reportingGrants].flatMap((warn) => warn(files, org.value));
      for (const line of [...told, ...absentSecrets(files, org.value, stored)]) say(`warning: ${line}`);
    }
    if (!fine.ok) {
      await Promise.all([cells.close(), egress.close(), store.close()]);
      await lock.value.release();
      return fine;
    }
  }
  for (const stop of kernel.stops.engaged()) say(stopText(stop));
  const recovered = await kernel.begin();
  const open = openWorkText(recovered);
  if (open) say(open);
  for (const plugin of recovered.former.slice(0, FORMER_TOLD_MAX)) say(formerText(plugin));
  const close = async () => {
    await kernel.stop();
    await cells.close();
    await lenders.close();
    await egress.close();
    await store.close();
    await lock.value.release();
  };
  try {
    const server = await serve(createApp(kernel), config.listen);
    return ok({ url: server.url, kernel, stop: () => server.close().then(close) });
  } catch (error) {
    await close();
    return err(listenText(config.listen, (error as NodeJS.ErrnoException).code));
  }
}

const secretsFileOf = ({ data }: Config): string => join(data, 'secrets.json');
const keyFileOf = ({ data, secretKeyFile }: Config): string => secretKeyFile ?? join(data, 'secret.key');

async function openSecrets(config: Config) {
  const [file, keyFile, env] = [secretsFileOf(config), keyFileOf(config), process.env.INTERLOCK_SECRET_KEY];
  const settled = env ? ok(undefined) : await settleKeyFile({ file, keyFile });
  if (!settled.ok) return settled;
  const key = await loadSecretKey({ env, file: keyFile, generate: true });
  if (!key.ok) return key;
  const store = await openSecretStore({ file, key: key.value });
  return store.ok ? ok({ store: store.value, keyId: secretKeyId(key.value) }) : store;
}

/** Holds the folder meanwhile: a kernel that runs has the old key in its memory, and would write with it. */
async function rotateKey(config: Config): Promise<Result<string, string>> {
  const folder = await makeFolder(config.data);
  if (!folder.ok) return folder;
  const lock = await lockFolder(config.data);
  if (!lock.ok) return lock;
  const [env, envNext] = [process.env.INTERLOCK_SECRET_KEY, process.env.INTERLOCK_SECRET_KEY_NEXT];
  const rotated = await rotateSecretKey({ file: secretsFileOf(config), keyFile: keyFileOf(config), env, envNext });
  await lock.value.release();
  return rotated;
}
/** What holds the cells beside WebAssembly's own walls. docs/operate.md says what each of it stops. */
function layersText({ on, off, uid }: ProbedLayers): string {
  const names = on.map((layer) => (layer === 'own-user' ? `${layer} (${uid})` : layer));
  return [`cells are held by: ${names.join(', ')}`, ...(off.length > 0 ? [`and not by:\n${offText(off)}`] : [])].join(
    '; ',
  );
}

const offText = (off: ProbedLayers['off']): string => off.map(({ layer, why }) => `  ${layer}: ${why}`).join('\n');

function listenText({ host, port }: Config['listen'], code = 'unknown'): string {
  const at = `${host}:${port}`;
  if (code === 'EADDRINUSE')
    return `something else listens on ${at}, perhaps another kernel: stop it, or choose another port (listen.port)`;
  if (code === 'EACCES') return `this user may not listen on ${at}: choose a listen.port above 1023`;
  return `cannot listen on ${at} (${code}): choose another listen.host or listen.port`;
}

/** More would hide the rest of the log. */
const FORMER_TOLD_MAX = 20;
const formerText = ({ org, name, digest, runs }: FormerPlugin): string =>
  `org ${org}: open runs that go on with a plugin ${name} which is not the one that is loaded: ${runs}; to stop them, revoke ${digest} in its trust policy`;

/** A defect of ours: where it happened, for whoever mends it. Messages of invariants hold no input. */
const defectText = (defect: unknown): string =>
  `defect: ${defect instanceof Error ? (defect.stack ?? defect.message) : 'unknown'}`;

const refusalText = ({ org, run, step, plugin, reason, hint }: EgressRefused): string =>
  `request refused: org ${org}, ${run === null ? `${step} of the health check` : `run ${run}, step ${step}`}, plugin ${plugin}: ${reason}${hint === null ? '' : `; ${hint}`}`;

const notLentText = ({ org, name, provider, reason }: NotLent): string =>
  `secret ${name} of org ${org} is not lent by ${provider}: ${reason}`;

const BREAKER_TEXT: Readonly<Record<BreakerChange['kind'], string>> = {
  opened: 'failed several times in a row: its calls end at once until a trial call succeeds',
  recovered: 'is well again',
  reset: 'was reset by hand',
};
const breakerText = ({ org, connector, kind }: BreakerChange): string =>
  `connector ${connector} of org ${org} ${BREAKER_TEXT[kind]}`;

/** Of what it failed at, the stage and the class: its message is foreign text. */
const healthText = ({ org, connector, health }: HealthChange): string =>
  health.state === 'healthy'
    ? `connector ${connector} of org ${org} is healthy`
    : `connector ${connector} of org ${org} is unhealthy: ${health.stage} fails with ${health.error.class}`;

const STOP_TEXT: Readonly<Record<StopChange['kind'], readonly [what: string, then: string]>> = {
  engaged: ['stopped', 'nothing is sent for it until the release'],
  released: ['released', 'what waited goes on'],
};
/** Who did it, and not what they gave as the reason: that is text of anyone who may stop. */
const stopText = ({ org, kind, by }: StopChange): string => {
  const [what, then] = STOP_TEXT[kind];
  return org === null ? `the machine is ${what} by its file STOP: ${then}` : `org ${org} is ${what} by ${by}: ${then}`;
};

const HELP = `Usage: node_modules/.bin/node kernel/main.ts --config FILE

Starts the Interlock kernel. The configuration names the data folder, the
listener and the orgs with their policies and plugins; docs/configuration.md
describes it. For a kernel with a demo org, run: npm start

Options:
  --config FILE         the configuration (JSON); or INTERLOCK_CONFIG
  --rotate-secret-key   put a new key in the place of that of the secret store,
                        and end; the kernel is stopped meanwhile. With the key
                        in INTERLOCK_SECRET_KEY, the new one is the value of
                        INTERLOCK_SECRET_KEY_NEXT
  --help                this text

Examples:
  node_modules/.bin/node kernel/main.ts --config interlock.json
  node_modules/.bin/node kernel/main.ts --config interlock.json --rotate-secret-key
`;

function readOptions() {
  try {
    return parseArgs({
      options: { config: { type: 'string' }, 'rotate-secret-key': { type: 'boolean' }, help: { type: 'boolean' } },
    }).values;
  } catch {
    return undefined;
  }
}

async function main(): Promise<number> {
  const values = readOptions();
  if (!values) {
    process.stderr.write(`interlock: unknown option or missing value\n\n${HELP}`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const file = values.config ?? process.env.INTERLOCK_CONFIG;
  const say = (line: string) => void process.stderr.write(`interlock: ${line}\n`);
  if (!file) {
    process.stderr.write(`interlock: no configuration: give --config FILE\n\n${HELP}`);
    return 2;
  }
  const config = await readConfig(file);
  if (config.ok && values['rotate-secret-key']) {
    const rotated = await rotateKey(config.value);
    say(rotated.ok ? rotated.value : rotated.error);
    return rotated.ok ? 0 : 2;
  }
  const running = config.ok ? await startKernel(config.value, say) : config;
  if (!running.ok) {
    say(running.error);
    return 2;
  }
  const { url, kernel, stop } = running.value;
  // A store that fails may also raise errors that no caller can catch. Whatever it is, what is on disk is whole.
  const abandon = (defect: unknown) => {
    say(defectText(defect));
    process.exit(70);
  };
  process.on('uncaughtException', abandon).on('unhandledRejection', abandon);
  say(`listening on ${url}`);
  const signal = new Promise<'signal'>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve('signal'));
  });
  const ended = await Promise.race([signal, kernel.failure]);
  if (ended !== 'signal') {
    // Nothing more can be recorded, so nothing more may happen. What is on disk is whole; a restart takes it up.
    say(`${ended.message}`);
    return 70;
  }
  say('stopping: what is under way may end, within seconds');
  await stop();
  say('stopped');
  return kernel.healthy() ? 0 : 70;
}

if (import.meta.main) process.exit(await main());
