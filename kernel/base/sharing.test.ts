import { expect, it } from 'vitest';
import { openSharing } from './sharing.ts';

/** Who uses it when (`a0`: a at second 0), and whether it is shared then. */
it.each<[string, string, number, boolean]>([
  ['nobody', '', 0, false],
  ['one org, however often', 'a0 a1 a2', 2, false],
  ['two orgs', 'a0 b1', 1, true],
  ['one of two, a while after the other', 'a0 b1 b40', 60, false],
  ['one of two, shortly after the other', 'a0 b1 b40', 59, true],
  ['two in turn', 'a0 b1 a50 b55', 100, true],
])('is used by %s (%s, looked at after %d s): shared is %s', (_, uses, at, isShared) => {
  let seconds = 0;
  const sharing = openSharing<string>(() => seconds * 1_000);
  for (const use of uses.split(' ').filter(Boolean)) {
    seconds = Number(use.slice(1));
    sharing.note(use.slice(0, 1));
  }
  seconds = at;
  expect(sharing.isShared()).toBe(isShared);
});

it('tells who used it before, if that was another', () => {
  const sharing = openSharing<string>(() => 0);
  expect(['a', 'a', 'b', 'b', 'a'].map((org) => sharing.note(org))).toEqual([
    undefined,
    undefined,
    'a',
    undefined,
    'b',
  ]);
});
