import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { EgressPolicySchema, type EgressRule } from '../../sdk/contract/egress.ts';
import type { HttpRequest } from '../../sdk/contract/plugin.ts';
import { faultOfWritten, judgeRequest as judge } from './allow.ts';

const ruleOf = (part: Partial<EgressRule> = {}): EgressRule => ({
  scheme: 'https',
  host: 'api.example.com',
  port: 443,
  methods: ['GET', 'POST'],
  pathPrefix: '/v1',
  addresses: [],
  ...part,
});
const requestOf = (part: Partial<HttpRequest> = {}): HttpRequest => ({
  url: 'https://api.example.com/v1/items',
  method: 'GET',
  headers: {},
  body: null,
  ...part,
});
const ASKER = { action: 'lookup', playbook: 'contain-c2' };
const judgeRequest = (rules: readonly EgressRule[], request: HttpRequest, asker = ASKER) =>
  judge(rules, request, asker);
const codeOf = (request: HttpRequest, rules = [ruleOf()]) => {
  const judged = judgeRequest(rules, request);
  return judged.ok ? 'allowed' : judged.error.code;
};
const codeOfUrl = (url: string, rules?: EgressRule[]) => codeOf(requestOf({ url }), rules);

describe('a request that its grant covers', () => {
  it.each([
    'https://api.example.com/v1',
    'https://api.example.com/v1/',
    'https://api.example.com/v1/items?q=a%20b&r=%2e%2e%2f',
    'https://api.example.com:443/v1/items',
    'HTTPS://API.EXAMPLE.COM/v1/items',
    'https://api.example.com/v1/a%20b/%C3%A9',
    'https://api.example.com/v1/file%2etxt',
    'https://api.example.com/v1//x',
    'https://api.example.com/v1/...',
    'https://api.example.com/v1/100%25',
  ])('is allowed: %s', (url) => expect(codeOfUrl(url)).toBe('allowed'));

  it('comes back with its rule, its URL and lower-case headers', () => {
    const rule = ruleOf({ headers: ['x-trace'] });
    const request = requestOf({ method: 'POST', headers: { Accept: 'text/plain', 'X-Trace': '1' }, body: '{}' });
    expect(judgeRequest([rule], request)).toEqual({
      ok: true,
      value: {
        rule,
        url: new URL('https://api.example.com/v1/items'),
        method: 'POST',
        headers: { accept: 'text/plain', 'x-trace': '1' },
        body: '{}',
      },
    });
  });

  it('is judged by the rule with the longest path, in any order', () => {
    const wide = ruleOf({ pathPrefix: '/' });
    const narrow = ruleOf({ pathPrefix: '/v1/admin' });
    for (const rules of [
      [wide, narrow],
      [narrow, wide],
    ]) {
      const judged = judgeRequest(rules, requestOf({ url: 'https://api.example.com/v1/admin/x' }));
      expect(judged.ok && judged.value.rule).toBe(narrow);
    }
  });
});

describe('an empty grant', () => {
  it('covers nothing', () => expect(codeOf(requestOf(), [])).toBe('E_NOT_ALLOWED'));
});

