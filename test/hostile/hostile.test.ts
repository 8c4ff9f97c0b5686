import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admit } from '../../kernel/cell/admit.ts';
import { type Cells, openCells } from './cells.ts';
import { hostileModule } from './hostile-module.ts';
import { cellsOf, peakBytes } from './processes.ts';

/** Each attack meets admission, then a real cell; afterwards a well-behaved plugin must still be served. */

describe('admission turns away', () => {
  it.each([
    ['wasi-import', /proc_raise is not granted.*no files, sockets, sleep or signals/],
    ['extism-http', /interlock:host\/v1\.http/],
    ['imported-memory', /shares nothing/],
  ])('%s', async (name, says) => {
    const admitted = admit(await hostileModule(name));
    expect(admitted).toMatchObject({ ok: false, error: { code: 'import_refused' } });
    if (!admitted.ok) expect(admitted.error.text).toMatch(says);
  });
});

type Attack = [name: string, outcome: object, hardDeadlineMs?: number];
const QUOTA_REACHED = { kind: 'refused', reason: expect.stringMatching(/host memory/) } as const;
const OUTSIDE = { kind: 'crashed', reason: expect.stringMatching(/outside its host memory/) } as const;

const ATTACKS: Attack[] = [
  ['endless-loop', { kind: 'overran', deadline: 'hard' }, 200],
  ['start-spin', { kind: 'overran', deadline: 'hard' }, 200],
  ['memory-bomb', { kind: 'replied', reply: expect.stringMatching(/capped/) }],
  ['table-bomb', { kind: 'replied', reply: expect.stringMatching(/capped/) }],
  ['host-memory-bomb', QUOTA_REACHED],
  ['tiny-allocations', QUOTA_REACHED],
  ['negative-allocation', QUOTA_REACHED],
  ['catch-quota', QUOTA_REACHED],
  ['catch-and-continue', { kind: 'refused', reason: 'nothing is granted here' }],
  ['recursion', { kind: 'crashed', reason: expect.stringMatching(/recursed/) }],
  ['bogus-output', OUTSIDE],
  ['foreign-read', OUTSIDE],
  ['huge-output', { kind: 'refused', reason: expect.stringMatching(/reply has more than/) }],
  ['log-bomb', { kind: 'refused', reason: expect.stringMatching(/more log than/) }],
  ['bad-utf8', { kind: 'crashed', reason: expect.stringMatching(/UTF-8/) }],
  ['trap', { kind: 'crashed', reason: expect.stringMatching(/unreachable/) }],
];

describe.each([
  ['in a new instance', false],
  ['in an instance that is put back', true],
])('a cell survives or is replaced, %s:', (_, sealed) => {
  let cells: Cells;
  beforeAll(() => {
    cells = openCells({ min: 1, max: 1 });
  });
  afterAll(() => cells.close());

  it.each(ATTACKS)('%s', async (name, outcome, hardDeadlineMs = 20_000) => {
    const attack = await cells.load(name, sealed);
    expect(await cells.call(attack, '{}', { hardDeadlineMs })).toMatchObject(outcome);
    const echo = await cells.load('echo', sealed);
    expect(await cells.call(echo, 'still here')).toMatchObject({ kind: 'replied', reply: 'still here' });
  });
});

describe.each([
  ['a new instance', false],
  ['an instance that is put back', true],
])('no call sees another one in %s:', (_, sealed) => {
  let cells: Cells;
  beforeAll(() => {
    cells = openCells({ min: 1, max: 1, checkRestoreEvery: 1 });
  });
  afterAll(() => cells.close());

  const [acme, globex] = ['ACME-ONE', 'GLOBEX-2'];
  it.each([
    ['variables', (input: string) => input],
    ['hoarder', (input: string) => input.repeat(3)],
    ['quiet-hoarder', (input: string) => input.repeat(3)],
    ['stale-address', (input: string) => input],
  ])('%s', async (name, reply) => {
    const module = await cells.load(name, sealed);
    for (const input of [acme, globex, acme, globex]) {
      expect(await cells.call(module, input)).toMatchObject({ kind: 'replied', reply: reply(input) });
    }
    expect(cells.host.stats().respawns).toBe(0);
  });
});

describe('a refusal sticks', () => {
  it('although the plugin caught it: its second request never leaves the cell', async () => {
    const cells = openCells();
    let asked = 0;
    const module = await cells.load('catch-and-continue');
    const outcome = await cells.call(module, '{}', {
      broker: async () => {
        asked++;
        return { denied: 'no rule grants this host' };
      },
    });
    await cells.close();
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'no rule grants this host' });
    expect(asked).toBe(1);
  });
});

describe('memory stays bounded', () => {
  it('over many instances that grew to the limit', async () => {
    const cells = openCells({ min: 1, max: 1 });
    const bomb = await cells.load('memory-bomb');
    for (let i = 0; i < 150; i++) expect(await cells.call(bomb, '{}')).toMatchObject({ kind: 'replied' });
    // 150 x 32 MiB were touched; the engine alone takes about 100 MB.
    const peaks = cellsOf(process.pid).map(peakBytes);
    expect(peaks.length).toBeGreaterThan(0);
    expect(Math.max(...peaks)).toBeLessThan(300e6);
    await cells.close();
  });
});
