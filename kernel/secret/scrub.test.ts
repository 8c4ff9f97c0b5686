import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createScrubber } from './scrub.ts';
import { unescapeOnce } from './unescape.ts';
import { judgeSecretValue } from './value.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const base64url = (text: string) => Buffer.from(text).toString('base64url');
const hex = (text: string) => Buffer.from(text).toString('hex');
const json = (text: string) => JSON.stringify(text).slice(1, -1);
const lowerEscapes = (text: string) => text.replaceAll(/%[0-9A-F]{2}/g, (escaped) => escaped.toLowerCase());
const eachByte = (text: string, form: (byte: number) => string) => [...Buffer.from(text)].map(form).join('');
const twoHex = (byte: number) => byte.toString(16).padStart(2, '0');

/** Every form that the scrubber promises to know. */
const FORMS: Readonly<Record<string, (value: string) => string>> = {
  raw: (value) => value,
  'lower case': (value) => value.toLowerCase(),
  'upper case': (value) => value.toUpperCase(),
  JSON: json,
  'JSON in JSON': (value) => json(json(value)),
  'JSON in JSON in JSON': (value) => json(json(json(value))),
  'JSON with slashes escaped': (value) => json(value).replaceAll('/', '\\/'),
  'JSON in \\u': (value) => [...value].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
  'JSON in \\U of upper case': (value) =>
    [...value].map((c) => `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`).join(''),
  'JavaScript in \\x': (value) => eachByte(value, (byte) => `\\x${twoHex(byte)}`),
  URL: encodeURIComponent,
  'URL in lower case': (value) => lowerEscapes(encodeURIComponent(value)),
  'URL, twice': (value) => encodeURIComponent(encodeURIComponent(value)),
  'URL, every byte': (value) => eachByte(value, (byte) => `%${twoHex(byte)}`),
  form: (value) => new URLSearchParams({ a: value }).toString().slice(2),
  'HTML names': (value) => value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;'),
  'HTML decimal': (value) => eachByte(value, (byte) => `&#${byte};`),
  'HTML hexadecimal': (value) => eachByte(value, (byte) => `&#x${twoHex(byte)};`),
  hexadecimal: hex,
  'hexadecimal, upper case': (value) => hex(value).toUpperCase(),
  'hexadecimal with colons': (value) => (hex(value).match(/../g) ?? []).join(':'),
  base64,
  'base64 in a URL': (value) => encodeURIComponent(base64(value)),
  'base64 in JSON': (value) => base64(value).replaceAll('/', '\\/'),
  base64url: base64url,
  'base64 of Basic credentials': (value) => base64(`user:${value}`),
  'base64 with one byte before': (value) => base64(`:${value}`),
  'base64 with two bytes before': (value) => base64(`x:${value}`),
  'base64 with bytes around': (value) => base64(`{"token":"${value}","more":1}`),
  'base64url with bytes around': (value) => base64url(`?>${value}?>`),
};

const VALUE = 'sk_live/4f9a+B"c\\d&e=Z<z90';
const scrub = createScrubber([{ name: 'api-key', value: VALUE }]);

describe('a secret that comes back', () => {
  it.each(Object.entries(FORMS))('as %s is replaced by its name', (_, form) => {
    const text = scrub(`before ${form(VALUE)} after`);
    expect(text).toMatch(/^before .{0,24}\[secret:api-key\].{0,24} after$/);
    expect(text).not.toContain(form(VALUE));
  });

  it('is replaced each time, and nothing else is', () => {
    expect(scrub(`{"a":"${json(VALUE)}","b":[1,"${json(VALUE)}"],"c":"%41 \\u0041 &amp; kept"}`)).toBe(
      '{"a":"[secret:api-key]","b":[1,"[secret:api-key]"],"c":"%41 \\u0041 &amp; kept"}',
    );
  });

  it('is found whatever it is, in any form, wherever it stands', () => {
    const value = fc
      .string({ minLength: 8, maxLength: 40, unit: 'grapheme-ascii' })
      .filter((text) => judgeSecretValue(text).ok);
    const around = fc.string({ maxLength: 20, unit: 'grapheme' });
    const form = fc.constantFrom(...Object.keys(FORMS));
    fc.assert(
      fc.property(value, form, around, around, (secret, name, before, after) => {
        const shown = FORMS[name]?.(secret) ?? '';
        const text = createScrubber([{ name: 'x', value: secret }])(`${before} ${shown} ${after}`);
        expect(text).toContain('[secret:x]');
        expect(text).not.toContain(shown);
      }),
      { numRuns: 1_000 },
    );
  });

  it('leaves ordinary text alone', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: 'grapheme' }), (text) => {
        expect(scrub(text)).toBe(text);
      }),
    );
  });
});

