import {
  type ErrorCode,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  parseDocument,
  type YAMLError,
} from 'yaml';
import { isTaken } from '../../sdk/contract/name.ts';
import { checkJson, type Json, type JsonFault } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Issue } from './issue.ts';
import { YAML_FAULTS } from './yaml-fault.ts';

/**
 * From hostile text to one JSON value: the YAML of a playbook, read within bounds. Owns everything that is refused
 * because of how it is written; what it means is not looked at here.
 */
export type PlaybookDocument = {
  readonly value: Json;
  /** Line (from 1) of the deepest node on a JSON Pointer's path that exists. */
  readonly lineAt: (pointer: string) => number | null;
};

/** Tokens that carry something: a value costs one, a pair of a map three or four. */
const TOKENS_MAX = 20_000;
const ISSUES_MAX = 20;

/**
 * Reads YAML 1.2 (JSON is YAML): one document, no directives, no tags, no aliases, no duplicate keys, no explicit keys,
 * nothing that JSON cannot say (`.nan`, `.inf`, sets, timestamps). So it says what everybody reads there: YAML 1.1, or a
 * tag, would make other values of the same text.
 */
export function readDocument(text: string): Result<PlaybookDocument, readonly Issue[]> {
  const refused = (says: string) => err([{ at: '', line: null, text: says }]);
  if (Buffer.byteLength(text) > LIMITS.playbookBytes.value)
    return refused(`the document is larger than ${LIMITS.playbookBytes.value} bytes`);
  const unfit = tokenFault(text);
  if (unfit) return err([unfit]);
  // `uniqueKeys` of the library compares every key with every other, so `nodeIssues` does that. Its level `silent`
  // would also keep silent about a second document, and drop it; pretty errors look the line up for every error anew.
  const document = parseDocument(text, { strict: true, uniqueKeys: false, logLevel: 'error', prettyErrors: false });
  const linesTo = (offset: number) => text.slice(0, offset).split('\n');
  const issueAt = (offset: number, says: string): Issue => {
    const lines = linesTo(offset);
    return { at: '', line: lines.length, text: `column ${(lines.at(-1)?.length ?? 0) + 1}: ${says}` };
  };
  const errors = rootsOf(document.errors, (offset) => linesTo(offset).length);
  if (errors.length > 0) return err(errors.map(({ pos: [offset], code }) => issueAt(offset, YAML_FAULTS[code])));
  const issues = nodeIssues(document.contents, issueAt);
  if (issues.length > 0) return err(issues);
  const value: unknown = document.toJS({ maxAliasCount: 0 });
  const fault = checkJson(value, { depth: LIMITS.jsonDepth.value, keys: LIMITS.jsonKeys.value });
  if (fault) return refused(FAULTS[fault]);
  return ok({
    value: value as Json,
    lineAt: (pointer) => {
      const path = pointer.split('/').slice(1);
      for (let length = path.length; length > 0; length--) {
        const keys = path.slice(0, length).map((key) => (/^[0-9]+$/.test(key) ? Number(key) : key));
        const node = document.getIn(keys, true) as Node | undefined;
        if (node?.range) return linesTo(node.range[0]).length;
      }
      return null;
    },
  });
}

/** A key over more than one line is what the parser sees where a line is indented otherwise than its neighbours. */
const INDENTATION: ReadonlySet<ErrorCode> = new Set(['BAD_INDENT', 'TAB_AS_INDENT', 'MULTILINE_IMPLICIT_KEY']);

/**
 * One slip makes the parser stumble over many lines behind it. Told is what is wrong on the first of them: the
 * indentation, where it is that; else the fault there, and the first indentation that does not fit behind it.
 */
