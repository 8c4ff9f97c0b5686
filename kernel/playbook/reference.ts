import type { Json, JsonObject } from '../base/json.ts';
import { isObject } from '../base/json.ts';
import { own } from '../base/own.ts';
import { err, ok, type Result } from '../base/result.ts';
import { legibleKey } from './issue.ts';

/**
 * References in `with`: `{{ inputs.ip }}`, `{{ steps.lookup.body.score }}`. A reference is a path, never code.
 * A string that is one reference takes the value with its type; a reference inside text takes a scalar other than null as
 * text, as it is, and percent-encoded inside the text of a parameter named `url`, where it must not end the part that it stands in.
 * Blanks are trimmed after the match: a pattern with blanks on both sides takes cubic time on a row of them.
 */
const REFERENCE = /\{\{([^{}]*)\}\}/g;
const PATH = /^(?:(inputs|steps|each)((?:\.[A-Za-z0-9_-]{1,64}){1,16})|(item|index)((?:\.[A-Za-z0-9_-]{1,64}){0,16}))$/;

/**
 * What references may see. `item` and `index` are those of the innermost `foreach`; `each` has those of all, by its id, and
 * of every `repeat` the number of the round as `index`, from 0.
 */
export type Scope = {
  readonly inputs: JsonObject;
  readonly steps: Readonly<Record<string, Json>>;
  readonly each?: Readonly<Record<string, { readonly item?: Json; readonly index: number }>>;
  readonly item?: Json;
  readonly index?: number;
};
export type Reference = { readonly root: keyof Scope; readonly path: readonly string[] };

function parseReference(text: string): Reference | undefined {
  const match = PATH.exec(text.trim());
  if (!match) return undefined;
  const path = match[2] ?? match[4] ?? '';
  return { root: (match[1] ?? match[3]) as keyof Scope, path: path === '' ? [] : path.slice(1).split('.') };
}

/** Where it stands (JSON Pointer), and undefined for a malformed one, so that lint can refuse it. */
export type Written = { readonly at: string; readonly reference: Reference | undefined };

/** Every reference in a value. A key is repeated only when it reads like one; for any other stands `?`. */
export function referencesIn(value: unknown, at: string): Written[] {
  if (typeof value === 'string')
    return [...value.matchAll(REFERENCE)].map(([, inner = '']) => ({ at, reference: parseReference(inner) }));
  if (Array.isArray(value)) return value.flatMap((item, i) => referencesIn(item, `${at}/${i}`));
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => referencesIn(item, `${at}/${legibleKey(key)}`));
}

/** Own properties only; an array by its decimal index. */
function follow(scope: Scope, reference: Reference): Json | undefined {
  let at: Json | undefined = scope[reference.root] as Json;
  for (const segment of reference.path) {
    if (Array.isArray(at))
      at = /^(?:0|[1-9][0-9]{0,5})$/.test(segment) ? (at as readonly Json[])[Number(segment)] : undefined;
    else if (isObject(at)) at = own(at, segment);
    else return undefined;
  }
  return at;
}

/** Most characters that one call of `bind` makes: a reference costs its author 15, and may stand for 64 KiB. */
const BOUND_CHARS = 65_536;

/** The text of the reference that leads nowhere, that cannot stand in its text, or at which the whole became too large. */
export type BindFault = { readonly kind: 'missing' | 'object' | 'list' | 'too_large'; readonly reference: string };
type Budget = { left: number };
type Encode = (text: string) => string;
const asItIs: Encode = (text) => text;
/** A colon ends no part of a path or a query, and servers look for it as it is in the address of a host (IPv6). */
const inUrl: Encode = (text) => encodeURIComponent(text.toWellFormed()).replaceAll('%3A', ':');

/**
 * Fills a value's references from the scope.
 * @returns the filled value (at most 65,536 characters of text and of the JSON of what is referenced), or the first
 * fault (fail closed: no empty stand-in).
 */
export const bind = (value: Json, scope: Scope): Result<Json, BindFault> =>
  bindValue(value, scope, { left: BOUND_CHARS }, null);

/** @param parameter the name of the one that `value` is; null for the object that holds them, empty for a part of one. */
function bindValue(value: Json, scope: Scope, budget: Budget, parameter: string | null): Result<Json, BindFault> {
  if (typeof value === 'string') return bindText(value, scope, budget, parameter === 'url' ? inUrl : asItIs);
  if (Array.isArray(value)) {
    const items: Json[] = [];
    for (const item of value as readonly Json[]) {
      const bound = bindValue(item, scope, budget, '');
      if (!bound.ok) return bound;
      items.push(bound.value);
    }
    return ok(items);
  }
  if (!isObject(value)) return ok(value);
  const object: Record<string, Json> = {};
  for (const [key, item] of Object.entries(value)) {
    if (!spend(budget, key.length)) return err({ kind: 'too_large', reference: '' });
    const bound = bindValue(item, scope, budget, parameter === null ? key : '');
    if (!bound.ok) return bound;
    object[key] = bound.value;
  }
  return ok(object);
}

/** @returns false when the budget is spent; it stays so. */
function spend(budget: Budget, chars: number): boolean {
  budget.left -= chars;
  return budget.left >= 0;
}

function bindText(text: string, scope: Scope, budget: Budget, encode: Encode): Result<Json, BindFault> {
  const whole = /^\{\{([^{}]*)\}\}$/.exec(text);
  if (whole) {
    const [, inner = ''] = whole;
    const reference = parseReference(inner);
    const value = reference && follow(scope, reference);
    if (value === undefined) return err({ kind: 'missing', reference: inner.trim() });
    const chars = typeof value === 'string' ? value.length : JSON.stringify(value).length;
    return spend(budget, chars) ? ok(value) : err({ kind: 'too_large', reference: inner.trim() });
  }
  if (!spend(budget, text.length)) return err({ kind: 'too_large', reference: '' });
  if (!text.includes('{{')) return ok(text);
  let fault: BindFault | undefined;
  const filled = text.replaceAll(REFERENCE, (_, inner: string) => {
    if (fault) return '';
    const reference = parseReference(inner);
    const value = reference && follow(scope, reference);
    // A null is of the type object as well: the word is no part of anybody's text.
    if (value === undefined || typeof value === 'object') {
      const kind = Array.isArray(value) ? 'list' : isObject(value) ? 'object' : 'missing';
      fault = { kind, reference: inner.trim() };
      return '';
    }
    const scalar = encode(String(value));
    if (spend(budget, scalar.length)) return scalar;
    fault = { kind: 'too_large', reference: inner.trim() };
    return '';
  });
  return fault ? err(fault) : ok(filled);
}
