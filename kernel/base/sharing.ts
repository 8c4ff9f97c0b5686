/**
 * Whether several orgs use a thing at present. Holds no more than the last two that did.
 *
 * What is kept free for others costs whoever is alone, so it is kept only while there are others.
 */
export type Sharing<Org> = {
  /** The org uses it now. @returns the one that did before, if that was another. */
  note(org: Org): Org | undefined;
  isShared(): boolean;
};

/** So long after its last use an org is still one that others share with. */
const SHARED_MS = 60_000;

export function openSharing<Org>(now: () => number): Sharing<Org> {
  let latest: { readonly org: Org; readonly at: number } | undefined;
  /** The last one that was not `latest.org`. */
  let other: typeof latest;
  return {
    note(org) {
      const before = latest?.org === org ? undefined : latest;
      if (before) other = before;
      latest = { org, at: now() };
      return before?.org;
    },
    isShared: () => other !== undefined && now() - other.at < SHARED_MS,
  };
}
