import type * as Api from '../../../sdk/contract/api.ts';
import { listOf, Plugin } from '../../../sdk/contract/api.ts';
import { type ActionManifest, stepTypesOf } from '../../../sdk/contract/plugin.ts';
import { isObject } from '../../base/json.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { page } from '../answer.ts';
import { type Route, route } from '../route.ts';

/** What a playbook may use: the plugins that the configuration gives the org. */
export const pluginRoutes = ({ kernel }: { readonly kernel: Kernel }): readonly Route[] => [
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/plugins',
    operation: 'listPlugins',
    summary: 'The plugins of the org: versions, actions, and whether each has a grant',
    access: 'playbook.read',
    answer: { status: 200, description: 'All of them, by name.', schema: listOf(Plugin) },
    handle: ({ by }) => page(kernel.plugins(by.org).map(pluginView), null),
  }),
];

const pluginView = ({
  name,
  digest,
  manifest,
  granted,
  may,
  trusted,
}: ReturnType<Kernel['plugins']>[number]): Api.Plugin => ({
  name,
  title: manifest.title,
  version: manifest.version,
  digest,
  granted,
  may: [...may],
  signer: trusted?.signer?.id ?? null,
  locked: trusted?.locked ?? false,
  actions: Object.entries(manifest.actions).map(([action, declared]) => {
    const { title, effect, idempotent, plan, input } = declared;
    const parameters = parametersOf(input);
    return { action, title, effect, types: [...stepTypesOf(declared)], idempotent, plan, parameters };
  }),
});

/** Those that the schema of an action names. */
function parametersOf({ properties, required }: ActionManifest['input']) {
  const needed: readonly unknown[] = Array.isArray(required) ? required : [];
  const named = isObject(properties) ? Object.keys(properties) : [];
  return named.map((name) => ({ name, required: needed.includes(name) }));
}
