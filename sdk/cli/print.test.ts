import { describe, expect, test } from 'vitest';
import { inLargeLetters } from './big.ts';
import { clean, exact, table, when } from './print.ts';
import { typed } from './prompt.ts';
import { withoutTokens } from './token.ts';

describe('foreign text', () => {
  test.each([
    ['plain', 'Ransomware on FIN-WS-042', 'Ransomware on FIN-WS-042'],
    ['another script', 'Schädliche Datei 攻撃 🔥', 'Schädliche Datei 攻撃 🔥'],
    ['lines', 'a\r\nb\tc', 'a b c'],
    ['escape sequences', '\u001b[31mred\u001b[0m \u009b1m', '[31mred [0m  1m'],
    ['direction and hidden characters', 'a\u202eb\u200bc\ufeffd\u2066e', 'a b c d e'],
    ['half of a pair', 'a\ud800b', 'a b'],
    ['nothing but that', '\u0007\u200b', ''],
  ])('%s', (_name, text, shown) => {
    expect(clean(text)).toBe(shown);
  });

  test('is cut to what was allowed, in whole characters', () => {
    expect(clean('🔥'.repeat(400))).toBe(`${'🔥'.repeat(299)}…`);
    expect(clean('x'.repeat(300))).toHaveLength(300);
    expect(clean('x'.repeat(50_000_000), 10)).toBe('xxxxxxxxx…');
  });

  test('that is decided on loses nothing unseen', () => {
    expect(exact('ip\u202e\u0000 "x"')).toBe('ip\\u202e\\u0000 "x"');
    expect(exact('x'.repeat(12), 10)).toBe('xxxxxxxxxx… (2 more characters; --json shows all)');
  });

  test('never holds a token', () => {
    const token = `ilk_my-org_0123456789abcdef_${'a-_B'.repeat(11).slice(0, 43)}`;
    expect(withoutTokens(`x ${token} y ${token.slice(0, -9)}`)).toBe('x ilk_(hidden) y ilk_(hidden)');
  });
});

test('columns are aligned and nothing trails', () => {
  expect(
    table(
      ['A', 'B', 'C'],
      [
        ['long one', 'x', ''],
        ['y', 'ä', 'z'],
      ],
    ),
  ).toBe('A         B  C\nlong one  x\ny         ä  z');
});

test.each([
  ['2026-11-23T14:33:40.101Z', '2026-11-23 14:33:40Z'],
  ['2026-11-23T14:33:40+01:00', '2026-11-23 14:33:40+01:00'],
  ['soon\u001b', 'soon'],
])('the instant %s', (instant, shown) => {
  expect(when(instant)).toBe(shown);
});

describe('large letters', () => {
  test('all that a name may hold, each another glyph', () => {
    const glyphs = Array.from('abcdefghijklmnopqrstuvwxyz0123456789-', (char) => inLargeLetters(char, 80));
    expect(new Set(glyphs).size).toBe(37);
    for (const glyph of glyphs) expect(glyph.split('\n')).toHaveLength(3);
  });

  test('what does not fit stands in capitals, set apart', () => {
    expect(inLargeLetters('acme', 15)).toBe('A C M E');
    expect(inLargeLetters('acme', 16)).toBe('▄▀▄ ▄▀▀ █▄█ █▀▀\n█▀█ █   █▀█ █▀\n▀ ▀  ▀▀ ▀ ▀ ▀▀▀');
  });
});

describe('what is typed unseen', () => {
  test.each([
    ['a line', ['hun', 'ter2\r'], { text: 'hunter2', end: 'enter' }],
    ['a paste of two lines: the second is dropped', ['one\ntwo\n'], { text: 'one', end: 'enter' }],
    ['mended', ['pax\u007f\u007fäß\u007fss\u0004'], { text: 'päss', end: 'enter' }],
    ['begun anew', ['wrong\u0015right\r'], { text: 'right', end: 'enter' }],
    ['nothing to take back', ['\u007f\b\r'], { text: '', end: 'enter' }],
    ['given up', ['abc\u0003'], { text: 'abc', end: 'interrupt' }],
    ['an arrow key', ['abc\u001b[A'], { text: 'abc', end: 'unprintable' }],
    ['not ended', ['abc'], { text: 'abc', end: null }],
  ])('%s', (_name, chunks, end) => {
    expect(chunks.reduce((entered, chunk) => typed(entered.text, chunk), typed('', ''))).toEqual(end);
  });
});
