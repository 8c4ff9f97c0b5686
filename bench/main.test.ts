import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CONTRACT, type StageName } from './figure.ts';

/** The bench through its front door, with short times: what it says is looked at, never how fast anything was. */
const folder = mkdtempSync(join(tmpdir(), 'interlock-bench-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

function bench(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args]);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}

const report = (file: string) => JSON.parse(readFileSync(file, 'utf8'));

describe.concurrent('npm run bench', () => {
  test.each<[StageName, string]>([
    ['start', '0.1'],
    ['W1', '0.1'],
    ['W2', '0.1'],
    ['W5', '0.1'],
    ['history', '0.1'],
    ['loop', '0.1'],
  ])('%s gives its figures', { timeout: 120_000 }, async (stage, scale) => {
    const file = join(folder, `${stage}.json`);
    const { code, out, err } = await bench('--only', stage, '--quick', '--scale', scale, '--json', file);
    expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
    const { machine, results } = report(file);
    expect(machine).toEqual({
      cpu: expect.any(String),
      cores: expect.any(Number),
      node: process.version,
      platform: expect.any(String),
      memory: expect.any(Number),
    });
    for (const id of CONTRACT[stage]) {
      const figure = results.find((one: { id: string }) => one.id === id);
      const better = /_per_s$/.test(id) ? 'higher' : 'lower';
      expect(figure).toEqual({
        id,
        value: expect.any(Number),
        unit: expect.any(String),
        better,
        spread: expect.any(Number),
      });
      expect(figure.value).toBeGreaterThan(0);
      expect(out).toContain(id);
    }
    for (const { id } of results) expect(id).toMatch(new RegExp(`^${stage}[.]`));
  });

  test.each([
    ['stub-500', 'W1', /ended as failed/],
    ['stub-counts-twice', 'W1', /did not make exactly one request to the world outside/],
    ['trigger-lost', 'W2', /others answered to an event than those it is for/],
  ])('%s is noticed', { timeout: 120_000 }, async (fault, stage, why) => {
    const file = join(folder, `${fault}.json`);
    const { code, out, err } = await bench('--only', stage, '--scale', '0.01', '--fault', fault, '--json', file);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(why);
    expect(() => report(file)).toThrow();
  });

  test.each([
    ['a profile over another', ['--profile', import.meta.dirname], /^bench: --profile: the folder is not empty/],
    ['a stage that is none', ['--only', 'W9'], /^bench: --only W9: the stages are /],
    ['an option that is none', ['--foo'], /^bench: Unknown option '--foo'/],
    [
      'a file in no folder',
      ['--json', join(folder, 'none', 'a.json')],
      /^bench: --json: the folder of the file does not/,
    ],
  ])('a wrong command line is refused in two lines: %s', async (_name, args, why) => {
    const { code, out, err } = await bench(...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(why);
    expect(err).toMatch(/^[^\n]+\nsee npm run bench -- --help\n$/);
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });
});
