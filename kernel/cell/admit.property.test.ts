import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hostileModule } from '../../test/hostile/hostile-module.ts';
import { ADMISSION } from './admission-policy.ts';
import { admit } from './admit.ts';
import { exported, moduleOf, section, TYPE_I32, text, vector } from './wasm-fixture.ts';
import { concat, u32Bytes } from './wasm-writer.ts';

/**
 * Admission against the engine's own parser. Where both accept, they must have read the same: a module that is judged as
 * one thing and run as another is how a judge is got around.
 */
const ROOT = join(import.meta.dirname, '../..');
type Bytes = Uint8Array<ArrayBuffer>;

/** What the engine finds in a module. */
const imports = (module: WebAssembly.Module) =>
  WebAssembly.Module.imports(module).map(({ module: from, name, kind }) => `${kind} ${from}.${name}`);
const exports = (module: WebAssembly.Module) =>
  WebAssembly.Module.exports(module).map(({ name, kind }) => `${kind} ${name}`);

/** How far memory and tables really go: asked of an instance whose imports do nothing. */
function limitsOf(module: WebAssembly.Module) {
  const given: Record<string, Record<string, () => bigint | number>> = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module))
    given[from] = { ...given[from], [name]: () => 0 };
  let instance: WebAssembly.Instance;
  try {
    instance = new WebAssembly.Instance(module, given);
  } catch {
    // A segment out of bounds, or a start function that traps: nothing to ask.
    return undefined;
  }
  const parts = Object.values(instance.exports);
  return {
    memories: parts.filter((part) => part instanceof WebAssembly.Memory),
    tables: parts.filter((part) => part instanceof WebAssembly.Table),
  };
}

/** Throws where the two differ. @returns whether both accepted it. */
function compare(bytes: Bytes, limits: boolean): boolean {
  const admitted = admit(bytes);
  if (!admitted.ok) return false;
  const wasm = admitted.value.wasm as Bytes;
  const { report } = admitted.value;
  // The rewriting neither breaks a module nor mends one.
  if (WebAssembly.validate(bytes) !== WebAssembly.validate(wasm))
    throw new Error('valid before, or after, but not both');
  const again = admit(wasm);
  if (!again.ok || again.value.report.admittedDigest !== report.admittedDigest) throw new Error('not stable');
  if (report.memory.pagesMax > ADMISSION.memoryPagesMax) throw new Error('memory over the cap');
  if (report.tables.some(({ entriesMax }) => entriesMax > ADMISSION.tableEntriesMax))
    throw new Error('table over the cap');
  if (!WebAssembly.validate(wasm)) return false;
  const [before, after] = [new WebAssembly.Module(bytes), new WebAssembly.Module(wasm)];
  expect(imports(after)).toEqual(report.imports.map((name) => `function ${name}`));
  expect(exports(after)).toEqual(report.exports.map(({ name, kind }) => `${kind} ${name}`));
  expect([imports(before), exports(before)]).toEqual([imports(after), exports(after)]);
  expect(WebAssembly.Module.customSections(after, 'interlock:manifest')).toEqual([]);
  const found = limits ? limitsOf(after) : undefined;
  for (const memory of found?.memories ?? []) {
    const pages = memory.buffer.byteLength / 65_536;
    expect(pages).toBeGreaterThanOrEqual(report.memory.pagesMin);
    if (pages < report.memory.pagesMax) memory.grow(report.memory.pagesMax - pages);
    expect(() => memory.grow(1)).toThrow(RangeError);
  }
  for (const table of found?.tables ?? []) {
    const most = Math.max(...report.tables.map(({ entriesMax }) => entriesMax));
    expect(table.length).toBeLessThanOrEqual(most);
    expect(() => table.grow(most - table.length + 1)).toThrow(RangeError);
  }
  return true;
}

const HOST: readonly [name: string, type: number][] = [
  ['alloc', 1],
  ['free', 2],
  ['input_length', 3],
];
const TYPES = vector(TYPE_I32, [0x60, 1, 0x7e, 1, 0x7e], [0x60, 1, 0x7e, 0], [0x60, 0, 1, 0x7e], [0x60, 0, 0]);
/** A LEB128 number in more bytes than it needs, which is legal up to five. */
const padded = (value: number): number[] => [
  ...[0, 7, 14, 21].map((shift) => ((value >>> shift) & 0x7f) | 0x80),
  (value >>> 28) & 0x0f,
];

/** A value that is fine, and now and then one at a bound or beyond it. */
const often = <T>(fine: fc.Arbitrary<T>, ...odd: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 12, arbitrary: fine }, { weight: 1, arbitrary: fc.constantFrom(...odd) });

