import { crashes, doing, end, isDone, REASON, stepOf } from './calls.ts';
import { all, type Held, type Row, verdict, without } from './row.ts';

/** H: replies that are more than one thing, and exports that are another. */

const FUNCTIONS = 'kernel/adapter/extism/host-functions.ts';
const JSON_WALL = 'kernel/base/json.ts';

const TRAPPED = 'The plugin trapped: unreachable.';
const good = (output: string) => `{"ok":true,"output":${output}}`;
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

/** What parsers read differently, or what is no sound text once it is kept. */
const UNSOUND: readonly string[] = [
  ...[good('{"__proto__":{"admin":true}}'), good('{"a":[{"\\u005f_proto__":1}]}'), '{"__proto__":{"ok":true}}'],
  ...[good('"\\ud800"'), good('{"\\udc00":1}'), good('1e999'), good('NaN'), good("'a'"), `${good('1')} ${good('2')}`],
  ...[good(nested(100)), good(nested(30_000)), good(`[${'0,'.repeat(30_000)}0]`), good(`"${'x'.repeat(70_000)}"`)],
];

export const HOST_REPLY_ROWS: readonly Row[] = [
  {
    id: 'H14',
    tries: 'a reply and another one; a reply and an error, a code that says no, a trap',
    must: 'the last reply; none beside an error',
    run: (world) =>
      end(world, [
        { ...doing('T', 0n), ...isDone },
        { ...doing('B', 0n), ...crashes(REASON.ownError), logs: 1 },
        { ...doing('C', 0n), ...crashes(REASON.ownError) },
        { ...doing('X', 0n), ...crashes(TRAPPED) },
      ]),
    faults: [
      without(FUNCTIONS, 'errorAt !== 0 || (', 'errorAt < 0 || ('),
      without(FUNCTIONS, "if ('thrown' in ended && ending !== ENDING.exited) return trapped(ended.thrown);"),
    ],
  },
  {
    id: 'H15',
    tries:
      'replies of JSON with `__proto__`, lone surrogates, numbers that are none, a depth or a size that is ruinous; keys twice',
    must: 'no output of the step; of keys that stand twice the last one, for everybody',
    run: async (world) => {
      const cells = world.cells();
      const echo = await cells.load('echo');
      const seen: Held[] = [];
      for (const reply of UNSOUND) {
        const step = stepOf(await cells.call(echo, reply));
        seen.push(
          verdict(step.kind === 'failed', step.kind === 'failed' ? 'no output' : `an output of ${reply.slice(0, 60)}`),
        );
      }
      const twice = stepOf(await cells.call(echo, '{"ok":false,"output":1,"ok":true,"output":{"a":1,"a":2}}'));
      const isLast = twice.kind === 'succeeded' && JSON.stringify(twice.output) === '{"a":2}';
      return all([...seen, verdict(isLast, isLast ? 'the last key' : twice.kind)]);
    },
    faults: [
      without(JSON_WALL, "if (key === '__proto__') return 'forbidden_key';"),
      without(JSON_WALL, "if (!value.isWellFormed()) return 'not_utf8';"),
      without(JSON_WALL, "if (!Number.isFinite(value)) return 'not_json';"),
      [
        ...without(JSON_WALL, "if (nesting(text) > bounds.depth) return err('too_deep');"),
        ...without(JSON_WALL, "if (depth > bounds.depth) return 'too_deep';"),
      ],
    ],
  },
  {
    id: 'H16',
    tries: 'exports named `memory`, `then`, `__proto__`, `toString`, `_initialize`, `_start`, that are something else',
    must: 'taken for nothing; WASI, which needs the memory, ends the call',
    run: (world) =>
      end(world, [
        { module: 'odd-exports', input: 'as it was', kind: 'replied', is: 'as it was' },
        {
          module: 'odd-exports',
          input: 'write',
          ...crashes('The plugin called WASI, but does not export its memory as `memory`.'),
        },
      ]),
    faults: [
      without(
        'kernel/adapter/extism/wasi.ts',
        'if (!(memory instanceof WebAssembly.Memory)) host.stop(ENDING.noModuleMemory);',
      ),
      without('kernel/adapter/extism/snapshot.ts', 'if (!(memory instanceof WebAssembly.Memory)) return undefined;'),
      without(
        'kernel/adapter/extism/instances.ts',
        "if (typeof initialize === 'function') initialize();",
        'if (initialize) (initialize as () => void)();',
      ),
    ],
  },
];
