import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  EVERYWHERE,
  IMPURE_WORDS,
  PACKAGES,
  PURE,
  PURE_MAY_IMPORT,
  ROOMS,
  ROOTS,
  SCHEDULER,
  TIME_WORDS,
} from './rules.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const isTest = (file: string) => /\.test\.ts$|(^|\/)(test-|testlog)/.test(file);

type Source = { readonly file: string; readonly text: string; readonly imports: readonly string[] };

const SOURCES: readonly Source[] = globSync(['kernel/**/*.ts', 'sdk/**/*.ts', 'plugins/*/*.ts'], { cwd: ROOT })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => !isTest(file) && !file.includes('node_modules'))
  .map((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    const code = text.replaceAll(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, '');
    const imports = [
      ...code.matchAll(/^(?:import|export|\}).*?from '([^']+)'|^import '([^']+)'|import\('([^']+)'\)/gm),
    ].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '');
    return { file, text: code, imports };
  });

/** The longest room name that the file lies in. */
const roomOf = (file: string): string =>
  Object.keys(ROOMS)
    .filter((room) => file.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0] ?? file;

const target = ({ file }: Source, name: string): string => {
  if (name.startsWith('@interlock/sdk/contract')) return 'sdk/contract/index.ts';
  if (name.endsWith('/package.json')) return 'sdk/contract/package.json';
  if (name.startsWith('@interlock/sdk')) return 'sdk/author/index.ts';
  return normalize(join(dirname(file), name)).replaceAll('\\', '/');
};
const isOurs = (name: string) => name.startsWith('.') || name.startsWith('@interlock/');
const packageOf = (name: string) =>
  name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');

/** Reads of a map keyed by names from outside that would find what every object has. */
const plainReads = (sources: readonly Source[]): string[] =>
  sources
    .filter(({ file }) => file.startsWith('kernel/'))
    .flatMap(({ file, text }) =>
      (text.match(/\brun(?:\(\))?\.(?:steps|approvals|inputs)\[.*/g) ?? []).map((at) => `${file}: ${at}`),
    );

/** Every import that breaks the table, as `file -> import`. */
const brokenImports = (sources: readonly Source[]): string[] =>
  sources
    .filter(({ file }) => !ROOTS.includes(file))
    .flatMap((source) =>
      source.imports.filter(isOurs).flatMap((name) => {
        const from = roomOf(source.file);
        const to = roomOf(target(source, name));
        return from === to || ROOMS[from]?.includes(to) ? [] : [`${source.file} -> ${target(source, name)}`];
      }),
    );

const strayPackages = (sources: readonly Source[]): string[] =>
  sources.flatMap(({ file, imports }) =>
    imports
      .filter((name) => !isOurs(name) && !name.startsWith('node:'))
      .map(packageOf)
      .filter((name) => !EVERYWHERE.includes(name) && !(PACKAGES[name] && file.startsWith(`${PACKAGES[name]}/`)))
      .map((name) => `${file} -> ${name}`),
  );

describe('the rooms', () => {
  test('were all looked at: a check of zero files proves nothing', () => {
    expect(SOURCES.length).toBeGreaterThan(100);
    for (const room of Object.keys(ROOMS))
      expect(
        SOURCES.some(({ file }) => file.startsWith(`${room}/`)),
        room,
      ).toBe(true);
    expect(SOURCES.flatMap(({ imports }) => imports).length).toBeGreaterThan(300);
  });

  test('every file lies in a room', () => {
    const stray = SOURCES.map(({ file }) => file).filter((file) => !ROOMS[roomOf(file)] && !ROOTS.includes(file));
    expect(stray).toEqual([]);
  });

  test('import only what the table allows', () => {
    expect(brokenImports(SOURCES)).toEqual([]);
  });

  test('pure rooms have no clock, no randomness and no I/O', () => {
    const impure = SOURCES.filter(({ file }) => PURE.some((room) => file.startsWith(`${room}/`))).flatMap(
      ({ file, text, imports }) => [
        ...imports
          .filter((name) => name.startsWith('node:') && !PURE_MAY_IMPORT.includes(name))
          .map((name) => `${file} -> ${name}`),
        ...IMPURE_WORDS.filter((word) => word.test(text)).map((word) => `${file} has ${word.source}`),
      ],
    );
    expect(impure).toEqual([]);
  });

  test('the flow asks its scheduler for time, and its entropy for chance', () => {
    const flow = SOURCES.filter(({ file }) => file.startsWith('kernel/flow/') && file !== SCHEDULER);
    expect(flow.length).toBeGreaterThan(10);
    const asking = flow.flatMap(({ file, text }) =>
      TIME_WORDS.filter((word) => word.test(text)).map((word) => `${file} has ${word.source}`),
    );
    expect(asking).toEqual([]);
  });

  test('a map that is keyed by names from outside is read by own()', () => {
    expect(plainReads(SOURCES)).toEqual([]);
  });

  test('each third-party package enters in one folder', () => {
    expect(strayPackages(SOURCES)).toEqual([]);
  });

  test('a planted fault is seen', () => {
    const planted = (file: string, name: string): Source => ({ file, text: '', imports: [name] });
    expect(brokenImports([planted('kernel/run/x.ts', '../flow/drive.ts')])).toHaveLength(1);
    expect(brokenImports([planted('kernel/adapter/lmdb/x.ts', '../undici/connect.ts')])).toHaveLength(1);
    const reading = { ...planted('kernel/run/x.ts', '../base/id.ts'), text: 'const step = run.steps[id];' };
    expect(plainReads([reading])).toHaveLength(1);
    expect(strayPackages([planted('kernel/http/x.ts', 'lmdb')])).toHaveLength(1);
    expect(strayPackages([planted('kernel/flow/x.ts', 'left-pad')])).toHaveLength(1);
  });
});
