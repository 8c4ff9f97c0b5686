import type { EgressPolicy } from '../../sdk/contract/egress.ts';
import type { AuditDraft } from '../audit/record.ts';
import { digestOf, digestOfJson } from '../base/digest.ts';
import type { OrgId } from '../base/id.ts';
import type { Json } from '../base/json.ts';
import { LIMITS } from '../base/limits.ts';
import type { AllowedRequest } from '../egress/allow.ts';
import { type ReportedPlace, type ReportedRule, ruleToPaste, withRefusal, withRequest } from '../egress/report.ts';
import type { Clock } from '../port/clock.ts';
import type { Store, Write } from '../port/store.ts';
import { KEYS, within } from './keys.ts';
import type { Ledger } from './ledger.ts';

/**
 * What plugins in report mode ask for beyond their rules: one row for each place, in the commit of its record. A request
 * whose row is not on disk does not leave, and what cannot be listed any more is refused.
 */
export type Reports = {
  /** @returns whether it is on record; false: the list of the org is full, or what is kept of the place. */
  note(asked: Asked): Promise<boolean>;
  /** What was noted did not leave: its address was refused, or the proxy refused the place. On record as well. */
  refused(asked: Asked, block: string | undefined): Promise<void>;
  /** By plugin and place, as on disk, without what these grants cover by now. */
  list(org: OrgId, grants: EgressPolicy['grants']): readonly Reported[];
  /** Rows of plugins that are not in report mode under this policy: to be removed with the commit that puts it in force. */
  removed(org: OrgId, policy: EgressPolicy): readonly Write[];
};

/** A rule as it would stand in the policy, and what it would have been used for. */
export type Reported = Required<Omit<ReportedRule, 'methods' | 'pathPrefix' | 'headers'>> & {
  readonly plugin: string;
  readonly rule: NonNullable<ReturnType<typeof ruleToPaste>>;
};

type Asked = {
  readonly org: OrgId;
  readonly run: string;
  readonly step: string;
  readonly plugin: string;
  readonly request: AllowedRequest;
};

const keyOf = ({ org, plugin, request: { rule } }: Asked): string =>
  KEYS.reportedPlace(org, plugin, digestOf(JSON.stringify([rule.scheme, rule.host, rule.port])));

function recordOf({ org, run, step, plugin, request: { method, url } }: Asked): AuditDraft {
  const act = digestOfJson('egress-reported', { method, place: url.origin, path: url.pathname } satisfies Json);
  return { org, kind: 'egress.reported', actor: 'system:broker', ref: plugin, run, step, act };
}

export function openReports(deps: { store: Store; ledger: Pick<Ledger, 'read' | 'stage'>; clock: Clock }): Reports {
  const { store, ledger, clock } = deps;
  /** Rows of each org, those too that are on their way to the disk. */
  const keys = new Map<OrgId, Set<string>>();

  const rowsOf = (org: OrgId) =>
    store.range({ ...within(KEYS.reported(org)), limit: LIMITS.reportedPlaces.value }).map(({ key, value }) => ({
      key,
      place: JSON.parse(value) as ReportedPlace,
    }));
  const keysOf = (org: OrgId): Set<string> => {
    const known = keys.get(org) ?? new Set(rowsOf(org).map(({ key }) => key));
    keys.set(org, known);
    return known;
  };

  return {
    async note(one) {
      const { org, run, step, plugin, request } = one;
      const key = keyOf(one);
      const known = keysOf(org);
      if (!known.has(key) && known.size >= LIMITS.reportedPlaces.value) return false;
      const before = ledger.read(key);
      const asked = { request, plugin, run, step };
      const place = withRequest(
        before === undefined ? undefined : (JSON.parse(before) as ReportedPlace),
        asked,
        clock.now(),
      );
      if (place === undefined) return false;
      known.add(key);
      await ledger.stage({ audit: [recordOf(one)], rows: [{ key, value: JSON.stringify(place) }] });
      return true;
    },
    async refused(one, block) {
      const key = keyOf(one);
      const before = ledger.read(key);
      const { pathname } = one.request.url;
      await ledger.stage({
        audit: [{ ...recordOf(one), outcome: 'refused' }],
        rows:
          before === undefined
            ? []
            : [{ key, value: JSON.stringify(withRefusal(JSON.parse(before), pathname, block)) }],
      });
    },
    list: (org, grants) =>
      rowsOf(org).flatMap(({ place }) => {
        const { plugin } = place;
        const inForce = grants.find((grant) => grant.plugin === plugin)?.rules;
        return place.rules.flatMap((one) => {
          const rule = ruleToPaste(place, one, inForce);
          const { requests, refused = 0, first, last, run, step } = one;
          return rule ? [{ plugin, rule, requests, refused, first, last, run, step }] : [];
        });
      }),
    removed(org, { grants }) {
      const reporting = new Set(grants.flatMap(({ plugin, mode }) => (mode === 'report' ? [plugin] : [])));
      const gone = rowsOf(org).filter(({ place }) => !reporting.has(place.plugin));
      keys.delete(org);
      return gone.map(({ key }) => ({ key, value: null }));
    },
  };
}
