import type { HttpMethod } from '../../sdk/contract/egress.ts';
import { type ActionManifest, methodsOf } from '../../sdk/contract/plugin.ts';
import { isObject } from '../base/json.ts';
import { own } from '../base/own.ts';
import { readDocument } from './document.ts';
import type { Issue, Unplaced } from './issue.ts';
import type { Catalog } from './lint.ts';
import { partsOf } from './part.ts';

/** What the org grants a plugin, as far as it can be asked before there is a run. */
export type Granted = {
  /** Of its rules. */
  readonly hosts: readonly string[];
  /**
   * Why no request to this URL is covered, by any of these methods; undefined where one is.
   * @param isWhole false: its path is known in a run only.
   * @param headers names that are given.
   */
  readonly faultOf: (
    url: string,
    methods: readonly HttpMethod[],
    isWhole: boolean,
    headers: readonly string[],
  ) => string | undefined;
};

/** Hosts that are named. */
const NAMED = 5;

/**
 * What is no fault of a playbook, and keeps its runs from going well all the same: a step whose plugin asks for HTTP and has
 * no egress grant in the org, or has one that does not cover the URL that is written there. It can send nothing, and
 * guardrails may refuse it for that alone. The grant may come later, so nothing is refused here.
 * @param grantOf by the name of the plugin.
 */
export function grantWarnings(
  text: string,
  catalog: Catalog,
  grantOf: (plugin: string) => Granted | undefined,
): readonly Issue[] {
  const read = readDocument(text);
  if (!read.ok) return [];
  const { value, lineAt } = read.value;
  const issues = partsOf(value).steps.flatMap(({ step, at }): Unplaced[] => {
    if (!step || !('uses' in step) || step.type === 'playbook') return [];
    const [plugin = '', name = ''] = step.uses.split('/');
    const manifest = catalog.plugins.get(plugin);
    const action = manifest && own(manifest.actions, name);
    if (!manifest?.capabilities.http || !action || action.effect === 'none') return [];
    const grant = grantOf(plugin);
    if (grant) return urlWarning(plugin, action, step.with, grant, `${at}/with/url`);
    const says = `the plugin ${plugin} has no egress grant in this org, so this step can send nothing: ask an operator for one`;
    return [{ at: `${at}/uses`, text: says }];
  });
  return issues.map((issue) => ({ ...issue, line: lineAt(issue.at) }));
}

/** Of a URL as it is written, or of its place where references stand behind that alone. */
function urlWarning(
  plugin: string,
  action: ActionManifest,
  given: Readonly<Record<string, unknown>>,
  grant: Granted,
  at: string,
): Unplaced[] {
  const url = own(given, 'url');
  if (typeof url !== 'string') return [];
  const isWhole = !url.includes('{{');
  const [place] = /^[a-z]+:\/\/[^/?#{}]+(?=[/?#])/i.exec(url) ?? [];
  const known = isWhole ? url : place && `${place}/`;
  const headers = own(given, 'headers');
  const fault =
    known && grant.faultOf(known, methodsOf(action), isWhole, isObject(headers) ? Object.keys(headers) : []);
  if (!fault) return [];
  const hosts = grant.hosts.slice(0, NAMED).join(', ');
  const more = grant.hosts.length > NAMED ? ` and ${grant.hosts.length - NAMED} more` : '';
  const rules = grant.hosts.length === 0 ? 'it has no rules' : `its rules are for ${hosts}${more}`;
  const says = `the egress grant of ${plugin} does not cover this URL, so this step will be refused: ${fault}; ${rules}`;
  return [{ at, text: says }];
}
