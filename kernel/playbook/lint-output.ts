import { own } from '../base/own.ts';
import type { Catalog } from './lint.ts';
import type { Parts } from './part.ts';

/** What the output of a step has, where that is known and closed; undefined where it may have anything, or nothing is known. */
export type FieldsOf = (step: string) => readonly string[] | undefined;

/** A wait for an event gives what it takes, a playbook that is not waited for its run; an action what its manifest declares, when it says that there is no more. */
export function outputFields({ steps }: Parts, catalog: Catalog): FieldsOf {
  const fields = new Map<string, readonly string[]>();
  for (const { step } of steps) {
    if (step?.type === 'wait' && step.event) fields.set(step.id, ['event', ...Object.keys(step.event.take ?? {})]);
    if (step?.type === 'repeat') fields.set(step.id, ['rounds', ...(step.collect === undefined ? [] : ['result'])]);
    if (step?.type === 'playbook' && step.detached) fields.set(step.id, ['run']);
    if (!step || !('uses' in step) || step.type === 'playbook') continue;
    const [plugin = '', action = ''] = step.uses.split('/');
    const manifest = catalog.plugins.get(plugin);
    const output = manifest && own(manifest.actions, action)?.output;
    const properties = output?.['properties'];
    if (output?.['additionalProperties'] === false && typeof properties === 'object' && properties !== null)
      fields.set(step.id, Object.keys(properties));
  }
  return (step) => fields.get(step);
}
