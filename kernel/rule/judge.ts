/**
 * Judges rules over facts. The only file that imports json-rules-engine; it uses no more of it than the evaluation of
 * a checked tree, because the rest is unsafe here (research of 7.3.1):
 *
 *   J1 a fresh engine per call: an engine that runs twice at once skips rules without an error
 *   J2 paths are JSON Pointers resolved here; the engine's own resolver (jsonpath-plus) is never reached, because every
 *      fact is boxed: the engine asks the resolver only for objects with a path, and returns anything else as it is
 *   J3 every rule given has exactly one result, every condition one answer; any shortfall is a fault, not a "no"
 *   J4 operators are ours (operator.ts), total and type-safe; facts are constants
 *   J6 what a plain equality or membership test rules out never reaches the engine (prefilter.ts)
 *   J5 the engine's two-valued answer must agree with the three-valued reading (explain.ts) wherever that is decided
 *
 * No I/O, no clock. It returns a promise because the engine does, and because it works in turns.
 *
 * BUG: with `json-rules-engine` in the variable DEBUG the engine prints every value it compares, which may be personal.
 * It reads the variable when it is loaded, before anything here can forbid it; whoever starts the kernel must not set it.
 */
import { Engine, Operator, type TopLevelCondition } from 'json-rules-engine';
import type { Rule } from '../../sdk/contract/rule.ts';
import { type Json, resolvePointer } from '../base/json.ts';
import { err, ok, type Result } from '../base/result.ts';
import { explain, type Finding, type Judged } from './explain.ts';
import { MEANINGS } from './operator.ts';
import { ruledOut } from './prefilter.ts';
import { inTurns, sizeOf } from './turns.ts';

export type RuleResult = {
  /** Definitely true. Never set because of something missing or of the wrong type. */
  readonly matched: boolean;
  /** The outcome hangs on a value that is missing or of the wrong type. A trigger does not fire; a guardrail blocks. */
  readonly notEvaluable: boolean;
  /** The conditions that decided, at most as many as the rule has. */
  readonly why: readonly Finding[];
};

/** Nothing may be concluded about any of the rules. Text is ours and safe to show. */
export type JudgeFault = {
  readonly kind: 'duplicate_id' | 'rule_too_large' | 'engine_failed' | 'result_missing' | 'disagreement';
  readonly text: string;
};

export type NamedRule = { readonly id: string; readonly rule: Rule };

/** A list goes in as a function: the engine copies every object of a rule on every run, a thousand values too. */
const sealed = (value: Json): unknown => (Array.isArray(value) ? () => value : value);
const unsealed = (value: unknown): unknown => (typeof value === 'function' ? value() : value);

const OPERATORS = Object.entries(MEANINGS).map(
  ([name, { applies, holds }]) =>
    new Operator(name, (seen, value) => applies(seen, unsealed(value)) && holds(seen, unsealed(value))),
);
const ENGINE_OPTIONS = { allowUndefinedFacts: true, pathResolver: resolvePointer };

/** A constant, because the engine also emits it as the name of an event, and `error` would throw there. */
const EVENT = { type: 'judged' };

/**
 * Judges rules that have passed checkRule, about 15 us for one condition and 4 us for each more, in turns.
 * @returns one result per id, or a fault, in which case the caller must take its own safe answer. Never rejects.
 */
export async function judge(
  rules: readonly NamedRule[],
  facts: Readonly<Record<string, Json>>,
): Promise<Result<ReadonlyMap<string, RuleResult>, JudgeFault>> {
  if (rules.some(({ rule }) => !sizeOf(rule).ok))
    return fault('rule_too_large', 'A rule is larger than the limits; check it before it is stored.');
  const results = new Map<string, RuleResult>();
  for await (const turn of inTurns(rules, ({ rule }) => rule)) {
    const candidates: NamedRule[] = [];
    let answers: readonly Answer[];
    try {
      for (const named of turn) {
        const unmet = ruledOut(named.rule, facts);
        if (unmet) results.set(named.id, { matched: false, notEvaluable: false, why: [unmet] });
        else candidates.push(named);
      }
      answers = candidates.length > 0 ? await runEngine(candidates, facts) : [];
    } catch {
      return fault('engine_failed', 'The rule engine failed on these rules.');
    }
    const judged = collect(candidates, answers);
    if (!judged.ok) return judged;
    for (const [id, result] of judged.value) results.set(id, result);
  }
  return results.size === rules.length ? ok(results) : fault('duplicate_id', 'Two rules have the same id.');
}

type Answer = { readonly name: string; readonly result: unknown; readonly conditions: Judged };

async function runEngine(
  rules: readonly NamedRule[],
  facts: Readonly<Record<string, Json>>,
): Promise<readonly Answer[]> {
  const engine = new Engine([], ENGINE_OPTIONS);
  for (const operator of OPERATORS) engine.addOperator(operator);
  // Named by place: an id may be any text, and two rules of one id must not hide each other.
  for (const [index, { rule }] of rules.entries())
    engine.addRule({ name: String(index), event: EVENT, conditions: toConditions(rule) });
  const boxed: Record<string, { readonly fact: Json }> = Object.create(null);
  for (const [name, value] of Object.entries(facts)) boxed[name] = { fact: value };
  const run = await engine.run(boxed);
  return [...run.results, ...run.failureResults] as unknown as readonly Answer[];
}

/** The engine wants a list or a `not` at the top, and every path inside the box. */
function toConditions(rule: Rule): TopLevelCondition {
  const node = toNode(rule);
  return 'fact' in node ? { all: [node] } : node;
}

type Node = Extract<TopLevelCondition, { all: unknown[] }>['all'][number];

function toNode(rule: Rule): Node {
  if ('all' in rule) return { all: rule.all.map(toNode) };
  if ('any' in rule) return { any: rule.any.map(toNode) };
  if ('not' in rule) return { not: toNode(rule.not) };
  return { fact: rule.fact, path: `/fact${rule.path}`, operator: rule.operator, value: sealed(rule.value) };
}

function collect(
  rules: readonly NamedRule[],
  answers: readonly Answer[],
): Result<ReadonlyMap<string, RuleResult>, JudgeFault> {
  const byPlace = new Map(answers.map((answer) => [answer.name, answer]));
  if (answers.length !== rules.length || byPlace.size !== rules.length)
    return fault('result_missing', 'The rule engine did not judge every rule.');
  const results = new Map<string, RuleResult>();
  for (const [index, { id, rule }] of rules.entries()) {
    const answer = byPlace.get(String(index));
    const tree = answer && (isCondition(rule) ? answer.conditions.all?.[0] : answer.conditions);
    const reading = tree && explain(rule, tree);
    if (!reading || typeof answer.result !== 'boolean')
      return fault('result_missing', 'The rule engine did not judge every condition.');
    const { truth, why } = reading;
    if (truth !== 'undecided' && answer.result !== (truth === 'true'))
      return fault('disagreement', 'The rule engine and its explanation disagree.');
    results.set(id, { matched: truth === 'true', notEvaluable: truth === 'undecided', why });
  }
  return results.size === rules.length ? ok(results) : fault('duplicate_id', 'Two rules have the same id.');
}

const isCondition = (rule: Rule): boolean => 'fact' in rule;

const fault = (kind: JudgeFault['kind'], text: string) => err<JudgeFault>({ kind, text });
