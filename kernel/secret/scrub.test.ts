import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { createScrubber, type NamedSecret, scrubAtOnce, seek } from './scrub.ts';
import { levelOf, unescapeOnce } from './unescape.ts';
import { judgeSecretValue } from './value.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const base64url = (text: string) => Buffer.from(text).toString('base64url');
const hex = (text: string) => Buffer.from(text).toString('hex');
const json = (text: string) => JSON.stringify(text).slice(1, -1);
const lowerEscapes = (text: string) => text.replaceAll(/%[0-9A-F]{2}/g, (escaped) => escaped.toLowerCase());
const eachByte = (text: string, form: (byte: number) => string) => [...Buffer.from(text)].map(form).join('');
const lines = (text: string, width: number, between: string) =>
  (text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []).join(between);
const twoHex = (byte: number) => byte.toString(16).padStart(2, '0');

/** Names of HTML 5 for what is neither letter nor digit, as a PHP server gives them (ENT_HTML5). */
const HTML_NAMES: ReadonlyMap<string, string> = new Map(
  [
    ['!', 'excl'],
    ['"', 'quot'],
    ['#', 'num'],
    ['$', 'dollar'],
    ['%', 'percnt'],
    ['&', 'amp'],
    ["'", 'apos'],
    ['(', 'lpar'],
    [')', 'rpar'],
    ['*', 'ast'],
    ['+', 'plus'],
    [',', 'comma'],
    ['.', 'period'],
    ['/', 'sol'],
    [':', 'colon'],
    [';', 'semi'],
    ['<', 'lt'],
    ['=', 'equals'],
    ['>', 'gt'],
    ['?', 'quest'],
    ['@', 'commat'],
    ['[', 'lbrack'],
    ['\\', 'bsol'],
    [']', 'rsqb'],
    ['^', 'Hat'],
    ['_', 'lowbar'],
    ['`', 'grave'],
    ['{', 'lbrace'],
    ['|', 'vert'],
    ['}', 'rcub'],
  ].map(([character = '', name = '']) => [character, `&${name};`]),
);

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
  'HTML decimal, padded': (value) => eachByte(value, (byte) => `&#${'0'.repeat(byte % 13)}${byte};`),
  'HTML hexadecimal, padded, no semicolon': (value) =>
    eachByte(value, (byte) => `&#X${'0'.repeat(byte % 9)}${twoHex(byte)}`),
  'HTML decimal, no semicolon': (value) => eachByte(value, (byte) => `&#${byte}`),
  'base64 in lines': (value) => lines(base64(`?${value}${value}${value}`), 76, '\r\n'),
  'base64 in short lines that are indented': (value) => lines(base64(value), 5, '\n    '),
  'base64 in lines in JSON': (value) => json(lines(base64(`?>${value}`), 7, '\r\n')),
  'base64 in the strings of a list': (value) => lines(base64(value), 6, '",\n  "'),
  'base64 in quoted lines': (value) => lines(base64(value), 9, '\n> '),
  'hexadecimal with commas': (value) => eachByte(value, (byte) => `${twoHex(byte)}, `),
  'hexadecimal in the strings of a list': (value) => lines(hex(value), 3, '","'),
  'a list of decimal numbers': (value) => JSON.stringify([...Buffer.from(value)]),
  'a list of decimal numbers in lines': (value) => JSON.stringify([...Buffer.from(value)], null, 2),
  'a list of padded decimal numbers': (value) => eachByte(value, (byte) => `${`${byte}`.padStart(3, '0')} `),
  'a list of hexadecimal numbers': (value) => eachByte(value, (byte) => `0x${twoHex(byte)}, `),
  'a list of hexadecimal numbers, upper case': (value) => eachByte(value, (byte) => `0X${twoHex(byte).toUpperCase()},`),
  'characters with NUL between': (value) => [...value].join('\0'),
  xxd: (value) =>
    dump(
      `?${value}`,
      2,
      (offset) => `${offset}: `,
      (text) => `  ${text}`,
    ),
  'xxd, single bytes': (value) =>
    dump(
      value,
      1,
      (offset) => `${offset}: `,
      (text) => `  ${text}`,
    ),
  'hexdump -C': (value) => hexdump(value),
  'hexdump -C with CRLF in JSON': (value) => json(hexdump(value).replaceAll('\n', '\r\n')),
  'hexdump -C with blank lines': (value) => hexdump(value).replaceAll('\n', '\n\n'),
  'hexdump -C in the strings of a list': (value) => `${JSON.stringify(hexdump(value).trim().split('\n'))}\n`,
  'hexdump -C in the strings of a list in lines': (value) =>
    JSON.stringify({ dump: hexdump(value).trim().split('\n') }, null, 2).replaceAll(/[{}]|"dump"/g, ''),
  'hexdump -C in a string of an object': (value) => `${JSON.stringify([hexdump(value).trim()])}\n`,
  'a dump with tabs': (value) =>
    dump(
      value,
      1,
      (offset) => `${offset}\t`,
      (text) => `\t${text}`,
    ),
  'a dump with tabs in JSON': (value) => json(FORMS['a dump with tabs']?.(value) ?? ''),
  'a dump between bars': (value) =>
    dump(
      value,
      1,
      (offset) => `|${offset}| `,
      (text) => ` |${text}|`,
    ),
  'tcpdump -X': (value) =>
    dump(
      value,
      2,
      (offset) => `\t0x${offset.slice(4)}:  `,
      (text) => `  ${text}`,
    ),
  'JSON of a Uint8Array': (value) => JSON.stringify(new Uint8Array(Buffer.from(value))),
  'JSON of a Uint8Array in lines': (value) => JSON.stringify(new Uint8Array(Buffer.from(value)), null, 2),
  'JavaScript in \\u{}': (value) => eachByte(value, (byte) => `\\u{${byte.toString(16)}}`),
  'HTML names of everything that has one': (value) => [...value].map((c) => HTML_NAMES.get(c) ?? c).join(''),
  'quoted-printable': (value) => value.replaceAll('=', '=3D'),
  'quoted-printable, every byte, with soft breaks': (value) =>
    lines(
      eachByte(value, (byte) => `=${twoHex(byte).toUpperCase()}`),
      9,
      '=\r\n',
    ),
  'quoted-printable in JSON': (value) => json(lines(value, 20, '\0').replaceAll('=', '=3D').replaceAll('\0', '=\r\n')),
  'od -t x1': (value) =>
    dump(
      value,
      1,
      (offset) => `${offset} `,
      () => '',
    ),
};

