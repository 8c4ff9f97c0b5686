/**
 * Judges one request of a plugin against its grant. Owns the decision "may this leave, and under which rule".
 * Says nothing about addresses: those are judged when the name has been resolved, at the socket.
 */
import { type EgressRule, HTTP_METHODS, type HttpMethod } from '../../sdk/contract/egress.ts';
import type { HttpRequest } from '../../sdk/contract/plugin.ts';
import { LIMITS } from '../base/limits.ts';
import { ok, type Result } from '../base/result.ts';
import { blockToOffer, canonicalAddress, judgeAddress, NOT_BY_HABIT } from './address.ts';
import { judgeHeaders, ungrantedHeaders } from './header.ts';
import { type Refusal, refuse } from './refusal.ts';
import { bareHost, readTarget, type Target } from './url.ts';

/** Longest path that a suggested grant repeats; a longer one is cut at a `/`. */
const MAX_SUGGESTED_PATH = 128;
/** The longest name of a host that there is (RFC 1035 section 2.3.4). */
const MAX_HOST = 253;

export type AllowedRequest = {
  readonly rule: EgressRule;
  readonly url: URL;
  readonly method: HttpMethod;
  /** Lower-case names; none of them the kernel's or a credential. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
};

const isMethod = (text: unknown): text is HttpMethod => HTTP_METHODS.some((method) => method === text);

/** Whether a method only asks (RFC 9110 section 9.2.1), among those that can be granted. */
export const isSafe = (method: HttpMethod): boolean => method === 'GET' || method === 'HEAD';

/** Who asks: the action, and the playbook of its run; null where no playbook asks. */
export type Asker = { readonly action: string; readonly playbook: string | null };

/**
 * Judges every part of the request, then looks for the rule. Of several rules that cover it, the one with the longest
 * path prefix holds, whatever their order, so that a narrower grant can bind another secret.
 * @param request comes from a plugin; its parts are checked, not trusted to have their types.
 */
export function judgeRequest(
  rules: readonly EgressRule[],
  request: HttpRequest,
  asker: Asker,
): Result<AllowedRequest, Refusal> {
  const target = readTarget(request.url);
  if (!target.ok) return target;
  const { method } = request;
  if (!isMethod(method)) return refuse('E_METHOD', `the method must be one of ${HTTP_METHODS.join(', ')}`);
  const headers = judgeHeaders(request.headers, new Set(rules.flatMap((rule) => rule.secret?.header ?? [])));
  if (!headers.ok) return headers;
  const faultInBody = faultOfBody(request.body, method);
  if (faultInBody) return refuse('E_BODY', faultInBody);
  const rule = findRule(rules, target.value, method, asker);
  if (!rule) return refuseUncovered(rules, target.value, method, asker, headers.value);
  const ungranted = ungrantedHeaders(Object.keys(headers.value), rule.headers);
  if (ungranted.length > 0) return refuseHeaders(rule, ungranted);
  return ok({ rule, url: target.value.url, method, headers: headers.value, body: request.body });
}

/**
 * The request that no rule covers, under a rule of its own: for a plugin in report mode. No secret rides along, and it may go
 * to public addresses alone. Undefined where it is no request that could be granted.
 */
export function uncovered(
  rules: readonly EgressRule[],
  request: HttpRequest,
  asker: Asker,
): AllowedRequest | undefined {
  const judged = judgeRequest(rules, request, asker);
  if (judged.ok || !UNCOVERED.has(judged.error.code)) return undefined;
  const target = readTarget(request.url);
  if (!target.ok || !isMethod(request.method)) return undefined;
  const { scheme, host, port, url } = target.value;
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const named = ungrantedHeaders(Object.keys(headers));
  const { method, body } = request;
  const place = { scheme, host, port, methods: [method], pathPrefix: '/', addresses: [] };
  return { rule: { ...place, ...(named.length > 0 ? { headers: [...named] } : {}) }, url, method, headers, body };
}
const UNCOVERED: ReadonlySet<Refusal['code']> = new Set(['E_NOT_ALLOWED', 'E_IP_LITERAL']);

function faultOfBody(body: unknown, method: HttpMethod): string | undefined {
  if (body === null) return undefined;
  if (typeof body !== 'string' || !body.isWellFormed()) return 'the body must be null or well-formed text';
  if (isSafe(method)) return 'GET and HEAD carry no body; give null';
  const limit = LIMITS.httpBodyBytes.value;
  return Buffer.byteLength(body) > limit ? `the body is over ${limit} bytes` : undefined;
}

function findRule(
  rules: readonly EgressRule[],
  target: Target,
  method: HttpMethod,
  asker: Asker,
): EgressRule | undefined {
  let best: EgressRule | undefined;
  for (const rule of rules) {
    if (differences(rule, target, method, asker).length > 0) continue;
    if (!best || rule.pathPrefix.length > best.pathPrefix.length) best = rule;
  }
  return best;
}

/** The parts of a rule, each with its word for what of a request it is about. */
const PARTS = {
  scheme: 'scheme',
  host: 'host',
  port: 'port',
  methods: 'method',
  pathPrefix: 'path',
  'secret.for': 'action or playbook',
} as const;
type Part = keyof typeof PARTS;

/**
 * Names of the parts of a rule that do not cover the request; empty when it does.
 * @param asker without it, whoever a secret is for.
 */
function differences(rule: EgressRule, target: Target, method: HttpMethod, asker?: Asker): readonly Part[] {
  const different: Part[] = [];
  if (rule.scheme !== target.scheme) different.push('scheme');
  if (bareHost(rule.host) !== target.host) different.push('host');
  if (rule.port !== target.port) different.push('port');
  if (!rule.methods.includes(method)) different.push('methods');
  if (!isUnder(rule.pathPrefix, target.path)) different.push('pathPrefix');
  if (asker && rule.secret?.for && !isFor(rule.secret.for, asker)) different.push('secret.for');
  return different;
}

const isFor = (whom: NonNullable<NonNullable<EgressRule['secret']>['for']>, { action, playbook }: Asker): boolean =>
  (whom.actions === undefined || whom.actions.includes(action)) &&
  (whom.playbooks === undefined || (playbook !== null && whom.playbooks.includes(playbook)));

/** The path equals the prefix or continues it at a `/`. */
export const isUnder = (prefix: string, path: string): boolean =>
  path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);

