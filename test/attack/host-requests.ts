import { QUOTA } from '../../kernel/adapter/extism/quota.ts';
import type { CellCall } from '../../kernel/port/cell-host.ts';
import { ruleFor } from '../egress/ask.ts';
import { all, type Held, type Row, told, verdict, without } from './row.ts';

/** H: what a running module sends. */

const FUNCTIONS = 'kernel/adapter/extism/host-functions.ts';
const CELL = 'kernel/adapter/extism/cell.ts';
const REQUEST = 'kernel/adapter/extism/http-request.ts';
const HEADER = 'kernel/egress/header.ts';
const BROKE = 'The cell sent what no plugin call can send; it was ended.';
const ANSWER = { ok: true, status: 200, headers: {}, body: '' } as const;
const asked = (url: string, headers: string, more = '') =>
  `{"url":"${url}","method":"GET","headers":{${headers}},"body":null${more}}`;

/** As JSON text, because no value of JavaScript holds some of it. */
const ODD_HEADERS = [
  ...['"__proto__":"x"', '"constructor":"x"', '"":"x"', '" accept":"x"', '"accept ":"x"', '"acc\\r\\nhost":"x"'],
  ...['"accept:":"x"', '"x_forwarded_for":"x"', '"\\u212aeep-alive":"x"', '"\\ud800":"x"', '"accept":"x","Accept":"y"'],
  ...['"accept":"x\\r\\nhost: evil"', '"accept":"x\\u0000"', '"accept":"\\u00e9"', '"accept":" x"', '"accept":["x"]'],
  Array.from({ length: 65 }, (_, i) => `"x-${i}":"x"`).join(),
];
const ODD_FIELDS = [',"proxy":"http://evil/"', ',"__proto__":{"method":"POST"}', ',"headers":null', ',"url":["x"]'];

export const HOST_REQUEST_ROWS: readonly Row[] = [
  {
    id: 'H11',
    tries:
      'a request inside a request, and a result: only by a cell that has gone over, because no host function calls a module; a call of the same module while it waits for its answer',
    must: 'the cell is ended, the call crashed; the other call waits for the end of the first',
    run: async (world) => {
      const seen: Held[] = [];
      for (const mode of ['two-requests', 'result-while-asking']) {
        const outcome = await world.takenOver(mode);
        seen.push(verdict(outcome.kind === 'crashed' && outcome.reason === BROKE, told(outcome)));
      }
      const cells = world.cells();
      const requester = await cells.load('requester', true);
      const order: string[] = [];
      let inner: Promise<unknown> = Promise.resolve();
      const call = (name: string, broker: CellCall['broker']) =>
        cells.call(requester, asked(`https://${name}.example/`, ''), { org: name as never, broker }).then((outcome) => {
          order.push(`${name} ${outcome.kind}`);
        });
      const outer = call('outer', async () => {
        inner = call('inner', async () => ANSWER);
        // Long enough for a cell that would take it.
        await new Promise((resolve) => setTimeout(resolve, 50));
        return ANSWER;
      });
      // A call that its cell lost never ends.
      await Promise.race([outer.then(() => inner), new Promise((resolve) => setTimeout(resolve, 10_000).unref())]);
      const inTurn = order.join() === 'outer replied,inner replied';
      return all([...seen, verdict(inTurn, inTurn ? 'one after the other' : order.join())]);
    },
    faults: [
      without(CELL, "const running = phase === 'running' ? task : undefined;", 'const running = task;'),
      // The pool gives out no more places than it has cells.
      [
        ...without(
          'kernel/adapter/extism/cell-host.ts',
          "cell.phase() === 'idle';",
          "cell.phase() === 'idle' || cell.phase() === 'blocked';",
        ),
        ...without('kernel/base/turns.ts', 'const all = places();', 'const all = places() * 8;'),
      ],
    ],
  },
  {
    id: 'H12',
    tries: 'requests without end, and one that is too large',
    must: 'refused after its share; the large one never leaves the cell',
    run: async (world) => {
      const cells = world.cells();
      let requests = 0;
      const broker = async () => {
        requests++;
        return ANSWER;
      };
      const flood = await cells.load('request-flood');
      const outcome = await cells.call(flood, asked('https://a.example/', ''), { broker });
      const share = outcome.kind === 'refused' && outcome.reason === 'The plugin sent more than 32 requests.';
      const small = world.cells({ quota: { ...QUOTA, requestBytes: 1_000 } });
      const large = await small.call(
        await small.load('requester'),
        asked(`https://a.example/${'x'.repeat(1_000)}`, ''),
        {
          broker,
        },
      );
      const kept = large.kind === 'refused' && large.reason === 'A request has more than 1000 bytes.';
      return all([
        verdict(share, told(outcome)),
        verdict(kept, told(large)),
        verdict(requests === 32, `requests: ${requests}`),
      ]);
    },
    faults: [
      without(CELL, 'else if (requests > REQUESTS_MAX)', 'else if (requests > 1_000)'),
      without(FUNCTIONS, 'if (request.length > quota.requestBytes)', 'if (request.length > 1e9)'),
    ],
  },
  {
    id: 'H13',
    tries: 'headers and fields of a request that are read one way and sent another',
    must: 'denied, and no connection arrives',
    run: async (world) => {
      const upstream = await world.listen();
      const cells = world.cells();
      const requester = await cells.load('requester');
      const url = `http://api.test:${upstream.port}/v1/items`;
      const rule = ruleFor(upstream.port, { pathPrefix: '/v1', headers: ['x_forwarded_for'] });
      const steps = await world.steps();
      const send = (request: string) => cells.call(requester, request, { broker: steps.start([rule]).handle });
      const seen: Held[] = [];
      for (const request of [
        ...ODD_HEADERS.map((headers) => asked(url, headers)),
        ...ODD_FIELDS.map((more) => asked(url, '', more)),
        asked(`${url}\\r\\nx: y`, ''),
        asked(url, '').replace('GET', 'GET / HTTP/1.1\\r\\nx: y'),
        asked(url, '').replace('GET', 'get'),
        `[${asked(url, '')}]`,
      ]) {
        const outcome = await send(request);
        const denied = outcome.kind === 'refused' && !outcome.reason.includes('evil');
        seen.push(
          verdict(
            denied,
            denied ? 'denied' : `${request.slice(request.indexOf('headers')).slice(0, 80)}: ${told(outcome)}`,
          ),
        );
      }
      const reached = upstream.connections.length;
      const granted = await send(asked(url, '"accept":"x"'));
      return all([
        ...seen,
        verdict(reached === 0, `connections: ${reached}`),
        verdict(granted.kind === 'replied' && upstream.connections.length === 1, `what is granted: ${told(granted)}`),
      ]);
    },
    faults: [
      without(HEADER, 'if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(name)) {', "if (name === '__proto__') {"),
      without(REQUEST, 'if (Object.keys(others).length > 0)', 'if (others === null)'),
    ],
  },
];
