import * as v from 'valibot';
import { DescriptionSchema, differences } from '../../sdk/contract/description.ts';
import type { PluginManifest } from '../../sdk/contract/plugin.ts';
import type { Digest, OrgId } from '../base/id.ts';
import { printable } from '../base/printable.ts';
import type { CellHost } from '../port/cell-host.ts';

/** To say a few names takes less than a millisecond. */
const SOFT_MS = 1_000;
const HARD_MS = 2_000;
const CHARS_MAX = 1_000;

/**
 * Asks a module that was not made by our build what it is, in a cell and with no way out, and compares that with its
 * manifest: a slip is told when the plugin is installed, and not when a rollback is wanted that is not there. It is no wall,
 * because a module may say what it likes, or nothing. One of our build was compared where it was sealed.
 * @returns what is wrong and how to mend it, or undefined.
 */
export async function faultOfDescription(
  cells: Pick<CellHost, 'call'>,
  org: OrgId,
  module: Digest,
  manifest: PluginManifest,
): Promise<string | undefined> {
  const outcome = await cells.call({
    org,
    module,
    entry: 'describe',
    envelope: '{}',
    softDeadlineMs: SOFT_MS,
    hardDeadlineMs: HARD_MS,
    broker: async () => ({ denied: 'describe may ask nothing' }),
  });
  if (outcome.kind !== 'replied' || outcome.reply === '') return undefined;
  const description = v.safeParse(DescriptionSchema, jsonOf(outcome.reply), { abortEarly: true });
  if (!description.success)
    return 'what its module says of itself (its export describe) does not have the form that docs/plugins.md describes';
  const found = differences(manifest, description.output, 'the module');
  return found.length === 0 ? undefined : printable(found.join('; '), CHARS_MAX);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
