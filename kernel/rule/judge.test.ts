import { createRequire } from 'node:module';
import { Engine } from 'json-rules-engine';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Operator, Rule } from '../../sdk/contract/rule.ts';
import type { Json } from '../base/json.ts';
import type { Finding } from './explain.ts';
import { judge, type RuleResult } from './judge.ts';
import { checkRule } from './schema.ts';

const rule = (input: unknown): Rule => {
  const checked = checkRule(input);
  if (!checked.ok) throw new Error(JSON.stringify(checked.error));
  return checked.value;
};

type Facts = Readonly<Record<string, Json>>;

const judgeOne = async (input: unknown, facts: Facts): Promise<RuleResult> => {
  const results = await judge([{ id: 'one', rule: rule(input) }], facts);
  const result = results.ok ? results.value.get('one') : undefined;
  if (!result) throw new Error(results.ok ? 'no result' : results.error.kind);
  return result;
};

const outcomeOf = ({ matched, notEvaluable }: RuleResult) => (notEvaluable ? 'undecided' : matched ? 'true' : 'false');

const when = (operator: Operator, value: Json, path = '/x') => ({ fact: 'event', path, operator, value });
const yes = when('equal', 1, '/one');
const no = when('equal', 2, '/one');
const gone = when('equal', 1, '/gone');
const odd = when('greaterThan', 0, '/text');
const FACTS = { event: { one: 1, text: '9' } };

afterEach(() => vi.restoreAllMocks());

describe('what an operator answers', () => {
  it.each<[Operator, Json, Json, 'true' | 'false' | 'undecided']>([
    ['equal', 'a', 'a', 'true'],
    ['equal', 'a', 'A', 'false'],
    ['equal', 5, '5', 'undecided'],
    ['equal', null, 'a', 'false'],
    ['equal', 'a', null, 'false'],
    ['equal', null, null, 'true'],
    ['equal', ['a'], 'a', 'undecided'],
    ['equal', { a: 1 }, 'a', 'undecided'],
    ['notEqual', 'a', 'b', 'true'],
    ['notEqual', 'a', 'a', 'false'],
    ['notEqual', 'a', null, 'true'],
    ['notEqual', 5, '6', 'undecided'],
    ['in', 'a', ['a', 'b'], 'true'],
    ['in', 'c', ['a', 'b'], 'false'],
    ['in', 'ab', ['abc'], 'false'],
    ['in', 1, ['1'], 'undecided'],
    ['in', ['a'], ['a'], 'undecided'],
    ['notIn', 'c', ['a', 'b'], 'true'],
    ['notIn', 'a', ['a', 'b'], 'false'],
    ['notIn', 1, ['1'], 'undecided'],
    ['contains', ['a', 'b'], 'a', 'true'],
    ['contains', [], 'a', 'false'],
    ['contains', 'abc', 'a', 'undecided'],
    ['contains', [{ a: 1 }], 'a', 'undecided'],
    ['doesNotContain', ['a'], 'b', 'true'],
    ['doesNotContain', ['a'], 'a', 'false'],
    ['doesNotContain', 'abc', 'z', 'undecided'],
    ['lessThan', 1, 2, 'true'],
    ['lessThan', 2, 2, 'false'],
    ['lessThanInclusive', 2, 2, 'true'],
    ['greaterThan', 3, 2, 'true'],
    ['greaterThan', '10', 9, 'undecided'],
    ['greaterThan', null, 9, 'undecided'],
    ['greaterThan', true, 0, 'undecided'],
    ['greaterThan', [10], 9, 'undecided'],
    ['greaterThanInclusive', 2, 2, 'true'],
    ['inCidr', '10.1.2.3', ['10.0.0.0/8'], 'true'],
    ['inCidr', '::ffff:10.1.2.3', ['10.0.0.0/8'], 'true'],
    ['inCidr', '11.1.2.3', ['10.0.0.0/8', 'fc00::/7'], 'false'],
    ['inCidr', ['203.0.113.7', 'fd00::1'], ['10.0.0.0/8', 'fc00::/7'], 'true'],
    ['inCidr', ['203.0.113.7'], ['10.0.0.0/8'], 'false'],
    ['inCidr', [], ['10.0.0.0/8'], 'false'],
    ['inCidr', 'localhost', ['127.0.0.0/8'], 'undecided'],
    ['inCidr', '10.0.0.0/8', ['10.0.0.0/8'], 'undecided'],
    ['inCidr', ['203.0.113.7', 'localhost'], ['10.0.0.0/8'], 'undecided'],
    ['inCidr', 167772161, ['10.0.0.0/8'], 'undecided'],
    ['inCidr', null, ['10.0.0.0/8'], 'undecided'],
  ])('%s: %j, %j -> %s', async (operator, seen, value, expected) => {
    expect(outcomeOf(await judgeOne(when(operator, value), { event: { x: seen } }))).toBe(expected);
  });
});

