import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Json } from '../base/json.ts';
import { judge } from './judge.ts';
import { readRule } from './reading.ts';
import { checkRule } from './schema.ts';

/** Few of them, so that conditions often meet a value they can be compared with. */
const scalar = fc.constantFrom<Json>(null, true, 0, 1, 2, 0, 1, 2, '', '1', '10.0.0.1', 'fd00::1', '192.0.2.1');
const key = fc.constantFrom('a', 'b', '0', '~', '/');
const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: scalar },
    { weight: 2, arbitrary: fc.array(tie('value'), { maxLength: 3 }) },
    { weight: 1, arbitrary: fc.dictionary(key, tie('value'), { maxKeys: 3 }) },
  ),
})).value;
const fact = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ a: json, b: scalar, '0': fc.array(scalar, { maxLength: 3 }), '~': json, '/': json }),
  },
  { weight: 1, arbitrary: json },
);
const pointer = fc
  .oneof(
    { weight: 6, arbitrary: fc.constantFrom(['a'], ['b'], ['0'], ['0', '0'], ['~'], ['/'], []) },
    { weight: 1, arbitrary: fc.array(key, { maxLength: 3 }) },
  )
  .map((keys) => keys.map((k) => `/${k.replace('~', '~0').replace('/', '~1')}`).join(''));
const list = fc.array(scalar, { minLength: 1, maxLength: 3 });
const at = {
  fact: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom('event', 'envelope') },
    { weight: 1, arbitrary: fc.constant('gone') },
  ),
  path: pointer,
};
const condition = fc.oneof(
  fc.record({
    ...at,
    operator: fc.constantFrom('equal' as const, 'notEqual' as const, 'contains' as const, 'doesNotContain' as const),
    value: scalar,
  }),
  fc.record({ ...at, operator: fc.constantFrom('in' as const, 'notIn' as const), value: list }),
  fc.record({
    ...at,
    operator: fc.constantFrom('lessThan', 'lessThanInclusive', 'greaterThan', 'greaterThanInclusive'),
    value: fc.integer({ min: -1, max: 3 }),
  }),
  fc.record({ ...at, operator: fc.constant('inCidr'), value: fc.constantFrom(['10.0.0.0/8'], ['fc00::/7', '::/0']) }),
);
const tree = fc.letrec<{ rule: unknown }>((tie) => ({
  rule: fc.oneof(
    { depthSize: 'small', maxDepth: 5 },
    condition,
    fc.record({ all: fc.array(tie('rule'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ any: fc.array(tie('rule'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ not: tie('rule') }),
  ),
})).rule;

/** Kleene logic as numbers: 0 false, 1/2 undecided, 1 true; all = min, any = max, not = 1 - x. */
// biome-ignore lint/suspicious/noExplicitAny: an independent reader takes the rule as plain data.
const read = (node: any, facts: any): number => {
  if (node.all) return Math.min(...node.all.map((part: unknown) => read(part, facts)));
  if (node.any) return Math.max(...node.any.map((part: unknown) => read(part, facts)));
  if (node.not) return 1 - read(node.not, facts);
  let seen = Object.hasOwn(facts, node.fact) ? facts[node.fact] : undefined;
  for (const part of node.path.split('/').slice(1)) {
    const name = part.replace('~1', '/').replace('~0', '~');
    seen = seen !== null && typeof seen === 'object' && Object.hasOwn(seen, name) ? seen[name] : undefined;
  }
  if (seen === undefined) return 0.5;
  const isAtom = seen === null || typeof seen !== 'object';
  const fits = (value: unknown) => isAtom && (seen === null || value === null || typeof value === typeof seen);
  const number = (answer: () => boolean) => (typeof seen === 'number' ? answer() : undefined);
  const listed = (answer: (items: unknown[]) => boolean) =>
    Array.isArray(seen) && seen.every((item) => item === null || typeof item !== 'object') ? answer(seen) : undefined;
  const inside = (item: unknown): boolean => String(item).includes(node.value[0] === '10.0.0.0/8' ? '10.' : ':');
  const addresses = [seen].flat().every((item) => ['10.0.0.1', 'fd00::1', '192.0.2.1'].includes(item));
  const answers: Record<string, () => boolean | undefined> = {
    equal: () => (fits(node.value) ? seen === node.value : undefined),
    notEqual: () => (fits(node.value) ? seen !== node.value : undefined),
    in: () => (node.value.some(fits) ? node.value.includes(seen) : undefined),
    notIn: () => (node.value.some(fits) ? !node.value.includes(seen) : undefined),
    contains: () => listed((items) => items.includes(node.value)),
    doesNotContain: () => listed((items) => !items.includes(node.value)),
    lessThan: () => number(() => seen < node.value),
    lessThanInclusive: () => number(() => seen <= node.value),
    greaterThan: () => number(() => seen > node.value),
    greaterThanInclusive: () => number(() => seen >= node.value),
    inCidr: () => (addresses ? [seen].flat().some(inside) : undefined),
  };
  const answer = answers[node.operator]?.();
  return answer === undefined ? 0.5 : Number(answer);
};

it('the judge gives the same answers as a reader written apart from it', async () => {
  const tally = { true: 0, false: 0, undecided: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(tree, { minLength: 1, maxLength: 4 }), fact, fact, async (trees, event, envelope) => {
      const facts = { event, envelope };
      const named = trees.flatMap((input, index) => {
        const checked = checkRule(input);
        return checked.ok ? [{ id: `r${index}`, rule: checked.value }] : [];
      });
      expect(named).toHaveLength(trees.length);
      const results = await judge(named, facts);
      expect(results.ok).toBe(true);
      for (const { id, rule } of named) {
        const result = results.ok ? results.value.get(id) : undefined;
        const expected = { 0: 'false', 0.5: 'undecided', 1: 'true' }[read(rule, facts)] as keyof typeof tally;
        expect(result?.matched).toBe(expected === 'true');
        expect(result?.notEvaluable).toBe(expected === 'undecided');
        expect(readRule(rule, facts).truth).toBe(expected);
        expect(result?.why.length).toBeGreaterThan(0);
        tally[expected]++;
      }
    }),
    { numRuns: 600 },
  );
  // The generator must reach all three answers, or the property is empty.
  for (const count of Object.values(tally)) expect(count).toBeGreaterThan(50);
});