describe('a request outside its grant', () => {
  it.each([
    ['other host', 'https://api.example.org/v1/items'],
    ['suffix', 'https://api.example.com.evil.test/v1/items'],
    ['prefix', 'https://evilapi.example.com/v1/items'],
    ['parent', 'https://example.com/v1/items'],
    ['child', 'https://x.api.example.com/v1/items'],
    ['localhost', 'https://localhost/v1/items'],
    ['http for https', 'http://api.example.com/v1/items'],
    ['http on the granted port', 'http://api.example.com:443/v1/items'],
    ['other port', 'https://api.example.com:8443/v1/items'],
    ['path before the prefix', 'https://api.example.com/'],
    ['path beside the prefix', 'https://api.example.com/v10/items'],
    ['path that only begins like it', 'https://api.example.com/v1-admin'],
    ['encoded letter in the prefix', 'https://api.example.com/%761/items'],
    ['case of the prefix', 'https://api.example.com/V1/items'],
    ['double slash before the prefix', 'https://api.example.com//v1/items'],
    ['punycode homograph', 'https://xn--pi-7ba.example.com/v1/items'],
  ])('%s', (_, url) => expect(codeOfUrl(url)).toBe('E_NOT_ALLOWED'));

  it('method', () => expect(codeOf(requestOf({ method: 'DELETE' }))).toBe('E_NOT_ALLOWED'));

  it('prefix with a slash at its end does not cover the path without it', () => {
    const rules = [ruleOf({ pathPrefix: '/v1/' })];
    expect(codeOfUrl('https://api.example.com/v1', rules)).toBe('E_NOT_ALLOWED');
    expect(codeOfUrl('https://api.example.com/v1/x', rules)).toBe('allowed');
  });

  it('parts of two rules do not add up', () => {
    const rules = [ruleOf({ methods: ['GET'] }), ruleOf({ pathPrefix: '/v2', methods: ['DELETE'] })];
    expect(codeOf(requestOf({ method: 'DELETE' }), rules)).toBe('E_NOT_ALLOWED');
  });
});

describe('a URL that is not in its plain form', () => {
  it.each([
    ['E_URL', ''],
    ['E_URL', '/v1/items'],
    ['E_URL', '//api.example.com/v1'],
    ['E_URL', 'api.example.com/v1'],
    ['E_URL', 'https:api.example.com/v1'],
    ['E_URL', 'https:/api.example.com/v1'],
    ['E_HOST', 'https:///api.example.com/v1'],
    ['E_URL', 'https://api.example.com/v1 '],
    ['E_URL', ' https://api.example.com/v1'],
    ['E_URL', 'https://api.example.com/v1/a b'],
    ['E_URL', 'https://api.example.com\\@evil.test/v1'],
    ['E_URL', 'https://api.example.com/v1\\..\\admin'],
    ['E_URL', 'https://api.exam\tple.com/v1'],
    ['E_URL', 'https://api.example.com/v1\r\nx: y'],
    ['E_URL', 'https://api.example.com/v1\0'],
    ['E_URL', 'https://api.example.com/v1/é'],
    ['E_URL', 'https://api.example.com/v1/a#b'],
    ['E_URL', `https://api.example.com/v1/${'a'.repeat(8_192)}`],
    ['E_URL', 'https://ａｐｉ.example.com/v1'],
    ['E_URL', 'https://api。example.com/v1'],
    ['E_URL', 'https://api.exam\u00adple.com/v1'],
    ['E_URL', 'https://①②⑦.0.0.1/v1'],
    ['E_URL', 'https://api.example.com:99999/v1'],
    ['E_URL', 'https://256.256.256.256/v1'],
    ['E_SCHEME', 'file:///etc/passwd'],
    ['E_SCHEME', 'ftp://api.example.com/v1'],
    ['E_SCHEME', 'ws://api.example.com/v1'],
    ['E_URL', 'data:text/plain,x'],
    ['E_URL', 'javascript:x'],
    ['E_USERINFO', 'https://user@api.example.com/v1'],
    ['E_USERINFO', 'https://user:pass@api.example.com/v1'],
    ['E_USERINFO', 'https://@api.example.com/v1'],
    ['E_USERINFO', 'https://api.example.com:443@evil.test/v1'],
    ['E_HOST', 'https://api.example.com./v1'],
    ['E_HOST', 'https://api..example.com/v1'],
    ['E_HOST', 'https://.example.com/v1'],
    ['E_HOST', 'https://%61pi.example.com/v1'],
    ['E_HOST', 'https://api_x.example.com/v1'],
    ['E_HOST', 'https://api.example.com:/v1'],
    ['E_HOST', 'https://api.example.com:0443/v1'],
    ['E_HOST', 'https://*.example.com/v1'],
    ['E_HOST', 'https://2130706433/v1'],
    ['E_HOST', 'https://0x7f000001/v1'],
    ['E_HOST', 'https://0177.0.0.1/v1'],
    ['E_HOST', 'https://127.1/v1'],
    ['E_HOST', 'https://0/v1'],
    ['E_HOST', 'https://127.0.0.1./v1'],
    ['E_HOST', 'https://[0:0:0:0:0:0:0:1]/v1'],
    ['E_HOST', 'https://[::ffff:127.0.0.1]/v1'],
    ['E_URL', 'https://[fe80::1%25eth0]/v1'],
    ['E_PATH', 'https://api.example.com/v1/../admin'],
    ['E_PATH', 'https://api.example.com/v1/./x'],
    ['E_PATH', 'https://api.example.com/v1/..'],
    ['E_PATH', 'https://api.example.com/v1/%2e%2e/admin'],
    ['E_PATH', 'https://api.example.com/v1/%2E./admin'],
    ['E_PATH', 'https://api.example.com/v1/%252e%252e/admin'],
    ['E_PATH', 'https://api.example.com/v1/%25252e%25252e/admin'],
    ['E_PATH', 'https://api.example.com/v1/..;/admin'],
    ['E_PATH', 'https://api.example.com/v1/%2e%2e%3Bx/admin'],
    ['E_PATH', 'https://api.example.com/v1/..%2fadmin'],
    ['E_PATH', 'https://api.example.com/v1%2F..%2fadmin'],
    ['E_PATH', 'https://api.example.com/v1/a%5cb'],
    ['E_PATH', 'https://api.example.com/v1/a%252fb'],
    ['E_PATH', 'https://api.example.com/v1/%0d%0aHost:%20evil'],
    ['E_PATH', 'https://api.example.com/v1/%00'],
    ['E_PATH', 'https://api.example.com/v1/%7f'],
    ['E_PATH', 'https://api.example.com/v1/%c0%ae%c0%ae/admin'],
    ['E_PATH', 'https://api.example.com/v1/%zz'],
    ['E_PATH', 'https://api.example.com/v1/50%'],
  ])('%s %j', (code, url) => expect(codeOfUrl(url, [ruleOf({ pathPrefix: '/' }), ruleOf()])).toBe(code));
});

