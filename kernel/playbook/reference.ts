import type { Json, JsonObject } from '../base/json.ts';
import { isObject } from '../base/json.ts';
import { err, ok, type Result } from '../base/result.ts';

/**
 * References in `with`: `{{ inputs.ip }}`, `{{ steps.lookup.body.score }}`. A reference is a path, never code.
 * A string that is one reference takes the value with its type; a reference inside text takes a scalar as text.
 */
const REFERENCE = /\{\{\s*([^{}]*?)\s*\}\}/g;
const PATH = /^(inputs|steps)((?:\.[A-Za-z0-9_-]{1,64}){1,16})$/;

export type Scope = { readonly inputs: JsonObject; readonly steps: Readonly<Record<string, Json>> };
export type Reference = { readonly root: 'inputs' | 'steps'; readonly path: readonly string[] };

function parseReference(text: string): Reference | undefined {
  const match = PATH.exec(text);
  if (!match) return undefined;
  return { root: match[1] as 'inputs' | 'steps', path: (match[2] as string).slice(1).split('.') };
}

/** Every reference in a value, as written; malformed ones as undefined, so that lint can refuse them. */
export function referencesIn(value: unknown): { readonly text: string; readonly reference: Reference | undefined }[] {
  if (typeof value === 'string')
    return [...value.matchAll(REFERENCE)].map(([, text = '']) => ({ text, reference: parseReference(text) }));
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  return isObject(value) ? Object.values(value).flatMap(referencesIn) : [];
}

/** Own properties only; an array by its decimal index. */
function follow(scope: Scope, reference: Reference): Json | undefined {
  let at: Json | undefined = scope[reference.root] as Json;
  for (const segment of reference.path) {
    if (Array.isArray(at))
      at = /^(?:0|[1-9][0-9]{0,5})$/.test(segment) ? (at as readonly Json[])[Number(segment)] : undefined;
    else if (isObject(at) && Object.hasOwn(at, segment)) at = at[segment];
    else return undefined;
  }
  return at;
}

/**
 * Fills a value's references from the scope.
 * @returns the filled value, or the text of the first reference that leads nowhere (fail closed: no empty stand-in).
 */
export function bind(value: Json, scope: Scope): Result<Json, { readonly reference: string }> {
  if (typeof value === 'string') return bindText(value, scope);
  if (Array.isArray(value)) {
    const items: Json[] = [];
    for (const item of value as readonly Json[]) {
      const bound = bind(item, scope);
      if (!bound.ok) return bound;
      items.push(bound.value);
    }
    return ok(items);
  }
  if (!isObject(value)) return ok(value);
  const object: Record<string, Json> = {};
  for (const [key, item] of Object.entries(value)) {
    const bound = bind(item, scope);
    if (!bound.ok) return bound;
    object[key] = bound.value;
  }
  return ok(object);
}

function bindText(text: string, scope: Scope): Result<Json, { readonly reference: string }> {
  if (!text.includes('{{')) return ok(text);
  const whole = /^\{\{\s*([^{}]*?)\s*\}\}$/.exec(text);
  if (whole) {
    const reference = parseReference(whole[1] ?? '');
    const value = reference && follow(scope, reference);
    return value === undefined ? err({ reference: whole[1] ?? '' }) : ok(value);
  }
  let missing: string | undefined;
  const filled = text.replaceAll(REFERENCE, (_, inner: string) => {
    const reference = parseReference(inner);
    const value = reference && follow(scope, reference);
    if (value === undefined || (typeof value === 'object' && value !== null)) missing ??= inner;
    return String(value);
  });
  return missing === undefined ? ok(filled) : err({ reference: missing });
}
