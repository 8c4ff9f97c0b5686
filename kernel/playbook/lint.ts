import * as v from 'valibot';
import { type PluginManifest, stepTypesOf } from '../../sdk/contract/plugin.ts';
import { isUnknownKey, knownKeysOf, wantedOf } from '../../sdk/contract/wanted.ts';
import { digestOfJson } from '../base/digest.ts';
import type { Digest } from '../base/id.ts';
import { isObject, type Json } from '../base/json.ts';
import { own } from '../base/own.ts';
import { err, ok, type Result } from '../base/result.ts';
import { checkRule } from '../rule/schema.ts';
import { caseIssues } from './choose.ts';
import { toGraph } from './compile.ts';
import { type PlaybookDocument, readDocument } from './document.ts';
import type { Graph } from './graph.ts';
import { type Issue, legibleKey, type Unplaced } from './issue.ts';
import { endIssues } from './lint-end.ts';
import { shapeIssues, targetIssues } from './lint-graph.ts';
import { outputFields } from './lint-output.ts';
import { incidentIssues, ranBefore, referenceIssues, rulesOf } from './lint-reference.ts';
import { subPlaybookIssues } from './lint-sub.ts';
import { type Parts, partsOf, type StepPart } from './part.ts';
import { type Playbook, PlaybookSchema } from './schema.ts';
import { type ActionType, type PlaybookStep, TIER_FLOOR, TIERS } from './step.ts';

export type Checked = { readonly playbook: Playbook; readonly graph: Graph; readonly digest: Digest };

/** What a playbook is checked against: the plugins that the org has, and the active versions of its playbooks. */
export type Catalog = {
  readonly plugins: ReadonlyMap<string, PluginManifest>;
  readonly playbook?: (name: string) => Graph | undefined;
};

/** Issues that one lint tells. */
const TOLD = 50;

/** Where there are too many, those that come first are told; all that are, in the order of the document. */
const placed = (issues: readonly Unplaced[], lineAt: PlaybookDocument['lineAt']): readonly Issue[] =>
  issues
    .slice(0, TOLD)
    .map((issue) => ({ ...issue, line: lineAt(issue.at) }))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0));

/**
 * Gate A (S 10.1): syntax, references, graph, connectors, tiers. All that can be said is said at once, from the first line
 * to the last: a part that fits is looked at even where another does not.
 * @param text YAML 1.2 (JSON is YAML). No aliases, no duplicate keys, at most LIMITS.playbookBytes.
 */
export function lintPlaybook(text: string, catalog: Catalog): Result<Checked, readonly Issue[]> {
  const read = readDocument(text);
  if (!read.ok) return read;
  const { value, lineAt } = read.value;
  const parsed = v.safeParse(PlaybookSchema, value);
  const playbook = parsed.success ? parsed.output : undefined;
  const parts = partsOf(value);
  const targets = targetIssues(parts);
  // Only where every step, id and target is sound there is a graph to walk, whatever is wrong around the steps.
  const graph = targets.length === 0 ? graphOf(parts) : undefined;
  const shape = graph ? shapeIssues(parts, graph) : [];
  const before = graph && ranBefore(graph);
  const issues = [
    ...(parsed.issues ?? []).slice(0, TOLD).map(schemaIssue),
    ...ruleIssues(parts),
    ...endIssues(parts),
    ...targets,
    ...shape,
    ...parts.steps.flatMap(stepIssues),
    ...incidentIssues(playbook?.incident, parts.inputs),
    ...referenceIssues(parts, before, outputFields(parts, catalog)),
    ...parts.steps.flatMap((part) => connectorIssues(part, catalog)),
    ...subPlaybookIssues(playbook?.name, parts, catalog),
  ];
  if (playbook && issues.length === 0)
    return ok({
      playbook,
      graph: toGraph(playbook),
      digest: digestOfJson('playbook', playbook as unknown as Json),
    });
  return err(placed(issues, lineAt));
}

/** The steps alone, as far as they can be read; undefined where one cannot, or its way is not sure. */
function graphOf({ steps }: Parts): Graph | undefined {
  if (steps.length === 0 || steps.some(({ step, isKnown }) => !step || !isKnown)) return undefined;
  const top = steps.flatMap(({ step, depth }) => (step && depth === 0 ? [step] : []));
  return toGraph({ steps: top, inputs: {}, timeout: '30m' });
}

/** As `lintPlaybook`, and the cases of every branch as well, where all else is fine. */
export async function lintAll(text: string, catalog: Catalog): Promise<Result<Checked, readonly Issue[]>> {
  const checked = lintPlaybook(text, catalog);
  const read = checked.ok ? readDocument(text) : undefined;
  if (!checked.ok || !read?.ok) return checked;
  const issues = await caseIssues(partsOf(read.value.value), checked.value.graph);
  if (issues.length === 0) return checked;
  return err(placed(issues, read.value.lineAt));
}

function schemaIssue(issue: v.BaseIssue<unknown>): Unplaced {
  const path = (issue.path ?? []).map((item) => legibleKey(item.key as string | number));
  const at = path.length > 0 ? `/${path.join('/')}` : '';
  return { at, text: schemaText(issue) };
}

