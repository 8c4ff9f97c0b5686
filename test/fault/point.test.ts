import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Run } from '../../sdk/contract/api-run.ts';
import { type Gate, type Point, startGate } from '../service/gate.ts';
import { cloudEvent, until, verifyExport } from '../support/api.ts';
import { type FaultWorld, type Field, openFaultWorld } from './world.ts';

/** The kernel ends at a chosen point of one run's life; the next one must bring the run to the right end. */
let world: FaultWorld;
let gate: Gate;

beforeAll(async () => {
  world = await openFaultWorld({
    async between(firewall) {
      gate = await startGate(firewall);
      return gate;
    },
  });
  await world.start();
});
afterAll(() => world?.close());

let count = 0;
/** Sends an event whose address no other has. */
async function send(field: Field): Promise<{ run: string; ip: string }> {
  count++;
  const ip = `21.0.0.${count}`;
  const answer = await world.api.publish(cloudEvent(`point-${count}`, { [field]: ip, incident: `inc-${count}` }));
  expect(answer.status).toBe(202);
  const run = answer.data.events[0]?.triggers.find((one) => one.run !== null)?.run;
  if (!run) throw new Error(`no run was started: ${answer.text}`);
  return { run, ip };
}
const read = async (run: string): Promise<Run> => (await world.api.run(run)).data;
const ended = (run: string) =>
  until(
    () => read(run),
    (now) => now.endedAt !== null,
  );
/** What the firewall did for the address: `effect` the first time a key came, `repeat` after that. */
const doneFor = (ip: string) =>
  world.firewall
    .log()
    .entries.filter((entry) => entry.ip === ip)
    .map((entry) => (entry.repeat ? 'repeat' : 'effect'));
const ends = (run: Run, name: string) =>
  run.steps.find((step) => step.step === name)?.attempts.map((attempt) => attempt.end);
const auditIsValid = async () => {
  const { verdict } = await verifyExport(world.api, join(world.folder.path, 'bundle'));
  expect(verdict).toMatchObject({ verdict: 'valid', findings: [] });
};

/** The plan is there, and a person agrees to it. */
async function approve(run: string): Promise<void> {
  const waiting = await until(
    () => read(run),
    (now) => now.state === 'waiting' && now.approvals.length > 0,
  );
  const [asked] = waiting.approvals;
  const vote = await world.approver.vote(asked?.approval ?? '', 'approve', asked?.subject ?? '');
  expect(vote.status).toBe(200);
}

describe('kill -9 of the kernel', () => {
  it.each<[string, Point]>([
    ['while a plan is asked for', 'request'],
    ['when the plan was answered', 'answer'],
  ])('%s: it is asked for again, a person agrees, one effect', async (_, point) => {
    const reached = gate.hold('GET', point);
    const { run, ip } = await send('contain');
    await reached;
    await world.kernel().end();
    gate.drop();
    await world.start();
    await approve(run);
    expect(await ended(run)).toMatchObject({ state: 'completed', closure: 'closed' });
    expect(doneFor(ip)).toEqual(['effect']);
    await auditIsValid();
  });

  it.each<[Field, string, Point, string[]]>([
    ['deliver', 'before the effect', 'request', ['effect']],
    ['deliver', 'after the effect, before its outcome', 'answer', ['effect', 'repeat']],
    ['deliver', 'in the middle of the answer', 'half', ['effect', 'repeat']],
    ['contain', 'after the effect that a person agreed to', 'answer', ['effect', 'repeat']],
  ])('%s, %s: one effect, and the run completes', async (field, _, point, done) => {
    const reached = gate.hold('POST', point);
    const { run, ip } = await send(field);
    if (field === 'contain') await approve(run);
    await reached;
    await world.kernel().end();
    gate.drop();
    await world.start();
    const end = await ended(run);
    expect(end).toMatchObject({ state: 'completed', partial: false, closure: 'closed' });
    expect(doneFor(ip)).toEqual(done);
    expect(ends(end, 'ban')).toEqual(['indeterminate', 'succeeded']);
    // One approval covers the repeat: it is the same action with the same parameters and plan.
    expect(end.approvals).toHaveLength(field === 'contain' ? 1 : 0);
    await auditIsValid();
  });

  it('right after the event was taken: the run is there and completes', async () => {
    const { run, ip } = await send('deliver');
    await world.kernel().end();
    await world.start();
    expect(await ended(run)).toMatchObject({ state: 'completed' });
    expect(doneFor(ip)[0]).toBe('effect');
    await auditIsValid();
  });

  it('again and again during one call: more restarts than the step has attempts', { timeout: 60_000 }, async () => {
    let reached = gate.hold('POST', 'request');
    const { run, ip } = await send('deliver');
    for (let kill = 0; kill < 4; kill++) {
      await reached;
      await world.kernel().end();
      gate.drop();
      if (kill < 3) reached = gate.hold('POST', 'request');
      await world.start();
    }
    const end = await ended(run);
    expect(end.state).toBe('completed');
    expect(doneFor(ip)).toEqual(['effect']);
    expect(ends(end, 'ban')).toEqual([...Array(4).fill('indeterminate'), 'succeeded']);
  });
});

