import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { dieWithParent } from '../../kernel/adapter/extism/cell-command.ts';

/** `npm run demo` as a reader runs it: every claim holds; and where one does not, it says which and does not end with 0. */
const ROOT = join(import.meta.dirname, '..', '..');
const DEMO = join(import.meta.dirname, 'main.ts');
/** The stripped sources, kept between starts: most of the time of a start is theirs. */
const COMPILE_CACHE = join(tmpdir(), 'interlock-test-compiled');

type Ran = { readonly code: number | string; readonly out: string; readonly err: string };

function demo(
  options: {
    readonly fault?: Fault;
    readonly env?: Readonly<Record<string, string>>;
    readonly args?: readonly string[];
  } = {},
): Promise<Ran> {
  const imports = options.fault ? ['--import', alteration(options.fault)] : [];
  const [file = '', ...args] = [...dieWithParent(), process.execPath, ...imports, DEMO, ...(options.args ?? [])];
  const env = { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: COMPILE_CACHE, ...options.env };
  return new Promise((resolve) => {
    execFile(file, args, { cwd: ROOT, env, timeout: 25_000 }, (error, out, err) =>
      resolve({ code: error ? (error.code ?? 'killed') : 0, out, err }),
    );
  });
}

/** The kernel of the demo, and nothing else, gets one line changed while it is loaded. */
type Fault = { readonly file: string; readonly from: string; readonly to: string };

function alteration(fault: Fault): string {
  const code = `
    import { registerHooks } from 'node:module';
    const { file, from, to } = ${JSON.stringify(fault)};
    registerHooks({
      load(url, context, next) {
        const loaded = next(url, context);
        return url.endsWith(file) ? { ...loaded, source: String(loaded.source).replace(from, to) } : loaded;
      },
    });`;
  return `data:text/javascript,${encodeURIComponent(code)}`;
}

const claims = (out: string) =>
  [...out.matchAll(/^ {2}(ok|NOT TRUE) {2}(.+)$/gm)].map(([, mark = '', text = '']) => ({ mark, text }));
const untrue = (out: string) => claims(out).flatMap(({ mark, text }) => (mark === 'ok' ? [] : [text]));

test('every claim of the demo holds', async () => {
  const { code, out, err } = await demo();
  expect(untrue(out), out).toEqual([]);
  const written = [...(await readFile(DEMO, 'utf8')).matchAll(/^\s*claim\(/gm)].length;
  expect(written).toBeGreaterThan(10);
  expect(claims(out)).toHaveLength(written);
  expect(out).toContain('Every claim held');
  expect([code, err]).toEqual([0, '']);
});

describe('a demo in which one thing is broken', () => {
  const faults: readonly (readonly [string, Fault, string])[] = [
    [
      'whoever caused the run may vote',
      {
        file: 'kernel/approval/approval.ts',
        from: "if (ballot.by === approval.requester) return 'requester-may-not-vote';",
        to: '',
      },
      'the vote of the requester is refused',
    ],
    [
      'a record is lost on its way out',
      { file: 'kernel/flow/export.ts', from: 'yield line;', to: "if (!line.includes('branch.taken')) yield line;" },
      'the export verifies',
    ],
  ];
  test.concurrent.each(faults)('%s: it says so and ends with 1', async (_, fault, claim) => {
    expect(await readFile(join(ROOT, fault.file), 'utf8'), 'the line to change is there').toContain(fault.from);
    const { code, out } = await demo({ fault });
    expect(untrue(out), out).toContain(claim);
    expect(out).not.toContain('Every claim held');
    expect(code).toBe(1);
  });

  test('an option: it takes none, says so in one line, and ends with 2', async () => {
    const { code, out, err } = await demo({ args: ['--foo'] });
    expect({ code, out, err }).toEqual({
      code: 2,
      out: '',
      err: 'interlock: the demo takes no options. Usage: npm run demo\n',
    });
  });

  test('nowhere to keep anything: it breaks off and ends with 1', async () => {
    const { code, out, err } = await demo({ env: { TMPDIR: join(ROOT, 'package.json') } });
    expect([code, claims(out)]).toEqual([1, []]);
    expect(err).toContain('the demo broke off');
  });
});
