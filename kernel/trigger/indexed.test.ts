import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { takenOne } from '../../test/samples/intake.ts';
import type { Json } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { evaluateActive, evaluateTriggers, factsOf } from './evaluate.ts';
import type { NormalEvent } from './event.ts';
import { type ActiveTrigger, openActiveTriggers } from './indexed.ts';

/** Rules are taken as they are: some are such as no schema lets in, but an older kernel may have stored. */
const active = (playbook: string, id: string, where: unknown): ActiveTrigger => ({
  playbook,
  digest: 'sha256:0',
  trigger: { id, on: 'event', where, requires: id.endsWith('r') ? ['/needed'] : undefined } as never,
});

const eventOf = (data: unknown): NormalEvent => ({ ...takenOne({ body: CLOUDEVENT }), data: data as never });
const CLOUDEVENT = { specversion: '1.0', id: 'e1', source: '/sensor', type: 'seen', data: {} };

const equal = (path: string, value: Json, fact = 'event') => ({ fact, path, operator: 'equal', value });
const more = (path: string, value: number) => ({ fact: 'event', path, operator: 'greaterThan', value });

const namesOf = (triggers: readonly ActiveTrigger[]): string[] =>
  triggers.map(({ playbook, trigger }) => `${playbook}/${trigger.id}`);

const openWith = (...groups: readonly (readonly [string, readonly unknown[]])[]) => {
  const triggers = openActiveTriggers();
  triggers.put(groups.map(([name, rules]) => [name, rules.map((rule, n) => active(name, `t${n}`, rule))] as const));
  return triggers;
};

const candidatesOf = async (triggers: ReturnType<typeof openWith>, data: unknown): Promise<string[]> =>
  namesOf(await triggers.candidates(factsOf(eventOf(data))));

describe('which triggers are asked about an event', () => {
  const HOSTILE = JSON.parse('{"a":1,"b":[7,{"c":"x"}],"s":"1","n":null,"":5,"a/b":6,"constructor":1}');

  it.each<[string, unknown, boolean]>([
    ['a value that is there', equal('/a', 1), true],
    ['another value', equal('/a', 2), false],
    ['the same digits as text', equal('/a', '1'), false],
    ['a value that is missing', equal('/gone', 1), false],
    ['a missing value that is null elsewhere', equal('/gone', null), false],
    ['null', equal('/n', null), true],
    ['a list', equal('/b', 7), false],
    ['a place in a list', equal('/b/0', 7), true],
    ['a field of an item', equal('/b/1/c', 'x'), true],
    ['a place that is written in another way', equal('/b/00', 7), false],
    ['length of a list', equal('/b/length', 2), false],
    ['an empty name', equal('/', 5), true],
    ['a name with a slash', equal('/a~1b', 6), true],
    ['a name that every object has, and the event too', equal('/constructor', 1), true],
    ['a name that every object has', equal('/toString', 1), false],
    ['a prototype', equal('/__proto__/a', 1), false],
    ['the envelope', equal('/source', '/sensor', 'envelope'), true],
    ['another source', equal('/source', '/other', 'envelope'), false],
    ['one of a list', { fact: 'event', path: '/a', operator: 'in', value: [3, 2, 1, 1] }, true],
    ['none of a list', { fact: 'event', path: '/a', operator: 'in', value: [3, '1'] }, false],
    [
      'one of a list that is too long to be kept',
      { fact: 'event', path: '/a', operator: 'in', value: upTo(900) },
      true,
    ],
    ['none of such a list', { fact: 'event', path: '/a', operator: 'in', value: upTo(900).map((n) => n + 5) }, false],
    ['all: one is not there', { all: [equal('/a', 1), equal('/s', '2')] }, false],
    ['all in all', { all: [{ all: [equal('/a', 1), { all: [equal('/s', '2')] }] }] }, false],
    ['all: only the rest is false', { all: [equal('/a', 1), more('/a', 9)] }, true],
    ['any: one is there', { any: [equal('/a', 9), equal('/s', '1')] }, true],
    ['any: none is there', { any: [equal('/a', 9), equal('/s', '9')] }, false],
    ['any of one place', { any: [equal('/a', 9), equal('/a', 1)] }, true],
    ['any, of which one needs nothing', { any: [equal('/a', 9), more('/a', 9)] }, true],
    ['any of alls', { any: [{ all: [equal('/a', 1), equal('/s', '9')] }, { all: [equal('/n', 1)] }] }, false],
    ['any in all in any', { any: [{ all: [{ any: [equal('/a', 1), equal('/a', 2)] }, more('/a', 0)] }] }, true],
    ['not', { not: equal('/a', 1) }, true],
    ['not equal', { ...equal('/a', 1), operator: 'notEqual' }, true],
    ['a comparison', more('/a', 9), true],
    ['more needs than are kept', { all: upTo(20).map((n) => equal('/a', n < 12 ? 1 : 2)) }, true],
    ['a longer path than is kept', equal('/a/b/c/d/e/f/g/h', 1), true],
    ['a fact that is not of the event', { all: [equal('/a', 1), equal('/state', 'new', 'incident')] }, true],
    ['an operator that there is not', { all: [equal('/a', 2), { ...equal('/a', 1), operator: 'nope' }] }, true],
    ['a rule that is no rule', { all: [equal('/a', 2), {}] }, true],
  ])('%s', async (_, rule, expected) => {
    expect(await candidatesOf(openWith(['one', [rule]]), HOSTILE)).toEqual(expected ? ['one/t0'] : []);
  });

  it('in the order of their playbooks, and in a playbook as it has them', async () => {
    const rules = [equal('/a', 1), more('/a', 0), equal('/a', 1)];
    const expected = ['a/t0', 'a/t1', 'a/t2', 'b/t0', 'b/t1', 'b/t2'];
    const triggers = openWith(['b', rules], ['a', rules]);
    expect(await candidatesOf(triggers, { a: 1 })).toEqual(expected);
    expect(namesOf(triggers.all())).toEqual(expected);
  });

  it('those of the version that was put last, and nothing stays of the others', async () => {
    const triggers = openWith(['one', [equal('/a', 1), equal('/x/y', 1), more('/a', 0)]], ['two', [equal('/a', 1)]]);
    const revision = triggers.revision();
    triggers.put([['one', [active('one', 'now', equal('/a', 2))]]]);
    expect(await candidatesOf(triggers, { a: 1, x: { y: 1 } })).toEqual(['two/t0']);
    expect(await candidatesOf(triggers, { a: 2 })).toEqual(['one/now']);
    expect([triggers.size(), triggers.of('one').length, triggers.of('none').length]).toEqual([2, 1, 0]);
    expect(triggers.revision()).not.toBe(revision);
  });
});

