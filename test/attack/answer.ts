import type { TLSSocket } from 'node:tls';
import { openEgressClient } from '../../kernel/adapter/undici/egress-client.ts';
import type { OrgId } from '../../kernel/base/id.ts';
import { findIn, needlesOf } from '../e2e/search.ts';
import { bodyOf, gist as gistOf, requestFor, ruleFor } from '../egress/ask.ts';
import { CERTIFICATE, KEY } from '../egress/certificate.ts';
import { UNUSABLE } from '../egress/hostile-answers.ts';
import { secret, to } from '../egress/steps.ts';
import { answer, type Script } from '../egress/upstream.ts';
import { gist } from './egress.ts';
import { all, type Held, type Row, verdict, without } from './row.ts';

/** E: what comes back. A granted host works with the plugin. */

const SHOWN = 'kernel/flow/shown-answer.ts';
const NO_SCRUB = without(
  SHOWN,
  'const scrubbed = await scrubInTurns(scrub, text, isOver);',
  'const scrubbed = { ok: true as const, value: text };',
);

/** The same answers, by path, in which a host gives back the secret that it was sent. */
const ECHOES: Readonly<Record<string, (value: string) => string>> = {
  echo: (value) =>
    answer(200, { 'x-request-id': value, link: `<${value}>` }, JSON.stringify({ value, [value]: [value] })),
  redirect: (value) => answer(302, { location: `http://evil.test/?${encodeURIComponent(value)}` }, value),
  error: (value) => answer(500, {}, `no user with ${value}`),
  'no-http': (value) => `HTTP/1.1 200 OK\r\n"${value}\r\n\r\n`,
};
const echo: Script = ({ path, headers }, socket) => {
  const text = ECHOES[path.slice(1)]?.(headers['x-api-key'] ?? '') ?? answer(404);
  if (path.endsWith('no-http')) socket.end(text);
  else socket.write(text);
};

