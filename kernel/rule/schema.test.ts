import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { BoundedRuleSchema, checkRule, measureRule, ruleOver } from './schema.ts';

const condition = { fact: 'event', path: '/a', operator: 'equal', value: 1 };
const nested = (levels: number): unknown => {
  let rule: unknown = condition;
  for (let level = 1; level < levels; level++) rule = { not: rule };
  return rule;
};
const wide = (conditions: number): unknown => {
  const groups = Math.ceil(conditions / 64);
  const sizes = Array.from({ length: groups }, (_, group) => Math.min(64, conditions - group * 64));
  return { any: sizes.map((size) => ({ all: Array.from({ length: size }, () => condition) })) };
};

describe('a rule is accepted', () => {
  it.each<[string, unknown]>([
    ['a condition alone', condition],
    ['without a path: the whole fact', { fact: 'org', operator: 'equal', value: 'acme' }],
    ['a step output', { fact: 'steps.lookup', path: '/score', operator: 'greaterThan', value: 70 }],
    ['null as value', { ...condition, value: null }],
    ['as deep as allowed', nested(LIMITS.ruleDepth.value)],
    ['as many conditions as allowed', wide(LIMITS.ruleConditions.value)],
    ['blocks', { fact: 'params', path: '/ip', operator: 'inCidr', value: ['10.0.0.0/8', 'fc00::/7'] }],
    ['a key with a slash', { ...condition, path: '/a~1b/c~0d' }],
  ])('%s', (_, rule) => {
    expect(checkRule(rule)).toMatchObject({ ok: true });
  });
});

describe('a rule is refused, and the issue says where and how', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['nothing', undefined, '', /required/],
    ['null', null, '', /expected/],
    ['a text', 'CANARY', '', /^expected an object of keys and values$/],
    ['two keys', { all: [condition], any: [condition] }, '', /does not belong/],
    ['an empty list', { all: [] }, '/all', /a length of at least 1$/],
    ['an unknown operator', { ...condition, operator: 'CANARY' }, '/operator', /equal, notEqual/],
    ['a decorated operator', { ...condition, operator: 'not:equal' }, '/operator', /equal, notEqual/],
    ['a missing value', { fact: 'event', operator: 'equal' }, '/value', /required/],
    ['a list for equal', { ...condition, value: ['CANARY'] }, '/value', /a text of at most/],
    ['a fact as value', { ...condition, value: { fact: 'CANARY' } }, '/value', /a text of at most/],
    ['a text to order', { ...condition, operator: 'lessThan', value: 'CANARY' }, '/value', /number/],
    ['infinity', { ...condition, operator: 'lessThan', value: Number.POSITIVE_INFINITY }, '/value', /expected/],
    ['a dotted path', { ...condition, path: '$.CANARY' }, '/path', /JSON Pointer/],
    ['a bad escape', { ...condition, path: '/CANARY~2' }, '/path', /JSON Pointer/],
    ['a fact name with capitals', { ...condition, fact: 'CANARY' }, '/fact', /fact name/],
    ['__proto__ as fact', { ...condition, fact: '__proto__' }, '/fact', /fact name/],
    ['a priority', { ...condition, priority: 1 }, '', /does not belong/],
    ['params', { ...condition, params: {} }, '', /does not belong/],
    ['a condition by name', { condition: 'CANARY' }, '/operator', /required/],
    ['bits behind a prefix', { ...condition, operator: 'inCidr', value: ['10.0.0.1/8'] }, '/value/0', /block such as/],
    ['an unknown key in the depth', { not: { all: [{ ...condition, CANARY: 1 }] } }, '/not/all/0', /does not belong/],
    ['one level too deep', nested(LIMITS.ruleDepth.value + 1), '', /at most 8 levels/],
    ['one condition too many', wide(LIMITS.ruleConditions.value + 1), '', /at most 128 conditions/],
    ['20 000 levels', nested(20_000), '', /at most 8 levels/],
    ['a million conditions', { all: Array(1_000_000).fill(condition) }, '', /at most 128 conditions/],
    ['a million empty lists', { all: Array(1_000_000).fill({ all: [] }) }, '', /at most 128 conditions/],
  ])('%s', (_, rule, pointer, text) => {
    const checked = checkRule(rule);
    expect(checked).toMatchObject({ ok: false });
    const issues = checked.ok ? [] : checked.error;
    expect(issues).toContainEqual({ pointer, text: expect.stringMatching(text) });
    expect(JSON.stringify(issues)).not.toContain('CANARY');
  });

  it('at most 16 issues at a time', () => {
    const checked = checkRule({ all: Array(60).fill({ fact: 'X', operator: 'equal', value: [] }) });
    expect(checked.ok ? 0 : checked.error.length).toBe(16);
  });
});

describe('size', () => {
  it('is measured on a value that refers to itself', () => {
    const loop: { not?: unknown } = {};
    loop.not = loop;
    expect(measureRule(loop)).toEqual({ ok: false, error: expect.stringMatching(/levels/) });
  });

  it('is kept by the schema that documents embed', () => {
    const Document = v.strictObject({ where: BoundedRuleSchema });
    expect(v.safeParse(Document, { where: nested(20_000) }).success).toBe(false);
    expect(v.safeParse(Document, { where: nested(3) }).success).toBe(true);
  });
});

describe('a rule over named facts', () => {
  const over = (rule: unknown) => v.safeParse(ruleOver(['event', 'envelope']), rule).success;

  it.each<[unknown, boolean]>([
    [condition, true],
    [{ any: [condition, { not: { ...condition, fact: 'envelope' } }] }, true],
    [{ ...condition, fact: 'evnt' }, false],
    [{ any: [condition, { not: { all: [{ ...condition, fact: 'plan' }] } }] }, false],
    [{ all: [] }, false],
    ['CANARY', false],
  ])('%j: %s', (rule, expected) => {
    expect(over(rule)).toBe(expected);
  });
});
