/** Where an answer points to is the plugin's to ask for, under its own grants: nobody else goes there. */
import { afterEach, describe, expect, it } from 'vitest';
import { ruleFor } from './ask.ts';
import { CERTIFICATE, KEY } from './certificate.ts';
import { CANARY, openSteps, secret, to } from './steps.ts';
import { answer, openUpstream, type Script, type Upstream } from './upstream.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});
const keep = <T extends { close(): Promise<unknown> }>(one: T): T => {
  open.push(one);
  return one;
};
const redirect =
  (location: (port: number) => string, port: () => number, status = 302): Script =>
  (_, socket) =>
    socket.write(answer(status, { location: location(port()) }, 'moved'));

describe('a redirect is an answer like any other', () => {
  it.each<[string, (port: number) => string]>([
    ['to metadata', () => 'http://169.254.169.254/latest/meta-data'],
    ['to loopback', (port) => `http://127.0.0.1:${port}/`],
    ['to itself, for ever', (port) => `http://api.test:${port}/v1/items`],
    ['to another scheme', () => 'file:///etc/passwd'],
    ['with credentials in it', (port) => `http://user:pass@api.test:${port}/`],
    ['to what is no URL', () => '::::'],
  ])('%s: one request, and the plugin sees where to', async (_, location) => {
    const steps = keep(await openSteps());
    const upstream: Upstream = keep(
      await openUpstream(
        redirect(location, () => upstream.port),
        { host: '0.0.0.0' },
      ),
    );
    const step = steps.start([ruleFor(upstream.port, { secret })]);
    expect(await step.handle(to(upstream.port))).toMatchObject({
      ok: true,
      status: 302,
      headers: { location: location(upstream.port) },
    });
    expect([upstream.requests.length, upstream.connections.length, (await step.close()).requests]).toEqual([1, 1, 1]);
  });

  it('to a second granted host carries nothing of the first: who follows it asks anew', async () => {
    const steps = keep(await openSteps());
    const second = keep(await openUpstream());
    const first = keep(
      await openUpstream(
        redirect(
          (port) => `http://other.test:${port}/next`,
          () => second.port,
          307,
        ),
      ),
    );
    const rules = [ruleFor(first.port, { secret }), ruleFor(second.port, { host: 'other.test' })];
    const step = steps.start(rules);
    const moved = await step.handle(to(first.port, { method: 'POST', body: '{"a":1}' }));
    expect([second.connections.length, first.requests[0]?.headers['x-api-key']]).toEqual([0, `Token ${CANARY}`]);
    const location = 'ok' in moved && moved.ok ? (moved.headers['location'] ?? '') : '';
    expect(await step.handle(to(second.port, { url: location }))).toMatchObject({ ok: true, status: 200 });
    expect(JSON.stringify(second.requests)).not.toContain('canary');
    expect(second.requests[0]).toMatchObject({ method: 'GET', body: '' });
  });

  it('from https to http is not followed, and asking for it is denied', async () => {
    const steps = keep(await openSteps({ ca: [CERTIFICATE] }));
    const plain = keep(await openUpstream());
    const script = redirect(
      (port) => `http://api.test:${port}/`,
      () => plain.port,
    );
    const safe = keep(await openUpstream(script, { tls: { key: KEY, cert: CERTIFICATE } }));
    const step = steps.start([ruleFor(safe.port, { scheme: 'https', secret })]);
    const url = `https://api.test:${safe.port}/`;
    expect(await step.handle(to(safe.port, { url }))).toMatchObject({ ok: true, status: 302 });
    const next = await step.handle(to(plain.port, { url: `http://api.test:${plain.port}/` }));
    expect(next).toEqual({ denied: expect.stringContaining('E_NOT_ALLOWED') });
    expect(plain.connections).toEqual([]);
  });

  it('a chain over all requests of a step ends with them', async () => {
    const steps = keep(await openSteps());
    const upstream: Upstream = keep(
      await openUpstream(
        redirect(
          (port) => `http://api.test:${port}/v1/items`,
          () => upstream.port,
        ),
      ),
    );
    const step = steps.start([ruleFor(upstream.port)]);
    let asked = 0;
    while (asked < 100 && !('denied' in (await step.handle(to(upstream.port))))) asked++;
    expect([asked, upstream.requests.length]).toEqual([32, 32]);
  });
});
