import type { Run } from '../client/client.ts';
import { clean, note } from './print.ts';

/** Where whoever was refused by the egress policy finds what would allow it: the log says it, and the run does not. */

/** Refusals that a line in the egress policy would end. Which line that is, is said to whoever runs the kernel. */
const MENDED_BY_RULE = /^E_(?:NOT_ALLOWED|IP_LITERAL|HEADER_NOT_ALLOWED|PRIVATE_ADDRESS):/;

type Refused = { readonly class: string; readonly message: string };

export const isMendedByRule = (error: Refused | null | undefined): boolean =>
  error?.class === 'refused_by_policy' && MENDED_BY_RULE.test(error.message);

/** An address that is not to be allowed by habit gets no line there (kernel/egress/address.ts). */
export const whatTheLogHas = ({ message }: Refused): string =>
  /^E_(?:IP_LITERAL|PRIVATE_ADDRESS):/.test(message)
    ? 'which address it was, and whether there is a rule that would allow'
    : 'the rule that would allow';

export function noteRefusal({ org, run, steps }: Run): void {
  for (const { step, error, undo } of steps)
    for (const one of [error, undo?.error])
      if (one && isMendedByRule(one))
        note(
          `The log of the kernel has ${whatTheLogHas(one)} what ${clean(step, 80)} asked for, in the line ` +
            `"request refused: org ${clean(org, 63)}, run ${clean(run, 64)}, step ${clean(step, 80)}".`,
        );
}
