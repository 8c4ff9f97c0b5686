import { ADMISSION } from '../../kernel/cell/admission-policy.ts';
import { admit } from '../../kernel/cell/admit.ts';
import { exported, HEADER, moduleOf, section, TYPE_I32, text, vector } from '../../kernel/cell/wasm-fixture.ts';
import { concat, sectionHeader, u32Bytes } from '../../kernel/cell/wasm-writer.ts';
import { end } from './calls.ts';
import { compiledHere } from './engine.ts';
import { all, type Held, type Row, told, verdict, without } from './row.ts';
import type { World } from './world.ts';

/** A: what a module is, before anything of it runs. */

const ADMIT = 'kernel/cell/admit.ts';
const COMMAND = 'kernel/adapter/extism/cell-command.ts';
const READER = 'kernel/cell/wasm-reader.ts';
const SECTIONS = 'kernel/cell/wasm-sections.ts';

/** A module, the code that it is refused with, and a part of what is said. */
type Shape = readonly [wasm: Uint8Array, code: string, says: RegExp];

const imported = (kind: number, ...rest: number[]) =>
  moduleOf({ 2: vector([...text('env'), ...text('x'), kind, ...rest]) });
const memory = (...limits: number[]) => moduleOf({ 5: vector(limits) });
const table = (...type: number[]) => moduleOf({ 4: vector(type) });
const typed = (...type: number[]) => moduleOf({ 1: vector(TYPE_I32, type) });
/** Sound but for their size. The first function of one has so many bytes; the other has so many functions. */
const BODY = [0, 0x41, 0, 0x0b];
const withLargeFunction = (bytes: number) => {
  const nops = new Uint8Array(bytes - BODY.length).fill(0x01);
  const [locals = 0, ...rest] = BODY;
  const code = concat([
    Uint8Array.of(2, ...u32Bytes(bytes), locals),
    nops,
    Uint8Array.from([...rest, BODY.length, ...BODY]),
  ]);
  return concat([moduleOf({ 10: null }), sectionHeader(10, code.length), code]);
};
const withFunctions = (count: number) => {
  const each = <T>(item: readonly T[]) => Array.from({ length: count }, () => item).flat();
  return moduleOf({
    3: [...u32Bytes(count), ...each([0])],
    10: [...u32Bytes(count), ...each([BODY.length, ...BODY])],
  });
};

const refused = ([wasm, code, says]: Shape): Held => {
  const admitted = admit(wasm);
  if (admitted.ok) return verdict(false, `admitted: ${code} was due`);
  const { error } = admitted;
  if (error.code !== code) return verdict(false, `${error.code}: ${code} was due`);
  return says.test(error.text) ? verdict(true, code) : verdict(false, `${code}, for another reason`);
};
/** Each is refused, in these words, and nothing of it meets the engine of this process. */
const refuses = (shapes: () => readonly Shape[]) => ({
  run: async () => {
    const seen: Held[] = [];
    const times = await compiledHere(async () => seen.push(...shapes().map(refused)));
    return all([...seen, verdict(times === 0, times === 0 ? 'nothing is compiled' : 'something is compiled')]);
  },
});

/** The module says itself whether its growth was ended, and the cell serves on. */
const capped = (module: string) => ({
  run: (world: World) => end(world, [{ module, kind: 'replied', is: '{"ok":true,"output":"capped"}', says: 'capped' }]),
});

