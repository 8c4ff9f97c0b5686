import { describe, expect, it } from 'vitest';
import { parseTimestamp } from '../base/time.ts';
import { isJsonMediaType } from './media-type.ts';

describe('a timestamp (RFC 3339)', () => {
  it.each([
    ['1970-01-01T00:00:00Z', 0],
    ['2026-11-20T14:33:40Z', 1_795_185_220_000],
    ['2026-11-20t14:33:40z', 1_795_185_220_000],
    ['2026-11-20T14:33:40.1Z', 1_795_185_220_100],
    ['2026-11-20T14:33:40.101928374Z', 1_795_185_220_101],
    ['2026-11-20T15:33:40.101+01:00', 1_795_185_220_101],
    ['2026-11-20T14:33:40-00:00', 1_795_185_220_000],
    ['2024-02-29T00:00:00Z', 1_709_164_800_000],
    ['9999-12-31T23:59:59.999Z', 253_402_300_799_999],
  ])('%s', (text, instant) => {
    expect(parseTimestamp(text)).toBe(instant);
  });

  it.each([
    ['2026-11-20T14:33:40', 'no zone'],
    ['2026-11-20 14:33:40Z', 'a space'],
    ['2026-11-20', 'a day'],
    ['2026-02-29T00:00:00Z', 'no such day'],
    ['2026-02-30T00:00:00Z', 'no such day'],
    ['2026-11-31T00:00:00Z', 'no such day'],
    ['2026-13-01T00:00:00Z', 'no such month'],
    ['2026-00-01T00:00:00Z', 'no such month'],
    ['2026-11-20T24:00:00Z', 'no such hour'],
    ['2026-11-20T14:33:60Z', 'a leap second'],
    ['2026-11-20T14:33:40+0100', 'ISO 8601, not RFC 3339'],
    ['2026-11-20T14:33:40+25:00', 'no such offset'],
    ['0001-01-01T00:00:00Z', 'before 1970: how Go writes "never"'],
    ['+002026-11-20T14:33:40Z', 'a long year'],
    ['Fri, 20 Nov 2026 14:33:40 GMT', 'RFC 9110'],
    ['1795185220', 'a number'],
    ['', 'nothing'],
  ])('%j is none: %s', (text) => {
    expect(parseTimestamp(text)).toBeUndefined();
  });
});

describe('a JSON media type', () => {
  it.each([
    ['application/json', true],
    ['application/json;charset=utf-8', true],
    ['APPLICATION/JSON; Charset="UTF-8"', true],
    ['application/json; profile=x', true],
    ['text/json', true],
    ['application/vnd.example+json', true],
    ['application/json; charset=utf-16', false],
    ['application/jsonp', false],
    ['text/plain', false],
    ['application/json, text/plain', false],
    ['json', false],
    ['/+json', false],
    ['', false],
    [`application/${'x'.repeat(300)}+json`, false],
  ])('%s: %s', (text, expected) => {
    expect(isJsonMediaType(text)).toBe(expected);
  });
});
