import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  BATCHED,
  BINARY,
  CLOUDEVENT,
  FALCO,
  JSON_TYPE,
  OCSF,
  PLAIN,
  STRUCTURED,
  take,
} from '../../test/samples/intake.ts';
import type { Json } from '../base/json.ts';

/** Planted in every value and key that is changed. It must never come back in a fault. */
const CANARY = 'CANARY';

const hostileValue = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0.5, 1e308, '', CANARY, `${CANARY}\n`, [], {}, [CANARY], {
    [CANARY]: CANARY,
  }),
  fc.string({ unit: 'binary' }).map((text) => CANARY + text),
  fc.jsonValue({ maxDepth: 3 }).map((value) => ({ [CANARY]: value })),
  fc.integer({ min: 1, max: 200 }).map((levels) => nest(levels)),
);
const nest = (levels: number): unknown => {
  let value: unknown = CANARY;
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { [CANARY]: value };
  return value;
};

type Path = readonly string[];
const pathsOf = (value: unknown): Path[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, child]) => [[key], ...pathsOf(child).map((path) => [key, ...path])])
    : [];

type Change = { readonly kind: 'replace' | 'remove' | 'rename' | 'add'; readonly value: unknown };

/** A copy with the field at `path` changed. The key made by `rename` and `add` is the canary. */
const change = (node: unknown, [key = '', ...rest]: Path, what: Change): unknown => {
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).flatMap(([name, child]): [string, unknown][] => {
    if (name !== key) return [[name, child]];
    if (rest.length > 0) return [[name, change(child, rest, what)]];
    if (what.kind === 'remove') return [];
    if (what.kind === 'rename') return [[CANARY, child]];
    return what.kind === 'add'
      ? [
          [name, child],
          [CANARY, what.value],
        ]
      : [[name, what.value]];
  });
  return Array.isArray(node) ? entries.map(([, child]) => child) : Object.fromEntries(entries);
};

const sample = fc.constantFrom<Json>(
  OCSF,
  FALCO,
  CLOUDEVENT,
  PLAIN,
  { ...PLAIN, data: FALCO },
  { ...PLAIN, data: OCSF },
);
const mutated = sample.chain((original) =>
  fc
    .array(
      fc.record({
        path: fc.constantFrom(...pathsOf(original)),
        what: fc.record({
          kind: fc.constantFrom('replace' as const, 'remove' as const, 'rename' as const, 'add' as const),
          value: hostileValue,
        }),
      }),
      { minLength: 1, maxLength: 3 },
    )
    .map((changes) => changes.reduce<unknown>((value, { path, what }) => change(value, path, what), original)),
);
const contentType = fc.constantFrom(null, JSON_TYPE, STRUCTURED, BATCHED, `${STRUCTURED}; charset=utf-8`, CANARY);
const headers = fc.oneof(
  fc.constant({}),
  fc.constant(BINARY),
  fc.dictionary(
    fc.constantFrom(...Object.keys(BINARY), 'ce-time', 'ce-tenantid', `ce-${CANARY}`, 'ce-canary', 'traceparent'),
    fc.oneof(fc.constantFrom('1.0', CANARY, `%${CANARY}`, `"${CANARY}`), fc.string()),
  ),
);

const check = (events: ReturnType<typeof take>, tally: { taken: number; refused: number }) => {
  if (!events.ok) {
    tally.refused++;
    expect(JSON.stringify(events.error).toUpperCase()).not.toContain(CANARY);
    expect(events.error.text).not.toBe('');
    return;
  }
  tally.taken++;
  expect(events.value.length).toBeGreaterThan(0);
  for (const event of events.value) {
    for (const field of [event.source, event.sourceId, event.type]) expect(field).toMatch(/^\P{Cc}+$/u);
    expect(event.time === null || (Number.isInteger(event.time) && event.time >= 0)).toBe(true);
    expect(typeof event.data === 'object' && event.data !== null && !Array.isArray(event.data)).toBe(true);
  }
};

it('a changed sample is taken or refused, never thrown at, never repeated', () => {
  const tally = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(mutated, contentType, headers, fc.boolean(), (body, type, sent, inBatch) => {
      check(take({ contentType: type, headers: sent, body: inBatch ? [body, CLOUDEVENT] : body }), tally);
    }),
    { numRuns: 3_000 },
  );
  // Both ends must be reached, or the property is empty.
  expect(tally.taken).toBeGreaterThan(100);
  expect(tally.refused).toBeGreaterThan(100);
});

it('any bytes, any JSON, any headers', () => {
  const tally = { taken: 0, refused: 0 };
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ unit: 'binary' }),
    fc.json({ maxDepth: 4 }),
    hostileValue.map((value) => JSON.stringify(value)),
  );
  const anyHeaders = fc.oneof(headers, fc.dictionary(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })));
  fc.assert(
    fc.property(fc.oneof(contentType, fc.string()), anyHeaders, body, (type, sent, bytes) => {
      check(take({ contentType: type, headers: sent, body: bytes }), tally);
    }),
    { numRuns: 3_000 },
  );
  expect(tally.refused).toBeGreaterThan(1_000);
});