export const ADMISSION_ROWS: readonly Row[] = [
  {
    id: 'A1',
    tries: '`memory.grow` without end',
    must: '-1 at the cap inside the guest; the cell lives',
    ...capped('memory-bomb'),
    faults: [
      // The engine of a cell has the same cap.
      [
        ...without(SECTIONS, 'const clamped = Math.min(max, policy.memoryPagesMax);', 'const clamped = 4_096;'),
        ...without(COMMAND, '--wasm-max-mem-pages=', '--wasm-max-mem-pages=8'),
      ],
    ],
  },
  {
    id: 'A2',
    tries: '`table.grow` without end',
    must: 'refused growth at the cap; no process dies',
    ...capped('table-bomb'),
    faults: [without(SECTIONS, 'const clamped = Math.min(max, policy.tableEntriesMax);', 'const clamped = 1_000_000;')],
  },
  {
    id: 'A3',
    tries: 'types that the garbage collector keeps: structs, arrays, groups, references in a function',
    must: 'admission refuses each',
    ...refuses(() => [
      [typed(0x5f, 1, 0x7f, 0), 'type_refused', /not a plain function type/],
      [typed(0x5e, 0x7f, 0), 'type_refused', /not a plain function type/],
      [typed(0x4e, 1, 0x60, 0, 0), 'type_refused', /not a plain function type/],
      [typed(0x50, 0, 0x60, 0, 0), 'type_refused', /not a plain function type/],
      [typed(0x60, 1, 0x6f, 0), 'type_refused', /reference type/],
      [typed(0x60, 0, 1, 0x6e), 'type_refused', /reference type/],
    ]),
    faults: [
      without(SECTIONS, 'if (byte(c) !== 0x60) {', 'if (byte(c) === 0) {'),
      without(SECTIONS, "123: 'v128' }", "123: 'v128', 111: 'externref' }"),
    ],
  },
  {
    id: 'A4',
    tries:
      'shared, 64-bit, second and imported memories; imported tables, globals and tags; tags; tables of references; memories and tables that begin over the cap',
    must: 'admission refuses each, with its reason',
    ...refuses(() => [
      [memory(3, 1, 2), 'memory_refused', /shared or 64-bit/],
      [memory(4, 1), 'memory_refused', /shared or 64-bit/],
      [moduleOf({ 5: vector([0, 1], [0, 1]) }), 'memory_refused', /2 memories/],
      [moduleOf({ 5: null }), 'memory_refused', /no memory of its own/],
      [memory(0, ...u32Bytes(ADMISSION.memoryPagesMax + 1)), 'memory_refused', /begins with 513 pages/],
      [imported(1, 0x70, 0, 1), 'import_refused', /not a function/],
      [imported(2, 0, 1), 'import_refused', /not a function/],
      [imported(3, 0x7f, 0), 'import_refused', /not a function/],
      [imported(4, 0, 0), 'import_refused', /not a function/],
      [concat([HEADER, section(13, vector([0, 0]))]), 'section_refused', /Section 13 .*exception tags/],
      [table(0x6f, 0, 1), 'table_refused', /something else than functions/],
      [table(0x70, 5, 0, 1), 'table_refused', /shared or 64-bit/],
      [table(0x70, 0, ...u32Bytes(ADMISSION.tableEntriesMax + 1)), 'table_refused', /begins with 10001 entries/],
    ]),
    faults: [
      without(SECTIONS, 'if (flags > 1) refuse(c, code,', 'if (flags > 9) refuse(c, code,'),
      without(SECTIONS, 'if (min > policy.memoryPagesMax) {', 'if (min > 1e6) {'),
      without(SECTIONS, 'if (min > policy.tableEntriesMax) {', 'if (min > 1e6) {'),
      without(SECTIONS, 'if (kind !== 0) {', 'if (kind > 4) {'),
    ],
  },
  {
    id: 'A5',
    tries:
      'no exports, exports of a wrong kind, sections twice, overlong lengths, a file cut short, a component, 100 MB',
    must: 'admission refuses each',
    ...refuses(() => [
      [moduleOf({ 7: null }), 'export_refused', /does not export a function execute/],
      [
        moduleOf({ 7: vector(exported('execute', 2, 0), exported('describe', 0, 1)) }),
        'export_refused',
        /does not export a function execute/,
      ],
      [concat([moduleOf(), section(10, vector())]), 'malformed', /stands there twice/],
      [concat([HEADER, Uint8Array.of(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0)]), 'malformed', /overlong/],
      [concat([HEADER, Uint8Array.of(1, 0x80, 0x80, 0x80, 0x80, 0x10)]), 'malformed', /overlong/],
      [moduleOf().subarray(0, -3), 'malformed', /truncated/],
      [Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0), 'component', /component/],
      [concat([HEADER, new Uint8Array(100e6)]), 'too_large', /100000008 bytes/],
    ]),
    faults: [
      without(ADMIT, "if (type !== '() -> (i32)') {", "if (facts.exports.length > 0 && type !== '() -> (i32)') {"),
      without(ADMIT, 'if (section.place <= place) {', 'if (section.place < place) {'),
      without(READER, 'if (shift === 28 && part > 0x0f) break;'),
    ],
  },
  {
    id: 'A6',
    tries: 'a start function, or `_initialize`, that spins; a start function that sends a request',
    must: 'it runs in a cell only, as a part of a call, and the deadline ends it',
    run: async (world) => {
      const cells = world.cells();
      const seen: Held[] = [];
      const request = JSON.stringify({ url: 'https://api.example/', method: 'GET', headers: {}, body: null });
      let asked = 0;
      const broker = async () => ({ denied: `request ${++asked}` });
      const times = await compiledHere(async () => {
        for (const name of ['start-spin', 'init-spin'])
          for (const sealed of [false, true]) {
            const spun = await cells.call(await cells.load(name, sealed), '{}', { hardDeadlineMs: 200 });
            seen.push(verdict(spun.kind === 'overran' && spun.deadline === 'hard', told(spun)));
          }
        const [fresh, restored] = [await cells.load('start-asks'), await cells.load('start-asks', true)];
        seen.push(verdict(asked === 0, asked === 0 ? 'loading runs nothing' : 'it ran when it was loaded'));
        const set = await cells.call(restored, request, { broker });
        const early = set.kind === 'crashed' && /while it was being set up/.test(set.reason) && asked === 0;
        seen.push(verdict(early, told(set)));
        const made = await cells.call(fresh, request, { broker });
        seen.push(verdict(made.kind === 'refused' && made.reason === 'request 1' && asked === 1, told(made)));
      });
      return all([...seen, verdict(times === 0, times === 0 ? 'never in the kernel' : 'compiled in the kernel')]);
    },
    faults: [
      without(
        'kernel/adapter/extism/cell-host.ts',
        'wasm: wasm.slice(),',
        'wasm: (WebAssembly.validate(wasm as never), wasm.slice()),',
      ),
      without(
        'kernel/adapter/extism/host-functions.ts',
        'let ending: Ending | undefined = ENDING.notInCall;',
        'let ending: Ending | undefined;',
      ),
    ],
  },
  {
    id: 'A7',
    tries: 'a function of 7 MB; 200,000 functions',
    must: 'refused before anything is compiled',
    ...refuses(() => [
      [withLargeFunction(7_000_000), 'too_large', /One function has 7000000 bytes/],
      [withFunctions(200_000), 'too_large', /200000 functions/],
    ]),
    faults: [
      without(SECTIONS, 'if (bytes > policy.functionBytesMax) {', 'if (bytes > 1e9) {'),
      without(SECTIONS, 'if (value <= max) return value;', 'return value;'),
      without(ADMIT, 'const facts = noFacts();', 'const facts = (WebAssembly.validate(wasm as never), noFacts());'),
    ],
  },
];
