import type { EgressRule } from '../../sdk/contract/egress.ts';
import type { HttpRequest } from '../../sdk/contract/plugin.ts';
import { ruleFor } from '../egress/ask.ts';
import { grantsHere, HERE, NOT_GRANTED, PRIVATE } from '../egress/hostile-names.ts';
import { HEADERS, IPV4, IPV6, METHODS, NAMES, URLS } from '../egress/hostile-requests.ts';
import { openNameServer, type Said } from '../egress/name-server.ts';
import { askWithProxyVariables } from '../egress/proxied.ts';
import { type Steps, secret, to } from '../egress/steps.ts';
import { answer, type Upstream } from '../egress/upstream.ts';
import { startKernelProcess } from '../support/kernel-process.ts';
import { makeKernelFolder } from '../support/org-files.ts';
import { inherited } from './plant.ts';
import { all, type Held, type Row, verdict, without } from './row.ts';
import type { World } from './world.ts';

/** E: the way out. What counts is what reached a listener. */

const ALLOW = 'kernel/egress/allow.ts';
const HEADER = 'kernel/egress/header.ts';
const CLIENT = 'kernel/adapter/undici/egress-client.ts';
const CONNECT = 'kernel/adapter/undici/connect.ts';
const EXCHANGE = 'kernel/adapter/undici/exchange.ts';

/** What a request of a plugin came to, where that is a denial with its code. */
export const gist = (got: Awaited<ReturnType<ReturnType<Steps['start']>['handle']>>): string => {
  if ('denied' in got) return got.denied.split(':')[0] ?? '';
  return got.ok ? `${got.status}` : got.error;
};

type Asked = readonly [part: Partial<HttpRequest>, code: string];

/** Each is denied with its code and told to the operator, nothing leaves, and no secret is taken out for it. */
async function denied(steps: Steps, rule: EgressRule, asked: readonly Asked[]): Promise<Held> {
  const wrong: { readonly got: string; readonly text: string }[] = [];
  for (const [part, code] of asked) {
    const step = steps.start([rule]);
    const got = gist(await step.handle(to(rule.port, part)));
    const { requests, secrets } = await step.close();
    const isTold = steps.refused.at(-1)?.reason.startsWith(`${code}: `);
    const what = JSON.stringify(part).replaceAll(`${rule.port}`, 'PORT');
    if (got !== code || !isTold || requests + secrets.length > 0)
      wrong.push({ got, text: `${got} instead of ${code}: ${what}` });
  }
  // What got through first: that is worse than another refusal.
  const worst = wrong.find(({ got }) => !got.startsWith('E_')) ?? wrong[0];
  return verdict(worst === undefined, worst?.text ?? `${asked.length} requests denied`);
}

/** The control: the same grant does let through what it names, so that a world that denies everything holds nothing. */
async function granted(steps: Steps, rule: EgressRule): Promise<Held> {
  const got = gist(await steps.start([rule]).handle(to(rule.port)));
  return verdict(got === '200', `what is granted: ${got}`);
}

const noConnection = ({ connections }: Upstream): Held =>
  verdict(connections.length === 0, `connections: ${connections.length}`);

const grantOf = (port: number): EgressRule => ruleFor(port, { pathPrefix: '/v1', methods: ['GET', 'POST'], secret });

/** Closes after each answer, at all addresses of both families: every request asks for the name anew. */
const listenAnywhere = (world: World) =>
  world.listen((_, socket) => socket.end(answer(200, { connection: 'close' })), { host: '::' });

