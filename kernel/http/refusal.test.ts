import { expect, test } from 'vitest';
import { type OrgId, principalId } from '../base/id.ts';
import type { Principal } from '../org/principal.ts';
import { openRefusals } from './refusal.ts';

const who = (id: string, org = 'acme') => ({ org: org as OrgId, id: principalId(id), roles: [] });

/** Each row: milliseconds since the one before, who, and what is then on record of it. */
const open = () => {
  const clock = { at: 1_000_000 };
  const recorded: string[] = [];
  const record = async (by: Principal, what: string) => void recorded.push(`${by.org}/${by.id} ${what}`);
  return { clock, recorded, refuse: openRefusals({ record, now: () => clock.at }) };
};

test('one record a second for each principal; the next one says how many were left out', async () => {
  const { clock, recorded, refuse } = open();
  const rows: [number, string, string][] = [
    [0, 'a', 'acme'],
    [1, 'a', 'acme'],
    [0, 'b', 'acme'],
    [0, 'a', 'globex'],
    [998, 'a', 'acme'],
    [1, 'a', 'acme'],
    [999, 'a', 'acme'],
    [1, 'a', 'acme'],
    [1_000, 'a', 'acme'],
  ];
  for (const [later, id, org] of rows) {
    clock.at += later;
    await refuse(who(id, org), 'cancelRun');
  }
  expect(recorded).toEqual([
    'acme/a cancelRun',
    'acme/b cancelRun',
    'globex/a cancelRun',
    'acme/a cancelRun;unrecorded=2',
    'acme/a cancelRun;unrecorded=1',
    'acme/a cancelRun',
  ]);
});

test('a clock that is set back does not silence the log', async () => {
  const { clock, recorded, refuse } = open();
  await refuse(who('a'), 'vote');
  clock.at -= 3_600_000;
  await refuse(who('a'), 'vote');
  expect(recorded).toHaveLength(2);
});

test('so many are remembered, and no more: the oldest is forgotten', async () => {
  const { recorded, refuse } = open();
  for (let i = 0; i <= 4_096; i++) await refuse(who(`p${i}`), 'vote');
  recorded.length = 0;
  await refuse(who('p4096'), 'vote');
  await refuse(who('p0'), 'vote');
  expect(recorded).toEqual(['acme/p0 vote']);
});

test('whoever is refused waits for the record', async () => {
  const failing = openRefusals({ record: () => Promise.reject(new Error('no record')), now: () => 0 });
  await expect(failing(who('a'), 'vote')).rejects.toThrow();
});
