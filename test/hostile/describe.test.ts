import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Digest, OrgId } from '../../kernel/base/id.ts';
import { faultOfDescription } from '../../kernel/flow/describe.ts';
import { type PluginManifest, PluginManifestSchema } from '../../sdk/contract/plugin.ts';
import { describedBy } from '../support/described.ts';
import { type Cells, openCells } from './cells.ts';

/** What a foreign module says of itself, in a real cell, beside what its manifest says. */

const action = { types: ['contain'], effect: 'write', input: {}, output: {} };
const MANIFEST: PluginManifest = v.parse(PluginManifestSchema, {
  apiVersion: 'interlock/plugin/v1',
  name: 'foreign',
  version: '1.0.0',
  title: 'From another toolchain',
  capabilities: { http: true },
  actions: { block: { ...action, title: 'Block', plan: true, rollback: true, idempotent: 'check' } },
});
const FINE = describedBy(MANIFEST);
const ops = (...names: readonly string[]) => ({ ...FINE, actions: { block: { ops: names } } });
const FORM = /does not have the form that docs/;

let cells: Cells;
let module: Digest;
beforeAll(async () => {
  cells = openCells();
  module = await cells.load('describes');
});
afterAll(() => cells.close());

/** The module says what it is given, so it is given what it is to say. */
const says = (text: string) =>
  faultOfDescription(
    { call: (call) => cells.host.call({ ...call, envelope: text, hardDeadlineMs: 1_500 }) },
    'acme' as OrgId,
    module,
    MANIFEST,
  );

describe('is told', () => {
  it.each<readonly [string, unknown, RegExp]>([
    ['another name', { ...FINE, name: 'other' }, /^the module says name "other", manifest\.json says "foreign"/],
    ['another version', { ...FINE, version: '1.0.1' }, /the module says version "1\.0\.1"/],
    ['no such action', { ...FINE, actions: {} }, /manifest\.json has the action block, the module has not/],
    ['one action more', { ...FINE, actions: { ...FINE.actions, wipe: { ops: ['execute'] } } }, /has the action wipe/],
    ['no rollback', ops('execute', 'plan', 'check'), /says that block has rollback, but the module does not have it/],
    ['no plan', ops('execute', 'rollback', 'check'), /says that block has plan, but the module does not/],
    ['no check', ops('execute', 'plan', 'rollback'), /a repeat of block is made safe by check, but the module has no/],
    ['a health check', { ...FINE, healthCheck: ['auth'] }, /the module has auth, but manifest\.json does not say so/],
    ['more than one', { ...FINE, name: 'x', version: '9' }, /says name "x".*; the module says version "9"/],
    ['another form', { ...FINE, actions: ['block'] }, FORM],
    ['an operation that is none', ops('execute', 'wipe'), FORM],
    ['no object', 7, FORM],
  ])('%s', async (_, said, told) => expect(await says(JSON.stringify(said))).toMatch(told));

  it('no JSON', async () => expect(await says('{"name":')).toMatch(FORM));
  it('at most a page of it, in one line', async () => {
    const actions = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`a\u001b[31m\n${i}`, { ops: [] }]));
    const told = await says(JSON.stringify({ ...FINE, actions }));
    expect(told).toHaveLength(1_000);
    expect(told).toMatch(/^[\x20-\x7e]+$/);
  });
});

describe('is no matter', () => {
  it.each([
    ['what the manifest says, too', JSON.stringify(FINE)],
    ['nothing', ''],
    ['a trap', 't'],
    ['a request: it is refused', `h${JSON.stringify({ url: 'https://a.example/', method: 'GET' })}`],
    ['no end: it is ended', 's'],
  ])('%s', async (_, text) => expect(await says(text)).toBeUndefined());

  it('and the next call is served', async () => {
    expect(await says(JSON.stringify({ ...FINE, name: 'other' }))).toMatch(/says name "other"/);
  });
});
