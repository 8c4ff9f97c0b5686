import fc from 'fast-check';
import { Engine } from 'json-rules-engine';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Plan } from '../../sdk/contract/plugin.ts';
import type { Rule } from '../../sdk/contract/rule.ts';
import { LIMITS } from '../base/limits.ts';
import { type GuardrailFacts, toRuleFacts } from './facts.ts';
import { checkGuardrails, type GuardrailSet } from './schema.ts';
import { judgeAction, permittedBy, type Verdict } from './verdict.ts';

const PLAN: Plan = { summary: 'Ban', targets: [{ kind: 'ip', id: '203.0.113.7' }], reversible: true, details: {} };
const ACTION: GuardrailFacts = {
  org: 'acme',
  action: { plugin: 'crowdsec', name: 'ban-ip', type: 'contain', tier: 'high', effect: 'write', granted: true },
  params: { ip: '203.0.113.7' },
  plan: PLAN,
  run: { playbook: 'contain-c2' },
};

/** Rules by what they come to. */
const T = { fact: 'org', operator: 'equal', value: 'acme' };
// Not a plain equality, which would be ruled out before the engine: some tests here break the engine.
const F = { fact: 'org', operator: 'notEqual', value: 'acme' };
const U = { fact: 'params', path: '/gone', operator: 'equal', value: 1 };

type Lists = Readonly<Partial<Record<'deny' | 'hold' | 'allow', readonly unknown[]>>>;
const document = ({ deny = [], hold = [], allow = [] }: Lists) => {
  const list = (name: string, rules: readonly unknown[]) =>
    rules.map((rule, n) => ({ id: `${name}-${n}`, title: `Title of ${name} ${n}.`, rule }));
  return {
    apiVersion: 'interlock/guardrails/v1',
    deny: list('deny', deny),
    hold: list('hold', hold),
    allow: list('allow', allow),
  };
};
const setOf = (lists: Lists): GuardrailSet => {
  const checked = checkGuardrails(document(lists));
  if (!checked.ok) throw new Error(JSON.stringify(checked.error));
  return checked.value;
};
const verdictOf = (lists: Lists, change: Partial<GuardrailFacts> = {}) =>
  judgeAction(setOf(lists), { ...ACTION, ...change });

afterEach(() => vi.restoreAllMocks());

