import { concat, sectionHeader, u32Bytes } from './wasm-writer.ts';

/** Builds modules section by section, right or wrong on purpose. For tests. */
type Sections = Readonly<Record<number, readonly number[]>>;

export const text = (value: string): number[] => {
  const bytes = [...new TextEncoder().encode(value)];
  return [...u32Bytes(bytes.length), ...bytes];
};
/** A vector: count and items. */
export const vector = (...items: readonly (readonly number[])[]): number[] => [
  ...u32Bytes(items.length),
  ...items.flat(),
];

/** Returns 0 and does nothing else. */
const BODY = [0x04, 0x00, 0x41, 0x00, 0x0b];
export const TYPE_I32 = [0x60, 0, 1, 0x7f];
export const exported = (name: string, kind: number, index: number): number[] => [...text(name), kind, index];

/** The smallest module that is admitted. Functions 0 and 1 are `execute` and `describe`. */
const MINIMAL: Sections = {
  1: vector(TYPE_I32),
  3: vector([0], [0]),
  5: vector([0, 1]),
  7: vector(exported('memory', 2, 0), exported('execute', 0, 0), exported('describe', 0, 1)),
  10: vector(BODY, BODY),
};

const ORDER = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11];
export const HEADER = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
export const section = (id: number, body: readonly number[]): Uint8Array =>
  concat([sectionHeader(id, body.length), Uint8Array.from(body)]);

/** The minimal module with some sections replaced, added or (given as `null`) left out. */
export function moduleOf(changes: Readonly<Record<number, readonly number[] | null>> = {}): Uint8Array {
  const sections: Readonly<Record<number, readonly number[] | null>> = { ...MINIMAL, ...changes };
  const bodies = ORDER.map((id) => ({ id, body: sections[id] })).filter((each) => each.body !== undefined);
  return concat([HEADER, ...bodies.flatMap(({ id, body }) => (body ? [section(id, body)] : []))]);
}
