import { expect, it } from 'vitest';
import { unixMs } from '../base/time.ts';
import { type HealthAnswer, type Pulse, pulseAfter, UNKNOWN } from './health.ts';

/** One letter a check, an instant apart: `w` well, `f` failed, `u` unasked. */
const ANSWERS: Readonly<Record<string, HealthAnswer>> = {
  w: { kind: 'well' },
  f: { kind: 'failed', stage: 'health', error: { class: 'unavailable', message: 'down' } },
  a: { kind: 'failed', stage: 'auth', error: { class: 'unauthorized', message: 'no' } },
  u: { kind: 'unasked' },
};

const after = (checks: string, failuresMax = 2): Pulse =>
  [...checks].reduce<Pulse>((pulse, letter, i) => {
    const answer = ANSWERS[letter];
    if (!answer) throw new Error('no such check');
    return pulseAfter(pulse, answer, failuresMax, unixMs(i + 1));
  }, UNKNOWN);

it.each([
  ['', 'unknown', undefined],
  ['w', 'healthy', 1],
  ['www', 'healthy', 1],
  ['f', 'unknown', undefined],
  ['ff', 'unhealthy', 2],
  ['wf', 'healthy', 1],
  ['wfwf', 'healthy', 1],
  ['wff', 'unhealthy', 3],
  ['wfuf', 'unhealthy', 4],
  ['wffff', 'unhealthy', 3],
  ['wffw', 'healthy', 4],
  ['wffu', 'unhealthy', 3],
  ['uuu', 'unknown', undefined],
])('after %j a connector is %s, since %s', (checks, state, since) => {
  expect(after(checks).health).toMatchObject({ state, ...(since !== undefined && { since }) });
});

it('one failure is enough where the policy says so', () => expect(after('f', 1).health.state).toBe('unhealthy'));

it('says of an unhealthy one what the last check failed at, and keeps since when', () => {
  expect(after('ffa').health).toEqual({
    state: 'unhealthy',
    since: 2,
    stage: 'auth',
    error: { class: 'unauthorized', message: 'no' },
  });
});