function rootsOf(errors: readonly YAMLError[], lineOf: (offset: number) => number): readonly YAMLError[] {
  const [first, ...rest] = errors.toSorted((a, b) => a.pos[0] - b.pos[0]);
  if (!first) return [];
  const line = lineOf(first.pos[0]);
  const indentation = [first, ...rest].find(({ code }) => INDENTATION.has(code));
  if (!indentation) return [first];
  return lineOf(indentation.pos[0]) === line ? [indentation] : [first, indentation];
}

/**
 * Looks at the tokens alone, which takes linear time on anything. The parser's does not: a row of explicit keys (`? `)
 * of 60 kB keeps it busy for a minute.
 */
function tokenFault(text: string): Issue | undefined {
  let left = TOKENS_MAX;
  let line = 1;
  let isText = false;
  const issue = (says: string): Issue => ({ at: '', line, text: says });
  for (const token of new Lexer().lex(text)) {
    if (isText) isText = false;
    // U+001F announces that the next token is the source of a scalar.
    else if (token === '\x1f') isText = true;
    else if (token === '?') return issue('explicit keys (? key) are not allowed: write key: value');
    else if (token.startsWith('%')) return issue(YAML_FAULTS.BAD_DIRECTIVE);
    line += token.split('\n').length - 1;
    if (token.trim() !== '' && token !== '\x1f' && --left < 0)
      return issue(`the document has too many values: at most ${TOKENS_MAX} tokens`);
  }
  return undefined;
}

const ALIAS = 'aliases (*name) are not allowed: write the value out';
const TAG = 'tags (!name) are not allowed: remove it, and put the value in quotes if it is a text';
const INHERITED_KEY =
  'a key that every object has already (__proto__, constructor, toString and the like) is not allowed: choose another';
const ODD_KEY = 'a map or list stands where a key is expected: put a reference in quotes, "{{ inputs.x }}"';

/** Keys that fall together, that are no text, that would be lost on the way; aliases, tags. One walk with a stack of its own, for any depth. */
function nodeIssues(root: unknown, issueAt: (offset: number, says: string) => Issue): Issue[] {
  const issues: Issue[] = [];
  const stack: unknown[] = [root];
  const report = (node: unknown, text: string) => {
    const offset = (node as Node | null)?.range?.[0];
    issues.push(offset === undefined ? { at: '', line: null, text } : issueAt(offset, text));
  };
  while (stack.length > 0 && issues.length < ISSUES_MAX) {
    const node = stack.pop();
    if (isTagged(node)) report(node, TAG);
    if (isAlias(node)) report(node, ALIAS);
    else if (isSeq(node)) for (const item of node.items) stack.push(item);
    else if (isPair(node)) stack.push(node.key, node.value);
    if (!isMap(node)) continue;
    const seen = new Set<string>();
    for (const { key, value } of node.items) {
      stack.push(value);
      if (isTagged(key)) report(key, TAG);
      if (isAlias(key)) report(key, ALIAS);
      else if (!isScalar(key)) report(key, ODD_KEY);
      else {
        // As an object's keys fall together: 1 and "1" are the same one, and no value is the empty one.
        const name = String(key.value ?? '');
        if (isTaken(name)) report(key, INHERITED_KEY);
        if (seen.has(name)) report(key, YAML_FAULTS.DUPLICATE_KEY);
        seen.add(name);
      }
      if (issues.length >= ISSUES_MAX) break;
    }
  }
  return issues.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
}

const isTagged = (node: unknown): boolean => (isNode(node) && 'tag' in node ? node.tag : undefined) !== undefined;

const FAULTS: Readonly<Record<JsonFault, string>> = {
  not_utf8: 'a text holds half of a surrogate pair: write the whole character',
  not_json: 'a value is not one of JSON (.nan, .inf, a set, a timestamp): use a finite number or quote the text',
  too_deep: `the document is nested deeper than ${LIMITS.jsonDepth.value} levels`,
  too_many_keys: `the document has too many values: at most ${LIMITS.jsonKeys.value} keys and list items`,
  forbidden_key: 'a key named __proto__ is not allowed: remove it',
};