/** A name server of the attacker answers for the granted name. */
async function namesAreJudged(world: World): Promise<Held> {
  const upstream = await listenAnywhere(world);
  let says: (n: number) => Said = () => 'silent';
  let n = 0;
  const names = world.opened(await openNameServer(() => says(n), 5_000));
  const steps = await world.steps({ resolve: names.resolve });
  const ask = async (said: typeof says, grant: Partial<EgressRule>) => {
    says = said;
    n++;
    return gist(await steps.start([ruleFor(upstream.port, { addresses: [], ...grant })]).handle(to(upstream.port)));
  };
  for (const [what, said, grant] of NOT_GRANTED) {
    const got = await ask(() => said, grant);
    if (!/^E_(?:PRIVATE_)?ADDRESS$/.test(got)) return verdict(false, `${got}: a name with an answer that is ${what}`);
  }
  const before = upstream.connections.length;
  n = 0;
  const rebinding = (at: number): Said => ({ records: [at === 1 ? HERE : PRIVATE], ttl: 0 });
  const [first, second] = [await ask(rebinding, grantsHere), await ask(rebinding, grantsHere)];
  const judged = before === 0 && first === '200' && second === 'E_PRIVATE_ADDRESS' && upstream.connections.length === 1;
  return verdict(
    judged,
    judged ? `${NOT_GRANTED.length} answers for its name denied, and a second one` : `a second answer: ${second}`,
  );
}

/** A kernel as an operator starts it. @returns what it says, once it listens or has ended. */
async function startOf(world: World, imports: readonly string[]): Promise<string> {
  const folder = await makeKernelFolder('attack', [{ id: 'acme', plugins: [], egress: [] }]);
  world.opened({ close: folder.remove });
  const kernel = startKernelProcess(folder.config, { imports: [...inherited, ...imports] });
  await kernel.listening.catch(() => undefined);
  await kernel.end();
  return kernel.said();
}