function schemaText(issue: v.BaseIssue<unknown>): string {
  if (isUnknownKey(issue)) return `this key is not known here; ${knownKeysOf(issue)}`;
  if (issue.received === 'undefined') return 'required, but missing';
  const wanted = wantedOf(issue);
  return wanted.startsWith('use ') ? wanted : wanted.startsWith('one of: ') ? `use ${wanted}` : `expected ${wanted}`;
}

function ruleIssues({ triggers, steps }: Parts): Unplaced[] {
  const rules = [
    ...triggers.flatMap((trigger, i) =>
      trigger && trigger.on !== 'schedule' && trigger.where
        ? [{ at: `/triggers/${i}/where`, rule: trigger.where }]
        : [],
    ),
    ...steps.flatMap(({ step, at }) =>
      step?.type === 'branch' ? rulesOf(step).map(({ rule, key }) => ({ at: `${at}/${key}`, rule })) : [],
    ),
    ...steps.flatMap(({ step, at }) =>
      step?.type === 'wait' && step.event?.where ? [{ at: `${at}/event/where`, rule: step.event.where }] : [],
    ),
  ];
  return rules.flatMap(({ at, rule }) => {
    const checked = checkRule(rule);
    return checked.ok ? [] : checked.error.map((issue) => ({ at: at + issue.pointer, text: issue.text }));
  });
}

/** What the parts of one step say against each other. */
function stepIssues({ step, at }: StepPart): Unplaced[] {
  if (step?.type === 'wait') {
    const ways = [step.for, step.until, step.event].filter((way) => way !== undefined).length;
    if (ways !== 1) return [{ at, text: 'a wait has exactly one of for, until and event' }];
    if (step.timeout !== undefined && !step.event)
      return [{ at: `${at}/timeout`, text: 'only a wait for an event has a timeout' }];
  }
  if (step?.type === 'approval' && (step.onFailure === 'continue' || step.onFailure === 'manual'))
    return [{ at: `${at}/onFailure`, text: 'a no must lead elsewhere than a yes: name the step, or end' }];
  if (step?.type === 'parallel' && typeof step.join === 'object' && step.join.quorum > Object.keys(step.lanes).length)
    return [{ at: `${at}/join/quorum`, text: 'more lanes than there are: lower the quorum' }];
  return [];
}

type ActionOf = Extract<PlaybookStep, { type: ActionType }>;

function connectorIssues({ step, at: place }: StepPart, catalog: Catalog): Unplaced[] {
  if (!isAction(step)) return [];
  const [plugin = '', action = ''] = step.uses.split('/');
  const manifest = catalog.plugins.get(plugin);
  const at = `${place}/uses`;
  if (!manifest) return [{ at, text: `the plugin ${plugin} is not installed: install it, or check the name` }];
  const declared = own(manifest.actions, action);
  if (!declared)
    return [{ at, text: `${plugin} has no action ${action}: it has ${Object.keys(manifest.actions).join(', ')}` }];
  const issues = parameterIssues(step.with, declared.input, step.uses, place);
  if (step.tier && TIERS.indexOf(step.tier) < TIERS.indexOf(TIER_FLOOR[step.type]))
    issues.push({ at: `${place}/tier`, text: `a ${step.type} step is at least ${TIER_FLOOR[step.type]}` });
  const types = stepTypesOf(declared);
  if (!types.includes(step.type))
    issues.push({
      at: `${place}/type`,
      text: `${step.uses} may not be used as ${step.type}: it is ${types.join(' or ')}`,
    });
  if (step.type === 'contain' && !declared.plan)
    issues.push({ at, text: `${step.uses} has no plan: a contain step must show what it would touch` });
  if (step.rollback && !declared.rollback)
    issues.push({ at: `${place}/rollback`, text: `${step.uses} has no rollback: remove the key` });
  return issues;
}

const isAction = (step: PlaybookStep | undefined): step is ActionOf =>
  step !== undefined && Object.hasOwn(TIER_FLOOR, step.type);

/**
 * Names of the parameters against the action's input schema. Values are checked when a run has bound them; a name is
 * wrong in every run.
 */
function parameterIssues(
  given: Readonly<Record<string, unknown>>,
  schema: Readonly<Record<string, unknown>>,
  uses: string,
  at: string,
): Unplaced[] {
  const known = isObject(schema.properties) ? Object.keys(schema.properties) : [];
  const required = Array.isArray(schema.required) ? schema.required.map(String) : [];
  const missing = required
    .filter((name) => !Object.hasOwn(given, name))
    .map((name) => ({ at: `${at}/with`, text: `${name} is required by ${uses}` }));
  if (schema.additionalProperties !== false || schema.patternProperties !== undefined) return missing;
  const unknown = Object.keys(given)
    .filter((name) => !known.includes(name))
    .map((name) => {
      // As above, a key is repeated only when it reads like one.
      const legible = /^[A-Za-z_][\w-]{0,62}$/.test(name);
      const text = `${legible ? name : 'a key here'} is no parameter of ${uses}: it has ${known.join(', ')}`;
      return { at: legible ? `${at}/with/${name}` : `${at}/with`, text };
    });
  return [...missing, ...unknown];
}
