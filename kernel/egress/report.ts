/**
 * Keeps what a plugin in report mode asked for beyond its rules, as the rules that would allow it. Owns how much is kept of
 * one place, and how requests become one rule.
 */
import { type EgressRule, type HttpMethod, RULE_HEADERS_MAX } from '../../sdk/contract/egress.ts';
import type { UnixMs } from '../base/time.ts';
import { type AllowedRequest, isGranted, isUnder } from './allow.ts';

/** One rule to paste, and what it would have been used for. */
export type ReportedRule = {
  readonly methods: readonly HttpMethod[];
  readonly pathPrefix: string;
  readonly headers: readonly string[];
  readonly requests: number;
  /** Of these, those whose address was refused, so that they did not leave. A row of before has none. */
  readonly refused?: number;
  readonly first: UnixMs;
  readonly last: UnixMs;
  /** Of the last request. */
  readonly run: string;
  readonly step: string;
};
/** What a plugin asked of one place. */
export type ReportedPlace = Pick<EgressRule, 'scheme' | 'host' | 'port'> & {
  readonly plugin: string;
  /** Blocks that its addresses would have needed. */
  readonly addresses?: readonly string[];
  readonly rules: readonly ReportedRule[];
};

/** Paths of one place that are told apart; with one more, all become the path that they begin with. */
const PATHS = 8;
/** Blocks of one place that are kept: whoever owns its name may have it lead anywhere. */
const BLOCKS = 8;
/** The longest path that is kept. */
const PATH_CHARS = 128;

type Asked = { readonly request: AllowedRequest; readonly plugin: string; readonly run: string; readonly step: string };

/**
 * @param before what is kept of this place; undefined when it is the first request for it.
 * @returns undefined where it would become a rule that no policy takes.
 */
export function withRequest(
  before: ReportedPlace | undefined,
  { request, plugin, run, step }: Asked,
  now: UnixMs,
): ReportedPlace | undefined {
  const { rule, method, url } = request;
  const pathPrefix = stemOf(url.pathname);
  const one = {
    methods: [method],
    pathPrefix,
    headers: rule.headers ?? [],
    requests: 1,
    first: now,
    last: now,
    run,
    step,
  };
  const known = before?.rules ?? [];
  const at = known.findIndex((other) => other.pathPrefix === pathPrefix);
  const rules = at === -1 ? [...known, one] : known.with(at, joined(known[at] ?? one, one, pathPrefix));
  const { scheme, host, port } = rule;
  const kept = rules.length > PATHS ? [asOne(rules)] : rules;
  if (kept.some(({ headers }) => headers.length > RULE_HEADERS_MAX)) return undefined;
  const { addresses } = before ?? {};
  return { plugin, scheme, host, port, ...(addresses && { addresses }), rules: kept };
}

/**
 * A request that is kept did not leave after all.
 * @param block that its address would have needed; undefined where no block would have helped.
 */
export function withRefusal(place: ReportedPlace, path: string, block: string | undefined): ReportedPlace {
  const stem = stemOf(path);
  const covering = place.rules.filter(({ pathPrefix }) => isUnder(pathPrefix, stem));
  const its = covering.reduce<ReportedRule | undefined>(
    (a, b) => (a && a.pathPrefix.length >= b.pathPrefix.length ? a : b),
    undefined,
  );
  const rules = place.rules.map((one) => (one === its ? { ...one, refused: (one.refused ?? 0) + 1 } : one));
  const addresses = [...new Set([...(place.addresses ?? []), ...(block === undefined ? [] : [block])])].slice(
    0,
    BLOCKS,
  );
  return { ...place, ...(addresses.length > 0 && { addresses }), rules };
}

/**
 * As it would stand in a policy beside these rules: with the methods that none of them grants there. Undefined when there
 * is none left.
 */
export function ruleToPaste(place: ReportedPlace, one: ReportedRule, rules: readonly EgressRule[] = []) {
  const methods = one.methods.filter((method) => !isGranted(rules, place, one.pathPrefix, method));
  return methods.length === 0 ? undefined : { ...asWritten(place, one), methods };
}

const asWritten = ({ scheme, host, port, addresses }: ReportedPlace, one: ReportedRule) => ({
  scheme,
  host,
  port,
  methods: one.methods,
  pathPrefix: one.pathPrefix,
  ...(addresses ? { addresses } : {}),
  ...(one.headers.length > 0 ? { headers: one.headers } : {}),
});

const asOne = ([first, ...others]: readonly ReportedRule[]): ReportedRule =>
  others.reduce((a, b) => joined(a, b, common(a.pathPrefix, b.pathPrefix)), first as ReportedRule);

const joined = (a: ReportedRule, b: ReportedRule, pathPrefix: string): ReportedRule => ({
  ...b,
  pathPrefix,
  methods: [...new Set([...a.methods, ...b.methods])].sort(),
  headers: [...new Set([...a.headers, ...b.headers])].sort(),
  requests: a.requests + b.requests,
  ...((a.refused || b.refused) && { refused: (a.refused ?? 0) + (b.refused ?? 0) }),
  first: a.first,
});

/** The part of a path before the first segment that looks like the id of one thing. */
function stemOf(path: string): string {
  const kept: string[] = [];
  let chars = 0;
  for (const segment of path.slice(1).split('/')) {
    chars += segment.length + 1;
    if (chars > PATH_CHARS || /^(?=.*[0-9])[0-9a-f-]{8,}$|^[0-9]+$|[0-9].*[0-9].*[0-9]/i.test(segment)) break;
    kept.push(segment);
  }
  return `/${kept.join('/')}`;
}

function common(a: string, b: string): string {
  const [left, right] = [a.split('/'), b.split('/')];
  const differs = left.findIndex((segment, i) => segment !== right[i]);
  return left.slice(0, differs === -1 ? left.length : differs).join('/') || '/';
}