describe('an IP address in the URL', () => {
  const literal = (host: string, scheme: 'http' | 'https' = 'http') =>
    ruleOf({ host, scheme, port: 80, pathPrefix: '/' });

  it.each([
    'http://127.0.0.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://10.0.0.1/',
    'http://8.8.8.8/',
    'http://[::1]/',
    'http://[fd00:ec2::254]/',
    'http://[::ffff:7f00:1]/',
  ])('is refused unless a rule names it: %s', (url) => expect(codeOfUrl(url, [ruleOf()])).toBe('E_IP_LITERAL'));

  it('is allowed by the rule that names exactly it', () => {
    expect(codeOfUrl('http://10.0.0.5/', [literal('10.0.0.5')])).toBe('allowed');
    expect(codeOfUrl('http://10.0.0.6/', [literal('10.0.0.5')])).toBe('E_IP_LITERAL');
    expect(codeOfUrl('http://[fd00::5]/', [literal('fd00::5')])).toBe('allowed');
    expect(codeOfUrl('http://[fd00::5]/', [literal('[fd00::5]')])).toBe('allowed');
  });
});

describe('methods and bodies', () => {
  it.each(['get', 'CONNECT', 'TRACE', 'OPTIONS', 'PROPFIND', 'GET ', 'GET /x HTTP/1.1\r\n', ''])(
    'method %j',
    (method) => expect(codeOf(requestOf({ method }))).toBe('E_METHOD'),
  );

  it.each([
    ['a body on GET', 'GET', '{}', 'E_BODY'],
    ['an empty body on GET', 'GET', '', 'E_BODY'],
    ['an empty body on POST', 'POST', '', 'allowed'],
    ['no body on POST', 'POST', null, 'allowed'],
    ['a lone surrogate', 'POST', '\ud800', 'E_BODY'],
    ['the largest body', 'POST', 'a'.repeat(1_048_576), 'allowed'],
    ['a larger body', 'POST', 'a'.repeat(1_048_577), 'E_BODY'],
    ['a body larger in bytes', 'POST', 'é'.repeat(600_000), 'E_BODY'],
  ])('%s', (_, method, body, code) => expect(codeOf(requestOf({ method, body }))).toBe(code));
});

