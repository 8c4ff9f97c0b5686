import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ADMISSION } from './admission-policy.ts';
import { admit } from './admit.ts';
import { exported, HEADER, moduleOf, section, TYPE_I32, text, vector } from './wasm-fixture.ts';
import { concat, u32Bytes } from './wasm-writer.ts';

const CAP = ADMISSION.memoryPagesMax;
const imported = (module: string, name: string, kind: number, ...rest: number[]) => [
  ...text(module),
  ...text(name),
  kind,
  ...rest,
];
const ALLOC = [0x60, 1, 0x7e, 1, 0x7e];
/** Functions move up by one for each import. */
const shifted = vector(exported('memory', 2, 0), exported('execute', 0, 1), exported('describe', 0, 2));
const types = vector(TYPE_I32, ALLOC);

describe('admits', () => {
  it('a minimal module, and says what is in it', () => {
    const admitted = admit(moduleOf());
    expect(admitted).toMatchObject({
      ok: true,
      value: {
        report: {
          imports: [],
          memory: { pagesMin: 1, pagesMax: CAP },
          tables: [],
          functions: 2,
          largestBodyBytes: 4,
          startFunction: false,
          restorable: true,
        },
      },
    });
  });

  it.each([
    ['no maximum', [0, 1], CAP],
    ['a maximum over the cap', [1, 1, ...u32Bytes(65_536)], CAP],
    ['a maximum under the cap', [1, 1, 7], 7],
  ])('a memory with %s, clamped', (_, limits, pagesMax) => {
    const admitted = admit(moduleOf({ 5: vector(limits) }));
    expect(admitted).toMatchObject({ ok: true, value: { report: { memory: { pagesMin: 1, pagesMax } } } });
    // What runs keeps the clamp: read back from the rewritten bytes, and accepted by the engine.
    if (!admitted.ok) return;
    expect(admit(admitted.value.wasm)).toMatchObject({ ok: true, value: { report: { memory: { pagesMax } } } });
    expect(WebAssembly.validate(admitted.value.wasm as Uint8Array<ArrayBuffer>)).toBe(true);
  });

  it('tables, clamped', () => {
    const admitted = admit(moduleOf({ 4: vector([0x70, 0, 3], [0x70, 1, 3, 5]) }));
    expect(admitted).toMatchObject({
      ok: true,
      value: { report: { tables: [{ entriesMax: ADMISSION.tableEntriesMax }, { entriesMax: 5 }] } },
    });
  });

  it('granted imports with their granted signature', () => {
    const wasm = moduleOf({ 1: types, 2: vector(imported('extism:host/env', 'alloc', 0, 1)), 7: shifted });
    expect(admit(wasm)).toMatchObject({ ok: true, value: { report: { imports: ['extism:host/env.alloc'] } } });
  });

  it('custom sections, which it takes out of what runs', () => {
    const original = concat([moduleOf(), section(0, [...text('interlock:manifest'), 1, 2, 3])]);
    const admitted = admit(original);
    expect(admitted).toMatchObject({
      ok: true,
      value: {
        wasm: moduleOf({ 5: vector([1, 1, ...u32Bytes(CAP)]) }),
        report: { customSections: [{ name: 'interlock:manifest' }] },
      },
    });
  });

  it('a start function, flagged', () => {
    const admitted = admit(
      moduleOf({
        1: vector(TYPE_I32, [0x60, 0, 0]),
        3: vector([0], [0], [1]),
        8: [2],
        10: vector([4, 0, 0x41, 0, 0x0b], [4, 0, 0x41, 0, 0x0b], [2, 0, 0x0b]),
      }),
    );
    expect(admitted).toMatchObject({ ok: true, value: { report: { startFunction: true } } });
  });

  it('numeric globals, and tells whether all changeable state can be seen', () => {
    const globals = vector([0x7f, 1, 0x41, 0, 0x0b], [0x7e, 0, 0x42, 0, 0x0b]);
    const seen = vector(
      exported('memory', 2, 0),
      exported('execute', 0, 0),
      exported('describe', 0, 1),
      exported('g', 3, 0),
    );
    expect(admit(moduleOf({ 6: globals }))).toMatchObject({ ok: true, value: { report: { restorable: false } } });
    expect(admit(moduleOf({ 6: globals, 7: seen }))).toMatchObject({
      ok: true,
      value: { report: { restorable: true } },
    });
  });
});

