import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startWorld } from './world.ts';

/** `npm start`: the kernel on 127.0.0.1:8484 with the demo org. What it keeps lies in .interlock/demo. */
const { values } = parseArgs({
  options: { port: { type: 'string', default: '8484' }, folder: { type: 'string' }, help: { type: 'boolean' } },
});
if (values.help) {
  process.stdout.write(`Usage: npm start -- [--port 8484] [--folder .interlock/demo]

Starts the Interlock kernel with a demo org, a small edge firewall on port 8485
and a reputation service on 8486, all on 127.0.0.1. Ctrl-C ends it; what it
recorded stays in the folder and is there on the next start.
`);
  process.exit(0);
}

const folder = values.folder ?? join(import.meta.dirname, '..', '..', '.interlock', 'demo');
const say = (line: string) =>
  void process.stderr.write(`${line.startsWith('interlock') ? line : `interlock: ${line}`}\n`);
try {
  const world = await startWorld({
    folder,
    port: Number(values.port),
    ports: { firewall: 8485, reputation: 8486 },
    say,
  });
  process.stdout.write(`
Interlock is listening on ${world.url}

  org                demo
  token              ${world.tokens.operator}
                     (all roles; also in ${world.tokenFile('operator')})
  approver's token   in ${world.tokenFile('approver')}

Try, in another terminal:

  npx interlock event send test/samples/falco-c2-connection.json
  npx interlock approval list
  npx interlock approval approve ID --rationale "seen and agreed" --token-file ${world.tokenFile('approver')}
  npx interlock run list

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
  const { code, message } = error as NodeJS.ErrnoException;
  say(code === 'EADDRINUSE' ? `${message}: something else listens there; stop it, or give --port` : message);
  process.exit(2);
}
