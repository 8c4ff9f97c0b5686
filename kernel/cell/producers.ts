import { readSections } from '../../sdk/contract/code-digest.ts';
import { cursor, faulty, name, u32 } from './wasm-reader.ts';

/**
 * The tools that a module names as its makers: its custom section `producers` (tool conventions of WebAssembly,
 * ProducersSection). A claim of whoever built it, for people who look at it; nothing is decided by it.
 */
const SECTION = 'producers';
/** A module names a few; a reader of a report wants no more. */
const TOOLS_MAX = 8;
const CHARS_MAX = 60;

/**
 * @param wasm an admitted module.
 * @returns such as `clang 14.0.6`, each at most 60 characters; null where the section is not there or cannot be read. It
 * is foreign text: clean it before it is shown.
 */
export function producersOf(wasm: Uint8Array): readonly string[] | null {
  for (const { id, body, end } of readSections(wasm)) {
    const c = cursor(wasm.subarray(body, end));
    if (id !== 0 || name(c) !== SECTION) continue;
    const tools: string[] = [];
    for (let fields = u32(c); fields > 0 && !faulty(c); fields--) {
      name(c);
      // Of millions without a name, too, no more are read.
      for (let values = u32(c); values > 0 && tools.length <= TOOLS_MAX && !faulty(c); values--)
        tools.push(`${name(c)} ${name(c)}`.trim().slice(0, CHARS_MAX));
      if (tools.length > TOOLS_MAX) break;
    }
    return faulty(c) || tools.length === 0 ? null : [...new Set(tools)].slice(0, TOOLS_MAX);
  }
  return null;
}
