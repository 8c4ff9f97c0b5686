import { type AdmissionPolicy, instead } from './admission-policy.ts';
import { byte, type Cursor, faulty, name, refuse, skipSigned, take, u32 } from './wasm-reader.ts';
import { limitsBytes, u32Bytes } from './wasm-writer.ts';

/**
 * One function per section of a core module: reads it, records what the report and later sections need, and refuses
 * what the policy does not grant. Memory and table sections give back a rewritten body with clamped maxima.
 */
export type Facts = {
  readonly types: string[];
  readonly imports: string[];
  /** Index of its type, for every function: imported ones first (core specification 2.5.1). */
  readonly functionTypes: number[];
  readonly exports: { readonly name: string; readonly kind: string; readonly index: number }[];
  readonly tables: { readonly entriesMin: number; readonly entriesMax: number }[];
  /** One entry per global: whether it is mutable. */
  readonly globals: boolean[];
  memory: { readonly pagesMin: number; readonly pagesMax: number } | undefined;
  bodies: number;
  largestBodyBytes: number;
  dataBytes: number;
  start: boolean;
};

export const noFacts = (): Facts => ({
  types: [],
  imports: [],
  functionTypes: [],
  exports: [],
  tables: [],
  globals: [],
  memory: undefined,
  bodies: 0,
  largestBodyBytes: 0,
  dataBytes: 0,
  start: false,
});

const NUMERIC: Readonly<Record<number, string>> = { 127: 'i32', 126: 'i64', 125: 'f32', 124: 'f64', 123: 'v128' };
/** 4 GiB in pages: what 32 bits can address (core specification 3.2.4). */
const WASM_PAGES_MAX = 65_536;
const EXPORT_KINDS = ['function', 'table', 'memory', 'global'];

/** Hostile text is quoted only when it is plain. */
const shown = (text: string) => (/^[\x21-\x7e]{1,64}$/.test(text) ? text : '(a name that cannot be printed)');

/** Reads a count and refuses one that is over `max`, before anything is done that many times. */
function count(c: Cursor, max: number, what: string): number {
  const value = u32(c);
  if (value <= max) return value;
  refuse(
    c,
    'too_large',
    `The module has ${value} ${what}; at most ${max} are admitted. Split the plugin or trim its dependencies.`,
  );
  return 0;
}

function valueTypes(c: Cursor): string {
  const types: string[] = [];
  for (let left = count(c, 1_000, 'values in one type'); left > 0 && !faulty(c); left--) {
    const type = NUMERIC[byte(c)];
    if (type === undefined) {
      refuse(
        c,
        'type_refused',
        'A function type uses a reference type. Only i32, i64, f32, f64 and v128 are admitted: references live on the host heap, outside the memory limit.',
      );
      break;
    }
    types.push(type);
  }
  return `(${types.join(' ')})`;
}

export function typeSection(c: Cursor, facts: Facts, policy: AdmissionPolicy): void {
  for (let left = count(c, policy.typesMax, 'types'); left > 0 && !faulty(c); left--) {
    if (byte(c) !== 0x60) {
      refuse(
        c,
        'type_refused',
        'A type is not a plain function type (garbage-collected types are refused: they allocate outside the memory limit). Turn the GC feature off in the compiler.',
      );
    }
    facts.types.push(`${valueTypes(c)} -> ${valueTypes(c)}`);
  }
}

export function importSection(c: Cursor, facts: Facts, policy: AdmissionPolicy): void {
  for (let left = count(c, policy.importsMax, 'imports'); left > 0 && !faulty(c); left--) {
    const module = name(c);
    const field = name(c);
    const kind = byte(c);
    if (faulty(c)) return;
    const full = `${module}.${field}`;
    if (kind !== 0) {
      refuse(
        c,
        'import_refused',
        `Import ${shown(full)} is not a function. Memories, tables, globals and tags cannot be imported: a plugin shares nothing with its host.`,
      );
      return;
    }
    const type = u32(c);
    const granted = policy.imports.get(full);
    if (granted === undefined) {
      refuse(c, 'import_refused', `Import ${shown(full)} is not granted to any plugin. ${instead(module, field)}`);
      return;
    }
    if (facts.types[type] !== granted) {
      refuse(
        c,
        'import_refused',
        `Import ${full} is declared with another signature than ${granted}. Use the current plugin kit.`,
      );
      return;
    }
    facts.imports.push(full);
    facts.functionTypes.push(type);
  }
}

export function functionSection(c: Cursor, facts: Facts, policy: AdmissionPolicy): void {
  for (let left = count(c, policy.functionsMax, 'functions'); left > 0 && !faulty(c); left--) {
    const type = u32(c);
    if (facts.types[type] === undefined)
      refuse(c, 'malformed', 'A function names a type that does not exist. Build the module again.');
    facts.functionTypes.push(type);
  }
}

/** Limits of a memory or table. Flags over 1 mean shared or 64-bit, which no clamp of ours covers. */
function sizeLimits(c: Cursor, code: 'memory_refused' | 'table_refused', what: string): { min: number; max: number } {
  const flags = byte(c);
  if (flags > 1) refuse(c, code, `The ${what} is shared or 64-bit. Build for wasm32 without threads.`);
  const min = u32(c);
  return { min, max: flags === 1 ? u32(c) : Number.POSITIVE_INFINITY };
}

