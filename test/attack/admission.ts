import { ADMISSION } from '../../kernel/cell/admission-policy.ts';
import { admit } from '../../kernel/cell/admit.ts';
import { exported, HEADER, moduleOf, section, text, vector } from '../../kernel/cell/wasm-fixture.ts';
import { concat, u32Bytes } from '../../kernel/cell/wasm-writer.ts';
import { all, type Held, type Row, told, verdict, without } from './row.ts';
import type { World } from './world.ts';

/** A: what a module is, before anything of it runs. */

type Shape = readonly [wasm: Uint8Array, code: string];

const COMMAND = 'kernel/adapter/extism/cell-command.ts';
const SECTIONS = 'kernel/cell/wasm-sections.ts';

const imported = (kind: number, ...rest: number[]) => [...text('env'), ...text('x'), kind, ...rest];

const refused = ([wasm, code]: Shape): Held => {
  const admitted = admit(wasm);
  if (admitted.ok) return verdict(false, 'admitted');
  return verdict(admitted.error.code === code, admitted.error.code);
};
const refuses = (...shapes: readonly Shape[]) => ({ run: async () => all(shapes.map(refused)) });

/** The module says itself whether its growth was ended, and the cell serves on. */
const capped = (name: string) => ({
  run: async (world: World) => {
    const cells = world.cells();
    const outcome = await cells.call(await cells.load(name), '{}');
    const says = outcome.kind === 'replied' && /capped/.test(outcome.reply);
    return verdict(says && cells.host.stats().respawns === 0, says ? 'capped, cell lives' : told(outcome));
  },
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
  },
  {
    id: 'A3',
    tries: 'a type that the garbage collector keeps',
    must: 'admission refuses the form of type',
    ...refuses([moduleOf({ 1: vector([0x5f, 0]) }), 'type_refused']),
  },
  {
    id: 'A4',
    tries: 'shared, 64-bit, second and imported memories; imported tables and globals; tags; tables of references',
    must: 'admission refuses each, with its reason',
    ...refuses(
      [moduleOf({ 5: vector([3, 1, 2]) }), 'memory_refused'],
      [moduleOf({ 5: vector([4, 1]) }), 'memory_refused'],
      [moduleOf({ 5: vector([0, 1], [0, 1]) }), 'memory_refused'],
      [moduleOf({ 5: vector([0, ...u32Bytes(ADMISSION.memoryPagesMax + 1)]) }), 'memory_refused'],
      [moduleOf({ 2: vector(imported(2, 0, 1)) }), 'import_refused'],
      [moduleOf({ 2: vector(imported(1, 0x70, 0, 1)) }), 'import_refused'],
      [moduleOf({ 2: vector(imported(3, 0x7f, 0)) }), 'import_refused'],
      [concat([HEADER, section(13, vector([0, 0]))]), 'section_refused'],
      [moduleOf({ 4: vector([0x6f, 0, 1]) }), 'table_refused'],
    ),
  },
  {
    id: 'A5',
    tries:
      'no exports, exports of a wrong kind, sections twice, overlong lengths, a file cut short, a component, 100 MB',
    must: 'admission refuses each',
    ...refuses(
      [moduleOf({ 7: null }), 'export_refused'],
      [moduleOf({ 7: vector(exported('execute', 2, 0), exported('describe', 0, 1)) }), 'export_refused'],
      [concat([moduleOf(), section(10, vector())]), 'malformed'],
      [concat([HEADER, Uint8Array.of(1, 0x80, 0x80, 0x80, 0x80, 0x80, 0)]), 'malformed'],
      [moduleOf().subarray(0, -3), 'malformed'],
      [Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0), 'component'],
      [concat([HEADER, new Uint8Array(100e6)]), 'too_large'],
    ),
  },
  {
    id: 'A6',
    tries: 'a start function that spins',
    must: 'it runs in a cell only, and the deadline ends it',
    run: async (world) => {
      const cells = world.cells();
      const spinning = await cells.load('start-spin');
      const outcome = await cells.call(spinning, '{}', { hardDeadlineMs: 200 });
      return verdict(outcome.kind === 'overran' && outcome.deadline === 'hard', told(outcome));
    },
  },
  {
    id: 'A7',
    tries: 'a function of 7 MB; 200,000 functions',
    must: 'refused before anything is compiled',
    ...refuses(
      [moduleOf({ 10: [2, ...u32Bytes(7_000_000)] }), 'too_large'],
      [moduleOf({ 3: u32Bytes(200_000) }), 'too_large'],
    ),
  },
];