describe('who wins', () => {
  it.each<[string, Lists, Verdict['kind'], string]>([
    ['no rules', {}, 'deny', 'default'],
    ['no rule matches', { deny: [F], hold: [F], allow: [F] }, 'deny', 'default'],
    ['allow', { deny: [F], hold: [F], allow: [T] }, 'allow', 'allow-0'],
    ['the first of two allows', { allow: [F, T, T] }, 'allow', 'allow-1'],
    ['deny over allow', { deny: [T], allow: [T] }, 'deny', 'deny-0'],
    ['deny over hold', { deny: [T], hold: [T], allow: [T] }, 'deny', 'deny-0'],
    ['the first of two denials', { deny: [F, T, T], allow: [T] }, 'deny', 'deny-1'],
    ['hold over allow', { hold: [F, T], allow: [T] }, 'hold', 'hold-1'],
    ['a hold alone allows nothing', { hold: [T] }, 'deny', 'default'],
    ['a denial in doubt denies', { deny: [U], allow: [T] }, 'deny', 'deny-0'],
    ['a sure denial is named before one in doubt', { deny: [U, T], allow: [T] }, 'deny', 'deny-1'],
    ['an allow in doubt does not allow', { allow: [U] }, 'deny', 'default'],
    ['a later allow without doubt does', { allow: [U, T] }, 'allow', 'allow-1'],
    ['a hold in doubt holds', { hold: [U], allow: [T] }, 'hold', 'hold-0'],
    ['a sure hold is named before one in doubt', { hold: [U, T], allow: [T] }, 'hold', 'hold-1'],
    ['a hold in doubt alone allows nothing', { hold: [U] }, 'deny', 'default'],
    ['not over something missing is in doubt', { deny: [{ not: U }], allow: [T] }, 'deny', 'deny-0'],
    ['not over something missing does not allow', { allow: [{ not: U }] }, 'deny', 'default'],
  ])('%s', async (_, lists, kind, by) => {
    expect(await verdictOf(lists)).toMatchObject({ kind, by });
  });

  it('as the three sentences say it, on any set', async () => {
    const outcome = fc.array(fc.constantFrom(T, F, U), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(outcome, outcome, outcome, async (deny, hold, allow) => {
        const expected =
          deny.includes(T) || deny.includes(U) || !allow.includes(T)
            ? 'deny'
            : hold.includes(T) || hold.includes(U)
              ? 'hold'
              : 'allow';
        expect((await verdictOf({ deny, hold, allow })).kind).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });
});

describe('what let an action come this far', () => {
  it.each<[string, Lists, string, ReturnType<typeof permittedBy>]>([
    ['an allow', { allow: [F, T] }, 'allow-1', { kind: 'allow', by: 'allow-1', text: 'Title of allow 1.' }],
    ['a hold', { hold: [T], allow: [T] }, 'hold-0', { kind: 'hold', by: 'hold-0', text: 'Title of hold 0.' }],
    ['a denial did not', { deny: [T], allow: [T] }, 'deny-0', undefined],
    ['nor did what is no guardrail', { allow: [T] }, 'approval-step', undefined],
  ])('%s', async (_, lists, by, told) => {
    expect(permittedBy(setOf(lists), by)).toEqual(told);
    const { kind } = await verdictOf(lists);
    if (told) expect(kind).toBe(told.kind);
  });
});

describe('what a refusal says', () => {
  it.each<[string, Lists, string | RegExp]>([
    ['the title of the rule', { deny: [T] }, 'Title of deny 0.'],
    ['what is in doubt', { deny: [U] }, 'Title of deny 0. (not known whether it applies: params/gone is missing)'],
    [
      'what has a wrong type',
      { deny: [{ ...U, path: '/ip' }] },
      'Title of deny 0. (not known whether it applies: params/ip has another type than the rule compares)',
    ],
    [
      'that nothing allows it',
      {},
      /^No rule of the guardrails allows this action, and what none allows is refused\. To allow it, add a rule/,
    ],
    [
      'what might have',
      { allow: [U] },
      /and what none allows is refused; allow-0 might, but params\/gone is missing\.$/,
    ],
  ])('%s', async (_, lists, text) => {
    const verdict = await verdictOf(lists);
    expect(verdict.kind === 'deny' && verdict.text).toEqual(
      typeof text === 'string' ? text : expect.stringMatching(text),
    );
  });

  it('never a value of the action', async () => {
    const params = { ip: 'CANARY', gone: ['CANARY'], CANARY: 1 };
    for (const rule of [U, { ...U, path: '/ip' }, { ...U, path: '/ip', operator: 'inCidr', value: ['::/0'] }])
      for (const lists of [{ deny: [rule] }, { deny: [{ not: rule }] }, { allow: [rule] }])
        expect(JSON.stringify(await verdictOf(lists, { params }))).not.toContain('CANARY');
  });
});

describe('a judge that fails denies', () => {
  const lists = { deny: [F], allow: [T] };
  const run = Engine.prototype.run;

  it.each<[string, (call: number) => Promise<unknown> | undefined]>([
    ['on the deny rules', (call) => (call === 1 ? Promise.reject(new Error('x')) : undefined)],
    ['on the others', (call) => (call === 2 ? Promise.reject(new Error('x')) : undefined)],
    ['by losing a result', (call) => (call === 1 ? Promise.resolve({ results: [], failureResults: [] }) : undefined)],
  ])('%s', async (_, fail) => {
    let call = 0;
    vi.spyOn(Engine.prototype, 'run').mockImplementation(function (this: Engine, ...args) {
      return (fail(++call) ?? run.apply(this, args)) as ReturnType<typeof run>;
    });
    expect(await verdictOf(lists)).toMatchObject({ kind: 'deny', by: 'fault' });
  });

  it('an engine that is cut off while it judges the others has judged the deny rules', async () => {
    vi.spyOn(Engine.prototype, 'run').mockImplementation(async function (this: Engine, ...args) {
      const judged = await run.apply(this, args);
      return judged.results.length > 1 ? Promise.reject(new Error('x')) : judged;
    });
    expect(await verdictOf({ deny: [T], hold: [T], allow: [T] })).toMatchObject({ kind: 'deny', by: 'deny-0' });
  });

  it('a rule that was never checked', async () => {
    const set = setOf(lists);
    const rule = { fact: 'org', path: '', operator: 'nope', value: 1 } as unknown as Rule;
    const broken = { ...set, deny: [{ id: 'x', title: 'x', rule }] };
    expect(await judgeAction(broken, ACTION)).toMatchObject({ kind: 'deny', by: 'fault' });
  });
});

describe('the facts', () => {
  const factsOf = (change: Partial<GuardrailFacts>) => toRuleFacts({ ...ACTION, ...change });

  it('of an action with a plan', () => {
    const plan = {
      ...PLAN,
      targets: [
        { kind: 'ip', id: '203.0.113.7' },
        { kind: 'host', id: 'db-1' },
        { kind: 'ip', id: '2001:db8::1' },
      ],
    };
    expect(factsOf({ plan })).toEqual({
      org: 'acme',
      action: { ...ACTION.action, op: 'execute' },
      params: { ip: '203.0.113.7' },
      plan: {
        present: true,
        reversible: true,
        count: 3,
        kinds: ['host', 'ip'],
        ids: ['203.0.113.7', 'db-1', '2001:db8::1'],
      },
      named: { addresses: expect.arrayContaining(['203.0.113.7', '2001:db8::1']), rangeCount: 0 },
      run: { playbook: 'contain-c2' },
    });
  });

  it('of an action without one', () => {
    expect(factsOf({ plan: null }).plan).toEqual({ present: false, reversible: false, count: 0, kinds: [], ids: [] });
  });

  it.each<[string, GuardrailFacts['params'], readonly string[], number]>([
    ['none', { a: 1, b: null, c: 'x' }, [], 0],
    ['anywhere', { a: { b: ['203.0.113.7', { c: ' ::1 ' }] } }, ['203.0.113.7', '::1'], 0],
    ['each once', { a: '203.0.113.7', b: '203.0.113.7' }, ['203.0.113.7'], 0],
    ['not inside a text', { a: 'from 10.0.0.1', b: 'http://10.0.0.1/' }, [], 0],
    ['blocks', { a: '10.0.0.0/8', b: '10.0.0.1/8', c: 'fc00::/7' }, [], 3],
    ['first to last', { a: '10.0.0.1-10.0.0.9', b: '10.0.0.1 - 10.0.0.9', c: '10.0.0.1-9' }, [], 3],
    ['four numbers that are no address', { a: '010.0.0.1', b: '0x7f.0.0.1', c: '256.0.0.1' }, [], 3],
    ['what only looks like one', { a: '1.2.3', b: 'T1059.004', c: '4h', d: 'a-b', e: 'a/8', f: '1.2.3.4.5' }, [], 0],
  ])('addresses: %s', (_, params, addresses, rangeCount) => {
    const { named } = factsOf({ params, plan: null });
    expect(named).toEqual({ addresses: expect.arrayContaining([...addresses]), rangeCount });
    expect(named).toHaveProperty('addresses.length', addresses.length);
  });

  it('more values than are read count as a range', () => {
    const params = { many: Array.from({ length: 20_000 }, (_, n) => `x${n}`), ip: '10.0.0.1' };
    expect(factsOf({ params }).named).toMatchObject({ rangeCount: 1 });
  });
});

describe('a guardrail document', () => {
  const ok = document({ deny: [F], hold: [F], allow: [T] });
  const issuesOf = (input: unknown) => {
    const checked = checkGuardrails(input);
    return checked.ok ? [] : checked.error;
  };
  const withRule = (change: object) => ({ ...ok, allow: [{ ...ok.allow[0], ...change }] });

  it('is accepted; hold may be left out', () => {
    expect(issuesOf(ok)).toEqual([]);
    expect(issuesOf({ ...ok, hold: undefined, $schema: 'x' })).toEqual([]);
  });

  it.each<[string, unknown, string, RegExp]>([
    ['nothing', undefined, '', /required|expected/],
    ['another version', { ...ok, apiVersion: 'CANARY' }, '/apiVersion', /interlock\/guardrails\/v1/],
    ['no deny list', { ...ok, deny: undefined }, '/deny', /required/],
    ['an unknown list', { ...ok, CANARY: [] }, '', /does not belong/],
    ['an id with capitals', withRule({ id: 'CANARY' }), '/allow/0/id', /lower-case/],
    ['an id that is taken', withRule({ id: 'default' }), '/allow/0/id', /another id/],
    ['an id twice', withRule({ id: 'deny-0' }), '', /id of its own/],
    ['no title', withRule({ title: undefined }), '/allow/0/title', /required/],
    ['a title of two lines', withRule({ title: 'CANARY\n' }), '/allow/0/title', /one line/],
    ['an empty rule', withRule({ rule: { all: [] } }), '/allow/0/rule/all', /length/],
    ['a misspelt fact', withRule({ rule: { ...T, fact: 'canary' } }), '/allow/0/rule', /action, params, plan, named/],
    [
      'bits behind a prefix',
      withRule({ rule: { ...U, operator: 'inCidr', value: ['10.0.0.1/8'] } }),
      '/allow/0/rule/value/0',
      /block/,
    ],
    [
      'too many rules',
      document({ allow: Array(LIMITS.guardrailRules.value + 1).fill(T) }),
      '/allow',
      /length of at most 256/,
    ],
  ])('is refused: %s', (_, input, pointer, text) => {
    const issues = issuesOf(input);
    expect(issues).toContainEqual({ pointer, text: expect.stringMatching(text) });
    expect(JSON.stringify(issues)).not.toMatch(/canary/i);
  });
});
