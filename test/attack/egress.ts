import type { HttpAnswer } from '../../sdk/contract/plugin.ts';
import { ruleFor } from '../egress/ask.ts';
import { answer } from '../egress/upstream.ts';
import { all, type Held, type Row, verdict } from './row.ts';
import type { World } from './world.ts';

/** E: the way out. What counts is what reached a listener. */

const secret = { name: 'api-key', header: 'x-api-key', format: 'Token {}' };
const get = { method: 'GET', headers: {}, body: null } as const;
const gist = (got: HttpAnswer | { readonly denied: string }): string => {
  if ('denied' in got) return 'denied';
  return got.ok ? `${got.status}` : 'failed';
};

/** The control: the same grant does let through what it names, so that a world that denies everything holds nothing. */
async function granted(world: World, port: number): Promise<Held> {
  const step = await world.step([ruleFor(port, { pathPrefix: '/v1', secret })]);
  const got = gist(await step.handle({ url: `http://api.test:${port}/v1/items`, ...get }));
  return verdict(got === '200', `what is granted: ${got}`);
}

export const EGRESS_ROWS: readonly Row[] = [
  {
    id: 'E1',
    tries: 'hosts, schemes, ports, user names and address forms that nothing grants',
    must: 'denied, and no connection arrives',
    run: async (world) => {
      const upstream = await world.listen();
      const { port } = upstream;
      const seen: Held[] = [];
      for (const url of [
        `http://127.0.0.1:${port}/`,
        `http://2130706433:${port}/`,
        `http://0x7f.1:${port}/`,
        `http://[::ffff:127.0.0.1]:${port}/`,
        `http://localhost:${port}/`,
        `http://api.test.evil.test:${port}/`,
        `http://api.test@evil.test:${port}/`,
        `http://user:pass@api.test:${port}/`,
        `https://api.test:${port}/`,
        'http://api.test:1/',
        'file:///etc/passwd',
        `http://api.test:${port}/v1/../v2/`,
        `http://api.test:${port}/v1/%2e%2e/v2/`,
      ]) {
        const step = await world.step([ruleFor(port, { pathPrefix: '/v1', secret })]);
        const got = gist(await step.handle({ url, ...get }));
        seen.push(verdict(got === 'denied', got === 'denied' ? got : `${got}: ${url.replace(`${port}`, 'port')}`));
      }
      const reached = upstream.connections.length;
      return all([...seen, verdict(reached === 0, `connections: ${reached}`), await granted(world, upstream.port)]);
    },
  },
  {
    id: 'E2',
    tries: 'to set `authorization`, `cookie`, `host` or the header of a secret by itself',
    must: 'denied, and no connection arrives',
    run: async (world) => {
      const upstream = await world.listen();
      const seen: Held[] = [];
      for (const name of ['authorization', 'cookie', 'host', 'Proxy-Authorization', 'x-api-key', 'transfer-encoding']) {
        const step = await world.step([ruleFor(upstream.port, { secret })]);
        const url = `http://api.test:${upstream.port}/v1/items`;
        const got = gist(await step.handle({ url, ...get, headers: { [name]: 'x' } }));
        seen.push(verdict(got === 'denied', got === 'denied' ? got : `${name}: ${got}`));
      }
      const reached = upstream.connections.length;
      return all([...seen, verdict(reached === 0, `connections: ${reached}`), await granted(world, upstream.port)]);
    },
  },
  {
    id: 'E3',
    tries: 'a granted host that echoes headers',
    must: 'the secret arrives there, and comes back in no body or header',
    run: async (world) => {
      const upstream = await world.listen(({ headers }, socket) => {
        socket.write(answer(200, { 'x-echo': headers['x-api-key'] ?? '' }, JSON.stringify(headers)));
      });
      const step = await world.step([ruleFor(upstream.port, { secret })]);
      const got = await step.handle({ url: `http://api.test:${upstream.port}/v1/items`, ...get });
      const sent = upstream.requests[0]?.headers['x-api-key'] === `Token ${world.canary}`;
      const forms = [world.canary, JSON.stringify(world.canary).slice(1, -1)];
      const back = JSON.stringify(got);
      const leaks = forms.some((form) => back.includes(form) || back.includes(JSON.stringify(form).slice(1, -1)));
      return all([
        verdict(sent && gist(got) === '200', sent ? 'sent' : 'the secret was not sent'),
        verdict(!leaks, leaks ? 'the secret came back' : 'scrubbed'),
      ]);
    },
  },
  {
    id: 'E4',
    tries: 'an echo in base64, hex or URL encoding',
    must: 'scrubbed in each',
    run: async (world) => {
      const bytes = Buffer.from(world.canary);
      const forms = [bytes.toString('base64'), bytes.toString('hex'), encodeURIComponent(world.canary)];
      const upstream = await world.listen((_, socket) => socket.write(answer(200, {}, forms.join('\n'))));
      const step = await world.step([ruleFor(upstream.port, { secret })]);
      const back = JSON.stringify(await step.handle({ url: `http://api.test:${upstream.port}/v1/items`, ...get }));
      const leaks = forms.filter((form) => back.includes(form)).length;
      return verdict(leaks === 0 && upstream.requests.length === 1, leaks === 0 ? 'scrubbed' : `${leaks} came back`);
    },
  },
  {
    id: 'E5',
    tries: 'to carry input out through a granted host, in its path',
    must: 'not under a grant of another path or method (within the grant nothing can stop it)',
    run: async (world) => {
      const upstream = await world.listen();
      const rule = ruleFor(upstream.port, { methods: ['GET'], pathPrefix: '/v1' });
      const base = `http://api.test:${upstream.port}`;
      const step = await world.step([rule]);
      const path = gist(await step.handle({ url: `${base}/other?input`, ...get }));
      const method = gist(await (await world.step([rule])).handle({ url: `${base}/v1/items`, ...get, method: 'POST' }));
      const reached = upstream.connections.length;
      return all([
        verdict(path === 'denied' && method === 'denied' && reached === 0, `${path}; connections: ${reached}`),
        await granted(world, upstream.port),
      ]);
    },
  },
  {
    id: 'E6',
    tries: 'a redirect to another granted host, with the credentials of the first',
    must: 'not followed',
    run: async (world) => {
      const second = await world.listen();
      const location = `http://api.test:${second.port}/v1/items`;
      const first = await world.listen((_, socket) => socket.write(answer(302, { location })));
      const step = await world.step([ruleFor(first.port, { secret }), ruleFor(second.port)]);
      const got = gist(await step.handle({ url: `http://api.test:${first.port}/v1/items`, ...get }));
      const reached = [first.connections.length, second.connections.length];
      return verdict(reached[0] === 1 && reached[1] === 0, `${got}; connections: ${reached.join(' and ')}`);
    },
  },
  {
    id: 'E7',
    tries: 'proxy variables; a runtime whose client ignores the resolver',
    must: 'requests go straight to the host; the kernel does not start there',
    notRun: 'test/egress/environment.test.ts holds the proxy half; the command has no row of it yet',
  },
];