describe('several secrets', () => {
  it('each go by their own name, and a longer one before the one inside it', () => {
    const both = createScrubber([
      { name: 'short', value: 'abcdefgh' },
      { name: 'long', value: 'abcdefgh-1234' },
    ]);
    expect(both('abcdefgh abcdefgh-1234 x')).toBe('[secret:short] [secret:long] x');
  });

  it('that overlap in the text leave nothing of either', () => {
    const both = createScrubber([
      { name: 'left', value: 'aaaabbbb' },
      { name: 'right', value: 'bbbbcccc' },
    ]);
    expect(both('>aaaabbbbcccc<')).toBe('>[secret:left]<');
  });
});

describe('Basic credentials stored as base64', () => {
  const basic = createScrubber([{ name: 'basic', value: base64('robot:correct-horse') }]);
  it.each([
    'robot:correct-horse',
    'correct-horse',
    base64('robot:correct-horse'),
    encodeURIComponent('robot:correct-horse'),
  ])('are taken out as %s', (text) => expect(basic(`<${text}>`)).toBe('<[secret:basic]>'));
});

it('a value that was never judged is a defect, not a secret to look for', () => {
  expect(() => createScrubber([{ name: 'x', value: '' }])).toThrow('judgeSecretValue');
});

it('no secrets, no change', () => expect(createScrubber([])('text')).toBe('text'));

describe('hostile text is searched in one pass per level', () => {
  it.each([
    ['backslashes', '\\'.repeat(200_000)],
    ['percents', '%'.repeat(200_000)],
    ['percent escapes', '%25'.repeat(70_000)],
    ['bytes that are no UTF-8', '%ff'.repeat(70_000)],
    ['open references', '&#0000000'.repeat(20_000)],
    ['the beginning of the value', VALUE.slice(0, -1).repeat(8_000)],
    ['letters that change length in lower case', 'İ'.repeat(200_000)],
  ])('%s', (_, text) => expect(scrub(`${text}${VALUE}${text}`)).toContain('[secret:api-key]'));
});

describe('one level of escaping', () => {
  it.each([
    ['a%20b', 'a b'],
    ['%c3%a9', 'é'],
    ['%ff%41', 'ÿA'],
    ['%4', undefined],
    ['\\u0041\\x42\\"\\\\', 'AB"\\'],
    ['\\n', undefined],
    ['&#65;&#x42;&amp;&AMP;', 'AB&&'],
    ['&#9999999;', '\ufffd'],
    ['%2541', '%41'],
    ['plain', undefined],
  ])('%j is %j', (text, expected) => expect(unescapeOnce(text)?.text).toBe(expected));

  it('knows where each character came from', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'é', '😀', '%', '%20', '%c3%a9', '%f0%9f%98%80', '\\u0041', '&lt;', '\\', '&')),
        (parts) => {
          const text = parts.join('');
          const unescaped = unescapeOnce(text);
          if (!unescaped) return;
          expect(unescaped.origin(0)).toBe(0);
          expect(unescaped.origin(unescaped.text.length)).toBe(text.length);
          for (let i = 1; i <= unescaped.text.length; i++) {
            expect(unescaped.origin(i)).toBeGreaterThan(unescaped.origin(i - 1));
          }
        },
      ),
    );
  });
});

describe('a value that can be kept', () => {
  it.each([
    ['long enough', 'abcdefgh', true],
    ['too short to be told from ordinary text', 'abcdefg', false],
    ['empty', '', false],
    ['line break at its end', 'abcdefgh\n', false],
    ['space at its end', 'abcdefgh ', false],
    ['line break inside', 'abcd\r\nefgh', false],
    ['not ASCII', 'abcdefghé', false],
    ['too long', 'a'.repeat(4_097), false],
  ])('%s: %#', (_, value, expected) => {
    const judged = judgeSecretValue(value);
    expect(judged.ok).toBe(expected);
    if (!judged.ok && value !== '') expect(judged.error).not.toContain(value);
  });
});