describe('headers', () => {
  const codeOfHeaders = (headers: Record<string, string>, rules?: EgressRule[]) =>
    codeOf(requestOf({ headers }), rules);

  it.each([
    'Host',
    'hOsT',
    'Content-Length',
    'Transfer-Encoding',
    'Connection',
    'Keep-Alive',
    'TE',
    'Trailer',
    'Upgrade',
    'Expect',
    'HTTP2-Settings',
    'Proxy-Authorization',
    'Proxy-Connection',
    'Proxy-Anything',
    'Authorization',
    'Cookie',
    'Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Real-IP',
    'Via',
    'Sec-Fetch-Mode',
    'Accept-Encoding',
    'User-Agent',
    'Idempotency-Key',
    'Traceparent',
    'Tracestate',
    'X-HTTP-Method-Override',
    'X-Original-URL',
  ])('%s is refused', (name) => expect(codeOfHeaders({ [name]: 'x' })).toBe('E_HEADER'));

  it.each([
    ['line break', { 'x-a': 'a\r\nx-b: c' }],
    ['line feed', { 'x-a': 'a\nb' }],
    ['NUL', { 'x-a': 'a\0b' }],
    ['tab', { 'x-a': 'a\tb' }],
    ['non-ASCII', { 'x-a': 'é' }],
    ['space around', { 'x-a': ' a' }],
    ['space around', { 'x-a': 'a ' }],
    ['name with a space', { 'x a': '1' }],
    ['name with a colon', { 'x:': '1' }],
    ['name with a line break', { 'x\r\nhost': '1' }],
    ['name with an underscore', { x_forwarded_for: '1' }],
    ['empty name', { '': '1' }],
    ['non-ASCII name that lower-cases to ASCII', { 'coo\u212aie': '1' }],
    ['prototype', JSON.parse('{"__proto__":"x"}')],
    ['twice', { 'X-A': '1', 'x-a': '2' }],
    ['long name', { ['x'.repeat(65)]: '1' }],
    ['too large', { 'x-a': 'a'.repeat(8_192) }],
    ['too many', Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`x-${i}`, '1']))],
    ['a number', { 'x-a': 1 }],
    ['a list', ['x-a']],
    ['nothing', null],
  ])('%s is refused', (_, headers) => expect(codeOfHeaders(headers as Record<string, string>)).toBe('E_HEADER'));

  it('a header in which any rule carries a secret is refused, whichever rule covers the request', () => {
    const secret = { name: 'other-key', header: 'x-api-key', format: '{}' };
    const rules = [ruleOf(), ruleOf({ host: 'other.example.com', secret })];
    expect(codeOfHeaders({ 'X-Api-Key': 'mine' }, rules)).toBe('E_HEADER');
    expect(codeOfHeaders({ 'X-Api-Key': 'mine' }, [ruleOf({ headers: ['x-api-key'] })])).toBe('allowed');
  });
});

describe('a header that carries nothing but a wish', () => {
  it.each([
    'accept',
    'accept-language',
    'content-language',
    'content-type',
    'if-match',
    'if-modified-since',
    'if-none-match',
    'if-unmodified-since',
  ])('%s needs no grant', (name) => expect(codeOf(requestOf({ headers: { [name]: 'x' } }))).toBe('allowed'));

  it.each(['x-region', 'x-impersonate-user', 'prefer', 'range', 'if-range', 'origin', 'referer', 'cache-control'])(
    '%s has to be granted, by the rule that covers the request',
    (name) => {
      const request = requestOf({ headers: { [name.toUpperCase()]: 'x' } });
      expect(codeOf(request)).toBe('E_HEADER_NOT_ALLOWED');
      expect(codeOf(request, [ruleOf({ headers: ['x-other', name] })])).toBe('allowed');
      const elsewhere = ruleOf({ host: 'other.example.com', headers: [name] });
      expect(codeOf(request, [ruleOf(), elsewhere])).toBe('E_HEADER_NOT_ALLOWED');
      const narrower = ruleOf({ pathPrefix: '/v1/items' });
      expect(codeOf(request, [ruleOf({ headers: [name] }), narrower])).toBe('E_HEADER_NOT_ALLOWED');
    },
  );

  it('is never granted by a name that the kernel, a credential or the connection owns', () => {
    for (const name of ['host', 'authorization', 'cookie', 'x-forwarded-for', 'transfer-encoding'])
      expect(codeOf(requestOf({ headers: { [name]: 'x' } }), [ruleOf({ headers: [name] })])).toBe('E_HEADER');
  });
});