describe('refuses', () => {
  const I32_TO_NOTHING = [0x60, 1, 0x7f, 0];
  it.each<[string, Uint8Array, string, RegExp]>([
    ['another file', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46), 'not_wasm', /not a WebAssembly core module/],
    ['an empty file', new Uint8Array(0), 'not_wasm', /not a WebAssembly/],
    ['a component', Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0), 'component', /core module/],
    ['8 MiB and a byte', concat([HEADER, new Uint8Array(8 << 20)]), 'too_large', /8388608/],
    ['a module that breaks off', moduleOf().subarray(0, -3), 'malformed', /truncated/],
    [
      'a section length that lies',
      concat([moduleOf(), Uint8Array.of(11, 0xff, 0xff, 0xff, 0x0f)]),
      'malformed',
      /truncated/,
    ],
    [
      'a length of six bytes',
      concat([HEADER, Uint8Array.of(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0)]),
      'malformed',
      /LEB128/,
    ],
    ['a length of 33 bits', concat([HEADER, Uint8Array.of(1, 0xff, 0xff, 0xff, 0xff, 0x1f)]), 'malformed', /LEB128/],
    ['left-over bytes in a section', moduleOf({ 3: [...vector([0], [0]), 0] }), 'malformed', /left over/],
    ['a section twice', concat([moduleOf(), section(10, vector())]), 'malformed', /twice/],
    ['sections out of order', concat([HEADER, section(3, vector()), section(1, vector())]), 'malformed', /order/],
    ['a tag section', concat([HEADER, section(13, vector([0, 0]))]), 'section_refused', /13/],
    ['an unknown section', concat([HEADER, section(77, [])]), 'section_refused', /77/],
    ['a garbage-collected type', moduleOf({ 1: vector([0x5f, 0]) }), 'type_refused', /function type/],
    ['a reference in a signature', moduleOf({ 1: vector([0x60, 1, 0x6f, 0]) }), 'type_refused', /reference/],
    [
      'an imported memory',
      moduleOf({ 2: vector(imported('env', 'memory', 2, 0, 1)) }),
      'import_refused',
      /not a function/,
    ],
    [
      'an imported table',
      moduleOf({ 2: vector(imported('env', 't', 1, 0x70, 0, 1)) }),
      'import_refused',
      /not a function/,
    ],
    [
      'an imported global',
      moduleOf({ 2: vector(imported('env', 'g', 3, 0x7f, 0)) }),
      'import_refused',
      /not a function/,
    ],
    [
      'a function of WASI that reaches out of the call',
      moduleOf({ 2: vector(imported('wasi_snapshot_preview1', 'fd_read', 0, 0)) }),
      'import_refused',
      /fd_read is not granted.*no files, sockets, sleep or signals/,
    ],
    [
      'a granted function of WASI with another signature',
      moduleOf({ 2: vector(imported('wasi_snapshot_preview1', 'fd_write', 0, 0)) }),
      'import_refused',
      /another signature than \(i32 i32 i32 i32\)/,
    ],
    [
      'another WASI',
      moduleOf({ 2: vector(imported('wasi_unstable', 'fd_write', 0, 0)) }),
      'import_refused',
      /wasi_snapshot_preview1/,
    ],
    [
      'the HTTP client of Extism',
      moduleOf({ 2: vector(imported('extism:host/env', 'http_request', 0, 0)) }),
      'import_refused',
      /interlock:host\/v1\.http/,
    ],
    [
      'a granted name from another module',
      moduleOf({ 1: types, 2: vector(imported('env', 'alloc', 0, 1)), 7: shifted }),
      'import_refused',
      /env\.alloc is not granted/,
    ],
    [
      'a granted name with another signature',
      moduleOf({
        1: vector(TYPE_I32, I32_TO_NOTHING),
        2: vector(imported('extism:host/env', 'alloc', 0, 1)),
        7: shifted,
      }),
      'import_refused',
      /another signature/,
    ],
    ['an import name that is not UTF-8', moduleOf({ 2: vector([1, 0xff, ...text('x'), 0, 0]) }), 'malformed', /UTF-8/],
    ['too many imports', moduleOf({ 2: u32Bytes(65) }), 'too_large', /65 imports/],
    [
      'no memory',
      moduleOf({ 5: null, 7: vector(exported('execute', 0, 0), exported('describe', 0, 1)) }),
      'memory_refused',
      /no memory/,
    ],
    ['two memories', moduleOf({ 5: vector([0, 1], [0, 1]) }), 'memory_refused', /2 memories/],
    ['a shared memory', moduleOf({ 5: vector([3, 1, 2]) }), 'memory_refused', /shared/],
    ['a 64-bit memory', moduleOf({ 5: vector([4, 1]) }), 'memory_refused', /64-bit/],
    [
      'a memory that begins over the cap',
      moduleOf({ 5: vector([0, ...u32Bytes(CAP + 1)]) }),
      'memory_refused',
      /begins with/,
    ],
    [
      'a memory with its maximum under its minimum',
      moduleOf({ 5: vector([1, 2, 1]) }),
      'malformed',
      /under its minimum/,
    ],
    [
      'a memory with a maximum that no engine takes',
      moduleOf({ 5: vector([1, 1, ...u32Bytes(65_537)]) }),
      'malformed',
      /over 4 GiB/,
    ],
    ['a table of references', moduleOf({ 4: vector([0x6f, 0, 1]) }), 'table_refused', /functions/],
    ['a shared table', moduleOf({ 4: vector([0x70, 2, 1]) }), 'table_refused', /shared/],
    [
      'a table that begins too large',
      moduleOf({ 4: vector([0x70, 0, ...u32Bytes(10_001)]) }),
      'table_refused',
      /10001/,
    ],
    ['five tables', moduleOf({ 4: vector(...Array.from({ length: 5 }, () => [0x70, 0, 1])) }), 'too_large', /5 tables/],
    [
      'a global that holds a reference',
      moduleOf({ 6: vector([0x70, 0, 0xd0, 0x70, 0x0b]) }),
      'global_refused',
      /reference/,
    ],
    [
      'a global that begins with a function',
      moduleOf({ 6: vector([0x7f, 0, 0xd2, 0, 0x0b]) }),
      'global_refused',
      /number/,
    ],
    [
      'a million custom sections',
      concat([moduleOf(), new Uint8Array(3_000_000).map((_, i) => (i % 3 === 1 ? 1 : 0))]),
      'too_large',
      /256 custom/,
    ],
    ['200 000 functions', moduleOf({ 3: u32Bytes(200_000) }), 'too_large', /200000 functions/],
    ['a function of 7 MB', moduleOf({ 10: [2, ...u32Bytes(7_000_000)] }), 'too_large', /7000000 bytes/],
    ['more bodies than functions', moduleOf({ 3: vector([0]) }), 'malformed', /bodies/],
    ['5 MiB of data', moduleOf({ 11: Array(5 << 20).fill(0) }), 'too_large', /Static data/],
    ['no export section', moduleOf({ 7: null }), 'export_refused', /does not export a function execute/],
    [
      'execute that is a memory',
      moduleOf({ 7: vector(exported('execute', 2, 0), exported('describe', 0, 1)) }),
      'export_refused',
      /execute/,
    ],
    [
      'execute that takes an argument',
      moduleOf({ 1: vector([0x60, 1, 0x7f, 1, 0x7f]) }),
      'export_refused',
      /type \(\) -> \(i32\)/,
    ],
    [
      'no describe',
      moduleOf({ 7: vector(exported('memory', 2, 0), exported('execute', 0, 0)) }),
      'export_refused',
      /describe/,
    ],
    [
      'two exports of one name',
      moduleOf({ 7: vector(exported('execute', 0, 0), exported('execute', 0, 1)) }),
      'malformed',
      /Two exports/,
    ],
  ])('%s', (_, wasm, code, says) => {
    const admitted = admit(wasm);
    expect(admitted).toMatchObject({ ok: false, error: { code } });
    if (!admitted.ok) expect(admitted.error.text).toMatch(says);
  });

  it('names that cannot be printed without printing them', () => {
    const admitted = admit(moduleOf({ 2: vector(imported('env', '\u001b[31m\nsay', 0, 0)) }));
    expect(admitted).toMatchObject({ ok: false });
    if (!admitted.ok) expect(admitted.error.text).toMatch(/^[\x20-\x7e]*$/);
  });
});

