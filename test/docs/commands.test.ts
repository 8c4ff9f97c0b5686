import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../sdk/cli/program.ts';
import { blocksOf, DOCUMENTS, inlineCodeOf, ROOT, readDocument } from './documents.ts';
import { partsOf, shellCommandsOf, wordsOf } from './shell.ts';

/** A command in a document exists: its script, its subcommand, its flags, the files it names. */
const SCRIPTS = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> })
  .scripts;
const NPM = ['ci', 'test', 'start', 'run', 'install'];

/** @returns what is wrong with the command, or undefined. A command of somebody else's program is not judged. */
function faultOf(command: string): string | undefined {
  const [program = '', first = '', ...rest] = wordsOf(command);
  // The form for other folders: the folder is the reader's, what follows is ours.
  if (program === 'npm' && first === '--prefix') {
    const [, verb, name, dashes, ...words] = rest;
    return [verb, name, dashes].join(' ') === 'exec interlock --' ? interlockFault(words) : 'npm runs interlock only';
  }
  if (program === 'npm') return npmFault(first, rest);
  if (program === 'npx' && first === 'interlock') return interlockFault(rest);
  if (program === 'npx' && first === 'vitest') return rest.slice(1).map(missingFile).find(Boolean);
  // In there the node of the checkout comes first.
  if (program === 'npx' && first === '-c') return faultOf(rest.join(' ').replace(/^node /, 'node_modules/.bin/node '));
  if (program === 'node')
    return 'the node of the system may be too old: node_modules/.bin/node is the one of the checkout';
  if (/^\/.*\/node$/.test(program) && first.endsWith('/interlock')) return interlockFault(rest);
  if (program.endsWith('/node')) return [first, ...rest].slice(0, 1).map(missingFile).find(Boolean);
  return undefined;
}

function npmFault(first: string, [script = '']: readonly string[]): string | undefined {
  if (!NPM.includes(first)) return `npm ${first} is not one of ours`;
  const name = first === 'run' ? script : first;
  if (name === 'ci' || name === 'install') return undefined;
  const runs = SCRIPTS[name];
  if (runs === undefined) return `there is no script ${name}`;
  const file = /^node (\S+)/.exec(runs)?.[1];
  return file === undefined ? undefined : missingFile(file);
}

const missingFile = (path: string): string | undefined =>
  existsSync(join(ROOT, path)) ? undefined : `there is no ${path}`;

function interlockFault(words: readonly string[]): string | undefined {
  let command: ReturnType<typeof createProgram> = createProgram();
  const flags = new Set(['--help', ...command.options.map(({ long }) => long)]);
  const values: string[] = [];
  for (const word of words) {
    const next = values.length === 0 ? command.commands.find((one) => one.name() === word) : undefined;
    if (next) {
      command = next;
      for (const { long } of next.options) flags.add(long);
    } else if (word.startsWith('--')) {
      if (!flags.has(word.split('=')[0] ?? '')) return `${command.name()} has no ${word}`;
    } else values.push(word);
  }
  // One with options of its own does something without a subcommand.
  const isGroup = command.commands.length > 0 && command.options.length === 0;
  if (isGroup && !words.includes('--help')) return `${command.name()} takes a subcommand`;
  return values
    .filter((value) => /^(?:test|plugins|policies)\//.test(value))
    .map(missingFile)
    .find(Boolean);
}

const commandsIn = (file: string): readonly string[] => {
  const document = readDocument(file);
  return [
    ...blocksOf(document)
      .filter(({ language }) => language === 'sh')
      .flatMap((block) => shellCommandsOf(block).flatMap(({ text }) => partsOf(text))),
    ...inlineCodeOf(document).filter((code) => /^(?:npm|npx|node) /.test(code)),
  ];
};

describe('commands in documents', () => {
  test.each(DOCUMENTS)('$file: every command exists', ({ file }) => {
    const faults = commandsIn(file).flatMap((command) => faultOf(command)?.replace(/^/, `${command}: `) ?? []);
    expect(faults).toEqual([]);
  });

  test('were found', () => {
    const all = DOCUMENTS.flatMap(({ file }) => commandsIn(file));
    expect(all.filter((command) => command.startsWith('npx interlock')).length).toBeGreaterThan(25);
    expect(all.filter((command) => command.startsWith('npm ')).length).toBeGreaterThan(10);
  });

  test.each([
    ['npm run nothing', /no script nothing/],
    ['npx interlock run lst', /takes a subcommand/],
    ['npx interlock run list --sate failed', /has no --sate/],
    ['npm --prefix /srv/interlock exec interlock -- run lst', /takes a subcommand/],
    ['/srv/interlock/node_modules/.bin/node /srv/interlock/node_modules/.bin/interlock run lst', /takes a subcommand/],
    ['npx interlock event send test/samples/nothing.json', /no test\/samples\/nothing/],
    ['npx vitest run test/nothing', /no test\/nothing/],
    ['node kernel/main.ts --config interlock.json', /node of the system/],
    ['node_modules/.bin/node kernel/nothing.ts', /no kernel\/nothing.ts/],
    ["npx -c 'node kernel/nothing.ts'", /no kernel\/nothing.ts/],
  ])('a broken one is seen: %s', (command, fault) => {
    expect(faultOf(command)).toMatch(fault);
  });
});

test('.ci/run does what the README tells a newcomer, and can be run', () => {
  const text = readFileSync(join(ROOT, '.ci/run'), 'utf8');
  expect(statSync(join(ROOT, '.ci/run')).mode & 0o111).toBe(0o111);
  expect(text).toContain('set -euo pipefail');
  expect([...text.matchAll(/^step (.+)$/gm)].map(([, command]) => command)).toEqual([
    'npm ci',
    'npm run check',
    'npm test',
  ]);
  expect(readDocument('README.md').text).toMatch(/^npm ci && npm test$/m);
  expect(readDocument('README.md').text).toMatch(/^npm ci && npm start$/m);
});

test('what the image is made of is there', () => {
  const copied = [...readFileSync(join(ROOT, 'docker/Dockerfile'), 'utf8').matchAll(/^COPY (?!--from)(.+) \S+$/gm)];
  const missing = copied.flatMap(([, sources = '']) => sources.split(' ')).filter((path) => missingFile(path));
  expect(copied.length).toBeGreaterThan(5);
  expect(missing).toEqual([]);
});