/** Few values and places, so that needs are often met, alone and together. */
const scalar = fc.constantFrom<Json>(1, 1, 1, 0, -0, 2, '1', 'x', true, null);
const data = fc.record(
  {
    a: scalar,
    b: fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.record({ c: scalar, a: scalar }, { requiredKeys: [] })),
    constructor: scalar,
    needed: scalar,
  },
  { requiredKeys: ['a', 'b'] },
);
const path = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('/a', '/b') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('', '/b/c', '/b/0', '/b/1', '/constructor', '/valueOf', '/__proto__', '/gone'),
  },
);
const at = { fact: fc.constantFrom('event', 'event', 'event', 'envelope'), path };
const condition = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ ...at, operator: fc.constantFrom('equal', 'notEqual', 'contains'), value: scalar }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      ...at,
      operator: fc.constantFrom('in', 'notIn'),
      value: fc.oneof(fc.array(scalar, { minLength: 1, maxLength: 4 }), fc.constant(['x', ...upTo(70)])),
    }),
  },
  { weight: 3, arbitrary: fc.record({ ...at, operator: fc.constant('greaterThan'), value: fc.constantFrom(0, 1) }) },
  { weight: 1, arbitrary: fc.record({ ...at, operator: fc.constant('nope'), value: scalar }) },
);
const rule = fc.letrec<{ rule: unknown }>((tie) => ({
  rule: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    condition,
    fc.record({ all: fc.array(tie('rule'), { minLength: 1, maxLength: 4 }) }),
    fc.record({ any: fc.array(tie('rule'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ not: tie('rule') }),
  ),
})).rule;
/** What is put one after the other: some playbooks several times. */
const puts = fc.array(
  fc.tuple(fc.constantFrom('p1', 'p2', 'p3', 'p4', 'p5'), fc.array(rule, { maxLength: 14, size: 'large' })),
  {
    maxLength: 9,
    size: 'large',
  },
);

describe('with the index comes out what comes out without it', () => {
  const tally: Record<string, number> = {
    matched: 0,
    not_matched: 0,
    missing_fields: 0,
    error: 0,
    ruledOut: 0,
  };

  it('for any triggers, in whatever order they were put, and any event', async () => {
    await fc.assert(
      fc.asyncProperty(puts, data, async (changes, body) => {
        const triggers = openActiveTriggers();
        const last = new Map<string, readonly ActiveTrigger[]>();
        for (const [name, rules] of changes) {
          const list = rules.map((where, n) => active(name, n % 2 === 1 ? `t${n}r` : `t${n}`, where));
          triggers.put([[name, list]]);
          last.set(name, list);
        }
        const everyone = [...last].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, list]) => list);
        const event = eventOf(body);
        const expected = await evaluateTriggers(everyone, event);
        const asked = new Set(await triggers.candidates(factsOf(event)));
        for (const [n, one] of everyone.entries())
          if (!asked.has(one)) expect(expected[n]?.outcome).toBe('not_matched');

        expect(triggers.size()).toBe(everyone.length);
        expect(triggers.all()).toEqual(everyone);
        for (const { outcome } of expected) tally[outcome] = (tally[outcome] ?? 0) + 1;
        tally.ruledOut = (tally.ruledOut ?? 0) + everyone.length - asked.size;

        // The same set, put at once in another order, asks the same triggers: nothing depends on how it is kept.
        const again = openActiveTriggers();
        again.put([...last].reverse());
        expect(await again.candidates(factsOf(event))).toEqual(await triggers.candidates(factsOf(event)));
      }),
      { numRuns: 120 },
    );
    // The generator must reach everything, or the property is empty.
    for (const [what, count] of Object.entries(tally)) expect({ what, seen: count > 0 }).toEqual({ what, seen: true });
  });
});