describe('holds against any bytes', () => {
  const original = moduleOf({
    1: types,
    2: vector(imported('extism:host/env', 'alloc', 0, 1)),
    4: vector([0x70, 0, 3]),
    6: vector([0x7f, 1, 0x41, 0, 0x0b]),
    7: shifted,
    11: vector([0, 0x41, 0, 0x0b, 3, 1, 2, 3]),
  });

  it('is given a module that is admitted', () => {
    expect(admit(original)).toMatchObject({ ok: true });
  });

  it('never throws, and what it admits keeps the clamps', () => {
    const flip = fc.record({ at: fc.nat(original.length - 1), to: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(fc.array(flip, { maxLength: 4 }), fc.nat(original.length), fc.boolean(), (flips, end, cut) => {
        const bytes = Uint8Array.from(cut ? original.subarray(0, end) : original);
        for (const { at, to } of flips) if (at < bytes.length) bytes[at] = to;
        const admitted = admit(bytes);
        if (!admitted.ok) return admitted.error.text.length > 0;
        const again = admit(admitted.value.wasm);
        const { report } = admitted.value;
        return (
          again.ok &&
          again.value.report.admittedDigest === report.admittedDigest &&
          report.memory.pagesMax <= CAP &&
          report.tables.every((table) => table.entriesMax <= ADMISSION.tableEntriesMax) &&
          report.imports.every((name) => ADMISSION.imports.has(name))
        );
      }),
      { numRuns: 3_000 },
    );
  });

  it('agrees with the engine about memory, tables and imports of everything that both accept', () => {
    const flip = fc.record({
      at: fc.integer({ min: 8, max: original.length - 1 }),
      to: fc.integer({ min: 0, max: 255 }),
    });
    fc.assert(
      fc.property(fc.array(flip, { minLength: 1, maxLength: 3 }), (flips) => {
        const bytes = Uint8Array.from(original);
        for (const { at, to } of flips) bytes[at] = to;
        const admitted = admit(bytes);
        if (!admitted.ok || !WebAssembly.validate(admitted.value.wasm as Uint8Array<ArrayBuffer>)) return true;
        const compiled = new WebAssembly.Module(admitted.value.wasm as Uint8Array<ArrayBuffer>);
        const { report } = admitted.value;
        const imports = WebAssembly.Module.imports(compiled);
        return (
          imports.every((each) => each.kind === 'function') &&
          imports.map((each) => `${each.module}.${each.name}`).join() === report.imports.join() &&
          WebAssembly.Module.exports(compiled)
            .map((each) => each.name)
            .join() === report.exports.map((each) => each.name).join()
        );
      }),
      { numRuns: 2_000 },
    );
  });

  it('admits nothing of random bytes behind a good header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => !admit(concat([HEADER, tail])).ok),
      { numRuns: 2_000 },
    );
  });
});
