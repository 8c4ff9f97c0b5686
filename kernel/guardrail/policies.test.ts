import { readdirSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { CasesSchema, runCases } from './cases.ts';
import { checkGuardrails, type GuardrailSet } from './schema.ts';

/** Every guardrail set that ships, with the cases beside it. */
const FOLDER = new URL('../../policies/guardrails/', import.meta.url);
const files = readdirSync(FOLDER);
const names = files.flatMap((file) => file.match(/^(.+)\.rules\.json$/)?.[1] ?? []);
const read = (file: string): unknown => JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'));

const setOf = (name: string): GuardrailSet => {
  const checked = checkGuardrails(read(`${name}.rules.json`));
  if (!checked.ok) throw new Error(JSON.stringify(checked.error));
  return checked.value;
};

it('there are sets, and each has its cases', () => {
  expect(names).toContain('baseline');
  expect(files.filter((file) => file.endsWith('.cases.json')).sort()).toEqual(
    names.map((name) => `${name}.cases.json`).sort(),
  );
});

describe.each(names)('%s', (name) => {
  const cases = v.parse(CasesSchema, read(`${name}.cases.json`));

  it(`gives its ${cases.cases.length} cases the verdict they expect, and every rule decides one`, async () => {
    expect(await runCases(setOf(name), cases)).toEqual({ failures: [], untested: [] });
  });

  it('would not, without any one of its rules', async () => {
    const set = setOf(name);
    for (const list of ['deny', 'hold', 'allow'] as const)
      for (const { id } of set[list]) {
        const without = { ...set, [list]: set[list].filter((rule) => rule.id !== id) };
        expect((await runCases(without, cases)).failures.length, id).toBeGreaterThan(0);
      }
  });
});
