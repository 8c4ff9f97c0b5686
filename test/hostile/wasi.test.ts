import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testEnvelope } from '../../sdk/author/test-host.ts';
import { type Cells, openCells } from './cells.ts';

/** What of WASI is there, and modules that ask it for more than they may, in real cells. */

const OUTSIDE = { kind: 'crashed', reason: expect.stringMatching(/address outside its own memory/) } as const;
const SET_UP = { kind: 'crashed', reason: expect.stringMatching(/while it was being set up/) } as const;
const TOO_MUCH_LOG = { kind: 'refused', reason: expect.stringMatching(/more log than/) } as const;
const TOO_RANDOM = { kind: 'refused', reason: expect.stringMatching(/65536 random bytes/) } as const;
const INPUT = 'as it was';
const REPLIED = { kind: 'replied', reply: INPUT } as const;

const ATTACKS: readonly (readonly [module: string, outcome: object])[] = [
  ['wasi-list-outside', OUTSIDE],
  ['wasi-piece-outside', OUTSIDE],
  ['wasi-result-outside', OUTSIDE],
  ['wasi-hidden-memory', { kind: 'crashed', reason: expect.stringMatching(/does not export its memory/) }],
  ['wasi-wide-log', TOO_MUCH_LOG],
  ['wasi-log-flood', TOO_MUCH_LOG],
  ['wasi-random-bomb', TOO_RANDOM],
  ['wasi-random-flood', TOO_RANDOM],
  ['wasi-exit-deep', REPLIED],
  ['wasi-exit-caught', REPLIED],
  ['wasi-exit-code', { kind: 'crashed', reason: expect.stringMatching(/an error of its own/) }],
  ['wasi-in-start', SET_UP],
];

describe.each([
  ['in a new instance', false],
  ['in an instance that is put back', true],
])('%s:', (_, sealed) => {
  let cells: Cells;
  beforeAll(() => {
    cells = openCells({ min: 1, max: 1, checkRestoreEvery: 1 });
  });
  afterAll(() => cells.close());

  it.each(ATTACKS)('%s', async (name, outcome) => {
    const attack = await cells.load(name, sealed);
    // Twice: what the first call left behind must make no difference to the second.
    for (const _time of [1, 2]) expect(await cells.call(attack, INPUT)).toMatchObject(outcome);
    const echo = await cells.load('echo', sealed);
    expect(await cells.call(echo, 'still here')).toMatchObject({ kind: 'replied', reply: 'still here' });
    expect(cells.host.stats().respawns).toBe(0);
  });

  it('answers what a runtime may ask, and has no clock, descriptor or environment but ours', async () => {
    const module = await cells.load('wasi-answers', sealed);
    const [ok, bad, invalid] = ['A', 'I', ']'];
    const answers = [ok, invalid, invalid, invalid, bad, bad, invalid, ok, bad, bad, bad, ok, ok, ok, ok, ok];
    expect(await cells.call(module, '{}')).toMatchObject({ kind: 'replied', reply: answers.join('') });
  });

  it('takes time and randomness from the call: the same call is answered the same, byte for byte', async () => {
    const module = await cells.load('wasi-clock', sealed);
    const at = async (more: object) => {
      const outcome = await cells.call(module, JSON.stringify(testEnvelope({ action: 'any', ...more })));
      return outcome.kind === 'replied' ? outcome.reply : outcome.kind;
    };
    const now = Buffer.alloc(8);
    now.writeBigUInt64LE(1_767_323_045_000_000_000n);
    const first = await at({ now: 1_767_323_045_000 });
    expect(first.slice(0, 32)).toBe(now.toString('hex').repeat(2));
    expect(await at({ now: 1_767_323_045_000 })).toBe(first);
    const later = await at({ now: 1_767_323_045_001 });
    expect(later.slice(0, 32)).not.toBe(first.slice(0, 32));
    expect(later.slice(32)).toBe(first.slice(32));
    const other = await at({ now: 1_767_323_045_000, seed: ['1', '2'] });
    expect(other.slice(32)).not.toBe(first.slice(32));
    // Two requests of one call get different bytes, and none are left as they were.
    expect(first.slice(64)).not.toBe(first.slice(32, 48));
    expect(first.slice(32)).not.toMatch(/0{12}/);
  });

  it('a call without time and seed gets neither', async () => {
    const module = await cells.load('wasi-clock', sealed);
    for (const envelope of ['', '[', '7', 'null', '{"now":-1,"seed":["1","2"]}', '{"now":1,"seed":"12"}'])
      expect(await cells.call(module, envelope)).toMatchObject({ kind: 'replied', reply: '00'.repeat(40) });
  });
});