export const EGRESS_ROWS: readonly Row[] = [
  {
    id: 'E1',
    tries:
      'hosts, schemes, ports, user names, methods and address forms that nothing grants; names that lead elsewhere',
    must: 'denied, each with its code, and no connection arrives',
    run: async (world) => {
      const upstream = await world.listen();
      const { port } = upstream;
      const steps = await world.steps();
      const rule = grantOf(port);
      const hosts = [...IPV4, ...IPV6, ...NAMES].map(
        ([host, code]): Asked => [{ url: `http://${host}:${port}/v1/items` }, code],
      );
      const urls = URLS.map(([url, code]): Asked => [{ url: url.replaceAll('PORT', `${port}`) }, code]);
      const methods = METHODS.map(([method, code]): Asked => [{ method }, code]);
      return all([
        await denied(steps, rule, [...hosts, ...urls, ...methods]),
        noConnection(upstream),
        await granted(steps, rule),
        await namesAreJudged(world),
      ]);
    },
    faults: [
      without(
        CONNECT,
        'if (!judged.ok) throw refusalOf(judged.error, host, address, options);',
        'if (!judged.ok) return address;',
      ),
      [
        ...without(ALLOW, "if (bareHost(rule.host) !== target.host) different.push('host');"),
        ...without(CLIENT, 'if (originOf(request.rule) !== request.url.origin) {', 'if (isClosed) {'),
      ],
      without(
        'kernel/egress/url.ts',
        'if (written.toLowerCase() !== url.hostname) {',
        'if (url.hostname.length === 0) {',
      ),
    ],
  },
  {
    id: 'E2',
    tries:
      'to set `authorization`, `cookie`, `host`, what steers a connection, or the header of a secret; a value with CR LF',
    must: 'denied, and no connection arrives',
    run: async (world) => {
      const upstream = await world.listen();
      const steps = await world.steps();
      const rule = grantOf(upstream.port);
      const asked = HEADERS.map(([name, value, code]): Asked => [{ headers: { [name]: value } }, code]);
      return all([await denied(steps, rule, asked), noConnection(upstream), await granted(steps, rule)]);
    },
    faults: [
      without(HEADER, ' || secretHeaders.has(name)'),
      without(HEADER, ' || !/^(?:[\\x21-\\x7e](?:[\\x20-\\x7e]*[\\x21-\\x7e])?)?$/.test(value)'),
    ],
  },
  {
    id: 'E5',
    tries: 'to carry input out through a granted host, in its path',
    must: 'not under a grant of another path or method (within the grant nothing can stop it)',
    run: async (world) => {
      const upstream = await world.listen();
      const steps = await world.steps();
      const rule = ruleFor(upstream.port, { methods: ['GET'], pathPrefix: '/v1' });
      const asked: readonly Asked[] = [
        [{ url: `http://api.test:${upstream.port}/other?input` }, 'E_NOT_ALLOWED'],
        [{ method: 'POST', body: 'input' }, 'E_NOT_ALLOWED'],
      ];
      return all([await denied(steps, rule, asked), noConnection(upstream), await granted(steps, rule)]);
    },
    faults: [
      without(ALLOW, "if (!isUnder(rule.pathPrefix, target.path)) different.push('pathPrefix');"),
      without(ALLOW, "if (!rule.methods.includes(method)) different.push('methods');"),
    ],
  },
  {
    id: 'E6',
    tries: 'a redirect to another granted host, with the credentials of the first',
    must: 'not followed; whoever asks there has none of them',
    run: async (world) => {
      const second = await world.listen();
      const location = `http://api.test:${second.port}/v1/items`;
      const first = await world.listen((_, socket) => socket.write(answer(302, { location })));
      const step = (await world.steps()).start([ruleFor(first.port, { secret }), ruleFor(second.port)]);
      const got = gist(await step.handle(to(first.port)));
      const reached = [first.connections.length, second.connections.length];
      const then = gist(await step.handle(to(second.port)));
      const carried = second.requests.some(({ headers }) => 'x-api-key' in headers);
      return all([
        verdict(reached[0] === 1 && reached[1] === 0, `${got}; connections: ${reached.join(' and ')}`),
        verdict(
          then === '200' && !carried,
          carried ? 'then with the secret of the first' : `then, asked itself: ${then}`,
        ),
      ]);
    },
    faults: [
      [
        ...without(
          EXCHANGE,
          "import type { Dispatcher } from 'undici';",
          "import { type Dispatcher, interceptors } from 'undici';",
        ),
        ...without(EXCHANGE, 'pool.dispatch(', 'pool.compose(interceptors.redirect({ maxRedirections: 3 })).dispatch('),
      ],
    ],
  },
  {
    id: 'E7',
    tries: 'proxy variables; a runtime whose client ignores the guard',
    must: 'requests go straight to the host; the kernel does not start there',
    run: async (world) => {
      const { ours, nodes, atHost, atProxy } = await askWithProxyVariables(inherited);
      const straight = ours === 'host' && atHost === 1;
      const [guarded, unguarded] = await Promise.all([
        startOf(world, []),
        startOf(world, [import.meta.resolve('../egress/unguarded.ts')]),
      ]);
      const refuses = /the egress guard does not hold here, so the kernel does not start/.test(unguarded);
      return all([
        verdict(straight, `a request of ours goes to the ${ours}`),
        // The control: in the same process those variables do move one.
        verdict(nodes === 'proxy' && atProxy === 1, `one of Node itself to the ${nodes}`),
        verdict(/listening on/.test(guarded), 'with its own client the kernel starts'),
        verdict(
          refuses && !/listening on/.test(unguarded),
          refuses ? 'with the other it does not' : 'with the other, too',
        ),
      ]);
    },
    faults: [
      without('kernel/main.ts', 'if (!guard.holds) return err', 'if (false) return err'),
      [
        ...without(
          CLIENT,
          "import { type Dispatcher, Pool } from 'undici';",
          "import { type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici';",
        ),
        ...without(CLIENT, 'new Pool(url.origin, {', 'new EnvHttpProxyAgent({'),
        ...without(
          EXCHANGE,
          'path: url.pathname + url.search,',
          'origin: url.origin, path: url.pathname + url.search,',
        ),
      ],
    ],
  },
];