/** Five bytes at a time, so that no secret comes in one piece. */
const inPieces =
  (body: string): Script =>
  (_, socket) => {
    socket.setNoDelay(true).write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
    const pieces = body.match(/.{1,5}/gs) ?? [];
    const next = () => {
      const piece = pieces.shift();
      if (piece === undefined) socket.write('0\r\n\r\n');
      else socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`, () => setImmediate(next));
    };
    next();
  };

export const ANSWER_ROWS: readonly Row[] = [
  {
    id: 'E3',
    tries:
      'a granted host that echoes the secret in body, headers, a redirect and a broken answer; the plugin logs and throws what it gets',
    must: 'the secret arrives there, and is in no output, log, error or record',
    run: async (world) => {
      const upstream = await world.listen(echo);
      const steps = await world.steps();
      const sealed = await world.sealed(world.cells());
      const seen: Held[] = [];
      const needles = needlesOf('api-key', world.canary);
      const said: unknown[] = [];
      for (const path of Object.keys(ECHOES))
        for (const action of ['fetch', 'tell']) {
          const step = steps.start([ruleFor(upstream.port, { secret, headers: ['x-a'] })]);
          const url = `http://api.test:${upstream.port}/${path}`;
          const outcome = await sealed(action, { url }, { broker: step.handle });
          said.push(outcome, await step.close());
          const found = findIn(Buffer.from(JSON.stringify(outcome)), needles);
          seen.push(
            verdict(found.length === 0, found.length === 0 ? 'scrubbed' : `${path}: it came back as ${found[0]}`),
          );
          if (path === 'echo' && action === 'fetch')
            seen.push(verdict(/\[200,true,/.test(JSON.stringify(outcome)), 'the echo answered 200'));
        }
      const sent = upstream.requests.filter(({ headers }) => headers['x-api-key'] === `Token ${world.canary}`).length;
      const wanted = 2 * Object.keys(ECHOES).length;
      const whole = Buffer.from(JSON.stringify([said, steps.staged, steps.refused]));
      const found = findIn(whole, needles);
      // The search looked at what was said and recorded: where the secret stood is its name, and its lease is told.
      const looked = whole.includes('[secret:api-key]') && whole.includes('secret.leased') && whole.includes('told ');
      return all([
        verdict(sent === wanted, `sent ${sent} times`),
        ...seen,
        verdict(found.length === 0, found.length === 0 ? 'on no record' : `it is on record as ${found[0]}`),
        verdict(looked, looked ? 'by its name alone' : 'nothing was said of it'),
      ]);
    },
    faults: [without(SHOWN, 'headers[name] = scrubbedText(scrub, value);', 'headers[name] = value;'), NO_SCRUB],
  },
  {
    id: 'E4',
    tries: 'an echo in base64, hex or URL encoding, in one piece and in many',
    must: 'scrubbed in each',
    run: async (world) => {
      const bytes = Buffer.from(world.canary);
      const forms = [world.canary, bytes.toString('base64'), bytes.toString('hex'), encodeURIComponent(world.canary)];
      const body = forms.join('\n');
      const steps = await world.steps();
      const seen: Held[] = [];
      for (const script of [((_, socket) => socket.write(answer(200, {}, body))) satisfies Script, inPieces(body)]) {
        const upstream = await world.listen(script);
        const got = await steps.start([ruleFor(upstream.port, { secret })]).handle(to(upstream.port));
        const back = JSON.stringify(got);
        const leaks = forms.filter((form) => back.includes(JSON.stringify(form).slice(1, -1))).length;
        const marks = back.split('[secret:api-key]').length - 1;
        seen.push(verdict(gist(got) === '200', gist(got)));
        seen.push(verdict(leaks === 0 && marks === forms.length, leaks === 0 ? 'scrubbed' : `${leaks} came back`));
      }
      return all(seen);
    },
    faults: [
      NO_SCRUB,
      without(
        'kernel/secret/scrub.ts',
        '[0, 1, 2].flatMap((offset) => base64Needles(Buffer.from(value), offset))',
        '[0, 1, 2].flatMap((offset) => base64Needles(Buffer.from(value), offset)).slice(0, 0)',
      ),
    ],
  },
  {
    id: 'E8',
    tries: 'answers that are no HTTP, unpack to 50 MiB, never end, or end two requests; a server that prefers HTTP/2',
    must: 'its request fails and is not sent again; no other request gets that answer; HTTP/1.1 is spoken',
    run: async (world) => {
      const client = world.opened(openEgressClient({ resolve: async () => ['127.0.0.1'], ca: [CERTIFICATE] }));
      for (const [what, errorClass, script] of UNUSABLE) {
        const upstream = await world.listen(script);
        const request = requestFor(ruleFor(upstream.port), { method: 'POST', body: '{}' });
        const got = gistOf(await client.send(request));
        const times = upstream.requests.length;
        if (got !== `${errorClass}, may have left` || times !== 1)
          return verdict(false, `${what}: ${got}; sent ${times} times`);
      }
      const twice = await world.listen((_, socket, n) =>
        socket.write(n === 1 ? answer(200, {}, 'first') + answer(200, {}, 'smuggled') : answer(200, {}, 'second')),
      );
      const rule = ruleFor(twice.port);
      const bodies = [bodyOf(await client.send(requestFor(rule))), bodyOf(await client.send(requestFor(rule)))];
      const own = bodies.join() === 'first,second';
      const spoken: unknown[] = [];
      const tls = { key: KEY, cert: CERTIFICATE, ALPNProtocols: ['h2', 'http/1.1'] };
      const newer = await world.listen(
        (_, socket) => {
          spoken.push((socket as TLSSocket).alpnProtocol);
          socket.write(answer(200));
        },
        { tls },
      );
      const got = gistOf(await client.send(requestFor(ruleFor(newer.port, { scheme: 'https' }))));
      return all([
        verdict(true, `${UNUSABLE.length} kinds of answer fail`),
        verdict(own, own ? 'each request has its own answer' : 'an answer of another request'),
        verdict(got === '200' && spoken.join() === 'http/1.1', `to the other: ${got}, by ${spoken.join()}`),
      ]);
    },
    faults: [
      without('kernel/adapter/undici/connect.ts', "ALPNProtocols: ['http/1.1']", "ALPNProtocols: ['h2', 'http/1.1']"),
      without(
        'kernel/adapter/undici/exchange.ts',
        "if (!isPlain || !isChunked) return 'the answer is compressed although that was not accepted';",
      ),
      without('kernel/adapter/undici/exchange.ts', 'if (size > maxBodyBytes) fail', 'if (size > 1e9) fail'),
    ],
  },
  {
    id: 'E9',
    tries: 'a secret of another org, by a name that both have and by one that only the other has',
    must: 'it gets its own, or a refusal that does not tell whether there is such a secret',
    run: async (world) => {
      const upstream = await world.listen();
      const steps = await world.steps();
      const globex = 'globex' as OrgId;
      for (const name of ['api-key', 'only-theirs']) await steps.store.put(globex, name, `of-globex-${name}-0001`);
      const ask = async (name: string, org?: OrgId) => {
        const rule = ruleFor(upstream.port, { secret: { ...secret, name } });
        const got = await steps.start([rule], org && { org }).handle(to(upstream.port));
        const carried = upstream.requests.at(-1)?.headers['x-api-key'];
        return { gist: gist(got), text: JSON.stringify(got).replaceAll(name, 'NAME'), carried };
      };
      const own = await ask('api-key');
      const [theirs, nobodys] = [await ask('only-theirs'), await ask('nobodys')];
      const reached = upstream.requests.length;
      const control = await ask('only-theirs', globex);
      const isOwn = own.carried === `Token ${world.canary}`;
      const same = theirs.gist === 'E_SECRET' && theirs.text === nobodys.text && reached === 1;
      return all([
        verdict(isOwn, isOwn ? 'its own secret' : 'not its own secret'),
        verdict(same, same ? 'the same refusal as of no secret' : 'another refusal than of no secret'),
        verdict(control.carried === 'Token of-globex-only-theirs-0001', 'the other org has it'),
      ]);
    },
    faults: [without('kernel/flow/leases.ts', 'source.lease(holder.org, name', "source.lease('globex' as OrgId, name")],
  },
];
