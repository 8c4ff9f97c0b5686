import type { OrgId } from '../base/id.ts';
import { toOrgId, toRunId } from '../base/id.ts';
import type { Store } from '../port/store.ts';
import type { OpenCall } from '../run/open-work.ts';
import type { Children } from './children.ts';
import type { Driver } from './drive.ts';
import { within } from './keys.ts';
import type { Ledger } from './ledger.ts';

/**
 * Takes up what an earlier life of the kernel left open. A call without an answer is an input like any other, so
 * recovery is the ordinary path; there is no second implementation.
 */
export type Recovered = { readonly calls: number; readonly orgs: number };

const PER_PAGE = 1_000;

export async function recover(deps: {
  store: Store;
  ledger: Ledger;
  driver: Pick<Driver, 'submit'>;
  children: Pick<Children, 'takeUp'>;
  report: (defect: unknown) => void;
}): Promise<Recovered> {
  const { store, ledger, driver, children, report } = deps;
  const span = within('!call');
  const open = new Map<OrgId, { run: string; call: OpenCall }[]>();
  for (let from = span.from; ; ) {
    const rows = store.range({ from, to: span.to, limit: PER_PAGE });
    for (const { key, value } of rows) {
      const [, orgName = '', run = ''] = key.split('/');
      const org = toOrgId(orgName);
      if (org) open.set(org, [...(open.get(org) ?? []), { run, call: JSON.parse(value) as OpenCall }]);
    }
    const last = rows.at(-1);
    if (!last || rows.length < PER_PAGE) break;
    from = `${last.key}\0`;
  }
  // One run that cannot be taken up keeps no other, and not the kernel, from going on: its deadline ends it.
  const passOver = (defect: unknown) => {
    if (!ledger.healthy()) throw defect;
    report(defect);
  };
  let calls = 0;
  for (const [org, found] of open) {
    await ledger.stage({
      audit: [{ org, kind: 'kernel.recovered', actor: 'system:kernel', ref: String(found.length) }],
      rows: [],
    });
    // Together, so that they share commits; each run still takes one input at a time.
    await Promise.all(
      found.map(({ run: name, call: { step, attempt, op } }) => {
        const run = toRunId(name);
        if (!run) return undefined;
        // A run that another has started goes on by itself, or has yet to begin.
        const taken =
          op === 'run'
            ? children.takeUp(org, run, step)
            : driver.submit(org, run, { kind: 'recovered', step, attempt, op });
        return taken.catch(passOver);
      }),
    );
    calls += found.length;
  }
  return { calls, orgs: open.size };
}
