import { own } from '../base/own.ts';
import { readDocument } from './document.ts';
import type { Issue } from './issue.ts';
import type { Catalog } from './lint.ts';
import { partsOf } from './part.ts';

/**
 * What is no fault of a playbook, and keeps its runs from going well all the same: a step whose plugin asks for HTTP and has
 * no egress grant in the org. It can send nothing, and guardrails may refuse it for that alone. The grant may come later, so
 * nothing is refused here.
 * @param isGranted by the name of the plugin.
 */
export function grantWarnings(
  text: string,
  catalog: Catalog,
  isGranted: (plugin: string) => boolean,
): readonly Issue[] {
  const read = readDocument(text);
  if (!read.ok) return [];
  const { value, lineAt } = read.value;
  return partsOf(value).steps.flatMap(({ step, at: place }) => {
    if (!step || !('uses' in step) || step.type === 'playbook') return [];
    const [plugin = '', action = ''] = step.uses.split('/');
    const manifest = catalog.plugins.get(plugin);
    const declared = manifest && own(manifest.actions, action);
    if (!manifest?.capabilities.http || !declared || declared.effect === 'none' || isGranted(plugin)) return [];
    const at = `${place}/uses`;
    const says = `the plugin ${plugin} has no egress grant in this org, so this step can send nothing: ask an operator for one`;
    return [{ at, line: lineAt(at), text: says }];
  });
}
