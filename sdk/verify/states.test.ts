import { describe, expect, test } from 'vitest';
import { readLine } from './line.ts';
import { type Check, orgChains } from './order.ts';
import { runStates } from './states.ts';
import { headOf, judge, LOG, type Said, weave, writeLog } from './testlog.ts';

/** One step of one run, told in short words: `intent 1 ban` is kind step.intent, attempt 1, ref ban. */
function tell(...words: readonly string[]): Said[] {
  return words.map((text): Said => {
    const [kind, attempt, ref] = text.split(' ');
    const of = { tenant: 'acme', run: 'r' };
    const tried = attempt === undefined || attempt === '-' ? {} : { attempt: Number(attempt) };
    const named = ref === undefined ? {} : { ref };
    switch (kind) {
      case 'ended':
        return { ...of, kind: 'run.ended', outcome: 'completed' };
      case 'skipped':
        return { ...of, kind: 'steps.skipped', outcome: 'not-reached' };
      case 'approved':
      case 'rejected':
        return { ...of, kind: 'approval.decided', outcome: kind, ref: ref ?? 'apr' };
      case 'settled':
        return { ...of, ...tried, step: 's', kind: 'step.settled', outcome: 'succeeded' };
      case 'held':
        return { ...of, step: 's', kind: 'step.held', ref: ref ?? 'apr' };
      default:
        return { ...of, ...tried, ...named, step: 's', kind: `step.${kind}` as Said['kind'] };
    }
  });
}

const verdictOn = (said: readonly Said[]) => {
  const lines = writeLog(said);
  return judge(lines, headOf(lines));
};

describe('sound', () => {
  test.each([
    ['one try', ['intent 1', 'succeeded 1']],
    ['a step that is never tried', ['failed', 'succeeded', 'skipped']],
    ['three tries', ['intent 1', 'failed 1', 'retry 2', 'intent 2', 'failed 2', 'intent 3', 'succeeded 3']],
    ['an undo is another action and counts anew', ['intent 1 ban', 'succeeded 1', 'intent 1 unban', 'succeeded 1']],
    ['a log that stops in the middle', ['intent 1']],
    ['an indeterminate try that is settled', ['intent 1', 'indeterminate 1', 'settled 1']],
    ['an indeterminate try that is tried again', ['intent 1', 'indeterminate 1', 'intent 2', 'succeeded 2']],
    [
      'settled when the try after it has failed',
      ['intent 1', 'indeterminate 1', 'intent 2', 'failed 2', 'ended', 'settled 2'],
    ],
    ['settled after the run ended', ['intent 1', 'indeterminate 1', 'ended', 'settled 1']],
    ['an answer after the run ended', ['intent 1', 'ended', 'succeeded 1']],
    ['held, approved, tried twice', ['held', 'approved', 'intent 1', 'failed 1', 'intent 2', 'succeeded 2']],
    ['held and rejected', ['held', 'rejected', 'skipped', 'ended']],
    ['never held', ['planned', 'intent 1', 'succeeded 1']],
  ])('%s', (_name, words) => {
    expect(verdictOn(tell(...words))).toMatchObject({ verdict: 'valid', findings: [] });
  });
});

describe('not sound', () => {
  test.each<[string, string[], number, string]>([
    ['an end without intent', ['succeeded 1'], 0, 'never intended'],
    ['an indeterminate end without intent', ['indeterminate 1'], 0, 'never intended'],
    ['an end of a later try', ['intent 1', 'failed 2'], 1, 'never intended'],
    ['two ends', ['intent 1', 'failed 1', 'succeeded 1'], 2, 'second end'],
    ['an end after an indeterminate one', ['intent 1', 'indeterminate 1', 'succeeded 1'], 2, 'second end'],
    ['a late end of an earlier try', ['intent 1', 'failed 1', 'intent 2', 'failed 1'], 3, 'second end'],
    ['an end that hides its number', ['intent 1', 'succeeded'], 1, 'without its number'],
    ['a first try with number 2', ['intent 2'], 0, 'where 1 belongs'],
    ['a skipped number', ['intent 1', 'failed 1', 'intent 3'], 2, 'where 2 belongs'],
    ['a number used again', ['intent 1', 'failed 1', 'intent 1'], 2, 'where 2 belongs'],
    ['a try before the last one ended', ['intent 1', 'intent 2'], 1, 'while the last one is open'],
    ['an undo that goes on counting', ['intent 1 ban', 'succeeded 1', 'intent 2 unban'], 2, 'where 1 belongs'],
    ['settling what is certain', ['intent 1', 'succeeded 1', 'settled 1'], 2, 'not indeterminate'],
    [
      'settling what a later try has made certain',
      ['intent 1', 'indeterminate 1', 'intent 2', 'succeeded 2', 'settled 2'],
      4,
      'not indeterminate',
    ],
    ['settling twice', ['intent 1', 'indeterminate 1', 'settled 1', 'settled 1'], 3, 'not indeterminate'],
    ['settling another try', ['intent 1', 'indeterminate 1', 'settled 2'], 2, 'another try'],
    ['held and not approved', ['held', 'intent 1'], 1, 'not approved'],
    ['held and rejected', ['held', 'rejected', 'intent 1'], 2, 'not approved'],
    ['approved by the approval of another step', ['held - a', 'approved - b', 'intent 1'], 2, 'not approved'],
    ['approved before it was held', ['approved', 'held', 'intent 1'], 2, 'not approved'],
    ['held again after a try', ['held', 'approved', 'intent 1', 'failed 1', 'held', 'intent 2'], 5, 'not approved'],
    ['an end after the run was let go', ['intent 1', 'succeeded 1', 'ended', 'succeeded 1'], 3, 'never intended'],
  ])('%s', (_name, words, seq, text) => {
    const { verdict, findings, found } = verdictOn(tell(...words));
    expect({ verdict, found, finding: findings[0] }).toMatchObject({
      verdict: 'invalid',
      found: 1,
      finding: { code: 'STATE_VIOLATION', seq },
    });
    expect(findings[0]?.text).toContain(text);
  });
});

