import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Validator } from '@cfworker/json-schema';
import { describe, expect, test } from 'vitest';
import { SCHEMA_NAMES, type SchemaName, schemaDocument } from '../../kernel/http/published.ts';
import { SCHEMAS } from '../../sdk/contract/schema.ts';
import { approval, completedRun, failedRun, summary, waitingRun } from '../cli/samples.ts';
import { CLOUDEVENT, STRUCTURED, take } from '../samples/intake.ts';
import { breaksOf } from './compatible.ts';

/** The published schemas: none changes under whoever relies on it, and each says what the kernel does. */
const FOLDER = join(import.meta.dirname, 'schemas');
const fileOf = (name: string, version: number) => join(FOLDER, `${name}.v${version}.json`);
const print = (document: object) => `${JSON.stringify(document, null, 2)}\n`;
const versionOf = (document: { readonly $id: string }) => Number(/:v(\d+)$/.exec(document.$id)?.[1]);
const mayUpdate = process.env.UPDATE_SCHEMAS === '1';

describe.each(SCHEMA_NAMES)('%s', (name) => {
  const document = schemaDocument(name);
  const version = versionOf(document);
  const file = fileOf(name, version);
  const use = (SCHEMAS as Record<string, { use: 'given' | 'taken' }>)[name]?.use ?? 'taken';

  test('does not change but for what its version allows', () => {
    const isThere = existsSync(file);
    const breaks = isThere ? breaksOf(JSON.parse(readFileSync(file, 'utf8')), document, use) : [];
    expect(
      breaks,
      `The schema ${name} v${version} is published, and this would break whoever relies on it. Give it version ` +
        `${version + 1} (sdk/contract/schema.ts, kernel/http/published.ts), or keep what it had.`,
    ).toEqual([]);
    if (mayUpdate) writeFileSync(file, print(document));
    expect(
      existsSync(file) && readFileSync(file, 'utf8') === print(document),
      `${name} v${version} says more than before, which is fine: UPDATE_SCHEMAS=1 npx vitest run test/contract/schemas.test.ts`,
    ).toBe(true);
  });

  test('is a schema by itself, with words for people', () => {
    expect(document.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(document.title.length).toBeGreaterThan(10);
    const text = JSON.stringify(document);
    for (const [, place = ''] of text.matchAll(/"\$ref":"([^"]+)"/g))
      expect(document.$defs, place).toHaveProperty([place.slice('#/$defs/'.length)]);
    // Every pattern is one, as JSON Schema reads it.
    for (const [, pattern = '""'] of text.matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g))
      new RegExp(JSON.parse(pattern), 'u');
  });
});

test('what was published stays: no file goes, and each is of a version that there was', () => {
  const files = readdirSync(FOLDER);
  for (const name of SCHEMA_NAMES) {
    const versions = Array.from({ length: versionOf(schemaDocument(name)) }, (_, n) => `${name}.v${n + 1}.json`);
    expect(files).toEqual(expect.arrayContaining(versions));
  }
  expect(files.every((file) => SCHEMA_NAMES.some((name) => file.startsWith(`${name}.v`)))).toBe(true);
});

const fits = (name: SchemaName, value: unknown) =>
  new Validator(schemaDocument(name) as never, '2020-12').validate(value).valid;

test('what programs of the SDK take for a run, a summary and an approval fits', () => {
  for (const run of [completedRun, failedRun, waitingRun]) expect(fits('run', run)).toBe(true);
  for (const step of failedRun.steps) expect(fits('step-run', step)).toBe(true);
  expect([fits('run-summary', summary), fits('approval', approval)]).toEqual([true, true]);
  expect(fits('run', { ...completedRun, state: 'gone' })).toBe(false);
  const { pins: _, ...unpinned } = completedRun;
  expect(fits('run', unpinned)).toBe(false);
});

test('what is taken in fits, and what does not fit is not taken in', () => {
  const events: readonly [unknown, boolean][] = [
    [CLOUDEVENT, true],
    [{ ...CLOUDEVENT, traceparent: 'anything', tenantid: 'acme', retries: 3, live: true }, true],
    [{ ...CLOUDEVENT, id: '' }, false],
    [{ ...CLOUDEVENT, source: 'with a space' }, false],
    [{ ...CLOUDEVENT, specversion: '2.0' }, false],
    [{ ...CLOUDEVENT, retries: 1.5 }, false],
    [{ ...CLOUDEVENT, nested: {} }, false],
    [{ ...CLOUDEVENT, data: [] }, false],
  ];
  for (const [event, isFine] of events) {
    expect([event, fits('cloudevent', event)]).toEqual([event, isFine]);
    expect([event, take({ contentType: STRUCTURED, body: event }).ok]).toEqual([event, isFine]);
  }
});

test('the playbooks that come along fit, and a slip does not', async () => {
  const text = readFileSync(join(import.meta.dirname, '../../policies/playbooks/contain-c2.yaml'), 'utf8');
  const { parse } = await import('yaml');
  const document = parse(text);
  expect(fits('playbook', document)).toBe(true);
  for (const slip of [{ titel: 'x' }, { steps: [] }, { name: 'Contain' }, { apiVersion: 'interlock/v2' }])
    expect([slip, fits('playbook', { ...document, ...slip })]).toEqual([slip, false]);
});
