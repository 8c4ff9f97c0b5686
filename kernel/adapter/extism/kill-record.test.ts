import { describe, expect, it } from 'vitest';
import { type Culprit, openKillRecord } from './kill-record.ts';

const policy = { windowMs: 1_000, backoffMs: 10, killsMax: 4, quarantineMs: 5_000 };
const [bad, good] = ['acme/bad' as Culprit, 'globex/bad' as Culprit];

function afterKills(...times: readonly number[]) {
  const record = openKillRecord(policy);
  for (const time of times) record.note(bad, time);
  return record;
}

describe('a module that killed cells', () => {
  it.each([
    ['once', [0], 0, { kind: 'clear' }],
    ['twice, at once after', [0, 1], 1, { kind: 'backing-off', untilMs: 11 }],
    ['twice, after its back-off', [0, 1], 11, { kind: 'clear' }],
    ['three times: the back-off doubles', [0, 1, 2], 2, { kind: 'backing-off', untilMs: 22 }],
    ['four times', [0, 1, 2, 3], 4, { kind: 'quarantined', untilMs: 5_003, kills: 4 }],
    [
      'four times, just before the end of its quarantine',
      [0, 1, 2, 3],
      5_002,
      { kind: 'quarantined', untilMs: 5_003, kills: 4 },
    ],
    ['four times, after its quarantine', [0, 1, 2, 3], 5_003, { kind: 'clear' }],
    ['four times, never twice within the window', [0, 1_000, 2_000, 3_000], 3_000, { kind: 'clear' }],
  ])('%s', (_, times, now, standing) => {
    expect(afterKills(...times).standing(bad, now)).toEqual(standing);
  });

  it('starts anew after its quarantine', () => {
    const record = afterKills(0, 1, 2, 3);
    record.standing(bad, 6_000);
    record.note(bad, 6_000);
    expect(record.standing(bad, 6_000)).toEqual({ kind: 'clear' });
  });

  it('is the only one that pays', () => {
    expect(afterKills(0, 1, 2, 3).standing(good, 4)).toEqual({ kind: 'clear' });
  });
});
