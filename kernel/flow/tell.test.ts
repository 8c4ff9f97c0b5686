import { describe, expect, test } from 'vitest';
import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { unixMs } from '../base/time.ts';
import type { Change, Incident } from '../incident/incident.ts';
import { gather } from './gather.ts';
import { KEYS } from './keys.ts';
import { incidentRows } from './tell.ts';

const ORG = 'acme' as OrgId;
const change = (seq: number, asked?: Change['asked']): Change => ({
  incident: 'INC/1',
  entry: { at: unixMs(seq), seq, kind: 'updated', by: 'system:engine' },
  ...(asked && { asked }),
});

describe('the rows of an incident', () => {
  test('are one for each entry, one of the list, and one that is the incident', () => {
    const rows = incidentRows(ORG, [change(7, { state: 'triaged' }), change(8)], () => undefined);
    expect(rows.map(({ key }) => key.replace(/\d{15}(-\w+)?/, (found) => `<${Number.parseInt(found, 10)}>`))).toEqual([
      'acme/incident-at/INC%2F1/<0>',
      'acme/incident-list/<7>',
      'acme/lifecycle/<7>',
      'acme/incident-at/INC%2F1/<1>',
      'acme/incident/INC%2F1',
    ]);
    expect(JSON.parse(rows.at(-1)?.value ?? '')).toMatchObject({ state: 'triaged', entries: 2, updatedAt: 8 });
  });

  test('of one commit stand on each other', () => {
    const gathered = gather(() => undefined);
    for (const seq of [1, 2, 3]) gathered.push(incidentRows(ORG, [change(seq)], gathered.read));
    const incident = JSON.parse(gathered.read(KEYS.incident(ORG, 'INC/1')) ?? '') as Incident;
    expect(incident).toMatchObject({ createdAt: 1, entries: 3 });
    gathered.push([{ key: KEYS.incident(ORG, 'INC/1'), value: null }]);
    expect(gathered.read(KEYS.incident(ORG, 'INC/1'))).toBeUndefined();
  });

  test('never are more entries than the bound: the oldest makes room', () => {
    const most = LIMITS.incidentEntries.value;
    const before = incidentRows(ORG, [change(1)], () => undefined).at(-1)?.value ?? '';
    const full = JSON.stringify({ ...JSON.parse(before), entries: most });
    const removed = (text: string) =>
      incidentRows(ORG, [change(2)], () => text).flatMap(({ key, value }) => (value === null ? [key] : []));
    expect(removed(full)).toEqual([KEYS.incidentEntry(ORG, 'INC/1', 0)]);
    expect(removed(JSON.stringify({ ...JSON.parse(before), entries: most - 1 }))).toEqual([]);
  });

  test('of a former kernel keep their timeline, which becomes rows', () => {
    const timeline = [1, 2].map((at) => ({ at, run: `run_${at}`, state: 'triaged', note: null }));
    const former = JSON.stringify({ incident: 'INC/1', org: ORG, state: 'triaged', updatedAt: 2, timeline });
    const rows = incidentRows(ORG, [change(9, { state: 'contained' })], () => former);
    const entries = rows.filter(({ key }) => key.startsWith('acme/incident-at/'));
    expect(entries.map(({ value }) => JSON.parse(value ?? ''))).toMatchObject([
      { at: 1, run: 'run_1' },
      { at: 2, run: 'run_2' },
      { at: 9, state: 'contained', from: 'triaged' },
    ]);
  });
});