test('runs, steps and orgs of the same name do not mix', () => {
  const [intent, end] = tell('intent 1', 'succeeded 1') as [Said, Said];
  const { run: _run, ...free } = intent;
  expect(verdictOn([intent, end, { ...intent, run: 'q' }]).verdict).toBe('valid');
  expect(verdictOn([intent, end, { ...intent, step: 't' }]).verdict).toBe('valid');
  expect(verdictOn([intent, { ...intent, tenant: 'globex' }, end]).verdict).toBe('valid');
  expect(verdictOn([intent, { ...end, run: 'q' }]).verdict).toBe('invalid');
  expect(verdictOn([intent, { ...end, step: 't' }]).verdict).toBe('invalid');
  expect(verdictOn([intent, { ...end, tenant: 'globex' }]).verdict).toBe('invalid');
  expect(verdictOn([{ ...free, kind: 'incident.updated' }]).verdict).toBe('valid');
});

test('a decision names its step, or frees every step that waits for that approval', () => {
  const held: Said = { tenant: 'acme', run: 'r', step: 's', kind: 'step.held', ref: 'apr' };
  const decided: Said = { tenant: 'acme', run: 'r', kind: 'approval.decided', ref: 'apr', outcome: 'approved' };
  const intent: Said = { tenant: 'acme', run: 'r', step: 's', kind: 'step.intent', attempt: 1 };
  expect(verdictOn([held, { ...decided, step: 's', ref: 'other' }, intent]).verdict).toBe('valid');
  expect(verdictOn([held, { ...decided, step: 't' }, intent]).verdict).toBe('invalid');
});

test('what is more than can be followed is said to be unjudged, and only that', () => {
  const told = (run: string): Said[] => [
    { tenant: 'acme', run, step: 's', kind: 'step.intent', attempt: 1 },
    { tenant: 'acme', run, step: 's', kind: 'step.succeeded', attempt: 1 },
    { tenant: 'acme', run, kind: 'run.ended', outcome: 'completed' },
  ];
  const found = (said: readonly Said[], check: Check) =>
    writeLog(said)
      .map((line, k) => check(readLine(line, k + 1, { scope: 'log', log: LOG, org: null })))
      .filter((finding) => finding !== undefined)
      .map(({ code, seq }) => [code, seq]);

  // One after the other there is room for any number of runs; beside each other there is not.
  expect(found([...told('a'), ...told('b'), ...told('c')], runStates(4))).toEqual([]);
  expect(found(weave([told('a'), told('b'), told('c')]), runStates(4))).toEqual([
    ['CAPACITY', 2],
    ['CAPACITY', 5],
  ]);
  const of = (tenant: string): Said => ({ tenant, kind: 'incident.updated' });
  expect(found([of('acme'), of('globex'), of('initech'), of('acme')], orgChains(2))).toEqual([['CAPACITY', 2]]);
  const steps = ['a', 'b', 'c', 'a'].map((step): Said => ({ ...of('acme'), run: 'r', step }));
  expect(found(steps, runStates(3))).toEqual([['CAPACITY', 2]]);
  // Events that a trigger puts down to runs which ended before take no room.
  const later = ['a', 'b', 'c'].map(
    (run): Said => ({ ...of('acme'), kind: 'trigger.absorbed', run, ref: 'p/t', outcome: 'drop' }),
  );
  expect(found([...told('a'), ...later, ...told('d')], runStates(2))).toEqual([]);
});
