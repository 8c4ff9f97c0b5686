import type { StepRunId } from '../../kernel/base/id.ts';
import type { CellOutcome } from '../../kernel/port/cell-host.ts';
import { auditOf } from '../../kernel/run/audit.ts';
import type { Run } from '../../kernel/run/state.ts';
import { exact } from '../../sdk/cli/print.ts';
import { crashes, doing, end, GUESSED, isDone, isRefused, lives, REASON, stepOf } from './calls.ts';
import { all, type Held, type Row, told, verdict, without } from './row.ts';

/** H: what a running module says, and how its call ends. */

const FUNCTIONS = 'kernel/adapter/extism/host-functions.ts';
const MEMORY = 'kernel/adapter/extism/host-memory.ts';

/** Colours, a title of the window, a cursor that moves, a line of its own, text that runs backwards: as a plugin may write it. */
const STEERING = '\u001b[31mred \u001b]0;title\u0007 \u009b2J\r\nforged line \u202ekcab';
// biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there.
const STEERS = /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/;

/** What is kept of an error that a plugin words: by the run, and in the audit log. */
function kept(outcome: CellOutcome): Held {
  const step = stepOf(outcome);
  if (step.kind !== 'failed') return verdict(false, `the step ${step.kind}`);
  const run = { org: 'acme', id: 'run_1', startedSeq: 1, steps: {} } as unknown as Run;
  const record = auditOf(run, { kind: 'step-failed', step: 'ban' as StepRunId, attempt: 1, error: step.error });
  const steers = STEERS.test(step.error.message);
  const recorded = JSON.stringify(record).includes('forged line');
  return all([
    verdict(!steers && step.error.message.includes('forged line'), steers ? 'an error that steers' : 'one plain line'),
    verdict(!recorded, recorded ? 'on record, word for word' : 'no word on record'),
  ]);
}