/** Small modules, right and wrong: any number of parts, sizes around each bound. */
const generated: fc.Arbitrary<Bytes> = fc
  .record({
    host: fc.subarray([...HOST]),
    min: often(fc.nat(3), ADMISSION.memoryPagesMax, ADMISSION.memoryPagesMax + 1, 65_536),
    max: fc.option(often(fc.integer({ min: 3, max: 8 }), 0, ADMISSION.memoryPagesMax, 65_536, 65_537, 0xffff_ffff)),
    tables: fc.array(
      fc.record({
        min: often(fc.nat(1), 10_000, 10_001),
        max: fc.option(often(fc.constantFrom(1, 10_000), 0, 20_000, 0xffff_ffff)),
      }),
      { maxLength: 5 },
    ),
    globals: fc.array(fc.tuple(often(fc.constantFrom(0x7f, 0x7e), 0x70), often(fc.nat(1), 2)), { maxLength: 3 }),
    start: fc.boolean(),
    wide: fc.boolean(),
    data: fc.array(fc.nat(255), { maxLength: 8 }),
    custom: fc.constantFrom('', 'name', 'producers', 'interlock:manifest'),
    names: fc.array(fc.string({ minLength: 1, maxLength: 6, unit: 'binary' }), { maxLength: 3 }),
  })
  .map(({ host, min, max, tables, globals, start, wide, data, custom, names }) => {
    const leb = wide ? padded : u32Bytes;
    const first = host.length;
    const limits = (lo: number, hi: number | null) => (hi === null ? [0, ...leb(lo)] : [1, ...leb(lo), ...leb(hi)]);
    const body = [4, 0, 0x41, 0, 0x0b];
    const module = moduleOf({
      1: TYPES,
      ...(first > 0 && {
        2: vector(...host.map(([name, type]) => [...text('extism:host/env'), ...text(name), 0, ...leb(type)])),
      }),
      3: vector([0], [0], [4]),
      ...(tables.length > 0 && { 4: vector(...tables.map((one) => [0x70, ...limits(one.min, one.max)])) }),
      5: vector(limits(min, max)),
      ...(globals.length > 0 && {
        6: vector(
          ...globals.map(([type, mutable]) => [type, mutable, ...(type === 0x7e ? [0x42, 0] : [0x41, 0]), 0x0b]),
        ),
      }),
      7: vector(
        exported('memory', 2, 0),
        exported('execute', 0, first),
        exported('describe', 0, first + 1),
        ...tables.map((_, at) => exported(`table${at}`, 1, at)),
        ...names.map((name) => exported(name, 0, first)),
      ),
      ...(start && { 8: leb(first + 2) }),
      10: vector(body, body, [2, 0, 0x0b]),
      ...(data.length > 0 && { 11: vector([0, 0x41, 0, 0x0b, ...leb(data.length), ...data]) }),
    });
    const whole = custom === '' ? module : concat([module, section(0, [...text(custom), 1, 2, 3])]);
    return Uint8Array.from(whole);
  });

/** One change of a byte, or of a stretch: taken out, doubled, moved. */
const change = fc.record({
  at: fc.nat(0x3fff_ffff),
  kind: fc.constantFrom('set', 'set', 'set', 'insert', 'remove', 'double', 'cut'),
  length: fc.integer({ min: 1, max: 12 }),
  byte: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0x00, 0x01, 0x7f, 0x80, 0xff, 0x60, 0x70)),
});
type Change = { at: number; kind: string; length: number; byte: number };

function changed(bytes: Bytes, changes: readonly Change[], within: number): Bytes {
  let now = bytes;
  for (const { at, kind, length, byte } of changes) {
    const place = 8 + (at % Math.max(1, Math.min(within, now.length) - 8));
    const [head, mid, tail] = [
      now.subarray(0, place),
      now.subarray(place, place + length),
      now.subarray(place + length),
    ];
    if (kind === 'set') now = concat([head, Uint8Array.of(byte), now.subarray(place + 1)]) as Bytes;
    else if (kind === 'insert') now = concat([head, Uint8Array.of(byte), now.subarray(place)]) as Bytes;
    else if (kind === 'remove') now = concat([head, tail]) as Bytes;
    else if (kind === 'double') now = concat([head, mid, mid, tail]) as Bytes;
    else now = head.slice();
  }
  return now;
}

describe('admission and the engine read the same', () => {
  test('of generated modules', () => {
    let both = 0;
    fc.assert(
      fc.property(generated, (bytes) => {
        both += compare(bytes, true) ? 1 : 0;
      }),
      { numRuns: 600 },
    );

    expect(both).toBeGreaterThan(20);
  });

  test('of generated modules that were changed', () => {
    let both = 0;
    const property = fc.property(generated, fc.array(change, { minLength: 1, maxLength: 3 }), (bytes, changes) => {
      both += compare(changed(bytes, changes, bytes.length), true) ? 1 : 0;
    });
    fc.assert(property, { numRuns: 6_000 });

    expect(both).toBeGreaterThan(20);
  });

  // Not instantiated: some of them begin by never ending.
  test('of the hostile modules, and of what they become by changes', async () => {
    const names = globSync('test/hostile/modules/*.wat', { cwd: ROOT }).map((file) => basename(file, '.wat'));
    expect(names.length).toBeGreaterThan(20);
    const modules = (await Promise.all(names.map(hostileModule))).map((wasm) => Uint8Array.from(wasm));
    for (const wasm of modules) compare(wasm, false);
    let both = 0;
    const property = fc.property(
      fc.constantFrom(...modules),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      (wasm, changes) => {
        both += compare(changed(wasm, changes, wasm.length), false) ? 1 : 0;
      },
    );
    fc.assert(property, { numRuns: 4_000 });

    expect(both).toBeGreaterThan(20);
  });

  // Changed in the sections that admission looks into, which all lie at the beginning.
  test('of the shipped plugins, and of what they become by changes', () => {
    const files = globSync('plugins/*/dist/plugin.wasm', { cwd: ROOT });
    expect(files.length).toBeGreaterThan(0);
    const modules = files.map((file) => Uint8Array.from(readFileSync(join(ROOT, file))));
    for (const wasm of modules) expect(compare(wasm, true)).toBe(true);
    const property = fc.property(
      fc.constantFrom(...modules),
      fc.array(change, { minLength: 1, maxLength: 2 }),
      (wasm, changes) => {
        compare(changed(wasm, changes, 4_000), false);
      },
    );
    fc.assert(property, { numRuns: 150 });
  });
});
