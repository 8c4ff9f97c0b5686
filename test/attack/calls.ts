import { QUOTA } from '../../kernel/adapter/extism/quota.ts';
import { NOTHING_USED, outcomeOf } from '../../kernel/flow/outcome.ts';
import type { CellOutcome } from '../../kernel/port/cell-host.ts';
import type { Outcome } from '../../kernel/run/decision.ts';
import type { Cells } from '../hostile/cells.ts';
import { all, type Held, told, verdict } from './row.ts';
import type { World } from './world.ts';

/** How calls of a hostile module end: what rows of class H share. */

/** An attack: a module of `test/hostile/modules`, its input, and how its call must end. */
export type Ends = {
  readonly module: string;
  readonly input?: string;
  readonly kind: 'refused' | 'crashed' | 'replied';
  /** The whole reason, or the whole reply: no word of a plugin, or of the host, is in a reason. */
  readonly is: string;
  /** What is told of that reply, where it is not `is`. */
  readonly says?: string;
  /** How many lines of log are told at most; none where it is left out. */
  readonly logs?: number;
};

export const REASON = {
  outside: 'The plugin used an address outside its host memory.',
  hostMemory: 'The plugin used more host memory than 16777216 bytes or 20000 blocks.',
  log: 'The plugin wrote more log than 200 lines or 65536 bytes.',
  ownError: 'The plugin ended with an error of its own; its text is the last line of the log.',
  recursion: 'The plugin recursed too deeply or took more memory than a cell has.',
} as const;

/** `at-address` does one thing, named by a letter, with one number. */
export const doing = (letter: string, number: bigint) =>
  ({ module: 'at-address', input: letter + BigInt.asUintN(64, number).toString(16).padStart(16, '0') }) as const;
export const crashes = (is: string) => ({ kind: 'crashed', is }) as const;
export const isRefused = (is: string) => ({ kind: 'refused', is }) as const;
export const isDone = { kind: 'replied', is: 'done' } as const;

/** What nobody was given: below the first block, behind the last one, and where other hosts have theirs. */
export const GUESSED: readonly bigint[] = [
  ...[0n, 1n, 7n, 32n, 0x1_0000n, 1n << 20n, (16n << 20n) + 8n, 1n << 32n],
  ...[1n << 48n, 2n << 48n, 0xffffn << 48n, -8n, (1n << 63n) - 1n],
];

const textOf = (outcome: CellOutcome) => ('reason' in outcome ? outcome.reason : 'reply' in outcome && outcome.reply);

/** Each ends as said, both in a new instance and in one that is put back, and the same cell serves another plugin after it. */
export async function end(world: World, attacks: readonly Ends[]): Promise<Held> {
  const cells = world.cells();
  const seen: Held[] = [];
  for (const sealed of [false, true])
    for (const { module, input = '{}', kind, is, says = is, logs = 0 } of attacks) {
      const outcome = await cells.call(await cells.load(module, sealed), input);
      const logBytes = outcome.logs.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
      const isIt = outcome.kind === kind && textOf(outcome) === is;
      const well = isIt && outcome.logs.length <= logs && logBytes <= QUOTA.logBytes;
      const other = outcome.kind === 'replied' && kind === 'replied' ? `another reply than ${says}` : told(outcome);
      // An input that is told is one of ours: it says which of many it was.
      if (!well) return verdict(false, `${module} ${input.slice(0, 17)}: ${isIt ? 'too much log' : other}`);
      seen.push(verdict(true, `${kind}: ${says}`), await serves(cells, sealed));
    }
  return all([...seen, lives(cells)]);
}

async function serves(cells: Cells, sealed: boolean): Promise<Held> {
  const after = await cells.call(await cells.load('echo', sealed), 'still here');
  const well = after.kind === 'replied' && after.reply === 'still here';
  return verdict(well, well ? 'others are served' : `then ${told(after)}`);
}

export function lives({ host }: Cells): Held {
  const { respawns } = host.stats();
  return verdict(respawns === 0, respawns === 0 ? 'the cell lives' : 'its cell had to be replaced');
}

/** What the step is told of a call, before a schema of its own has a say. */
export const stepOf = (outcome: CellOutcome): Outcome =>
  outcomeOf({ outcome, use: NOTHING_USED, effect: 'none', checkOutput: () => undefined });
