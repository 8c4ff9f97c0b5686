/**
 * Reads the egress policy of an org. Owns what the schema cannot say: that every host, path, block and header in it means
 * what its writer thinks it means.
 */
import * as v from 'valibot';
import { type EgressPolicy, EgressPolicySchema, type EgressProxy, type EgressRule } from '../../sdk/contract/egress.ts';
import { parseRate, RATE_FORM } from '../base/rate.ts';
import { err, ok, type Result } from '../base/result.ts';
import { blockContains, canonicalAddress, faultOfBlock, judgeAddress } from './address.ts';
import { canBeGranted, canCarrySecret } from './header.ts';
import { bareHost, readTarget } from './url.ts';

/** `path` is where in the document, e.g. `grants.0.rules.2.addresses.1`; `text` says what is wrong and how to mend it. */
export type PolicyFault = { readonly path: string; readonly text: string };

export type ReadPolicy = {
  readonly policy: EgressPolicy;
  /** Granted as written, but worth a second look. */
  readonly warnings: readonly PolicyFault[];
};

const METADATA_ADDRESS = '169.254.169.254';

/** Checks a policy document (JSON already parsed). Every fault is reported, not only the first. */
export function parseEgressPolicy(document: unknown): Result<ReadPolicy, readonly PolicyFault[]> {
  const parsed = v.safeParse(EgressPolicySchema, document);
  if (!parsed.success) {
    return err(parsed.issues.map((issue) => ({ path: v.getDotPath(issue) ?? '', text: issue.message })));
  }
  const faults: PolicyFault[] = [];
  const warnings: PolicyFault[] = [];
  const plugins = new Set<string>();
  const { proxy } = parsed.output;
  if (proxy) faults.push(...faultsOfProxy(proxy));
  parsed.output.grants.forEach((grant, g) => {
    if (plugins.has(grant.plugin)) {
      faults.push({
        path: `grants.${g}.plugin`,
        text: 'this plugin has a grant already; put the rules into one grant',
      });
    }
    plugins.add(grant.plugin);
    const seen = new Map<string, EgressRule[]>();
    const secretHeaders = new Set(grant.rules.flatMap(({ secret }) => secret?.header ?? []));
    grant.rules.forEach((rule, r) => {
      const path = `grants.${g}.rules.${r}`;
      faults.push(...faultsOfRule(rule, path), ...faultsOfHeaders(rule, path, secretHeaders));
      warnings.push(...warningsOfRule(rule, path));
      for (const method of rule.methods) {
        const key = JSON.stringify([rule.scheme, bareHost(rule.host), rule.port, method, rule.pathPrefix]);
        const others = seen.get(key) ?? [];
        if (others.some((other) => !areApart(rule, other)))
          faults.push({ path, text: `${method} is granted twice for this place; merge the two rules` });
        seen.set(key, [...others, rule]);
      }
    });
  });
  return faults.length > 0 ? err(faults) : ok({ policy: parsed.output, warnings });
}

/** Whether no request is covered by both, because their secrets are for others. */
function areApart({ secret: one }: EgressRule, { secret: other }: EgressRule): boolean {
  const share = (a?: readonly string[], b?: readonly string[]) => !a || !b || a.some((name) => b.includes(name));
  return !share(one?.for?.actions, other?.for?.actions) || !share(one?.for?.playbooks, other?.for?.playbooks);
}

/** A place must be one that a request can name: it is read by the same eyes. */
function faultsOfHost({ host, port }: Pick<EgressRule, 'host' | 'port'>, path: string): readonly PolicyFault[] {
  const written = canonicalAddress(bareHost(host))?.includes(':') ? `[${bareHost(host)}]` : host;
  const place = readTarget(`http://${written}:${port}/`);
  return place.ok ? [] : [{ path: `${path}.host`, text: place.error.text }];
}

const faultsOfBlocks = (blocks: readonly string[], path: string): readonly PolicyFault[] =>
  blocks.flatMap((block, i) => {
    const text = faultOfBlock(block);
    return text ? [{ path: `${path}.addresses.${i}`, text }] : [];
  });

function faultsOfProxy(proxy: EgressProxy): readonly PolicyFault[] {
  const faults = [...faultsOfHost(proxy, 'proxy'), ...faultsOfBlocks(proxy.addresses, 'proxy')];
  if (proxy.secret && !isPrintable(proxy.secret.format))
    faults.push({ path: 'proxy.secret.format', text: 'the format must be printable ASCII, such as Basic {}' });
  return faults;
}

const isPrintable = (text: string): boolean => /^[\x20-\x7e]*$/.test(text);

/** What a rule lets a plugin set is never what carries authority: that comes from a secret. */
const faultsOfHeaders = ({ headers = [] }: EgressRule, path: string, secretHeaders: ReadonlySet<string>) =>
  headers.flatMap((name, i): PolicyFault[] => {
    const at = `${path}.headers.${i}`;
    if (!canBeGranted(name)) return [{ path: at, text: 'the kernel, a credential or the connection owns this header' }];
    return secretHeaders.has(name) ? [{ path: at, text: 'a secret rides in this header; no plugin may set it' }] : [];
  });

function faultsOfRule(rule: EgressRule, path: string): readonly PolicyFault[] {
  const faults: PolicyFault[] = [...faultsOfHost(rule, path)];
  const prefix = readTarget(`${rule.scheme}://host.invalid${rule.pathPrefix}`);
  if (!prefix.ok) faults.push({ path: `${path}.pathPrefix`, text: prefix.error.text });
  else if (prefix.value.path !== rule.pathPrefix) {
    faults.push({ path: `${path}.pathPrefix`, text: `no request has this path; write ${prefix.value.path}` });
  }
  faults.push(...faultsOfBlocks(rule.addresses, path));
  if (rule.rate !== undefined && !parseRate(rule.rate)) faults.push({ path: `${path}.rate`, text: RATE_FORM });
  if (rule.secret && !canCarrySecret(rule.secret.header)) {
    faults.push({ path: `${path}.secret.header`, text: 'a secret cannot ride in a header that the kernel sets' });
  }
  if (rule.secret && !isPrintable(rule.secret.format)) {
    faults.push({ path: `${path}.secret.format`, text: 'the format must be printable ASCII, such as Bearer {}' });
  }
  return faults;
}

function warningsOfRule(rule: EgressRule, path: string): readonly PolicyFault[] {
  const warnings: PolicyFault[] = [];
  if (rule.scheme === 'http') {
    const text = rule.secret
      ? 'this secret travels unencrypted; use https unless the network between is yours alone'
      : 'requests travel unencrypted; use https where the host offers it';
    warnings.push({ path: `${path}.scheme`, text });
  }
  rule.addresses.forEach((block, i) => {
    if (blockContains(block, METADATA_ADDRESS)) {
      warnings.push({
        path: `${path}.addresses.${i}`,
        text: 'contains the cloud metadata address; write a narrower block',
      });
    }
  });
  const literal = canonicalAddress(bareHost(rule.host));
  if (literal !== undefined && !judgeAddress(literal, rule.addresses).ok) {
    warnings.push({
      path: `${path}.addresses`,
      text: 'the host is not public and no block contains it: always refused',
    });
  }
  return warnings;
}
