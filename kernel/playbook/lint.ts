import * as v from 'valibot';
import { parseDocument } from 'yaml';
import type { PluginManifest } from '../../sdk/contract/plugin.ts';
import { digestOfJson } from '../base/digest.ts';
import type { Digest, StepId } from '../base/id.ts';
import type { Json } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { checkRule } from '../rule/schema.ts';
import { type Graph, type Step, successors, toGraph } from './graph.ts';
import { referencesIn } from './reference.ts';
import { type Playbook, PlaybookSchema, TIER_FLOOR, TIERS } from './schema.ts';

/** One thing wrong with a playbook: where (line and column of the text, where known), what, and how to mend it. */
export type Issue = { readonly at: string; readonly line: number | null; readonly text: string };

export type Checked = { readonly playbook: Playbook; readonly graph: Graph; readonly digest: Digest };

/** What a playbook is checked against: the plugins that the org has. */
export type Catalog = { readonly plugins: ReadonlyMap<string, PluginManifest> };

/**
 * Gate A (S 10.1): syntax, references, graph, connectors, tiers.
 * @param text YAML 1.2 (JSON is YAML). No aliases, no duplicate keys, at most LIMITS.playbookBytes.
 */
export function lintPlaybook(text: string, catalog: Catalog): Result<Checked, readonly Issue[]> {
  if (Buffer.byteLength(text) > LIMITS.playbookBytes.value)
    return err([{ at: '', line: null, text: `the document is larger than ${LIMITS.playbookBytes.value} bytes` }]);
  const document = parseDocument(text, { strict: true, uniqueKeys: true, logLevel: 'silent' });
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length;
  if (document.errors.length > 0)
    return err(
      document.errors.slice(0, 20).map((error) => ({ at: '', line: lineOf(error.pos[0]), text: `not valid YAML (${error.code})` })),
    );
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 });
  } catch {
    return err([{ at: '', line: null, text: 'aliases (*name) are not allowed: write the value out' }]);
  }
  const parsed = v.safeParse(PlaybookSchema, value);
  if (!parsed.success) return err(parsed.issues.slice(0, 50).flatMap((issue) => schemaIssues(issue, document, lineOf)));
  const playbook = parsed.output;
  const graph = toGraph(playbook);
  const issues = [
    ...ruleIssues(playbook),
    ...graphIssues(playbook, graph),
    ...referenceIssues(playbook, graph),
    ...connectorIssues(playbook, catalog),
  ];
  if (issues.length > 0) return err(issues.map((issue) => ({ ...issue, line: lineAt(issue.at, document, lineOf) })));
  return ok({ playbook, graph, digest: digestOfJson('playbook', playbook as unknown as Json) });
}

type Unplaced = Omit<Issue, 'line'>;
type Document = ReturnType<typeof parseDocument>;

function schemaIssues(issue: v.BaseIssue<unknown>, document: Document, lineOf: (offset: number) => number): Issue[] {
  const path = (issue.path ?? []).map((item) => item.key as string | number);
  const at = path.length > 0 ? `/${path.join('/')}` : '';
  const text =
    issue.type === 'strict_object' && issue.expected === 'never'
      ? 'this key is not known here: check its spelling, or remove it'
      : issue.received === 'undefined'
        ? 'required, but missing'
        : `${issue.type === 'regex' || issue.type === 'picklist' ? issue.message : `expected ${issue.expected ?? issue.type}`}`;
  return [{ at, line: lineAt(at, document, lineOf), text: text.replace(/ but received .*$/s, '') }];
}

/** Line of the deepest node on the path that exists. */
function lineAt(at: string, document: Document, lineOf: (offset: number) => number): number | null {
  const path = at.split('/').slice(1).map((key) => (/^[0-9]+$/.test(key) ? Number(key) : key));
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true) as { range?: [number, number, number] } | undefined;
    if (node?.range) return lineOf(node.range[0]);
  }
  return null;
}

function ruleIssues(playbook: Playbook): Unplaced[] {
  const rules = [
    ...playbook.triggers.map((trigger, i) => ({ at: `/triggers/${i}/where`, rule: trigger.where })),
    ...playbook.steps.flatMap((step, i) => (step.type === 'branch' ? [{ at: `/steps/${i}/when`, rule: step.when }] : [])),
  ];
  return rules.flatMap(({ at, rule }) => {
    const checked = checkRule(rule);
    return checked.ok ? [] : checked.error.map((text) => ({ at, text }));
  });
}

function graphIssues(playbook: Playbook, graph: Graph): Unplaced[] {
  const issues: Unplaced[] = [];
  const duplicates = (list: readonly { id: string }[], where: string) =>
    list.forEach(({ id }, i) => {
      if (list.findIndex((other) => other.id === id) !== i)
        issues.push({ at: `/${where}/${i}/id`, text: `the id ${id} is used twice: give each its own` });
    });
  duplicates(playbook.steps, 'steps');
  duplicates(playbook.triggers, 'triggers');
  playbook.steps.forEach((step, i) => {
    const known = (name: string | undefined, key: string) => {
      if (name !== undefined && name !== 'end' && !playbook.steps.some((other) => other.id === name))
        issues.push({ at: `/steps/${i}/${key}`, text: `there is no step ${name}: name a step of this playbook, or end` });
    };
    if (step.id === 'end') issues.push({ at: `/steps/${i}/id`, text: 'end is reserved: choose another id' });
    if (step.type === 'branch') {
      known(step.then, 'then');
      known(step.else, 'else');
    } else known(step.next, 'next');
  });
  if (issues.length > 0) return issues;

  const order = topological(graph);
  if (!order) return [{ at: '/steps', text: 'the steps form a cycle: a run must be able to end' }];
  playbook.steps.forEach((step, i) => {
    if (!order.includes(step.id as StepId))
      issues.push({ at: `/steps/${i}`, text: `no path leads to step ${step.id}: point to it, or remove it` });
  });
  return issues;
}

