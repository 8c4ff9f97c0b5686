import type { EgressPolicy, EgressRule } from './egress.ts';
import { methodsOf, type PluginManifest, stepTypesOf } from './plugin.ts';

/**
 * What a plugin can do, for somebody who decides whether to let it: as a sorted list of words that can be compared, and
 * as sentences. Pure. What a module imports counts before what its manifest says.
 */
export type ModuleFacts = {
  readonly imports: readonly string[];
  readonly memory: { readonly pagesMin: number; readonly pagesMax: number };
  readonly tables: readonly { readonly entriesMax: number }[];
  readonly functions: number;
  readonly startFunction: boolean;
};

export const HTTP_IMPORT = 'interlock:host/v1.http';

/** Functions without power: input, output, memory and log of one call. A plugin has them without being asked. */
const POWERLESS = /^(?:extism:host\/env\.|interlock:host\/v1\.interrupted$|wasi_snapshot_preview1\.)/;

const isSending = ({ capabilities }: PluginManifest, { imports }: ModuleFacts): boolean =>
  capabilities.http && imports.includes(HTTP_IMPORT);

/**
 * `http` (may ask to send), `method:POST`, `secret:NAME`, `change:ACTION` (an action that changes something outside), and of
 * such an action `step:ACTION:TYPE` (the types of steps that may use it: approval depends on them), `unplanned:ACTION` (it
 * makes no plan of what it changes), `final:ACTION` (it cannot be undone); `import:NAME` (a function of the host that nothing
 * here describes), `start` (code that runs before any call).
 */
export function capabilitiesOf(manifest: PluginManifest, facts: ModuleFacts): readonly string[] {
  const actions = Object.entries(manifest.actions);
  const sending = isSending(manifest, facts);
  const found = new Set<string>();
  if (sending) found.add('http');
  if (sending) for (const [, action] of actions) for (const method of methodsOf(action)) found.add(`method:${method}`);
  for (const secret of manifest.capabilities.secrets) found.add(`secret:${secret}`);
  for (const [name, action] of actions) {
    if (action.effect !== 'write') continue;
    found.add(`change:${name}`);
    for (const type of stepTypesOf(action)) found.add(`step:${name}:${type}`);
    if (!action.plan) found.add(`unplanned:${name}`);
    if (!action.rollback) found.add(`final:${name}`);
  }
  for (const name of facts.imports) if (!POWERLESS.test(name) && name !== HTTP_IMPORT) found.add(`import:${name}`);
  if (facts.startFunction) found.add('start');
  return [...found].sort();
}

/** One word of the list as the end of a sentence. */
export function capabilityText(capability: string): string {
  const at = capability.indexOf(':');
  const [kind, what] = at < 0 ? [capability, ''] : [capability.slice(0, at), capability.slice(at + 1)];
  if (kind === 'http') return 'may ask to send requests';
  if (kind === 'method') return `may ask to send ${what}`;
  if (kind === 'secret') return `wants the secret ${what} to ride with its requests`;
  if (kind === 'change') return `its action ${what} changes something outside`;
  if (kind === 'step') return `its action ${what.replace(':', ' may be a step of type ')}`;
  if (kind === 'unplanned') return `its action ${what} makes no plan of what it changes`;
  if (kind === 'final') return `its action ${what} cannot be undone`;
  if (kind === 'start') return 'runs code of its own before any call (in the cell, under the deadline of the call)';
  return `uses ${what || capability} of the host`;
}

type Grant = Pick<EgressPolicy['grants'][number], 'rules' | 'mode'>;

/** What it may do, one sentence each. `grant` is the org's for this plugin; `undefined` where no org was asked. */
export function mayOf(manifest: PluginManifest, facts: ModuleFacts, grant?: Grant | null): readonly string[] {
  const own = capabilitiesOf(manifest, facts);
  if (!isSending(manifest, facts))
    return ['computes only: cannot send anything', ...own.filter((one) => one === 'start').map(capabilityText)];
  const rest = own.filter((one) => !/^(?:http$|method:)/.test(one));
  if (grant === undefined) {
    const methods = own.filter((one) => one.startsWith('method:')).map((one) => one.slice('method:'.length));
    const asks =
      methods.length === 0
        ? 'may send nothing: none of its actions names a method'
        : `may ask to send ${methods.join(', ')} to where the egress policy of an org lets it`;
    return [asks, ...rest.map(capabilityText)];
  }
  // A secret rides where the grant says, whatever the manifest asks for.
  return [...sentences(manifest, grant), ...rest.filter((one) => !one.startsWith('secret:')).map(capabilityText)];
}

function sentences(manifest: PluginManifest, grant: Grant | null): readonly string[] {
  const asked = new Set(Object.values(manifest.actions).flatMap((action) => methodsOf(action)));
  const rules = (grant?.rules ?? []).map((rule) => ({
    ...rule,
    methods: rule.methods.filter((one) => asked.has(one)),
  }));
  const usable = rules.filter(({ methods }) => methods.length > 0);
  const beyond = `may send ${[...asked].sort().join(', ')} to any public place that no rule covers, without secrets: its grant is in report mode`;
  const open = grant?.mode === 'report' && asked.size > 0 ? [beyond] : [];
  if (usable.length === 0 && open.length === 0)
    return ['may send nothing: the egress policy has no rule for what it asks'];
  return [...open, ...usable.flatMap(ruleSentences)];
}

function ruleSentences({
  scheme,
  host,
  port,
  methods,
  pathPrefix,
  secret,
  addresses,
  rate,
  headers = [],
}: EgressRule): string[] {
  const plain = scheme === 'http' ? ' unencrypted' : '';
  const inner = addresses.length > 0 ? `, also where that is ${addresses.join(', ')}` : '';
  const often = rate === undefined ? '' : `, at most ${rate}`;
  const set = headers.length > 0 ? `, with headers of its own: ${headers.join(', ')}` : '';
  const whose = [...(secret?.for?.actions ?? []), ...(secret?.for?.playbooks ?? [])];
  const only = whose.length > 0 ? `, for ${whose.join(', ')} alone` : '';
  return [
    `may send ${methods.join(', ')} to ${host}:${port} under ${pathPrefix}${plain}${inner}${often}${set}`,
    ...(secret ? [`may use the secret ${secret.name} in the header ${secret.header} there${only}`] : []),
  ];
}

/** The size of it, one sentence each. */
export const sizeOf = ({ memory, tables, functions, startFunction }: ModuleFacts): readonly string[] => [
  `memory up to ${memory.pagesMax} pages of 64 KiB, ${memory.pagesMin} at first`,
  tables.length === 0 ? 'no tables' : `tables up to ${tables.map(({ entriesMax }) => entriesMax).join(', ')} entries`,
  `${functions} functions`,
  startFunction ? 'has a start function' : 'no start function',
];