/** Letters and digits of those forms that encode more than the value. */
const BESIDE: Readonly<Record<string, number>> = {
  'base64 of Basic credentials': 6,
  'base64 with one byte before': 1,
  'base64 with two bytes before': 2,
  'base64 with bytes around': 28,
  'base64url with bytes around': 5,
  'base64 in lines': 1,
  'base64 in lines in JSON': 2,
  xxd: 2,
  'JSON of a Uint8Array': 1,
  'JSON of a Uint8Array in lines': 1,
};

const hexdump = (value: string) =>
  dump(
    value,
    1,
    (offset) => `${offset}  `,
    (text) => `  |${text}|`,
  ).replaceAll(/^(.{33}) /gm, '$1  ');

/** Rows of 16 bytes as tools show them, with the text beside, on lines of their own. */
function dump(value: string, group: number, left: (offset: string) => string, right: (text: string) => string): string {
  const rows = (
    Buffer.from(value)
      .toString('latin1')
      .match(/.{1,16}/g) ?? []
  ).map((row, i) => {
    const columns = (hex(row).match(new RegExp(`.{1,${2 * group}}`, 'g')) ?? []).join(' ');
    return `${left((i * 16).toString(16).padStart(8, '0'))}${columns.padEnd(16 * 2 + 16 / group - 1)}${right(row)}`;
  });
  return `\n${rows.join('\n')}\n`;
}

const VALUE = 'sk_live/4f9a+B"c\\d&e=Z<z90';
const scrubberOf = (secrets: readonly NamedSecret[]) => {
  const scrub = createScrubber(secrets.map(seek));
  return (text: string): string => {
    const scrubbed = scrubAtOnce(scrub, text);
    return scrubbed.ok ? scrubbed.value : `withheld: ${scrubbed.error}`;
  };
};
const scrub = scrubberOf([{ name: 'api-key', value: VALUE }]);