/** Reachable steps in an order in which every step comes after all that may lead to it; undefined on a cycle. */
function topological(graph: Graph): readonly StepId[] | undefined {
  const order: StepId[] = [];
  const state = new Map<StepId, 'open' | 'done'>();
  const visit = (id: StepId): boolean => {
    if (state.get(id) === 'done') return true;
    if (state.get(id) === 'open') return false;
    state.set(id, 'open');
    const step = graph.steps.get(id);
    const fine = (step ? successors(step) : []).every((next) => next === null || visit(next));
    state.set(id, 'done');
    order.unshift(id);
    return fine;
  };
  return visit(graph.entry) ? order : undefined;
}

/** A reference to a step is allowed only where that step has run on every path that leads here. */
function referenceIssues(playbook: Playbook, graph: Graph): Unplaced[] {
  const order = topological(graph);
  if (!order) return [];
  const before = new Map<StepId, ReadonlySet<StepId>>([[graph.entry, new Set()]]);
  for (const id of order) {
    const step = graph.steps.get(id) as Step;
    const ran = new Set([...(before.get(id) ?? []), ...(step.kind === 'action' ? [id] : [])]);
    for (const next of successors(step)) {
      if (next === null) continue;
      const known = before.get(next);
      before.set(next, known ? new Set([...known].filter((one) => ran.has(one))) : ran);
    }
  }
  const issues: Unplaced[] = [];
  playbook.steps.forEach((step, i) => {
    const texts = step.type === 'branch' ? [] : step.type === 'update_state' ? [step.incident, step.set.note] : step.with;
    for (const { text, reference } of referencesIn(texts)) {
      const at = `/steps/${i}`;
      const [name = ''] = reference?.path ?? [];
      if (!reference) issues.push({ at, text: `{{ ${text} }} is not a reference: use inputs.NAME or steps.ID.FIELD` });
      else if (reference.root === 'inputs' && !Object.hasOwn(playbook.inputs, name))
        issues.push({ at, text: `inputs.${name} is not declared: add it to inputs with its JSON Pointer` });
      else if (reference.root === 'steps' && !before.get(step.id as StepId)?.has(name as StepId))
        issues.push({ at, text: `steps.${name} has not run on every path to ${step.id}` });
    }
    if (step.type !== 'branch') return;
    for (const name of factsOf(step.when))
      if (name.startsWith('steps.') && !before.get(step.id as StepId)?.has(name.slice(6) as StepId))
        issues.push({ at: `/steps/${i}/when`, text: `${name} has not run on every path to ${step.id}` });
      else if (!name.startsWith('steps.') && name !== 'inputs' && name !== 'event')
        issues.push({ at: `/steps/${i}/when`, text: `${name} is not a fact of a branch: use event, inputs or steps.ID` });
  });
  return issues;
}

export function factsOf(rule: unknown): string[] {
  if (typeof rule !== 'object' || rule === null) return [];
  if ('all' in rule || 'any' in rule) return Object.values(rule).flat().flatMap(factsOf);
  if ('not' in rule) return factsOf(rule.not);
  return 'fact' in rule && typeof rule.fact === 'string' ? [rule.fact] : [];
}

function connectorIssues(playbook: Playbook, catalog: Catalog): Unplaced[] {
  return playbook.steps.flatMap((step, i): Unplaced[] => {
    if (step.type === 'branch' || step.type === 'update_state') return [];
    const [plugin = '', action = ''] = step.uses.split('/');
    const manifest = catalog.plugins.get(plugin);
    const at = `/steps/${i}/uses`;
    if (!manifest) return [{ at, text: `the plugin ${plugin} is not installed: install it, or check the name` }];
    const declared = manifest.actions[action];
    if (!declared)
      return [{ at, text: `${plugin} has no action ${action}: it has ${Object.keys(manifest.actions).join(', ')}` }];
    const issues: Unplaced[] = [];
    if (step.tier && TIERS.indexOf(step.tier) < TIERS.indexOf(TIER_FLOOR[step.type]))
      issues.push({ at: `/steps/${i}/tier`, text: `a ${step.type} step is at least ${TIER_FLOOR[step.type]}` });
    if (declared.effect === 'write' && (step.type === 'enrich'))
      issues.push({ at, text: `${step.uses} changes something outside: an enrich step may not; use type webhook or contain` });
    if (step.type === 'contain' && !declared.plan)
      issues.push({ at, text: `${step.uses} has no plan: a contain step must show what it would touch` });
    return issues;
  });
}