/** Whether one of the rules covers a whole part of a place by this method, whoever asks. */
export const isGranted = (
  rules: readonly EgressRule[],
  { scheme, host, port }: Pick<EgressRule, 'scheme' | 'host' | 'port'>,
  path: string,
  method: HttpMethod,
): boolean =>
  rules.some(
    (rule) =>
      rule.scheme === scheme &&
      bareHost(rule.host) === bareHost(host) &&
      rule.port === port &&
      rule.methods.includes(method) &&
      isUnder(rule.pathPrefix, path) &&
      !rule.secret?.for,
  );

/**
 * Tells whoever reads the run where the request was for, and which part of it no rule covers; and the operator the line to
 * paste. The path is in the line alone: addresses of webhooks hold their secret there. The query never appears: it may
 * hold what the run is about.
 */
function refuseUncovered(
  rules: readonly EgressRule[],
  target: Target,
  method: HttpMethod,
  asker: Asker,
  headers: Readonly<Record<string, string>>,
): Result<never, Refusal> {
  const paste = pasteOf(target, method, headers);
  const nearest = nearestRule(rules, target, [method], asker);
  if (nearest === undefined) return refuse(target.isAddress ? 'E_IP_LITERAL' : 'E_NOT_ALLOWED', noHost(target), paste);
  return refuse(
    'E_NOT_ALLOWED',
    `${method} to ${target.url.origin}: ${notCovered(nearest)}`,
    `the nearest rule for this host differs in ${nearest.join(', ')}; ${paste}`,
  );
}

/** In what the rule differs that comes nearest, of those for this host, by any of the methods; undefined without one. */
function nearestRule(rules: readonly EgressRule[], target: Target, methods: readonly HttpMethod[], asker?: Asker) {
  return rules
    .filter((rule) => bareHost(rule.host) === target.host)
    .flatMap((rule) => methods.map((method) => differences(rule, target, method, asker)))
    .reduce<readonly Part[] | undefined>((a, b) => (a && a.length <= b.length ? a : b), undefined);
}

/** The names are in the hint alone: they are the plugin's words. */
const refuseHeaders = (rule: EgressRule, ungranted: readonly string[]): Result<never, Refusal> =>
  refuse(
    'E_HEADER_NOT_ALLOWED',
    'the rule for this place does not grant one of the headers of the request',
    `to allow it, write into the rule for ${rule.host}: ${JSON.stringify({ headers: [...(rule.headers ?? []), ...ungranted] }).slice(1, -1)}`,
  );

const notCovered = (parts: readonly Part[]): string =>
  `no rule for this host covers its ${parts.map((part) => PARTS[part]).join(' and ')}`;
const noHost = ({ host, isAddress }: Target): string =>
  `${isAddress ? 'an IP address is reached only through a rule that names exactly it:' : "no rule of the plugin's grant is for the host"} ${host.slice(0, MAX_HOST)}`;

/**
 * Why no request can be covered for a URL that a playbook has written out; undefined where one can.
 * @param methods those that the action may send.
 * @param isWhole false: only scheme, host and port are sure before a run.
 * @param headers names that the playbook gives.
 */
export function faultOfWritten(
  rules: readonly EgressRule[],
  url: string,
  methods: readonly HttpMethod[],
  isWhole: boolean,
  headers: readonly string[] = [],
): string | undefined {
  const target = readTarget(url);
  if (!target.ok) return target.error.text;
  const nearest = nearestRule(rules, target.value, methods);
  if (nearest === undefined) return noHost(target.value);
  const sure = (parts: readonly Part[]) => parts.filter((part) => isWhole || part !== 'pathPrefix');
  if (sure(nearest).length > 0) return notCovered(sure(nearest));
  const names = headers.map((name) => name.toLowerCase());
  const covers = (rule: EgressRule) =>
    methods.some((method) => sure(differences(rule, target.value, method)).length === 0);
  const isGranted = rules.some((rule) => covers(rule) && ungrantedHeaders(names, rule.headers).length === 0);
  return isGranted ? undefined : 'no rule for this place grants all of its headers';
}

function pasteOf(target: Target, method: HttpMethod, headers: Readonly<Record<string, string>>): string {
  const address = canonicalAddress(target.host);
  const isInner = address !== undefined && !judgeAddress(address, []).ok;
  const block = isInner ? blockToOffer(address) : undefined;
  if (isInner && block === undefined) return `${address} is ${NOT_BY_HABIT}`;
  const named = ungrantedHeaders(Object.keys(headers));
  const rule = {
    scheme: target.scheme,
    host: target.host,
    port: target.port,
    methods: [method],
    pathPrefix: shortened(target.path),
    ...(block === undefined ? {} : { addresses: [block] }),
    ...(named.length > 0 ? { headers: named } : {}),
  };
  return `to allow it, add to the plugin's rules: ${JSON.stringify(rule)}`;
}

function shortened(path: string): string {
  if (path.length <= MAX_SUGGESTED_PATH) return path;
  return path.slice(0, Math.max(1, path.lastIndexOf('/', MAX_SUGGESTED_PATH)));
}