describe('a secret that comes back', () => {
  it.each(Object.entries(FORMS))('as %s is replaced by its name', (_, form) => {
    const text = scrub(`before ${form(VALUE)} after`);
    expect(text).toMatch(/^before .{0,24}\[secret:api-key\].{0,24} after$/s);
    expect(text).not.toContain(form(VALUE));
  });

  it('is found in a dump whose text looks like columns', () => {
    const value = '00   A  0 0  00 0';
    const shown = FORMS['xxd, single bytes']?.(value) ?? '';
    expect(scrubberOf([{ name: 'x', value }])(shown)).toBe('\n00000000: [secret:x]\n');
  });

  it('is replaced each time, and nothing else is', () => {
    expect(scrub(`{"a":"${json(VALUE)}","b":[1,"${json(VALUE)}"],"c":"%41 \\u0041 &amp; kept"}`)).toBe(
      '{"a":"[secret:api-key]","b":[1,"[secret:api-key]"],"c":"%41 \\u0041 &amp; kept"}',
    );
  });

  it('is found whatever it is, in any form, wherever it stands, and nothing of it remains', () => {
    const value = fc
      .string({ minLength: 8, maxLength: 40, unit: 'grapheme-ascii' })
      .filter((text) => judgeSecretValue(text).ok && (text.match(/[a-z0-9]/gi)?.length ?? 0) >= 8);
    // Nothing that could be part of a form, so that what remains is not the text around.
    const around = fc.string({ maxLength: 20, unit: fc.constantFrom('é', '!', '\u{1f600}', '~', '(', ')') });
    const form = fc.constantFrom(...Object.keys(FORMS));
    fc.assert(
      fc.property(value, form, around, around, (secret, name, before, after) => {
        const shown = FORMS[name]?.(secret) ?? '';
        const text = scrubberOf([{ name: 'x', value: secret }])(`${before} ${shown} ${after}`);
        // Backslashes of the value itself, escaped three times, are deeper than anyone looks: all of it is withheld.
        if (/\\{16}/.test(shown) && text === 'withheld: too_deep') return;
        expect(text).toContain('[secret:x]');
        // The offset of a first row, and the bytes that were put beside the value: never more.
        const rest = text
          .replaceAll('[secret:x]', '')
          .replaceAll(/(?:0x)?0{4,8}[:|]?(?:\s|\\t)+/g, '')
          .replaceAll(/\\[rnt]/g, '')
          .replaceAll(/[^a-z0-9]/gi, '');
        expect(rest.length).toBeLessThanOrEqual(BESIDE[name] ?? 0);
        expect(text).not.toContain(shown);
      }),
      { numRuns: 2_000 },
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
    const both = scrubberOf([
      { name: 'short', value: 'abcdefgh' },
      { name: 'long', value: 'abcdefgh-1234' },
    ]);
    expect(both('abcdefgh abcdefgh-1234 x')).toBe('[secret:short] [secret:long] x');
  });

  it('that overlap in the text leave nothing of either', () => {
    const both = scrubberOf([
      { name: 'left', value: 'aaaabbbb' },
      { name: 'right', value: 'bbbbcccc' },
    ]);
    expect(both('>aaaabbbbcccc<')).toBe('>[secret:left]<');
  });
});

describe('many secrets that begin alike', () => {
  const BEGIN = 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.';

  it('are each found by name, also where one is part of the next', () => {
    const end = fc.string({ maxLength: 4, unit: fc.constantFrom('x', 'y') });
    fc.assert(
      fc.property(fc.uniqueArray(end, { minLength: 1, maxLength: 20 }), (ends) => {
        const secrets = ends.map((text, i) => ({ name: `n${i}`, value: BEGIN + text }));
        const text = secrets.map(({ value }) => value).join(' ');
        expect(scrubberOf(secrets)(text)).toBe(secrets.map(({ name }) => `[secret:${name}]`).join(' '));
      }),
    );
  });

  it('do not make a text that has the beginning in it too costly', () => {
    const many = scrubberOf(
      Array.from({ length: 300 }, (_, i) => ({ name: `n${i}`, value: `${BEGIN}${i + 100_000}` })),
    );
    const list = JSON.stringify(Array.from({ length: 500 }, (_, i) => `${BEGIN}${'z'.repeat(100)}${i}`));
    expect(many(list)).toBe(list);
  });
});

describe('Basic credentials stored as base64', () => {
  const basic = scrubberOf([{ name: 'basic', value: base64('robot:correct-horse') }]);
  it.each([
    'robot:correct-horse',
    'correct-horse',
    base64('robot:correct-horse'),
    encodeURIComponent('robot:correct-horse'),
  ])('are taken out as %s', (text) => expect(basic(`<${text}>`)).toBe('<[secret:basic]>'));
});

it('a value that was never judged is a defect, not a secret to look for', () => {
  expect(() => seek({ name: 'x', value: '' })).toThrow('judgeSecretValue');
});

it('no secrets, no change', () => expect(scrubberOf([])('text')).toBe('text'));

describe('hostile text of the largest size is looked at a bounded number of times, a little at a time', () => {
  const LARGEST = LIMITS.httpBodyBytes.value;
  const DEEP = 'withheld: too_deep';
  it.each([
    ['ordinary text', 'an ordinary line of text\n', 'x'],
    ['backslashes', '\\', DEEP],
    ['percents', '%', 'x'],
    ['percent escapes', '%25', 'x'],
    ['escapes of escapes', '%25%32%35%34%31', 'x'],
    ['escapes of every level', '%25252541', 'x'],
    ['escapes of one level more', '%2525252541', DEEP],
    ['bytes that are no UTF-8', '%ff', 'x'],
    ['references', '&#37;', 'x'],
    ['open references', '&#0000000', 'x'],
    ['the beginning of the value', VALUE.slice(0, -1), 'x'],
    ['the value', `${VALUE} `, 'x'],
    ['numbers', '115,', 'x'],
    ['rows of a dump', '00000000: 7365 6372\n', 'x'],
    ['one row without end', '00000000: ', 'x'],
    ['letters that change length in lower case', 'İ', 'x'],
  ])('%s', (_, part, expected) => {
    const text = part.repeat(Math.floor(LARGEST / part.length));
    const steps = createScrubber([seek({ name: 'api-key', value: VALUE })])(text);
    let looked = 0;
    let step = steps.next();
    for (; !step.done; step = steps.next()) {
      // In one step: a form of the whole, or a part of it and what was compared there.
      expect(step.value).toBeLessThanOrEqual(LARGEST);
      looked += step.value;
    }
    expect(looked).toBeLessThanOrEqual(24 * LARGEST);
    expect(step.value.ok ? 'x' : `withheld: ${step.value.error}`).toBe(expected);
  });

  it('is withheld when it begins like the value at every place', () => {
    const costly = scrubberOf([{ name: 'dull', value: 'a'.repeat(4_000) }]);
    expect(costly('a'.repeat(100_000).concat('b'))).not.toContain('aaaa');
    expect(costly(`${'a'.repeat(3_999)}b`.repeat(200))).toBe('withheld: too_costly');
  });

  it.each([1, 2, 3, 4])('is searched under %i levels of escapes', (levels) => {
    let text = VALUE;
    for (let i = 0; i < levels; i++) text = encodeURIComponent(text);
    expect(scrub(`<${text}>`)).toBe('<[secret:api-key]>');
  });
});

describe('one level of escaping', () => {
  const unescaped = (text: string) => {
    const level = unescapeOnce(levelOf(text));
    return level && Buffer.from(level.bytes).toString('latin1');
  };
  it.each([
    ['a%20b', 'a b'],
    ['%c3%a9', '\u00c3\u00a9'],
    ['%ff%41', 'ÿa'],
    ['%4', undefined],
    ['\\u0041\\x42\\"\\\\', 'ab"\\'],
    ['\\n\\r\\t', '\n\n\t'],
    ['\\u{41}\\u{0042}\\u{}\\u{41', 'ab\\u{}\\u{41'],
    ['&lowbar;&Hat;&num;&number;&num', '_^#&number;&num'],
    ['\\q', undefined],
    ['&#65;&#x42;&amp;&AMP;', 'ab&&'],
    ['&#0000065&#x0000042&amp&lt', 'ab&<'],
    ['&#;&#x;&bogus;', undefined],
    ['%2541', '%41'],
    ['plain', undefined],
  ])('%j is %j', (text, expected) => expect(unescaped(text)).toBe(expected));

  it('knows where each character came from', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'é', '😀', '%', '%20', '%c3%a9', '\\u0041', '&lt;', '&#0065', '\\', '&')),
        (parts) => {
          const text = parts.join('');
          const level = unescapeOnce(levelOf(text));
          if (!level?.origin) return;
          const { origin, bytes } = level;
          expect(origin[0]).toBe(0);
          expect(origin[bytes.length]).toBe(text.length);
          for (let i = 1; i <= bytes.length; i++) expect(origin[i]).toBeGreaterThan(origin[i - 1] ?? 0);
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
