/** Proxy variables, read by Node's own clients, must not move a request of the kernel's. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, expect, it } from 'vitest';
import { answer, openUpstream } from './upstream.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

it('a process started with proxy variables goes straight to the host', async () => {
  const proxy = await openUpstream((_, socket) => socket.end(answer(200, {}, 'from the proxy')));
  const upstream = await openUpstream((_, socket) => socket.end(answer(200, {}, 'from the host')));
  open.push(proxy, upstream);
  const url = `http://127.0.0.1:${proxy.port}`;
  const program = fileURLToPath(new URL('./environment-child.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--use-env-proxy', program, `${upstream.port}`], {
    env: {
      NODE_USE_ENV_PROXY: '1',
      HTTP_PROXY: url,
      HTTPS_PROXY: url,
      ALL_PROXY: url,
      http_proxy: url,
      https_proxy: url,
      all_proxy: url,
    },
  });
  // The second line is the control: Node's own client in the same process does go to the proxy.
  expect(stdout.trim().split('\n')).toEqual(['from the host', 'from the proxy']);
  expect([upstream.requests.length, proxy.requests.length]).toEqual([1, 1]);
});
