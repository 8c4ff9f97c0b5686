import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { networkInterfaces } from 'node:os';

/**
 * A cell of which not only the plugin but Node itself has gone over: it runs behind the layers of the system alone, and tries
 * what they have to stop. Prints what worked. Arguments: a port of the kernel, its process id, a file of its own, a folder that
 * everybody may write to.
 */
const [port = '', kernel = '', secret = '', folder = ''] = process.argv.slice(2);
const attempts: Readonly<Record<string, () => unknown>> = {
  'connect to the kernel': () =>
    new Promise((resolve, reject) => {
      createConnection({ port: Number(port), host: '127.0.0.1', autoSelectFamily: false }, () =>
        resolve(undefined),
      ).once('error', reject);
    }),
  'see an interface': () => {
    if (Object.keys(networkInterfaces()).length === 0) throw new Error('none');
  },
  'signal the kernel': () => process.kill(Number(kernel), 0),
  'signal what is above it': () => process.kill(process.ppid || Number(kernel), 0),
  'read the arguments of the kernel': () => readFileSync(`/proc/${kernel}/cmdline`),
  'read the environment of the kernel': () => readFileSync(`/proc/${kernel}/environ`),
  'read the memory of the kernel': () => readFileSync(`/proc/${kernel}/mem`, { flag: 'r' }),
  'read a file of the kernel': () => readFileSync(secret),
  'write a file': () => appendFileSync(`${folder}/left-by-a-cell-${process.hrtime.bigint()}`, 'here'),
  'become root by a program': () =>
    execFileSync('/usr/bin/setpriv', ['--reuid', '0', '--', '/bin/true'], { stdio: 'ignore' }),
};

const worked: string[] = [];
for (const [name, attempt] of Object.entries(attempts)) {
  await Promise.try(attempt).then(
    () => worked.push(name),
    () => undefined,
  );
}
console.log(JSON.stringify(worked));
