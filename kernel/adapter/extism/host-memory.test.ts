import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openHostMemory } from './host-memory.ts';

const bytes = (text: string) => Buffer.from(text);

describe('host memory', () => {
  it('gives back what was stored, by its address', () => {
    const memory = openHostMemory(1_000, 10);
    const [first, second] = [memory.store(bytes('first')), memory.store(bytes('second'))];
    expect(Buffer.from(memory.bytesAt(first) ?? []).toString()).toBe('first');
    expect(Buffer.from(memory.bytesAt(second) ?? []).toString()).toBe('second');
    expect(memory.lengthOf(second)).toBe(6);
  });

  it('has nothing of an earlier call after it is cleared', () => {
    const memory = openHostMemory(1_000, 10);
    const kept = memory.store(bytes('secret of another org'));
    memory.clear();
    expect(memory.bytesAt(kept)).toBeUndefined();
    expect(memory.holds(kept, 1)).toBe(false);
    // The same place is zeroed before it is given out again.
    const reused = memory.allocate(32);
    expect(reused).toBe(kept);
    expect(Buffer.from(memory.bytesAt(reused) ?? []).equals(Buffer.alloc(32))).toBe(true);
  });

  it.each([
    ['negative', -1],
    ['not a number', Number.NaN],
    ['more than the quota', 1_001],
    ['2^63', 2 ** 63],
  ])('refuses a length that is %s', (_, length) => {
    expect(openHostMemory(1_000, 10).allocate(length)).toBe(0);
  });

  it('refuses the block after the last, and bytes after the quota in many small blocks', () => {
    const blocks = openHostMemory(1_000, 3);
    expect([1, 2, 3, 4].map(() => blocks.allocate(1) > 0)).toEqual([true, true, true, false]);
    const small = openHostMemory(64, 1_000);
    const given = Array.from({ length: 100 }, () => small.allocate(1)).filter((address) => address > 0);
    expect(given).toHaveLength(8);
  });

  it('keeps blocks apart and within what was allocated, for any sequence', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(70_000), { maxLength: 20 }), (lengths) => {
        const memory = openHostMemory(1 << 20, 100);
        const spans = lengths
          .map((length) => ({ address: memory.allocate(length), length }))
          .filter((each) => each.address > 0);
        const sorted = [...spans].sort((a, b) => a.address - b.address);
        const last = sorted.at(-1);
        return (
          sorted.every(
            (span, i) => span.address + span.length <= (sorted[i + 1]?.address ?? Number.POSITIVE_INFINITY),
          ) &&
          spans.every((span) => memory.holds(span.address, span.length)) &&
          (last === undefined || !memory.holds(last.address + Math.max(8, Math.ceil(last.length / 8) * 8), 1)) &&
          !memory.holds(0, 8) &&
          !memory.holds(-8, 8)
        );
      }),
    );
  });
});