describe('a secret that is for some alone', () => {
  const secretFor = (whom: object) => ruleOf({ secret: { name: 'k', header: 'x-key', format: '{}', for: whom } });
  const codeFor = (rules: EgressRule[], asker: { action: string; playbook: string | null }) => {
    const judged = judge(rules, requestOf(), asker);
    return judged.ok ? judged.value.rule.pathPrefix : judged.error.code;
  };
  it.each<[object, string, string | null, string]>([
    [{ actions: ['lookup'] }, 'lookup', 'contain-c2', '/v1'],
    [{ actions: ['lookup', 'ban'] }, 'ban', null, '/v1'],
    [{ actions: ['lookup'] }, 'ban', 'contain-c2', 'E_NOT_ALLOWED'],
    [{ playbooks: ['contain-c2'] }, 'ban', 'contain-c2', '/v1'],
    [{ playbooks: ['contain-c2'] }, 'ban', 'contain-c3', 'E_NOT_ALLOWED'],
    [{ playbooks: ['contain-c2'] }, 'ban', null, 'E_NOT_ALLOWED'],
    [{ actions: ['lookup'], playbooks: ['contain-c2'] }, 'lookup', 'other', 'E_NOT_ALLOWED'],
    [{ actions: ['lookup'], playbooks: ['contain-c2'] }, 'other', 'contain-c2', 'E_NOT_ALLOWED'],
    [{}, 'anything', null, '/v1'],
  ])('%j, asked for by %s of %s: %s', (whom, action, playbook, expected) =>
    expect(codeFor([secretFor(whom)], { action, playbook })).toBe(expected),
  );

  it('may be one of two for the same place', () => {
    const other = { name: 'other', header: 'x-key', format: '{}', for: { actions: ['lookup'] } };
    const rules = [secretFor({ actions: ['ban'] }), ruleOf({ secret: other })];
    const nameFor = (action: string) => {
      const judged = judge(rules, requestOf(), { action, playbook: null });
      return judged.ok ? judged.value.rule.secret?.name : judged.error.code;
    };
    expect(['ban', 'lookup', 'list'].map(nameFor)).toEqual(['k', 'other', 'E_NOT_ALLOWED']);
  });

  it('leaves the others to a rule that covers them, which has no secret', () => {
    const rules = [secretFor({ actions: ['ban'] }), ruleOf({ pathPrefix: '/' })];
    expect(codeFor(rules, { action: 'ban', playbook: null })).toBe('/v1');
    expect(codeFor(rules, { action: 'lookup', playbook: null })).toBe('/');
  });

  it('is told to whoever reads the run, without saying for whom it is', () => {
    const judged = judge([secretFor({ actions: ['ban'] })], requestOf(), { action: 'lookup', playbook: null });
    expect(judged).toMatchObject({
      ok: false,
      error: { text: 'GET to https://api.example.com: no rule for this host covers its action or playbook' },
    });
  });
});

describe('parts of a wrong type, as a hostile cell would send them', () => {
  it.each([
    [{ url: 7 }],
    [{ url: { toString: () => 'https://api.example.com/v1' } }],
    [{ method: ['GET'] }],
    [{ headers: 'x' }],
    [{ body: {} }],
    [{ body: undefined }],
  ])('%j is refused', (part) => expect(codeOf({ ...requestOf(), ...part } as HttpRequest)).not.toBe('allowed'));
});

