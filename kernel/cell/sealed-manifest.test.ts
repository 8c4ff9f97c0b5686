import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { type PluginManifest, PluginManifestSchema } from '../../sdk/contract/plugin.ts';
import { faultOfManifest } from './sealed-manifest.ts';
import { moduleOf, section, text } from './wasm-fixture.ts';
import { concat } from './wasm-writer.ts';

const WRITTEN = {
  apiVersion: 'interlock/plugin/v1',
  name: 'tracker',
  version: '1.0.0',
  title: 'Tracker',
  capabilities: { http: true },
  actions: { add: { title: 'Add', effect: 'write', input: { type: 'object' }, output: {} } },
} as const;
const manifestOf = (change: object = {}): PluginManifest => v.parse(PluginManifestSchema, { ...WRITTEN, ...change });
const action = (change: object) => ({ actions: { add: { ...WRITTEN.actions.add, ...change } } });
const sealed = (body: string) => section(0, [...text('interlock:manifest'), ...Buffer.from(body)]);
const holding = (...bodies: readonly string[]) => concat([moduleOf(), ...bodies.map(sealed)]);

describe('a manifest beside a module', () => {
  it.each([
    ['the sealed one', manifestOf(), holding(JSON.stringify(manifestOf()))],
    [
      'the sealed one, written otherwise',
      manifestOf(action({ plan: false })),
      holding(JSON.stringify(WRITTEN, null, 2)),
    ],
    ['any, where none is sealed', manifestOf(), moduleOf()],
    ['any, where another section is', manifestOf(), concat([moduleOf(), section(0, text('name'))])],
  ])('%s is taken', (_, manifest, wasm) => expect(faultOfManifest(manifest, wasm)).toBeUndefined());

  it.each([
    ['a write called a read', manifestOf(action({ effect: 'read' })), holding(JSON.stringify(WRITTEN))],
    ['a repeat called safe', manifestOf(action({ idempotent: 'key' })), holding(JSON.stringify(WRITTEN))],
    ['other types of steps', manifestOf(action({ types: ['notify'] })), holding(JSON.stringify(WRITTEN))],
    ['another version', manifestOf({ version: '1.0.1' }), holding(JSON.stringify(WRITTEN))],
    [
      'one of two that are sealed',
      manifestOf(),
      holding(JSON.stringify(WRITTEN), JSON.stringify(manifestOf({ title: 'x' }))),
    ],
    ['any, where what is sealed is no manifest', manifestOf(), holding('{}')],
    ['any, where what is sealed is no JSON', manifestOf(), holding('\u0000')],
    ['any, where nothing is in the section', manifestOf(), holding('')],
  ])('%s is refused, and the way to mend it is said', (_, manifest, wasm) =>
    expect(faultOfManifest(manifest, wasm)).toContain('npx interlock plugin build'),
  );
});