describe('of an org are judged', () => {
  const told = LIMITS.triggersTold.value;
  const outcomesOf = async (count: number) => {
    const triggers = openWith(...groups(count, (n) => (n % 2 ? equal('/a', 1) : more('/a', n % 4))));
    const {
      evaluations,
      counts,
      triggers: judged,
    } = await evaluateActive(triggers, eventOf({ a: 2 }), () => undefined);
    expect(judged.map(({ trigger }) => trigger.id)).toEqual(evaluations.map(({ trigger }) => trigger));
    return { counts, matched: evaluations.filter(({ outcome }) => outcome === 'matched').length };
  };

  it('all, where there are few', async () => {
    const counts = { judged: told, notMatched: told - told / 4, ruledOut: 0 };
    expect(await outcomesOf(told)).toEqual({ counts, matched: told / 4 });
  });

  it('those whose needs are met, where there are more', async () => {
    const counts = { judged: told, notMatched: told / 2, ruledOut: told };
    expect(await outcomesOf(2 * told)).toEqual({ counts, matched: told / 2 });
  });

  it('of other kinds than events: also those that need what the event has not', async () => {
    const triggers = openActiveTriggers();
    const { trigger, ...of } = active('one', 't', equal('/a', 1));
    triggers.put([['one', [{ ...of, trigger: { ...trigger, on: 'condition' } as never }]]]);
    expect(await candidatesOf(triggers, { a: 2 })).toEqual(['one/t']);
  });
});

describe('what an event costs does not grow with the triggers that it cannot fire', () => {
  /** How many names and values are looked at; a proxy counts. */
  const looksAt = async (triggers: ReturnType<typeof openWith>, body: object): Promise<number> => {
    let looks = 0;
    const counted = new Proxy(body, {
      getOwnPropertyDescriptor: (target, key) => {
        looks++;
        return Reflect.getOwnPropertyDescriptor(target, key);
      },
    });
    await triggers.candidates({ event: counted as Json, envelope: {} });
    return looks;
  };

  it('10,000 that ask for other values of a field', async () => {
    const few = openWith(...groups(10, (n) => equal('/a', n)));
    const many = openWith(...groups(10_000, (n) => equal('/a', n)));
    expect(await looksAt(many, { a: -1 })).toBe(await looksAt(few, { a: -1 }));
  });

  it('10,000 that ask for fields which a small event does not have', async () => {
    const many = openWith(...groups(10_000, (n) => equal(`/f${n}`, 1)));
    expect(await looksAt(many, { a: 1, b: 2 })).toBeLessThan(10);
  });

  it('a large event, of which no trigger asks for a field', async () => {
    const large = Object.fromEntries(upTo(5_000).map((n) => [`f${n}`, n]));
    expect(await looksAt(openWith(...groups(10, (n) => equal(`/x${n}`, 1))), large)).toBeLessThan(20);
  });

  it('many under one popular value: each is kept under one that few others ask for', async () => {
    const triggers = openWith(
      ...groups(10_000, (n) => ({ all: [equal('/class', 2004), equal('/source', n % 1_000), equal('/kind', n % 3)] })),
    );
    // Ten have this source, of which each is looked at for class and kind, found or not.
    expect(await looksAt(triggers, { class: 2004, source: 17, kind: 1 })).toBeLessThan(50);
    expect(await candidatesOf(triggers, { class: 2004, source: 17, kind: 2 })).toHaveLength(4);
  });
});

/** Numbers from 0. */
function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

/** So many triggers, sixteen in a playbook. */
const groups = (count: number, ruleOf: (n: number) => unknown): [string, unknown[]][] =>
  upTo(Math.ceil(count / 16)).map((p) => [`p${p}`, upTo(Math.min(16, count - p * 16)).map((k) => ruleOf(p * 16 + k))]);