describe('what a refusal says', () => {
  const refusalOf = (request: HttpRequest, rules = [ruleOf()]) => {
    const judged = judgeRequest(rules, request);
    if (judged.ok) throw new Error('allowed');
    return judged.error;
  };
  const hintOf = (request: HttpRequest) => refusalOf(request).hint ?? '';
  const pasted = (text: string): EgressRule => {
    const grants = [{ plugin: 'p', rules: [JSON.parse(text.slice(text.indexOf('{')))] }];
    const rule = v.parse(EgressPolicySchema, { apiVersion: 'interlock/egress/v1', grants }).grants[0]?.rules[0];
    if (!rule) throw new Error('no rule');
    return rule;
  };

  it('is a code and a sentence; only the hint names the line to paste', () => {
    expect(refusalOf(requestOf({ method: 'DELETE', url: 'https://api.example.com/v1/items/7?force=1' }))).toEqual({
      code: 'E_NOT_ALLOWED',
      text: 'DELETE to https://api.example.com: no rule for this host covers its method',
      hint:
        "the nearest rule for this host differs in methods; to allow it, add to the plugin's rules: " +
        '{"scheme":"https","host":"api.example.com","port":443,"methods":["DELETE"],"pathPrefix":"/v1/items/7"}',
    });
    const named = requestOf({ headers: { 'X-Region': 'eu', Accept: 'a', 'x-b': 'c' } });
    expect(refusalOf(named, [ruleOf({ headers: ['x-b', 'x-c'] })])).toEqual({
      code: 'E_HEADER_NOT_ALLOWED',
      text: 'the rule for this place does not grant one of the headers of the request',
      hint: 'to allow it, write into the rule for api.example.com: "headers":["x-b","x-c","x-region"]',
    });
    expect(pasted(hintOf({ ...named, url: 'https://new.example.com/' })).headers).toEqual(['x-region', 'x-b']);
    expect(refusalOf(requestOf({ url: 'http://169.254.169.254/latest/meta-data' }))).toEqual({
      code: 'E_IP_LITERAL',
      text: 'an IP address is reached only through a rule that names exactly it: 169.254.169.254',
      hint: expect.stringMatching(
        /^169\.254\.169\.254 is link-local, .* not to be allowed by habit, so no rule is offered here$/,
      ),
    });
    expect(pasted(hintOf(requestOf({ url: 'http://10.0.0.5/' })))).toMatchObject({ addresses: ['10.0.0.5/32'] });
  });

  it.each<[string, Partial<HttpRequest>]>([
    ["no rule of the plugin's grant is for the host other.example", { url: 'https://other.example/v1/hunter2' }],
    [
      `no rule of the plugin's grant is for the host ${'long.'.repeat(50)}lon`,
      { url: `https://${'long.'.repeat(60)}example/` },
    ],
    [
      'GET to http://api.example.com: no rule for this host covers its scheme and port',
      { url: 'http://api.example.com/v1' },
    ],
    [
      'POST to https://api.example.com:8443: no rule for this host covers its port and path',
      { url: 'https://api.example.com:8443/hunter2', method: 'POST' },
    ],
    [
      'GET to https://api.example.com: no rule for this host covers its path',
      { url: 'https://api.example.com/hunter2' },
    ],
  ])('names where the request was for and which part of it no rule covers: %s', (text, part) => {
    const refusal = refusalOf(requestOf(part));
    expect(refusal).toMatchObject({ code: 'E_NOT_ALLOWED', text });
    expect(refusal.text).not.toContain('hunter2');
  });

  it.each([
    'https://new.example.com/a/b?token=hunter2hunter2',
    'http://10.0.0.5:8080/x',
    'http://[fd00::5]/x',
    'http://8.8.8.8/dns-query',
    `https://new.example.com/${'long/'.repeat(60)}end`,
    `https://new.example.com/${'x'.repeat(300)}`,
    'https://new.example.com/a%20b/"quoted"',
  ])('pasting the line allows the request: %s', (url) => {
    const text = hintOf(requestOf({ url }));
    expect(codeOfUrl(url, [pasted(text)])).toBe('allowed');
    expect(text).not.toContain('hunter2');
  });

  it('never holds the query, a header value or the body', () => {
    const mark = fc.stringMatching(/^[a-z]{12}$/);
    const url = fc.constantFrom(
      'https://api.example.com/v1',
      'https://api.example.com/v1/../x',
      'http://h',
      'ftp://h/',
    );
    fc.assert(
      fc.property(url, mark, fc.constantFrom('GET', 'DELETE', 'NOPE'), fc.boolean(), (base, text, method, bad) => {
        const headers = { 'x-a': text, ...(bad ? { 'x-b': `${text}\n` } : {}) };
        const body = method === 'GET' ? text : null;
        const refusal = refusalOf({ url: `${base}?q=${text}`, method, headers, body }, []);
        expect(JSON.stringify(refusal)).not.toContain(text);
        expect(refusal.text.length).toBeGreaterThan(0);
      }),
    );
  });
});