/** @returns the section's body with every maximum present and at most the policy's. */
export function tableSection(c: Cursor, facts: Facts, policy: AdmissionPolicy): number[] {
  const tables = count(c, policy.tablesMax, 'tables');
  const body = u32Bytes(tables);
  for (let left = tables; left > 0 && !faulty(c); left--) {
    if (byte(c) !== 0x70)
      refuse(
        c,
        'table_refused',
        'A table holds something else than functions. Turn reference types off in the compiler.',
      );
    const { min, max } = sizeLimits(c, 'table_refused', 'table');
    if (min > policy.tableEntriesMax) {
      refuse(
        c,
        'table_refused',
        `A table begins with ${min} entries; at most ${policy.tableEntriesMax} are admitted, because tables are not counted as memory.`,
      );
    }
    const clamped = Math.min(max, policy.tableEntriesMax);
    if (max < min) refuse(c, 'malformed', 'A table has a maximum under its minimum. Build the module again.');
    facts.tables.push({ entriesMin: min, entriesMax: clamped });
    body.push(0x70, ...limitsBytes(min, clamped));
  }
  return body;
}

/** @returns the section's body with the maximum present and at most the policy's. */
export function memorySection(c: Cursor, facts: Facts, policy: AdmissionPolicy): number[] {
  const memories = u32(c);
  if (memories !== 1)
    refuse(
      c,
      'memory_refused',
      `The module has ${memories} memories; exactly one is admitted. Turn multi-memory off in the compiler.`,
    );
  const { min, max } = sizeLimits(c, 'memory_refused', 'memory');
  if (min > policy.memoryPagesMax) {
    refuse(
      c,
      'memory_refused',
      `The memory begins with ${min} pages; a cell has ${policy.memoryPagesMax} pages of 64 KiB. Lower the initial memory or trim static data.`,
    );
  }
  if (max < min) refuse(c, 'malformed', 'The memory has a maximum under its minimum. Build the module again.');
  // No engine takes such a module. The clamp must not make it one that runs.
  if (max !== Number.POSITIVE_INFINITY && max > WASM_PAGES_MAX)
    refuse(c, 'malformed', 'The memory has a maximum over 4 GiB. Build for wasm32 with a standard toolchain.');
  const clamped = Math.min(max, policy.memoryPagesMax);
  facts.memory = { pagesMin: min, pagesMax: clamped };
  return [1, ...limitsBytes(min, clamped)];
}

/** Skips a constant expression (core specification 3.3.10, with extended constants). */
function skipConstant(c: Cursor): void {
  while (!faulty(c)) {
    const opcode = byte(c);
    if (opcode === 0x0b) return;
    if (opcode === 0x41) skipSigned(c, 32);
    else if (opcode === 0x42) skipSigned(c, 64);
    else if (opcode === 0x43) take(c, 4);
    else if (opcode === 0x44) take(c, 8);
    else if (opcode === 0x23) u32(c);
    else if (opcode === 0xfd && u32(c) === 12) take(c, 16);
    else if (!(opcode === 0x6a || opcode === 0x6b || opcode === 0x6c || (opcode >= 0x7c && opcode <= 0x7e))) {
      refuse(
        c,
        'global_refused',
        'A global begins with something else than a number. Only numeric globals are admitted.',
      );
    }
  }
}

export function globalSection(c: Cursor, facts: Facts, policy: AdmissionPolicy): void {
  for (let left = count(c, policy.globalsMax, 'globals'); left > 0 && !faulty(c); left--) {
    if (NUMERIC[byte(c)] === undefined)
      refuse(c, 'global_refused', 'A global holds a reference. Only numeric globals are admitted.');
    const mutable = byte(c);
    if (mutable > 1) refuse(c, 'malformed', 'A global is neither constant nor mutable. Build the module again.');
    skipConstant(c);
    facts.globals.push(mutable === 1);
  }
}

export function exportSection(c: Cursor, facts: Facts, policy: AdmissionPolicy): void {
  const seen = new Set<string>();
  for (let left = count(c, policy.exportsMax, 'exports'); left > 0 && !faulty(c); left--) {
    const field = name(c);
    const kind = EXPORT_KINDS[byte(c)];
    const index = u32(c);
    if (faulty(c)) return;
    if (kind === undefined)
      refuse(c, 'export_refused', `Export ${shown(field)} is of a kind that is not admitted (tag or unknown).`);
    else if (seen.has(field)) refuse(c, 'malformed', `Two exports are named ${shown(field)}. Build the module again.`);
    else facts.exports.push({ name: field, kind, index });
    seen.add(field);
  }
}

export function startSection(c: Cursor, facts: Facts): void {
  u32(c);
  facts.start = true;
}

export function codeSection(c: Cursor, facts: Facts, policy: AdmissionPolicy): void {
  facts.bodies = count(c, policy.functionsMax, 'function bodies');
  for (let left = facts.bodies; left > 0 && !faulty(c); left--) {
    const bytes = u32(c);
    if (bytes > policy.functionBytesMax) {
      refuse(
        c,
        'too_large',
        `One function has ${bytes} bytes; at most ${policy.functionBytesMax} are admitted, because compiling it would hold up the cell. Split the function.`,
      );
    }
    facts.largestBodyBytes = Math.max(facts.largestBodyBytes, bytes);
    take(c, bytes);
  }
}

export function dataSection(c: Cursor, facts: Facts, policy: AdmissionPolicy): void {
  facts.dataBytes = c.end - c.at;
  if (facts.dataBytes > policy.dataBytesMax) {
    refuse(
      c,
      'too_large',
      `Static data takes ${facts.dataBytes} bytes; at most ${policy.dataBytesMax} are admitted. Trim what the plugin embeds.`,
    );
  }
  c.at = c.end;
}
