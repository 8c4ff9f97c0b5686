import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ADMISSION } from '../../kernel/cell/admission-policy.ts';
import type { Config, OrgFiles } from '../../kernel/config.ts';
import { TIERS } from '../../kernel/playbook/step.ts';
import { OPERATOR_NAMES } from '../../sdk/contract/rule.ts';
import { inlineCodeOf, ROOT, readDocument } from './documents.ts';

/** Tables that people wrote, held against what they are tables of. */
const rowsUnder = (file: string, heading: string): readonly (readonly string[])[] => {
  const [, section = ''] = readDocument(file).text.split(new RegExp(`^#+ ${heading}$`, 'm'));
  const [table = ''] = /(?:^\|.*\n)+/m.exec(section.split(/^## /m)[0] ?? '') ?? [];
  return table
    .split('\n')
    .slice(2)
    .filter((row) => row !== '')
    .map((row) =>
      row
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
};
const codesIn = (text = ''): readonly string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

/** The compiler holds these against the schema: a key too many or too few is an error of types. */
const CONFIG_KEYS = {
  $schema: [],
  apiVersion: [],
  data: [],
  listen: ['host', 'port'],
  secretKeyFile: [],
  pluginsLock: [],
  cells: ['min', 'max', 'uid', 'require'],
  orgs: [
    'id',
    'guardrails',
    'approvals',
    'egress',
    'incidents',
    'lifecycle',
    'execution',
    'secrets',
    'trust',
    'plugins',
  ],
} as const satisfies {
  readonly [Key in keyof Required<Config>]: readonly (Key extends 'orgs'
    ? keyof OrgFiles
    : Key extends 'listen' | 'cells'
      ? keyof Config[Key]
      : never)[];
};
/** Nothing of a group is left out. */
type Missing<Group extends 'listen' | 'cells'> = Exclude<keyof Config[Group], (typeof CONFIG_KEYS)[Group][number]>;
const none: readonly (
  | Missing<'listen'>
  | Missing<'cells'>
  | Exclude<keyof OrgFiles, (typeof CONFIG_KEYS.orgs)[number]>
)[] = [];

test('docs/configuration.md has every key of the configuration and no other', () => {
  const keys = Object.entries(CONFIG_KEYS).flatMap(([key, inner]) => [
    ...(inner.length === 0 || key === 'orgs' ? [key] : []),
    ...inner.map((one) => `${key}.${one}`),
  ]);
  expect(none).toEqual([]);
  expect(
    rowsUnder('docs/configuration.md', 'Keys')
      .flatMap(([key]) => codesIn(key))
      .sort(),
  ).toEqual(keys.sort());
});

test('docs/configuration.md has every variable that is read, and no other', () => {
  const sources = globSync(['kernel/**/*.ts', 'sdk/cli/*.ts'], { cwd: ROOT }).filter(
    (file) => !file.endsWith('.test.ts'),
  );
  const read = sources.flatMap((file) => readFileSync(join(ROOT, file), 'utf8').match(/env\.(INTERLOCK_\w+)/g) ?? []);
  const names = new Set(read.map((text) => text.slice(4)));
  expect(names.size).toBeGreaterThan(2);
  const documented = rowsUnder('docs/configuration.md', 'Environment').flatMap(([name]) => codesIn(name));
  expect([...documented].sort()).toEqual([...names].sort());
});

test('docs/playbooks.md explains every operator and every tier', () => {
  const explained = rowsUnder('docs/playbooks.md', 'Rules').flatMap(([name]) => codesIn(name));
  expect([...explained].sort()).toEqual([...OPERATOR_NAMES].sort());
  expect(inlineCodeOf(readDocument('docs/playbooks.md'))).toEqual(expect.arrayContaining([...TIERS]));
});

/** Words that must have one meaning here: those of automation, of control, of reliability, and our own. */
const WORDS = [
  ...[
    'playbook',
    'version',
    'activate',
    'trigger',
    'event',
    'receipt',
    'ruled out',
    'explain',
    'replay',
    'dedup',
    'absorbed',
    'crossing',
    'burst',
    'cooldown',
    'suppressed',
    'step',
    'action',
    'effect',
  ],
  ...[
    'run',
    'step run',
    'attempt',
    'incident',
    'timeline',
    'lifecycle event',
    'feed',
    'webhook',
    'branch',
    'reference',
  ],
  ...['tier', 'approval gate', 'approval', 'approval matrix', 'ballot', 'vote', 'quorum', 'subject', 'requester'],
  ...['four eyes', 'guardrail', 'verdict', 'hold', 'plan', 'target', 'blast radius', 'idempotency', 'idempotency key'],
  ...['block', 'lane', 'join', 'sub-run', 'detached', 'check', 'by hand', 'stop switch', 'pause', 'parked'],
  ...['rollback', 'policy set', 'transient failure', 'permanent failure', 'error class', 'retry budget', 'backoff'],
  ...['leaving', 'cut off', 'connector', 'circuit breaker', 'health check'],
  ...['terminal state', 'intent', 'outcome', 'indeterminate', 'settle', 'partial', 'undone', 'closure', 'timer'],
  ...['kernel', 'org', 'principal', 'role', 'permission', 'room', 'port', 'adapter', 'input', 'turn', 'ledger'],
  ...['group commit', 'projection', 'pin', 'digest', 'plugin', 'manifest', 'module', 'sealed', 'base', 'admission'],
  ...['again', 'kept'],
  ...['cell', 'broker', 'egress', 'grant', 'lease', 'scrub', 'audit record', 'chain', 'leaf hash', 'head', 'export'],
];

test('docs/glossary.md has every word once, with a meaning and what others call it', () => {
  const rows = ['Automation', 'Control and safety', 'Reliability', 'The kernel', 'Plugins', 'The record'].flatMap(
    (part) => rowsUnder('docs/glossary.md', part),
  );
  const words = rows.flatMap(([word = '']) => word.split(', '));
  expect(rows.filter((row) => row.length !== 3 || row.some((cell) => cell === ''))).toEqual([]);
  expect(words.filter((word, at) => words.indexOf(word) !== at)).toEqual([]);
  expect([...words].sort()).toEqual([...WORDS].sort());
});

test('docs/plugins.md has every function that a module may import', () => {
  const [, chapter = ''] = readDocument('docs/plugins.md').text.split('\n## Other languages\n');
  const said = new Set(inlineCodeOf({ file: '', text: chapter }).map((code) => code.split(' ')[0]));
  const granted = [...ADMISSION.imports.keys()].map((name) => name.split('.').at(-1) ?? '');
  expect(granted.length).toBeGreaterThan(30);
  expect(granted.filter((name) => !said.has(name))).toEqual([]);
});
