import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { faultOfPattern } from './pattern.ts';
import { readPattern } from './pattern-syntax.ts';

/** Which regular expressions of somebody else may run where nothing else runs meanwhile. */

describe('a pattern is admitted where each next character decides', () => {
  it.each([
    ['^https?://'],
    ['^https?://[^/?#@\\s]+(?:/[^?#\\s]*)?$'],
    ['^(?:/(?:[^~/]|~[01])*)*$'],
    ['^[1-9][0-9]{0,8}[smhd]$'],
    ['^[a-z0-9]+(?:-[a-z0-9]+)*$'],
    ['^\\d{1,3}(?:\\.\\d{1,3}){3}$'],
    ['^CVE-[0-9]{4}-[0-9]{4,}$'],
    ['^(?:[0-9a-f]{32}|sha256:[0-9A-F]{64})$'],
    ['^T[0-9]{4}(\\.[0-9]{3})?$'],
    ['^[^\\]\\\\\\u0000-\\x1f]+?$'],
    ['^\\w+@\\w+\\.(?:com|org)$'],
  ])('%s', (pattern) => expect(faultOfPattern(pattern)).toBe(undefined));
});

describe('and refused where it may be matched in several ways', () => {
  it.each([
    ['^(a+)+$'],
    ['^(a*)*$'],
    ['^(?:a|a)*$'],
    ['^(?:[a-z]+,?)+$'],
    ['^a*a*$'],
    ['^a{2,5}a$'],
    ['^(?:a|[^b])*$'],
    ['^(?:a?|b?)c$'],
    ['^(?:(?:a?)?)?$'],
    ['^[\\w-]*\\d$'],
    ['^(?:.|\\u00e9)$'],
  ])('%s', (pattern) => expect(faultOfPattern(pattern)).toContain('leaves open'));
});

describe('or is not what can be judged', () => {
  it.each([
    ['a+$', 'begin it with ^'],
    ['^a|b$', 'outside of a group'],
    ['^(?=a)a$', 'look-around'],
    ['^(?<!a)a$', 'look-around'],
    ['^(?i:a)$', 'flags'],
    ['^(a)\\1$', 'references'],
    ['^\\p{L}$', '\\p'],
    ['^a\\b$', '\\b'],
    ['^a$b', 'not admitted'],
    ['^\\ud83d\\ude00$', 'not admitted'],
    ['^(', 'no regular expression'],
    [`^${'a'.repeat(256)}`, 'more than 256 characters'],
    ['^(?:(?:x{30}){30}){30}$', 'counted out'],
    ['^x{0,999999999}$', 'counted out'],
  ])('%s', (pattern, says) => expect(faultOfPattern(pattern)).toContain(says));
});

/** Patterns of a few letters, so that many are ambiguous. */
const written: fc.Arbitrary<string> = fc.letrec<{ all: string }>((tie) => ({
  all: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('a', 'b', '[ab]', '[^a]', '.'),
    fc.tuple(tie('all'), tie('all')).map(([one, other]) => one + other),
    fc.tuple(tie('all'), tie('all')).map(([one, other]) => `(?:${one}|${other})`),
    fc
      .tuple(tie('all'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{2,}'))
      .map(([one, times]) => `(?:${one})${times}`),
  ),
})).all;

it('what is admitted is matched in one way: nothing is left to try again', () => {
  let admitted = 0;
  fc.assert(
    fc.property(written, (text) => {
      const pattern = `^${text}$`;
      if (faultOfPattern(pattern) !== undefined) return;
      admitted += 1;
      // All texts of up to five letters: of each, the ways to match it are counted by hand, over the parts as they are read.
      for (const subject of subjects)
        expect(waysOf(pattern, subject)).toBe(new RegExp(pattern, 'u').test(subject) ? 1 : 0);
    }),
    { numRuns: 400 },
  );
  expect(admitted).toBeGreaterThan(20);
});

const LETTERS = ['a', 'b', 'c'];
const longer = (texts: readonly string[]) => texts.flatMap((text) => LETTERS.map((one) => text + one));
const subjects = [1, 2, 3, 4].reduce((all) => [...new Set([...all, ...longer(all)])], ['']);

type Part = NonNullable<ReturnType<typeof readPattern>>;

/** Where a part may end that begins at `at`, once for each way. */
function endsOf(part: Part, text: string, at: number): readonly number[] {
  switch (part.kind) {
    case 'char': {
      const point = text.codePointAt(at);
      return point !== undefined && part.set.some(([first, last]) => first <= point && point <= last) ? [at + 1] : [];
    }
    case 'sequence':
      return part.parts.reduce<readonly number[]>((ends, one) => ends.flatMap((end) => endsOf(one, text, end)), [at]);
    case 'choice':
      return part.parts.flatMap((one) => endsOf(one, text, at));
    case 'repeat': {
      const found: number[] = [];
      let ends: readonly number[] = [at];
      for (let times = 0; times <= Math.min(part.max, text.length + part.min) && ends.length > 0; times++) {
        if (times >= part.min) found.push(...ends);
        ends = ends.flatMap((end) => endsOf(part.part, text, end));
      }
      return found;
    }
  }
}

const waysOf = (pattern: string, text: string): number => {
  const part = readPattern(pattern);
  return part ? endsOf(part, text, 0).filter((end) => end === text.length).length : -1;
};
