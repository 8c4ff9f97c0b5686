import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { growthOf, type Point } from './growth.ts';
import type { Sample } from './sample.ts';
import { BOUNDS, judge } from './verdict.ts';

/** What a soak makes of what it saw, and that it sees a leak. */
const BOUND = { share: 0.1, least: 10 };
const line = (n: number, of: (i: number) => number): readonly Point[] =>
  Array.from({ length: n }, (_, i) => ({ at: i * 5, value: of(i) }));

describe('a series', () => {
  test.each<[string, readonly Point[], boolean]>([
    ['that is flat', line(20, () => 100), true],
    ['that goes up and down', line(20, (i) => 100 + 30 * (i % 2)), true],
    ['that rises within the bound', line(20, (i) => 100 + i * 0.5), true],
    ['that rises beyond it', line(20, (i) => 100 + i), false],
    ['that rises beyond it, with noise', line(60, (i) => 100 + i + 8 * ((i * 7) % 3)), false],
    ['that falls', line(20, (i) => 100 - i), true],
    ['that is not known', line(20, () => Number.NaN), false],
  ])('%s', (_, points, isFlat) => {
    expect(growthOf(points, BOUND).isFlat).toBe(isFlat);
  });
});

const STILL: Sample = {
  ...{
    at: 0,
    runs: 0,
    kernel: 200,
    heap: 60,
    cell: 58,
    cells: 6,
    handles: 100,
    threads: 11,
    delay: 20,
    p99: 30,
    file: 0,
  },
};
const samples = (change: (i: number) => Partial<Sample> = () => ({})): readonly Sample[] =>
  Array.from({ length: 24 }, (_, i) => {
    const runs = (i + 1) * 1_000;
    return { ...STILL, at: i * 5, runs, file: runs * 14_000, ...change(i) };
  });
const STORED = 24_000 * 10_000;
const failing = (all: readonly Sample[], stored = STORED, open = 0) =>
  judge(all, stored, open)
    .lines.filter(({ isFine }) => !isFine)
    .map(({ id }) => id);

describe('a kernel', () => {
  test('that stays as it was is fine', () => expect(judge(samples(), STORED, 0).isFine).toBe(true));

  test.each(Object.keys(BOUNDS) as (keyof typeof BOUNDS)[])('whose %s rises is not', (id) => {
    expect(failing(samples((i) => ({ [id]: STILL[id] * (1 + i * 0.3) })))).toEqual([id]);
  });

  test('that warms up is judged by what comes after', () => {
    expect(failing(samples((i) => (i < 6 ? { heap: 20, kernel: 90, threads: 4 } : {})))).toEqual([]);
  });

  test.each<[string, string[]]>([
    ['file in use', failing(samples(), 24_000 * 4_000)],
    ['open runs', failing(samples(), STORED, 1)],
    ['file per run', failing(samples((i) => ({ file: (i + 1) * 1_000 * 14_000 + i ** 2 * 400_000 })))],
  ])('is not fine: %s', (id, found) => expect(found).toEqual([id]));
});

const soak = (...args: string[]): Promise<{ code: number | null; out: string; err: string }> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args]);
  const said = { out: '', err: '' };
  child.stdout.on('data', (text) => {
    said.out += text;
  });
  child.stderr.on('data', (text) => {
    said.err += text;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...said })));
};

describe('npm run soak', () => {
  test('sees a leak in a real kernel', { timeout: 180_000 }, async () => {
    const { code, out, err } = await soak('--minutes', '0.4', '--fault', 'leak');
    expect(err).not.toContain('failed:');
    expect(out).toMatch(/^FAILED {2}heap /m);
    expect(out).toContain('It does not stay as it was.');
    expect(code).toBe(1);
  });

  test.each([
    [['--minutes', '0'], /^soak: --minutes takes/],
    [['--fault', 'other'], /^soak: --fault takes leak/],
    [['--foo'], /^soak: Unknown option/],
  ])('a wrong command line is refused in two lines: %s', async (args, why) => {
    const { code, out, err } = await soak(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(why);
    expect(err).toMatch(/^[^\n]+\nsee npm run soak -- --help\n$/);
  });
});