export const HOST_END_ROWS: readonly Row[] = [
  {
    id: 'H7',
    tries: 'log without end; words that steer a terminal, as log, error and output',
    must: 'refused at its quota; the log is dropped, an error is one plain line and not on record, an output is shown escaped',
    run: async (world) => {
      const cells = world.cells();
      const echo = await cells.load('echo');
      const says = (reply: object) => cells.call(echo, JSON.stringify(reply));
      const logged = await cells.call(echo, STEERING);
      const failed = await says({ ok: false, error: { class: 'internal', message: STEERING } });
      const done = stepOf(await says({ ok: true, output: STEERING }));
      const shown = done.kind === 'succeeded' ? exact(String(done.output)) : STEERING;
      const dropped = logged.logs.length === 1 && !JSON.stringify(stepOf(logged)).includes('forged line');
      return all([
        await end(world, [
          { module: 'log-bomb', ...isRefused(REASON.log), logs: 200 },
          { module: 'echo', input: 'x'.repeat(65_537), ...isRefused(REASON.log) },
        ]),
        verdict(dropped, dropped ? 'log dropped' : 'log kept'),
        kept(failed),
        verdict(!STEERS.test(shown), STEERS.test(shown) ? 'an output that steers' : 'escaped'),
      ]);
    },
    faults: [
      without(FUNCTIONS, 'logs.length >= quota.logs || '),
      without(FUNCTIONS, ' || logBytes > quota.logBytes'),
      without('kernel/flow/outcome.ts', 'message: printable(told, MESSAGE_CHARS)', 'message: told'),
      without('kernel/run/audit.ts', 'outcome: event.error.class,\n', 'outcome: event.error.message,\n'),
      without(
        'sdk/cli/print.ts',
        'const shown = escapeUnprintable(rest > 0 ? text.slice(0, chars) : text);',
        'const shown = text;',
      ),
    ],
  },
  {
    id: 'H8',
    tries: 'output and error at made-up addresses, over the limit, of 200 MB; output that is not UTF-8, or not JSON',
    must: 'a typed end in words of ours',
    run: async (world) => {
      const cells = world.cells();
      const echo = await cells.load('echo');
      const seen: Held[] = [];
      for (const reply of ['', '{"ok":true', 'null', '[]', '{"ok":1}', '\u0000']) {
        const step = stepOf(await cells.call(echo, reply));
        const typed = step.kind === 'failed' && step.error.class === 'internal';
        const plain = typed && !step.error.message.includes(reply || 'no reply at all');
        seen.push(verdict(plain, plain ? 'no reply: internal' : `a reply of ${reply.length} bytes: ${step.kind}`));
      }
      return all([
        await end(world, [
          { module: 'bogus-output', ...crashes(REASON.outside) },
          ...GUESSED.map((address) => ({ ...doing('o', address), ...crashes(REASON.outside) })),
          { module: 'huge-output', ...isRefused('The reply has more than 1048576 bytes.') },
          { module: 'bad-utf8', ...crashes('The reply is not UTF-8.') },
          ...GUESSED.filter((address) => address !== 0n).map((address) => ({
            ...doing('e', address),
            ...crashes(REASON.outside),
          })),
          { ...doing('E', 200n << 20n), ...isRefused(REASON.hostMemory) },
          { ...doing('E', 15n << 20n), ...crashes(REASON.ownError), logs: 1 },
        ]),
        ...seen,
      ]);
    },
    faults: [
      without(FUNCTIONS, 'outputAt = within(address, length);', 'outputAt = Number(address);'),
      without(FUNCTIONS, 'if (length > quota.outputBytes)', 'if (length > 1e9)'),
      without(FUNCTIONS, 'if (address !== 0n) block(address);'),
      without(FUNCTIONS, 'text: words.slice(0, room)', 'text: words'),
      without(FUNCTIONS, 'if (how === undefined && !isUtf8(text)) how = ENDING.notText;'),
      without(
        'kernel/flow/outcome.ts',
        'if (!read.ok) return failure(',
        "if (!read.ok) return { ok: true, output: '' };\n  if (!read.ok) return failure(",
      ),
    ],
  },
  {
    id: 'H9',
    tries: 'to read outside its blocks, to give back what is none, to use blocks after that',
    must: 'an error, or nothing; nothing else dies',
    run: (world) =>
      end(world, [
        { module: 'foreign-read', ...crashes(REASON.outside) },
        ...GUESSED.flatMap((address) => [
          { ...doing('f', address), ...isDone },
          ...['r', 'R', 'n', 'v', 'h'].map((letter) => ({ ...doing(letter, address), ...crashes(REASON.outside) })),
        ]),
        { ...doing('R', 28n), ...crashes(REASON.outside) },
        // Its own input, which it then reads.
        { ...doing('f', 8n), ...crashes(REASON.outside) },
        { ...doing('x', 0n), ...isDone },
        { ...doing('y', 0n), ...crashes(REASON.outside) },
      ]),
    faults: [
      without(MEMORY, 'address >= FIRST && address + length <= used;', 'address + length <= used;'),
      without(MEMORY, 'lengths.delete(address);\n', ''),
      without(FUNCTIONS, 'memory.free(Number(address));', 'memory.view().setUint8(Number(address), 0);'),
    ],
  },
  {
    id: 'H10',
    tries: 'endless recursion, in WebAssembly and in TypeScript',
    must: 'a trap, or an error of the plugin; the cell lives',
    run: async (world) => {
      const cells = world.cells();
      const sealed = await world.sealed(cells);
      const seen: Held[] = [];
      for (const how of ['script', 'native']) {
        const outcome = await sealed('depth', how);
        const own = outcome.kind === 'replied' && !/"output"/.test(outcome.reply);
        seen.push(verdict(own, own ? 'an error of the plugin' : told(outcome)));
        const next = await sealed('echo', 'here');
        seen.push(verdict(next.kind === 'replied', `then ${told(next)}`));
      }
      return all([await end(world, [{ module: 'recursion', ...crashes(REASON.recursion) }]), ...seen, lives(cells)]);
    },
    faults: [
      without('kernel/adapter/extism/instances.ts', 'result = host.end({ thrown });', 'process.exit(3);'),
      without('sdk/build/vm.ts', 'const STACK_BYTES = 128 * 1024;', 'const STACK_BYTES = 16 * 1024 * 1024;'),
    ],
  },
];