describe('a list is undecided only if its outcome hangs on it', () => {
  it.each<[string, unknown, 'true' | 'false' | 'undecided']>([
    ['missing', gone, 'undecided'],
    ['not missing', { not: gone }, 'undecided'],
    ['not not missing', { not: { not: gone } }, 'undecided'],
    ['wrong type', odd, 'undecided'],
    ['not wrong type', { not: odd }, 'undecided'],
    ['all: true, missing', { all: [yes, gone] }, 'undecided'],
    ['all: false, missing', { all: [no, gone] }, 'false'],
    ['any: true, missing', { any: [yes, gone] }, 'true'],
    ['any: false, missing', { any: [no, gone] }, 'undecided'],
    ['not all: false, missing', { not: { all: [no, gone] } }, 'true'],
    ['not any: true, missing', { not: { any: [yes, gone] } }, 'false'],
    ['not true', { not: yes }, 'false'],
    ['not false', { not: no }, 'true'],
    ['all of one', { all: [{ any: [yes] }] }, 'true'],
  ])('%s', async (_, input, expected) => {
    expect(outcomeOf(await judgeOne(input, FACTS))).toBe(expected);
  });
});

describe('what a path reaches', () => {
  const HOSTILE = JSON.parse('{"a":{"b":[1,2]},"a/b":3,"c~d":4,"":5,"$":{"a":6}}') as Json;
  it.each<[string, Json, string]>([
    ['/a/b/1', 2, 'true'],
    ['/a~1b', 3, 'true'],
    ['/c~0d', 4, 'true'],
    ['/', 5, 'true'],
    ['/$/a', 6, 'true'],
    ['/a/b/01', 2, 'undecided'],
    ['/a/b/-', 2, 'undecided'],
    ['/a/b/length', 2, 'undecided'],
    ['/a/b/0/toFixed', 1, 'undecided'],
    ['/constructor/name', 'Object', 'undecided'],
    ['/__proto__/constructor/name', 'Object', 'undecided'],
    ['/toString/name', 'toString', 'undecided'],
  ])('%s', async (path, value, expected) => {
    expect(outcomeOf(await judgeOne(when('equal', value, path), { event: HOSTILE }))).toBe(expected);
  });

  it.each<[string, unknown, Facts, string]>([
    ['a whole scalar fact', { fact: 'org', operator: 'equal', value: 'acme' }, { org: 'acme' }, 'true'],
    ['into a scalar fact', { fact: 'org', path: '/x', operator: 'equal', value: 'acme' }, { org: 'acme' }, 'undecided'],
    ['a whole null fact', { fact: 'org', operator: 'equal', value: null }, { org: null }, 'true'],
    ['a fact that is not there', { fact: 'org', operator: 'notEqual', value: 'a' }, {}, 'undecided'],
    ['a fact of Object.prototype', { fact: 'constructor', operator: 'notEqual', value: 1 }, {}, 'undecided'],
  ])('%s', async (_, input, facts, expected) => {
    expect(outcomeOf(await judgeOne(input, facts))).toBe(expected);
  });

  it('jsonpath-plus is never called, whatever the path looks like', async () => {
    const loaded = Object.values(createRequire(import.meta.url).cache);
    const resolver = loaded.find((module) => module?.id.includes('/jsonpath-plus/'))?.exports;
    const jsonpath = vi.spyOn(resolver, 'JSONPath');
    // The spy sees the engine's own resolver: without this the test would prove nothing.
    const bare = new Engine([
      { event: { type: 'x' }, conditions: { all: [{ fact: 'event', path: '$.one', operator: 'equal', value: 1 }] } },
    ]);
    await bare.run({ event: { one: 1 } });
    expect(jsonpath).toHaveBeenCalledTimes(1);
    jsonpath.mockClear();

    const manyFacts: readonly Facts[] = [FACTS, { event: 'scalar' }, { event: null }, { event: [1] }, {}];
    for (const path of ['', '/one', '/$..one', '/$[?(@.a)]', '/gone'])
      for (const facts of manyFacts)
        await judgeOne({ any: [when('equal', 1, path), { not: when('contains', 1, path) }] }, facts);
    expect(jsonpath).not.toHaveBeenCalled();
  });
});

