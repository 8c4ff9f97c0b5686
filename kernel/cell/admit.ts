import { digestOf } from '../base/digest.ts';
import type { Digest } from '../base/id.ts';
import { err, ok, type Result } from '../base/result.ts';
import { ADMISSION, type AdmissionPolicy } from './admission-policy.ts';
import {
  type AdmissionRefusal,
  byte,
  type Cursor,
  cursor,
  faulty,
  finish,
  name,
  refuse,
  take,
  u32,
} from './wasm-reader.ts';
import {
  codeSection,
  dataSection,
  exportSection,
  type Facts,
  functionSection,
  globalSection,
  importSection,
  memorySection,
  noFacts,
  startSection,
  tableSection,
  typeSection,
} from './wasm-sections.ts';
import { concat, sectionHeader } from './wasm-writer.ts';

/**
 * Judges a WebAssembly module before any engine sees it, and rewrites it so that its own limits are ours.
 *
 * Owns: which sections may stand where, what the whole module must have, the rewritten bytes, the report.
 * Neighbours: `wasm-sections.ts` judges inside a section; the engine in a cell still validates function bodies.
 *
 * - A1 nothing here throws or allocates by an announced number; every byte is hostile.
 * - A2 what comes out has exactly one memory and at most `tablesMax` tables, each with a maximum within the policy.
 * - A3 what comes out imports only granted functions, each with the granted signature.
 * - A4 custom sections never reach a cell: manifest and source map are read from the original.
 */
export type AdmissionReport = {
  readonly imports: readonly string[];
  readonly exports: readonly { readonly name: string; readonly kind: string }[];
  /** In pages of 64 KiB, after the clamp. */
  readonly memory: { readonly pagesMin: number; readonly pagesMax: number };
  readonly tables: readonly { readonly entriesMin: number; readonly entriesMax: number }[];
  /** Functions with a body. */
  readonly functions: number;
  readonly largestBodyBytes: number;
  readonly dataBytes: number;
  /** Code that runs at instantiation: only ever in a cell, under the deadline of a call. */
  readonly startFunction: boolean;
  readonly customSections: readonly { readonly name: string; readonly bytes: number }[];
  /**
   * All changeable state that can be seen from outside is exported (memory and every mutable global), which restoring a
   * snapshot between calls needs. Necessary, not sufficient: changed tables are seen by nobody, so only modules whose
   * code is known (by code digest) may be loaded as sealed.
   */
  readonly restorable: boolean;
  readonly originalDigest: Digest;
  readonly admittedDigest: Digest;
};

export type Admitted = { readonly wasm: Uint8Array; readonly report: AdmissionReport };

/** Place of each section in the order of core specification 5.5.2; 12 (data count) stands before 10 (code). */
const SECTIONS: Readonly<Record<number, { readonly name: string; readonly place: number }>> = {
  1: { name: 'type', place: 1 },
  2: { name: 'import', place: 2 },
  3: { name: 'function', place: 3 },
  4: { name: 'table', place: 4 },
  5: { name: 'memory', place: 5 },
  6: { name: 'global', place: 6 },
  7: { name: 'export', place: 7 },
  8: { name: 'start', place: 8 },
  9: { name: 'element', place: 9 },
  12: { name: 'data count', place: 10 },
  10: { name: 'code', place: 11 },
  11: { name: 'data', place: 12 },
};
const HEADER = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
const COMPONENT = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00);
const startsWith = (bytes: Uint8Array, start: Uint8Array) => start.every((value, i) => bytes[i] === value);

/**
 * @param wasm   A core module, as uploaded.
 * @param policy Grants and limits; the kernel's own by default.
 * @returns the module to run, byte-identical for the same input, or why it is refused.
 */
