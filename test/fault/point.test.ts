import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Run } from '../../sdk/contract/api-run.ts';
import { type Gate, type Point, startGate } from '../service/gate.ts';
import { cloudEvent, until, verifyExport } from '../support/api.ts';
import { type FaultWorld, openFaultWorld } from './world.ts';

/** The kernel ends at a chosen point of one run's life; the next one must bring the run to the right end. */
let world: FaultWorld;
let gate: Gate;

/** Posts without a promise of the target that a repeat is harmless. */
const once = (firewall: string) => `
apiVersion: interlock/v1
kind: Playbook
name: post-once
title: Post what cannot be repeated
owners: { technical: a, operational: b }
triggers: [{ id: seen, on: event, where: { fact: event, path: /once, operator: notEqual, value: "" } }]
inputs: { ip: /once }
steps:
  - { id: post, type: webhook, uses: webhook/post, with: { url: "${firewall}/v1/bans", payload: { ip: "{{ inputs.ip }}", seconds: 60 } } }
  - { id: note, type: update_state, incident: "inc-once", set: { state: contained } }
`;

beforeAll(async () => {
  world = await openFaultWorld({
    async between(firewall) {
      gate = await startGate(firewall);
      return gate;
    },
    extra: (firewall) => [once(firewall)],
  });
  await world.start();
});
afterAll(() => world?.close());

let count = 0;
/** Sends an event whose address no other has. */
async function send(field: 'ip' | 'once'): Promise<{ run: string; ip: string }> {
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

describe('kill -9 of the kernel', () => {
  it.each<[string, string, Point, string[], (string | null)[]]>([
    ['while the plan is asked for', 'GET', 'request', ['effect'], ['succeeded']],
    ['when the plan was answered', 'GET', 'answer', ['effect'], ['succeeded']],
    ['before the effect', 'POST', 'request', ['effect'], ['indeterminate', 'succeeded']],
    ['after the effect, before its outcome', 'POST', 'answer', ['effect', 'repeat'], ['indeterminate', 'succeeded']],
    ['in the middle of the answer', 'POST', 'half', ['effect', 'repeat'], ['indeterminate', 'succeeded']],
  ])('%s: one effect, and the run completes', async (_, method, point, done, attempts) => {
    const reached = gate.hold(method, point);
    const { run, ip } = await send('ip');
    await reached;
    await world.kernel().end();
    gate.drop();
    await world.start();
    const end = await ended(run);
    expect(end).toMatchObject({ state: 'completed', partial: false, closure: 'closed' });
    expect(doneFor(ip)).toEqual(done);
    expect(ends(end, 'ban')).toEqual(attempts);
    await auditIsValid();
  });

  it('right after the event was taken: the run is there and completes', async () => {
    const { run, ip } = await send('ip');
    await world.kernel().end();
    await world.start();
    expect(await ended(run)).toMatchObject({ state: 'completed' });
    expect(doneFor(ip)[0]).toBe('effect');
    await auditIsValid();
  });

  it('again and again during one call: more restarts than the step has attempts', { timeout: 60_000 }, async () => {
    let reached = gate.hold('POST', 'request');
    const { run, ip } = await send('ip');
    for (let kill = 0; kill < 4; kill++) {
      await reached;
      await world.kernel().end();
      gate.drop();
      reached = gate.hold('POST', kill < 3 ? 'request' : 'half');
      await world.start();
    }
    gate.drop();
    const end = await ended(run);
    expect(end.state).toBe('completed');
    expect(doneFor(ip).filter((what) => what === 'effect')).toHaveLength(1);
    expect(ends(end, 'ban')?.slice(0, 4)).toEqual(Array(4).fill('indeterminate'));
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
    const settled = await world.api.post<Run>(`/runs/${run}/settle`, { step: 'post', outcome, note: 'looked there' });
    expect(settled.data).toMatchObject({ state });
    expect(doneFor(ip), 'nothing was sent again').toEqual(done);
    await auditIsValid();
  });
});

describe('a stop in good order (SIGTERM)', () => {
  it.each<[string, string, Point, 'soon' | 'never', (string | null)[]]>([
    ['waits for an answer that comes soon', 'POST', 'request', 'soon', ['succeeded']],
    [
      'does not wait for one that does not come, and the next start asks again',
      'GET',
      'request',
      'never',
      ['succeeded'],
    ],
    [
      'cuts off an effect that does not end, and does not call it failed',
      'POST',
      'answer',
      'never',
      ['indeterminate', 'succeeded'],
    ],
  ])('%s', async (_, method, point, answer, attempts) => {
    const reached = gate.hold(method, point);
    const { run, ip } = await send('ip');
    await reached;
    const stopping = world.kernel().end('SIGTERM');
    if (answer === 'soon') gate.pass();
    expect(await stopping).toEqual({ code: 0, signal: null });
    gate.drop();
    await world.start();
    const end = await ended(run);
    expect(end.state).toBe('completed');
    expect(doneFor(ip).filter((what) => what === 'effect')).toHaveLength(1);
    expect(ends(end, 'ban')).toEqual(attempts);
    await auditIsValid();
  });
});