describe('a URL that a playbook has written out', () => {
  const faultOf = (url: string, isWhole = true, rules = [ruleOf()]) =>
    faultOfWritten(rules, url, ['HEAD', 'GET'], isWhole);

  it.each<[string, boolean]>([
    ['https://api.example.com/v1/items?x=1', true],
    ['https://api.example.com/', false],
  ])('is covered by one of the methods: %s, whole %s', (url, isWhole) => {
    expect(faultOf(url, isWhole)).toBeUndefined();
  });

  it.each<[string, boolean, string]>([
    ['https://other.example/v1', true, "no rule of the plugin's grant is for the host other.example"],
    ['http://10.0.0.5/', false, 'an IP address is reached only through a rule that names exactly it: 10.0.0.5'],
    ['https://api.example.com/v2', true, 'no rule for this host covers its path'],
    ['http://api.example.com/', false, 'no rule for this host covers its scheme and port'],
    ['api.example.com/v1', true, 'the URL must be absolute, such as https://api.example.com/v1/items'],
  ])('is not covered: %s', (url, isWhole, says) => {
    expect(faultOf(url, isWhole)).toBe(says);
  });

  it.each<[readonly string[], string | undefined]>([
    [['Accept', 'X-Region'], undefined],
    [['X-Unit'], 'no rule for this place grants all of its headers'],
  ])('with the headers %j that it gives', (headers, says) => {
    const named = [ruleOf({ headers: ['x-region'] }), ruleOf({ host: 'other.example', headers: ['x-unit'] })];
    const url = 'https://api.example.com/v1/items';
    expect(faultOfWritten(named, url, ['GET'], true, headers)).toBe(says);
  });

  it('is not where the action sends another method, nor where there is no rule', () => {
    const posts = [ruleOf({ methods: ['POST'] })];
    expect(faultOf('https://api.example.com/v1', true, posts)).toBe('no rule for this host covers its method');
    expect(faultOf('https://api.example.com/v1', true, [])).toContain('api.example.com');
  });
});

it('never throws, and what it allows is inside a rule', () => {
  const url = fc.oneof(
    fc.string(),
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    fc
      .array(fc.constantFrom('v1', '..', '.', '%2e', '%2f', '/', '\\', ';', '?', '#', '@', ':', 'a', '%25', '%00'))
      .map((parts) => `https://api.example.com/${parts.join('')}`),
  );
  fc.assert(
    fc.property(url, (text) => {
      const judged = judgeRequest([ruleOf()], requestOf({ url: text }));
      if (!judged.ok) return;
      const { url: sent } = judged.value;
      expect(sent.origin).toBe('https://api.example.com');
      expect(sent.pathname === '/v1' || sent.pathname.startsWith('/v1/')).toBe(true);
      expect(decodeURIComponent(sent.pathname).split('/')).not.toContain('..');
    }),
    { numRuns: 500 },
  );
});