describe('of a post that may not be repeated', () => {
  it.each<[string, Point, string[], 'succeeded' | 'failed', string]>([
    ['before the effect, and a person finds that nothing happened', 'request', [], 'failed', 'failed'],
    ['after the effect, and a person finds that it happened', 'answer', ['effect'], 'succeeded', 'completed'],
  ])('kill -9 %s', async (_, point, done, outcome, state) => {
    const reached = gate.hold('POST', point);
    const { run, ip } = await send('once');
    await reached;
    await world.kernel().end();
    gate.drop();
    await world.start();
    const waiting = await read(run);
    expect(waiting.state).toBe('waiting');
    expect(waiting.steps[0]).toMatchObject({ state: 'indeterminate', reason: 'restart' });
    expect(doneFor(ip)).toEqual(done);
    const settled = await world.api.post<Run>(`/runs/${run}/settle`, { step: 'ban', outcome, note: 'looked there' });
    expect(settled.data).toMatchObject({ state });
    expect(doneFor(ip), 'nothing was sent again').toEqual(done);
    await auditIsValid();
  });
});

describe('of many posts that may not be repeated, where most wait for a cell', () => {
  const CELLS = 8;
  it('kill -9 leaves to a person only those that had left', { timeout: 60_000 }, async () => {
    const reached = gate.hold('POST', 'request', CELLS);
    const sent = await Promise.all(Array.from({ length: 3 * CELLS }, () => send('once')));
    await reached;
    await world.kernel().end();
    gate.drop();
    await world.start();
    const runs = await Promise.all(
      sent.map(({ run }) =>
        until(
          () => read(run),
          (now) => now.endedAt !== null || now.steps[0]?.state === 'indeterminate',
        ),
      ),
    );
    const ofBan = runs.map((run) => ({ state: run.state, ends: ends(run, 'ban') }));
    expect(ofBan.filter(({ state }) => state === 'waiting')).toEqual(
      Array(CELLS).fill({ state: 'waiting', ends: ['indeterminate'] }),
    );
    const others = ofBan.filter(({ state }) => state === 'completed');
    expect(others).toHaveLength(2 * CELLS);
    expect(others.some(({ ends }) => ends?.[0] === 'failed')).toBe(true);
    for (const [at, { ip, run }] of sent.entries()) {
      const waits = runs[at]?.state === 'waiting';
      expect(doneFor(ip)).toEqual(waits ? [] : ['effect']);
      if (waits) await world.api.post<Run>(`/runs/${run}/settle`, { step: 'ban', outcome: 'failed', note: 'looked' });
    }
    await auditIsValid();
  });
});

describe('a stop in good order (SIGTERM)', () => {
  it.each<[string, Field, string, Point, 'soon' | 'never', (string | null)[]]>([
    ['waits for an answer that comes soon', 'once', 'POST', 'request', 'soon', ['succeeded']],
    [
      'does not wait for a plan that does not come, and asks again',
      'contain',
      'GET',
      'request',
      'never',
      ['succeeded'],
    ],
    [
      'cuts off an effect that does not end, and does not call it failed',
      'deliver',
      'POST',
      'answer',
      'never',
      ['indeterminate', 'succeeded'],
    ],
  ])('%s', async (_, field, method, point, answer, attempts) => {
    const reached = gate.hold(method, point);
    const { run, ip } = await send(field);
    await reached;
    const stopping = world.kernel().end('SIGTERM');
    if (answer === 'soon') gate.pass();
    expect(await stopping).toEqual({ code: 0, signal: null });
    gate.drop();
    await world.start();
    if (field === 'contain') await approve(run);
    const end = await ended(run);
    expect(end.state).toBe('completed');
    expect(doneFor(ip).filter((what) => what === 'effect')).toHaveLength(1);
    expect(ends(end, 'ban')).toEqual(attempts);
    await auditIsValid();
  });
});
