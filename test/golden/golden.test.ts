import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { auditOf } from '../../kernel/run/audit.ts';
import { evolve } from '../../kernel/run/evolve.ts';
import type { Run } from '../../kernel/run/state.ts';
import { trailOf } from '../../kernel/run/trail.ts';
import { readTurn } from '../../kernel/run/upcast.ts';
import { FOLDER, foldedText } from './fold.ts';
import { SCENARIOS } from './scenarios.ts';

/** Histories that kernels of their time have stored. Every later kernel makes the same run of them, byte for byte. */
const read = (file: string) => readFileSync(join(FOLDER, file), 'utf8');
const turnsOf = (name: string) =>
  read(`${name}.ndjson`)
    .split('\n')
    .filter((line) => line !== '');
const NAMES = readdirSync(FOLDER).flatMap((file) => (file.endsWith('.ndjson') ? [file.slice(0, -7)] : []));

test('every scenario has its history, and none has gone', () => {
  expect(NAMES).toEqual(expect.arrayContaining(Object.keys(SCENARIOS)));
  expect(readdirSync(FOLDER).sort()).toEqual(NAMES.flatMap((name) => [`${name}.ndjson`, `${name}.run.json`]).sort());
});

describe.each(NAMES)('%s', (name) => {
  const turns = turnsOf(name);

  test('folds to the run that was kept', () => {
    expect(foldedText(turns)).toBe(read(`${name}.run.json`));
  });

  test('has the trail that its audit records tell: who did what under which number', () => {
    const stored = turns.map(readTurn);
    const trail = trailOf(stored);
    let run: Run | null = null;
    for (const { at, seq, events } of stored)
      for (const [index, event] of events.entries()) {
        const { actor } = auditOf(run, event);
        const moment = trail.of(seq + index);
        expect(moment?.at).toBe(at);
        // Whoever cancels a run has ended it, though the record of its end is the engine's.
        const isEndByPerson = event.kind === 'run-ended' && event.state === 'cancelled';
        if (!isEndByPerson) expect([event.kind, moment?.by]).toEqual([event.kind, actor]);
        run = evolve(run, event, seq + index, at);
      }
    expect(trail.kernel).toMatch(/^\d/);
  });
});

test('together they hold every kind of event that there is', () => {
  const source = readFileSync(new URL('../../kernel/run/event.ts', import.meta.url), 'utf8');
  const kinds = [...source.matchAll(/readonly kind: '([^']+)'/g)].map(([, kind]) => kind);
  const seen = new Set(
    NAMES.flatMap((name) => turnsOf(name).flatMap((turn) => readTurn(turn).events.map(({ kind }) => kind))),
  );
  expect([...seen].sort()).toEqual([...new Set(kinds)].sort());
});
