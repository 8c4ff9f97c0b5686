import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findRunning } from './running.ts';
import { startWorld } from './world.ts';

/** `npm start`: the kernel on 127.0.0.1:8484 with the demo org. What it keeps lies in .interlock/demo. */
const PORTS = { port: 8484, 'firewall-port': 8485, 'reputation-port': 8486 } as const;
type PortOption = keyof typeof PORTS;

const HELP = `Usage: npm start -- [--port 8484] [--folder .interlock/demo] [--plugin DIR]

Starts the Interlock kernel with a demo org, a small edge firewall on port 8485
and a reputation service on 8486, all on 127.0.0.1. Ctrl-C ends it; what it
recorded stays in the folder and is there on the next start.

Options:
  --port N             of the kernel, 8484 without it
  --firewall-port N    of the firewall, 8485 without it
  --reputation-port N  of the reputation service, 8486 without it
  --folder PATH        where everything is kept, .interlock/demo without it
  --plugin DIR         a plugin of your own beside those that come along; once for
                       each. It is built before (npx interlock plugin build DIR),
                       and its grant stands in policies/egress/demo.json
  --help               this text

The port 0 stands for any free one.
`;

function fail(text: string): never {
  process.stderr.write(`interlock: ${text}\n`);
  process.exit(2);
}

function readOptions() {
  const text = { type: 'string' } as const;
  const options = { port: text, 'firewall-port': text, 'reputation-port': text, folder: text } as const;
  const plugin = { type: 'string', multiple: true } as const;
  try {
    return parseArgs({ options: { ...options, plugin, help: { type: 'boolean' } } }).values;
  } catch (error) {
    return fail(`${(error as Error).message.split('. ', 1)[0]}; --help lists the options`);
  }
}

const values = readOptions();
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}

function portOf(option: PortOption): number {
  const text = values[option] ?? `${PORTS[option]}`;
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Infinity;
  return port <= 65_535 ? port : fail(`--${option} must be a whole number from 0 to 65535; 0 takes a free port`);
}

const folder = values.folder ?? join(import.meta.dirname, '..', '..', '.interlock', 'demo');
const BESIDE = 'npm start -- --port 0 --firewall-port 0 --reputation-port 0 --folder PATH';
const running = await findRunning(folder);
if (running)
  fail(
    `a demo runs already: it listens on ${running.url} (process ${running.pid}) and keeps its data in ${folder}. ` +
      `Use it as it is, or stop it (Ctrl-C in its terminal, or: kill ${running.pid}). For one beside it: ${BESIDE}`,
  );
const say = (line: string) =>
  void process.stderr.write(`${line.startsWith('interlock') ? line : `interlock: ${line}`}\n`);
try {
  const world = await startWorld({
    folder,
    port: portOf('port'),
    plugins: (values.plugin ?? []).map((path) => resolve(path)),
    ports: { firewall: portOf('firewall-port'), reputation: portOf('reputation-port') },
    say,
  });
  // The command line finds the usual address and the usual folder by itself.
  const url = world.url === `http://127.0.0.1:${PORTS.port}` ? '' : ` --url ${world.url}`;
  const token = (name: string) => ` --token-file ${world.tokenFile(name)}`;
  const at = `${url}${values.folder === undefined ? '' : token('operator')}`;
  process.stdout.write(`
Interlock is listening on ${world.url}

  org                demo
  token              ${world.tokens.operator}
                     (all roles; also in ${world.tokenFile('operator')})
  approver's token   in ${world.tokenFile('approver')}

Try, in another terminal:

  npx interlock event send test/samples/falco-c2-connection.json${at}
  npx interlock approval list${at}
  npx interlock approval approve ID --rationale "seen and agreed"${url}${token('approver')}
  npx interlock run list${at}

The API is described at ${world.url}/openapi.json. Ctrl-C stops the kernel.
`);
  const signal = new Promise<'signal'>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve('signal'));
  });
  const ended = await Promise.race([signal, world.kernel.kernel.failure]);
  if (ended !== 'signal') {
    say(ended.message);
    process.exit(70);
  }
  await world.stop();
  process.exit(0);
} catch (error) {
  const { code, message, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  const says =
    code === 'EADDRINUSE' ? `something else listens on ${address}:${port}: stop it, or choose another port` : message;
  fail(/^something else listens/.test(says) ? `${says}. Free ports are found by: ${BESIDE}` : says);
}
