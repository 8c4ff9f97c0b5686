import { expect, it } from 'vitest';
import type { OrgId, RunId, StepRunId } from '../base/id.ts';
import type { Run } from '../run/state.ts';
import { openAwaited } from './awaited.ts';

const ACME = 'acme' as OrgId;
const GLOBEX = 'globex' as OrgId;

/** A run of which only the steps that wait matter: `{ step: key }`. */
const runOf = (id: string, waits: Readonly<Record<string, string>>, org = ACME, digest = 'v1'): Run =>
  ({
    id,
    org,
    playbook: { name: 'p', digest },
    ended: null,
    steps: Object.fromEntries(
      Object.entries(waits).map(([step, key]) => [step, { id: step, state: 'open', waitsFor: 'event', key }]),
    ),
  }) as unknown as Run;

const names = (waiting: readonly { readonly run: RunId; readonly step: StepRunId }[]) =>
  waiting.map(({ run, step }) => `${run}/${step}`).join(' ');

function open(claimed: readonly string[] = []) {
  const awaited = openAwaited((_, run, step) => claimed.includes(`${run}/${step}`));
  const claim = (key: string, org = ACME, most = 256, mayWake: (one: { run: RunId }) => boolean = () => true) =>
    names(awaited.claim(org, key as never, most, mayWake));
  const shapes = (org = ACME) =>
    awaited.of(org).shapes.map(({ digest, step, waiting }) => `${digest}/${step} ${waiting}`);
  return { ...awaited, claim, shapes };
}

it('gives those that wait for a key, the longest first, once, and of that org only', () => {
  const { noted, claim } = open();
  noted(runOf('r1', { a: 'k1', b: 'k2' }));
  noted(runOf('r2', { 'c[0]': 'k1' }));
  noted(runOf('r3', { a: 'k1' }, GLOBEX));
  expect(claim('k1')).toBe('r1/a r2/c[0]');
  expect(claim('k1')).toBe('');
  expect(claim('k2')).toBe('r1/b');
  expect(claim('k1', GLOBEX)).toBe('r3/a');
});

it('gives at most as many as are asked for, and the others to the next event', () => {
  const { noted, claim } = open();
  for (const id of ['r1', 'r2', 'r3']) noted(runOf(id, { a: 'k' }));
  expect([claim('k', ACME, 2), claim('k', ACME, 2), claim('k', ACME, 2)]).toEqual(['r1/a r2/a', 'r3/a', '']);
});

it('passes over those that it may not wake, which wait on', () => {
  const { noted, claim } = open();
  for (const id of ['r1', 'r2', 'r3']) noted(runOf(id, { a: 'k' }));
  expect(claim('k', ACME, 1, ({ run }) => run !== 'r1')).toBe('r2/a');
  expect(claim('k')).toBe('r1/a r3/a');
});

it('follows a run from turn to turn', () => {
  const { noted, claim, shapes } = open();
  noted(runOf('r1', { a: 'k1' }));
  noted(runOf('r1', { a: 'k1', b: 'k2' }));
  expect(shapes()).toEqual(['v1/a 1', 'v1/b 1']);
  noted(runOf('r1', { b: 'k3' }));
  expect(shapes()).toEqual(['v1/b 1']);
  expect([claim('k1'), claim('k2'), claim('k3')]).toEqual(['', '', 'r1/b']);
  noted({ ...runOf('r1', { b: 'k3' }), ended: { at: 1 } } as unknown as Run);
  expect(shapes()).toEqual([]);
});

it('does not give again a step whose event has come, whatever turns its run takes before it is told', () => {
  const { noted, claim, shapes } = open(['r1/a']);
  noted(runOf('r2', { a: 'k' }));
  expect(claim('k')).toBe('r2/a');
  noted(runOf('r2', { a: 'k', b: 'other' }));
  expect(claim('k')).toBe('');
  // After a restart.
  noted(runOf('r1', { a: 'k' }));
  expect(claim('k')).toBe('');
  noted(runOf('r1', {}));
  noted(runOf('r2', {}));
  expect(shapes()).toEqual([]);
});

it('moves on with each step of a playbook that was not waited at, and only then', () => {
  const { noted, of, isWanted } = open();
  const revisions = [runOf('r1', { a: 'k' }), runOf('r2', { a: 'k' }), runOf('r3', { a: 'k' }, ACME, 'v2')].map(
    (run) => {
      noted(run);
      return of(ACME).revision;
    },
  );
  expect(revisions).toEqual([1, 1, 2]);
  expect([isWanted(ACME, 'k' as never), isWanted(ACME, 'x' as never), isWanted(GLOBEX, 'k' as never)]).toEqual([
    true,
    false,
    false,
  ]);
});
