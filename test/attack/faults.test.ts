import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { tryFault } from './fault.ts';
import { type Fault, type Row, without } from './row.ts';
import { ROWS } from './rows.ts';

/** Every row notices when its defence is gone; `npm run attack -- --faults` prints the same. */

// Each is a process with a cell or two: more at once would only wait for each other.
vi.setConfig({ maxConcurrency: 2, testTimeout: 60_000 });

const rowOf = (id: string): Row => {
  const row = ROWS.find((one) => one.id === id);
  if (!row) throw new Error(`no row ${id}`);
  return row;
};

describe.concurrent('a row notices', () => {
  it.each(
    ROWS.flatMap((row) => row.faults.map((fault) => ({ row, fault, id: row.id, text: fault[0]?.text.split('\n')[0] }))),
  )('$id without $text', async ({ row, fault }) => {
    expect(await tryFault(row, fault)).toMatchObject({ verdict: 'BROKEN' });
  });
});

describe.concurrent('it is no proof', () => {
  const same = (file: string, text: string): Fault => without(file, text, text);
  it.each([
    // Cells, the script of sealed plugins, the kernel, and a command that a row starts: all are made anew, and a row holds in them.
    ['the program of cells as it is', 'H3', same('kernel/adapter/extism/cell-main.ts', 'let callId = 0;')],
    ['the script of sealed plugins as it is', 'I1', same('sdk/build/prelude.ts', 'reply = undefined;')],
    ['the kernel as it is', 'A7', same('kernel/cell/admit.ts', 'let place = 0;')],
    ['the command line as it is', 'S4', same('sdk/cli/command-plugin-sign.ts', 'again.digest === digest')],
  ])('%s', async (_, id, fault) => {
    expect(await tryFault(rowOf(id), fault)).toMatchObject({ verdict: 'not noticed' });
  });

  it.each([
    ['a text that is not there', 'A7', same('kernel/cell/admit.ts', 'no such text'), /stands 0 times/],
    ['a text that is there twice', 'A7', same('kernel/cell/admit.ts', 'facts'), /stands [0-9]+ times/],
    ['a file that nothing loads', 'A7', same('kernel/prepare.ts', 'import.meta.main'), /never meets/],
    [
      'a cell that serves nobody',
      'H3',
      without('kernel/adapter/extism/cell-main.ts', 'let callId = 0;', 'process.exit(1);'),
      /honest/,
    ],
  ] as const)('%s', async (_, id, fault, says) => {
    expect(await tryFault(rowOf(id), fault)).toMatchObject({
      verdict: 'no proof',
      happened: expect.stringMatching(says),
    });
  });
});

describe('the command', () => {
  const main = (...given: readonly string[]) => node(join(import.meta.dirname, 'main.ts'), ...given);
  const node = (...given: readonly string[]) => promisify(execFile)(process.execPath, given);

  it('prints what each row made of each of its faults', async () => {
    const { stdout } = await main('--faults', '--only', 'A3', '--json');
    expect(JSON.parse(stdout)).toEqual(
      rowOf('A3').faults.map(() => ({
        id: 'A3',
        broken: expect.stringMatching(/^kernel.*becomes/),
        happened: 'admitted: type_refused was due',
        verdict: 'BROKEN',
      })),
    );
  });

  it('says of its table that BROKEN is good there', async () => {
    const { stdout } = await main('--faults', '--only', 'A1');
    const [note, , headings, , line] = stdout.split('\n');
    expect([note, headings]).toEqual([
      expect.stringMatching(/^BROKEN is good here/),
      expect.stringMatching(/^\| id \|/),
    ]);
    expect(line).toMatch(/^\| A1 .* another reply than capped \| BROKEN \|$/);
  });

  it('proves nothing by a row that does not hold as it is', async () => {
    // The command itself lacks what A3 is about; what it starts does not.
    const folder = await mkdtemp(join(tmpdir(), 'interlock-faults-'));
    const [fault] = rowOf('A3').faults;
    const given = [fault, join(folder, 'tally')].map((one) => JSON.stringify(one)).join();
    const plant = pathToFileURL(join(import.meta.dirname, 'plant.ts')).href;
    const lacks = `data:text/javascript,${encodeURIComponent(`import { plant } from '${plant}'; plant(${given});`)}`;
    const ran = node('--import', lacks, join(import.meta.dirname, 'main.ts'), '--faults', '--only', 'A3,A2', '--json');
    const ended: unknown = await ran.catch((error: unknown) => error);
    expect(ended).toMatchObject({ code: 1 });
    const unproven = { verdict: 'no proof', happened: 'without any fault: admitted: type_refused was due' };
    expect(JSON.parse((ended as { stdout: string }).stdout)).toMatchObject([
      { id: 'A2', verdict: 'BROKEN' },
      ...rowOf('A3').faults.map(() => ({ id: 'A3', ...unproven })),
    ]);
    await rm(folder, { recursive: true });
  });

  it('knows its rows', async () => {
    await expect(main('--faults', '--only', 'A0')).rejects.toMatchObject({ code: 2 });
  });
});
