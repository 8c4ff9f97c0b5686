import { describe, expect, it } from 'vitest';
import { parseHttpRequest } from './http-request.ts';

const good = { url: 'https://api.example/x', method: 'POST', headers: { 'x-a': 'b' }, body: '{}' };
const read = (value: unknown) =>
  parseHttpRequest(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));

describe('a request from a cell', () => {
  it('is read when it has its four parts', () => {
    expect(read(good)).toEqual({ ok: true, value: good });
    expect(read({ ...good, body: null })).toEqual({ ok: true, value: { ...good, body: null } });
  });

  it.each<[string, unknown]>([
    ['bytes that are no JSON', '{"url":'],
    ['text', '"https://api.example"'],
    ['a list', '[]'],
    ['null', 'null'],
    ['no url', { ...good, url: undefined }],
    ['a url that is a number', { ...good, url: 7 }],
    ['a url of 9 000 characters', { ...good, url: 'x'.repeat(9_000) }],
    ['no method', { ...good, method: undefined }],
    ['a long method', { ...good, method: 'P'.repeat(17) }],
    ['headers that are a list', { ...good, headers: ['a', 'b'] }],
    ['a header that is a list', { ...good, headers: { a: ['b'] } }],
    ['65 headers', { ...good, headers: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`h${i}`, ''])) }],
    ['a body that is an object', { ...good, body: {} }],
    ['a body that is missing', { url: good.url, method: 'GET', headers: {} }],
    ['another field', { ...good, proxy: 'http://evil' }],
    ['__proto__', '{"url":"a","method":"GET","headers":{"__proto__":{}},"body":null}'],
    ['nesting', `${'['.repeat(10_000)}${']'.repeat(10_000)}`],
  ])('is refused for %s, without a word of it', (_, value) => {
    const request = read(value);
    expect(request.ok).toBe(false);
    if (!request.ok) expect(request.error).not.toMatch(/evil|api\.example|xxx/);
  });
});