export function admit(wasm: Uint8Array, policy: AdmissionPolicy = ADMISSION): Result<Admitted, AdmissionRefusal> {
  if (wasm.length > policy.moduleBytesMax) {
    return err({
      code: 'too_large',
      text: `The module has ${wasm.length} bytes; at most ${policy.moduleBytesMax} are admitted. Trim its dependencies or leave the source map out.`,
    });
  }
  if (startsWith(wasm, COMPONENT)) {
    return err({
      code: 'component',
      text: 'This is a WebAssembly component. Build a core module (wasm32), or use the TypeScript plugin kit.',
    });
  }
  if (!startsWith(wasm, HEADER)) {
    return err({
      code: 'not_wasm',
      text: 'This is not a WebAssembly core module of version 1. Give the .wasm file that the plugin build wrote.',
    });
  }
  const facts = noFacts();
  const customSections: { name: string; bytes: number }[] = [];
  const parts: Uint8Array[] = [HEADER];
  const whole = cursor(wasm, HEADER.length);
  let place = 0;
  while (!faulty(whole) && whole.at < whole.end) {
    const id = byte(whole);
    const body = take(whole, u32(whole));
    if (faulty(whole)) break;
    const inner = cursor(body);
    if (id === 0) {
      customSections.push({ name: name(inner), bytes: body.length });
      if (inner.fault) return err(inner.fault);
      if (customSections.length > policy.customSectionsMax)
        return err({
          code: 'too_large',
          text: `The module has more than ${policy.customSectionsMax} custom sections. Strip it.`,
        });
      continue;
    }
    const section = SECTIONS[id];
    if (section === undefined) {
      return err({
        code: 'section_refused',
        text: `Section ${id} is not admitted (exception tags, string references or unknown). Turn that feature off in the compiler.`,
      });
    }
    if (section.place <= place) {
      return err({
        code: 'malformed',
        text: `The ${section.name} section is out of order or stands there twice. Build the module again.`,
      });
    }
    place = section.place;
    const rewritten = readSection(id, inner, facts, policy);
    const finished = finish(inner, section.name);
    if (!finished.ok) return finished;
    const kept = rewritten ? Uint8Array.from(rewritten) : body;
    parts.push(sectionHeader(id, kept.length), kept);
  }
  checkWhole(whole, facts, policy);
  if (whole.fault || !facts.memory) return err(whole.fault ?? noMemory);
  const admitted = concat(parts);
  return ok({
    wasm: admitted,
    report: {
      imports: facts.imports,
      exports: facts.exports.map(({ name, kind }) => ({ name, kind })),
      memory: facts.memory,
      tables: facts.tables,
      functions: facts.bodies,
      largestBodyBytes: facts.largestBodyBytes,
      dataBytes: facts.dataBytes,
      startFunction: facts.start,
      customSections,
      restorable: isRestorable(facts),
      originalDigest: digestOf(wasm),
      admittedDigest: digestOf(admitted),
    },
  });
}

/** @returns the new body where a section is rewritten. */
function readSection(id: number, c: Cursor, facts: Facts, policy: AdmissionPolicy): number[] | undefined {
  if (id === 1) typeSection(c, facts, policy);
  else if (id === 2) importSection(c, facts, policy);
  else if (id === 3) functionSection(c, facts, policy);
  else if (id === 4) return tableSection(c, facts, policy);
  else if (id === 5) return memorySection(c, facts, policy);
  else if (id === 6) globalSection(c, facts, policy);
  else if (id === 7) exportSection(c, facts, policy);
  else if (id === 8) startSection(c, facts);
  else if (id === 10) codeSection(c, facts, policy);
  else if (id === 11) dataSection(c, facts, policy);
  // Element and data count sections hold nothing to grant or clamp; the engine validates them.
  else c.at = c.end;
  return undefined;
}

const noMemory: AdmissionRefusal = {
  code: 'memory_refused',
  text: 'The module has no memory of its own; exactly one is needed, because its limit is the limit of the plugin.',
};

/** What must hold of the whole module, asked after the loop: a section that is missing is never read. */
function checkWhole(c: Cursor, facts: Facts, policy: AdmissionPolicy): void {
  const defined = facts.functionTypes.length - facts.imports.length;
  if (facts.bodies !== defined) {
    refuse(
      c,
      'malformed',
      'The number of function bodies differs from the number of functions. Build the module again.',
    );
  }
  for (const wanted of policy.exports) {
    const found = facts.exports.find((each) => each.name === wanted && each.kind === 'function');
    const type = found && facts.types[facts.functionTypes[found.index] ?? -1];
    if (type !== '() -> (i32)') {
      refuse(
        c,
        'export_refused',
        `The module does not export a function ${wanted} of type () -> (i32). Build it with the plugin kit, or export it.`,
      );
    }
  }
}

function isRestorable(facts: Facts): boolean {
  const exported = new Set(facts.exports.filter((each) => each.kind === 'global').map((each) => each.index));
  const memory = facts.exports.some((each) => each.kind === 'memory' && each.name === 'memory');
  return memory && facts.globals.every((mutable, index) => !mutable || exported.has(index));
}
