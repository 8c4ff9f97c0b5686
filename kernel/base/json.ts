import { err, ok, type Result } from './result.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export type JsonFault = 'not_utf8' | 'not_json' | 'too_deep' | 'too_many_keys' | 'forbidden_key';
export type DocumentFault = JsonFault | 'key_twice';
export type JsonBounds = { readonly depth: number; readonly keys: number };

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses hostile bytes. Depth is counted on the text first, because a value nested 10 000 deep must not reach any
 * recursive code; `__proto__` is refused, because some later copy would take it for a prototype.
 */
export function parseJson(bytes: Uint8Array, bounds: JsonBounds): Result<Json, JsonFault> {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    return err('not_utf8');
  }
  if (nesting(text) > bounds.depth) return err('too_deep');
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return err('not_json');
  }
  const fault = checkJson(value, bounds);
  return fault ? err(fault) : ok(value);
}

/** Deepest bracket nesting outside strings. Counts on text, so it is safe on anything. */
function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) {
      depth++;
      if (depth > deepest) deepest = depth;
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
  return deepest;
}

/**
 * Checks a value that some other parser made (YAML, say) to be JSON within bounds. Keeps a stack of its own, so that
 * depth does no harm, and a cycle is only depth. A number must be finite: JSON text `1e999` parses to Infinity, which
 * no JSON text can say again.
 */
export function checkJson(root: unknown, bounds: JsonBounds): JsonFault | undefined {
  let left = bounds.keys;
  const stack: { readonly value: unknown; readonly depth: number }[] = [{ value: root, depth: 1 }];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { value, depth } = top;
    if (typeof value === 'string') {
      if (!value.isWellFormed()) return 'not_utf8';
    } else if (typeof value === 'number') {
      if (!Number.isFinite(value)) return 'not_json';
    } else if (typeof value === 'object' && value !== null) {
      if (depth > bounds.depth) return 'too_deep';
      if (Array.isArray(value)) {
        left -= value.length;
        if (left < 0) return 'too_many_keys';
        for (const item of value) stack.push({ value: item, depth: depth + 1 });
        continue;
      }
      const prototype: unknown = Object.getPrototypeOf(value);
      if (prototype !== Object.prototype && prototype !== null) return 'not_json';
      for (const [key, item] of Object.entries(value)) {
        if (--left < 0) return 'too_many_keys';
        if (key === '__proto__') return 'forbidden_key';
        if (!key.isWellFormed()) return 'not_utf8';
        stack.push({ value: item, depth: depth + 1 });
      }
    } else if (value !== null && typeof value !== 'boolean') return 'not_json';
  }
  return undefined;
}

/** Of a file that people review. A manifest stands in its module, too, which is smaller. */
export const DOCUMENT_BYTES_MAX = 16_777_216;
/** A schema of a manifest goes 32 schemas deep, and each is two levels. */
const DOCUMENT: JsonBounds = { depth: 128, keys: 1_000_000 };

/** Parses a file that people review: of two equal keys they may read the first, and the last is what would count. */
export function parseDocument(text: string): Result<Json, DocumentFault> {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return err('not_json');
  }
  const fault = checkJson(value, DOCUMENT) ?? (hasKeyTwice(text) ? 'key_twice' : undefined);
  return fault ? err(fault) : ok(value);
}

const COLON = /\s*:/y;

/** @param text sound JSON. */
function hasKeyTwice(text: string): boolean {
  const open: Set<unknown>[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '{' || c === '[') open.push(new Set());
    else if (c === '}' || c === ']') open.pop();
    if (c !== '"') continue;
    const start = i++;
    while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
    COLON.lastIndex = i + 1;
    if (!COLON.test(text)) continue;
    const key: unknown = JSON.parse(text.slice(start, i + 1));
    if (open.at(-1)?.has(key)) return true;
    open.at(-1)?.add(key);
  }
  return false;
}

/** Syntax of RFC 6901: empty, or `/` and tokens in which `~` appears only as `~0` or `~1`. */
export const POINTER_PATTERN = /^(?:\/(?:[^~/]|~[01])*)*$/;

/** The reference tokens of a JSON Pointer (RFC 6901). */
export const tokensOf = (pointer: string): readonly string[] =>
  pointer === ''
    ? []
    : pointer
        .slice(1)
        .split('/')
        .map((token) => (token.includes('~') ? token.replaceAll('~1', '/').replaceAll('~0', '~') : token));

/**
 * What a reference token names in a value: an own property, or a place in a list; never a prototype.
 * @returns undefined when nothing is there.
 */
export function childOf(value: unknown, token: string): unknown {
  if (Array.isArray(value)) return /^(?:0|[1-9][0-9]{0,8})$/.test(token) ? value[Number(token)] : undefined;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token)) return undefined;
  return (value as Record<string, unknown>)[token];
}

/**
 * Resolves a JSON Pointer (RFC 6901) by own properties only; never a prototype, never an expression.
 * @returns undefined when nothing is there.
 */
export const resolvePointer = (value: unknown, pointer: string): Json | undefined =>
  tokensOf(pointer).reduce(childOf, value) as Json | undefined;
