import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWaits } from '../../kernel/http/waits.ts';
import { ACME, GLOBEX, type House, openHouse, playbook, started } from './kit.ts';

/** A request may wait for the end of a run. */
let house: House;
beforeAll(async () => {
  house = await openHouse();
  await house.activate(playbook('wait', 'type: enrich, uses: probe/wait, timeout: 5m'));
});
afterAll(() => house.close());

const read = (run: string, query: string) => house.ask('operator@acme', 'GET', `/v1/orgs/acme/runs/${run}${query}`);
const underWay = async () => {
  const run = started(await house.publish('wait.seen'));
  await house.until(() => (house.cells.stats().busy > 0 ? true : undefined));
  return run;
};

test('it is answered when the run ends, to everyone who waits', async () => {
  const run = await underWay();
  const waiting = Array.from({ length: 5 }, () => read(run, '?wait=60s'));
  // All of them are there before anything ends: another request has come and gone since.
  expect((await read(run, '')).data.state).toBe('running');
  house.cells.release();
  for (const reply of await Promise.all(waiting)) expect(reply.data).toMatchObject({ run, state: 'completed' });
});

test('it is answered with the run as it is when the time is over', async () => {
  const run = await underWay();
  expect((await read(run, '?wait=30ms')).data).toMatchObject({ run, state: 'running', endedAt: null });
  house.cells.release();
});

test('a run that has ended, or is not there, is not waited for', async () => {
  const run = await underWay();
  house.cells.release();
  await read(run, '?wait=60s');
  expect((await read(run, '?wait=60s')).data.state).toBe('completed');
  expect((await read(`run_${'0'.repeat(32)}`, '?wait=60s')).status).toBe(404);
});

test('a client that has gone leaves the others waiting', async () => {
  const run = await underWay();
  const gone = new AbortController();
  const first = fetch(`${house.url}/v1/orgs/acme/runs/${run}?wait=60s`, {
    headers: { authorization: `Bearer ${house.tokens.get('operator@acme')}` },
    signal: gone.signal,
  });
  const second = read(run, '?wait=60s');
  await read(run, '');
  gone.abort();
  await expect(first).rejects.toThrow();
  house.cells.release();
  expect((await second).data.state).toBe('completed');
  expect(house.logged).toEqual([]);
});

test('an org has so many places to wait, and another org has its own', async () => {
  const waits = openWaits(2);
  const end = Promise.withResolvers<string>();
  const places = [ACME, ACME, ACME, GLOBEX].map((org) => waits.take(org, () => end.promise));
  expect(places.map((place) => place !== undefined)).toEqual([true, true, false, true]);
  end.resolve('ended');
  await Promise.all(places);
  await expect(waits.take(ACME, async () => 'free again')).resolves.toBe('free again');
  await expect(waits.take(ACME, () => Promise.reject(new Error('failed')))).rejects.toThrow();
  const again = [1, 2, 3].map(() => waits.take(ACME, async () => 1) !== undefined);
  expect(again).toEqual([true, true, false]);
});

// The last one: nobody waits in this house any more.
test('before a stop it is answered with the run as it is, and nobody waits any more', async () => {
  const run = await underWay();
  const waiting = Array.from({ length: 3 }, () => read(run, '?wait=60s'));
  await read(run, '');
  house.kernel.endWaits();
  for (const reply of await Promise.all(waiting)) expect(reply.data).toMatchObject({ run, state: 'running' });
  expect((await read(run, '?wait=60s')).data.state).toBe('running');
  house.cells.release();
});
