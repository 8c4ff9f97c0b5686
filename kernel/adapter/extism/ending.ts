import { VERDICT } from './result-frame.ts';

/** How a call ended, as the host saw it. Reasons are ours: nothing that a plugin said is in them. */
export type Ending = { readonly verdict: number; readonly reason: string };

/** What every host function throws, whatever the reason: a plugin that catches it learns nothing. */
export const STOPPED = new Error('the call was stopped by its host');

const crashed = (reason: string): Ending => ({ verdict: VERDICT.crashed, reason });

export const ENDING = {
  outside: crashed('The plugin used an address outside its host memory.'),
  outsideOfModule: crashed('The plugin gave WASI an address outside its own memory.'),
  noModuleMemory: crashed('The plugin called WASI, but does not export its memory as `memory`.'),
  notInCall: crashed('The plugin called its host while it was being set up.'),
  notText: crashed('The reply is not UTF-8.'),
  noReply: crashed('The plugin ended without a reply.'),
  ownError: crashed('The plugin ended with an error of its own; its text is the last line of the log.'),
  overran: { verdict: VERDICT.overran, reason: '' },
  /** It asked to end, and ended well: what it had written until then is its reply. */
  exited: { verdict: VERDICT.replied, reason: '' },
} as const satisfies Record<string, Ending>;

export const refused = (reason: string): Ending => ({ verdict: VERDICT.refused, reason });

/** What the engine says about a trap. Its texts are fixed; a plugin cannot put words into them. */
export function trapped(thrown: unknown): Ending {
  if (thrown instanceof WebAssembly.RuntimeError)
    return crashed(`The plugin trapped: ${thrown.message.slice(0, 120)}.`);
  if (thrown instanceof RangeError)
    return crashed('The plugin recursed too deeply or took more memory than a cell has.');
  if (thrown instanceof WebAssembly.LinkError) return crashed('The module does not link against the host functions.');
  return crashed('The plugin threw what nothing caught.');
}
