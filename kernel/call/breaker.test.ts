import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { durationMs, type UnixMs, unixMs } from '../base/time.ts';
import { admit, type Breaker, CLOSED, type End, ended, type Pass, reopened } from './breaker.ts';
import type { BreakerPolicy } from './policy.ts';

const POLICY: BreakerPolicy = { failures: 3, windowMs: durationMs(60), openMs: durationMs(30), probes: 1 };
const ORDINARY: Pass = { round: null };

/** A breaker with a clock, for tables: `t` trouble, `w` well, `n` nothing, `+5` waits, `?` asks and holds the pass. */
function play(script: string, policy = POLICY) {
  let breaker: Breaker = CLOSED;
  let now = unixMs(1_000);
  const passes: Pass[] = [];
  const told: string[] = [];
  for (const word of script.split(' ')) {
    if (word.startsWith('+')) {
      now = unixMs(now + Number(word.slice(1)));
      continue;
    }
    if (word === '?') {
      const admission = admit(breaker, policy, now);
      told.push(admission.kind === 'passes' ? 'passes' : `refused ${admission.retryAfterMs}`);
      if (admission.kind === 'passes') {
        breaker = admission.breaker;
        passes.push(admission.pass);
      }
      continue;
    }
    const end: End = word === 't' ? 'trouble' : word === 'w' ? 'well' : 'nothing';
    breaker = ended(breaker, policy, now, passes.shift() ?? ORDINARY, end);
  }
  return { state: breaker.state, told: told.join(', '), breaker };
}

describe('closed', () => {
  test.each([
    ['opens at the third failure in a row', 't t t', 'open'],
    ['not before it', 't t', 'closed'],
    ['counts anew after an end that says well', 't t w t t', 'closed'],
    ['goes on counting after an end that says nothing', 't t n t', 'open'],
    ['forgets what is outside of the window', 't +30 t +30 t', 'closed'],
    ['counts what is inside of it', 't +30 t +29 t', 'open'],
  ])('%s', (_, script, state) => {
    expect(play(script).state).toBe(state);
  });
});

describe('open', () => {
  test.each([
    ['lets nothing pass, and says until when', 't t t +10 ? +19 ?', 'refused 20, refused 1'],
    ['lets one pass after that, and the next not', 't t t +30 ? ?', 'passes, refused 30'],
  ])('%s', (_, script, told) => {
    expect(play(script).told).toBe(told);
  });

  it('stays open whatever becomes of calls that had set out before', () => {
    expect(play('? ? ? ? ? t t t w w').state).toBe('open');
  });

  it('keeps the instant at which it left the closed state over every round', () => {
    const since = (script: string) => (play(script).breaker as Extract<Breaker, { state: 'open' }>).since;
    expect(since('t t t +30 ? t +30 ? t')).toBe(since('t t t'));
  });
});

describe('half open', () => {
  test.each([
    ['closes when the probe finds it well', 't t t +30 ? w', 'closed'],
    ['opens again when the probe finds trouble', 't t t +30 ? t', 'open'],
    ['stays when the probe says nothing', 't t t +30 ? n', 'half_open'],
  ])('%s', (_, script, state) => {
    expect(play(script).state).toBe(state);
  });

  it('lets another probe pass for one that said nothing', () => {
    expect(play('t t t +30 ? n ?').told).toBe('passes, passes');
  });

  it('asks nothing of a probe of an earlier round', () => {
    const policy = { ...POLICY, probes: 2 };
    // Two probes; the first opens it again, the second is late and finds it well in the round after.
    expect(play('t t t +30 ? ? t +30 ? w', policy).state).toBe('half_open');
  });

  it('begins at once after a restart', () => {
    expect(admit(reopened(unixMs(5)), POLICY, unixMs(5))).toMatchObject({ kind: 'passes', pass: { round: 5 } });
  });
});

test('whatever happens: nothing passes while it is open, and never more probes than the policy has', () => {
  const move = fc.oneof(
    fc.record({ kind: fc.constant('ask' as const) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 40 }) }),
    fc.record({
      kind: fc.constant('end' as const),
      at: fc.nat(20),
      end: fc.constantFrom<End>('well', 'trouble', 'trouble', 'nothing'),
    }),
  );
  const property = fc.property(fc.array(move, { maxLength: 200 }), fc.integer({ min: 1, max: 3 }), (moves, probes) => {
    const policy = { ...POLICY, probes };
    let breaker: Breaker = CLOSED;
    let now: UnixMs = unixMs(0);
    const underWay: Pass[] = [];
    for (const step of moves) {
      if (step.kind === 'wait') now = unixMs(now + step.ms);
      else if (step.kind === 'ask') {
        const wasOpen: boolean = breaker.state === 'open' && now < breaker.until;
        const admission = admit(breaker, policy, now);
        if (wasOpen) expect(admission.kind).toBe('refused');
        if (admission.kind === 'passes') {
          breaker = admission.breaker;
          underWay.push(admission.pass);
        }
      } else {
        const [pass] = underWay.splice(step.at % Math.max(1, underWay.length), 1);
        if (pass) breaker = ended(breaker, policy, now, pass, step.end);
      }
      if (breaker.state === 'half_open') {
        const { until, probing } = breaker;
        expect(underWay.filter(({ round }) => round === until)).toHaveLength(probing);
        expect(probing).toBeLessThanOrEqual(probes);
      }
      if (breaker.state === 'closed') expect(breaker.failures.length).toBeLessThan(policy.failures);
    }
  });
  fc.assert(property, { numRuns: 300 });
});