describe('why', () => {
  const finding = ({ value: expected, ...condition }: typeof yes, reason: Finding['reason']): Finding => ({
    ...condition,
    expected,
    reason,
  });

  it.each<[string, unknown, readonly Finding[]]>([
    ['a match: every condition of all', { all: [yes, { not: no }] }, [finding(yes, 'true'), finding(no, 'false')]],
    ['a match: the condition of any that held', { any: [no, gone, yes] }, [finding(yes, 'true')]],
    ['no match: only what was false', { all: [yes, no, gone] }, [finding(no, 'false')]],
    ['no match of any: all of it', { any: [no, { not: yes }] }, [finding(no, 'false'), finding(yes, 'true')]],
    ['undecided: what is missing', { all: [yes, gone, odd] }, [finding(gone, 'missing'), finding(odd, 'wrong_type')]],
  ])('%s', async (_, input, expected) => {
    expect((await judgeOne(input, FACTS)).why).toEqual(expected);
  });

  it('never holds a value that was seen', async () => {
    const facts = { event: { x: 'CANARY', list: ['CANARY'], one: 1 } };
    for (const operator of ['equal', 'notEqual', 'in', 'contains', 'lessThan', 'inCidr'] as const)
      for (const path of ['/x', '/list', '/list/0', '']) {
        const value = { in: ['a'], lessThan: 1, inCidr: ['10.0.0.0/8'] }[operator as 'in'] ?? 'a';
        expect(JSON.stringify(await judgeOne(when(operator, value, path), facts))).not.toContain('CANARY');
      }
  });

  it('cuts a long list of expected values', async () => {
    const { why } = await judgeOne(
      when(
        'in',
        Array.from({ length: 500 }, (_, n) => `v${n}`),
      ),
      { event: { x: 'a' } },
    );
    expect(why[0]?.expected).toHaveLength(16);
  });
});

describe('a judge that cannot be trusted is a fault', () => {
  // Comparisons, because a plain equality that fails never reaches the engine.
  const rules = [
    { id: 'a', rule: rule(when('greaterThan', 0, '/one')) },
    { id: 'b', rule: rule(when('lessThan', 0, '/one')) },
  ];
  const kindOf = async (judged: ReturnType<typeof judge>) => {
    const results = await judged;
    return results.ok ? 'ok' : results.error.kind;
  };
  const meddle = (change: (run: Awaited<ReturnType<Engine['run']>>) => void) => {
    const run = Engine.prototype.run;
    vi.spyOn(Engine.prototype, 'run').mockImplementation(async function (this: Engine, ...args) {
      const result = await run.apply(this, args);
      change(result);
      return result;
    });
  };

  it('no rules: no results, no fault', async () => {
    expect(await judge([], FACTS)).toEqual({ ok: true, value: new Map() });
  });

  it.each<[string, string, () => void]>([
    ['a result is missing', 'result_missing', () => meddle((run) => run.failureResults.pop())],
    ['a result is there twice', 'result_missing', () => meddle((run) => run.results.push(...run.results))],
    [
      'one stands for another',
      'result_missing',
      () => meddle((run) => run.failureResults.splice(0, 1, ...run.results)),
    ],
    [
      'an answer says the opposite',
      'disagreement',
      () => meddle((run) => Object.assign(run.results[0] ?? {}, { result: false })),
    ],
    [
      'a condition was not judged',
      'result_missing',
      () =>
        meddle((run) => {
          for (const { conditions } of run.results) if ('all' in conditions) conditions.all = [];
        }),
    ],
    ['the engine throws', 'engine_failed', () => vi.spyOn(Engine.prototype, 'run').mockRejectedValue(new Error('x'))],
    [
      'the engine throws at once',
      'engine_failed',
      () =>
        vi.spyOn(Engine.prototype, 'addRule').mockImplementation(() => {
          throw new Error('x');
        }),
    ],
  ])('%s', async (_, kind, prepare) => {
    prepare();
    expect(await kindOf(judge(rules, FACTS))).toBe(kind);
  });

  it('a fact that throws when it is read', async () => {
    const trap: Json = new Proxy({}, { getOwnPropertyDescriptor: () => expect.unreachable() });
    expect(await kindOf(judge(rules, { event: trap }))).toBe('engine_failed');
  });

  it('what no schema has checked: an operator, a block, a size, an id twice', async () => {
    const unknown = { ...yes, operator: 'nope' } as unknown as Rule;
    const block: Rule = { fact: 'event', path: '/ip', operator: 'inCidr', value: ['10.0.0.1/8'] };
    expect(await kindOf(judge([{ id: 'a', rule: block }], { event: { ip: '203.0.113.7' } }))).toBe('engine_failed');
    let deep: Rule = rule(yes);
    for (let level = 0; level < 20_000; level++) deep = { not: deep };
    expect(await kindOf(judge([{ id: 'a', rule: unknown }], FACTS))).toBe('engine_failed');
    expect(await kindOf(judge([{ id: 'a', rule: deep }], FACTS))).toBe('rule_too_large');
    expect(await kindOf(judge([...rules, ...rules], FACTS))).toBe('duplicate_id');
  });
});

