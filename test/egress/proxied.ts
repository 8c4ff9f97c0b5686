import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { answer, openUpstream } from './upstream.ts';

/**
 * Starts a process with every variable that moves requests to a proxy, and sends from it one request by the egress client and
 * one by Node's own. The second is the control: it does go to the proxy.
 * @param imports What that process loads first.
 * @returns who answered each, and how many requests reached host and proxy.
 */
export async function askWithProxyVariables(imports: readonly string[] = []) {
  const proxy = await openUpstream((_, socket) => socket.end(answer(200, {}, 'proxy')));
  const upstream = await openUpstream((_, socket) => socket.end(answer(200, {}, 'host')));
  const url = `http://127.0.0.1:${proxy.port}`;
  const program = fileURLToPath(new URL('./environment-child.ts', import.meta.url));
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'];
  const node = imports.flatMap((file) => ['--import', file]);
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [...node, '--use-env-proxy', program, `${upstream.port}`],
      {
        env: { NODE_USE_ENV_PROXY: '1', ...Object.fromEntries(names.map((name) => [name, url])) },
      },
    );
    const [ours, nodes] = stdout.trim().split('\n');
    return { ours, nodes, atHost: upstream.requests.length, atProxy: proxy.requests.length };
  } finally {
    await Promise.all([proxy.close(), upstream.close()]);
  }
}
