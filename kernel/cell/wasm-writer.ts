/** Writes the few structures of the binary format that admission changes. */

/** Unsigned LEB128, shortest form. */
export function u32Bytes(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return bytes;
}

/** Limits of a memory or table, maximum always present. */
export const limitsBytes = (min: number, max: number): number[] => [1, ...u32Bytes(min), ...u32Bytes(max)];

export const sectionHeader = (id: number, length: number): Uint8Array => Uint8Array.from([id, ...u32Bytes(length)]);

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