describe('many at once', () => {
  it('overlapping calls each judge all of their rules', async () => {
    const rules = Array.from({ length: 50 }, (_, n) => ({ id: `r${n}`, rule: rule(n % 2 ? yes : no) }));
    const runs = await Promise.all(Array.from({ length: 20 }, () => judge(rules, FACTS)));
    for (const run of runs) {
      expect(run.ok && run.value.size).toBe(50);
      for (const [id, { matched }] of run.ok ? run.value : []) expect(matched).toBe(Number(id.slice(1)) % 2 === 1);
    }
  });

  const large = (operator: Operator, value: Json): Rule =>
    rule({ any: [0, 1].map(() => ({ any: Array.from({ length: 64 }, () => when(operator, value)) })) });

  it.each<[Operator, Json, number]>([
    ['inCidr', ['10.0.0.0/8', 'fc00::/7'], 1],
    ['contains', 'x', 2],
    ['doesNotContain', '203.0.113.7', 2],
  ])('%s walks a list as often for 1,280 conditions as for one', async (operator, value, walks) => {
    let reads = 0;
    const list = new Proxy(Array<Json>(20_000).fill('203.0.113.7'), {
      get: (target, key, receiver) => {
        if (key === '19999') reads++;
        return Reflect.get(target, key, receiver);
      },
    });
    const rules = Array.from({ length: 10 }, (_, n) => ({ id: `r${n}`, rule: large(operator, value) }));
    const results = await judge(rules, { event: { x: list } });
    expect(results.ok && [...results.value.values()].map(outcomeOf)).toEqual(Array(10).fill('false'));
    expect(reads).toBe(walks);
  });

  /** How often others got their turn while something went on. */
  const turnsDuring = async (work: () => Promise<unknown>): Promise<number> => {
    let turns = 0;
    let next = setImmediate(function count() {
      turns++;
      next = setImmediate(count);
    });
    await work();
    clearImmediate(next);
    return turns;
  };

  it.each<[string, number, Rule, number]>([
    ['a few small rules', 30, rule(yes), 0],
    ['as many small ones as an org has', 1_000, rule(yes), 1],
    ['small ones that are ruled out', 1_000, rule(no), 1],
    ['four of the largest size', 4, large('notEqual', 'a'), 0],
    ['thirteen of the largest size', 13, large('notEqual', 'a'), 3],
  ])('%s: %i of them give others their turn', async (_, count, one, turns) => {
    const rules = Array.from({ length: count }, (_, n) => ({ id: `r${n}`, rule: one }));
    expect(await turnsDuring(() => judge(rules, FACTS))).toBe(turns);
  });
});
