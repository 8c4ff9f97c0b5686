/**
 * The memory that host and plugin exchange data through (Extism calls its pieces blocks), for one call at a time.
 *
 * All blocks of a call lie in one buffer, and an address is a place in it, so a load or store is one bounds check
 * and one access. A new call begins with zeroed bytes and no blocks: an address kept from an earlier call can only
 * reach what the present call put there.
 */
export type HostMemory = {
  /** Forgets all blocks and their bytes. */
  clear(): void;
  /** @returns the address of a new zeroed block, or 0 when it would go over a quota. */
  allocate(bytes: number): number;
  /** Copies bytes to a new block. @returns its address, or 0 when it would go over a quota. */
  store(bytes: Uint8Array): number;
  free(address: number): void;
  /** @returns -1 when no block begins there. */
  lengthOf(address: number): number;
  /** A view of the whole block that begins there; valid until the next allocation. */
  bytesAt(address: number): Uint8Array | undefined;
  /** Whether `bytes` bytes from `address` on lie in what the present call allocated. */
  holds(address: number, bytes: number): boolean;
  /** The bytes from `address` on, when `holds`. */
  slice(address: number, bytes: number): Uint8Array;
  /** For access when `holds`. A new one after an allocation. */
  view(): DataView;
};

/** Address 0 means "no block" in the ABI. Blocks begin at multiples of 8, so that reading a last word is legal. */
const FIRST = 8;
const START_BYTES = 64 << 10;
/** A buffer that one large call made is given back after it. */
const KEPT_BYTES_MAX = 1 << 20;
const aligned = (bytes: number) => Math.ceil(bytes / 8) * 8;

export function openHostMemory(bytesMax: number, blocksMax: number): HostMemory {
  let bytes = new Uint8Array(START_BYTES);
  let view = new DataView(bytes.buffer);
  let used = FIRST;
  let allocated = 0;
  const lengths = new Map<number, number>();

  /** Both or none: at the end of the stack whatever is called may throw. */
  function use(buffer: Uint8Array<ArrayBuffer>): void {
    const of = new DataView(buffer.buffer);
    bytes = buffer;
    view = of;
  }

  function reserve(needed: number): void {
    const grown = new Uint8Array(Math.min(FIRST + bytesMax, Math.max(needed, bytes.length * 2)));
    grown.set(bytes.subarray(0, used));
    use(grown);
  }

  function allocate(length: number): number {
    const next = used + Math.max(8, aligned(length));
    // NaN, negative and huge lengths fail this comparison too.
    if (!(length >= 0 && next <= FIRST + bytesMax && allocated < blocksMax)) return 0;
    if (next > bytes.length) reserve(next);
    const address = used;
    used = next;
    allocated++;
    lengths.set(address, length);
    return address;
  }

  const holds = (address: number, length: number) => address >= FIRST && address + length <= used;

  return {
    clear() {
      if (bytes.length > KEPT_BYTES_MAX) use(new Uint8Array(START_BYTES));
      else bytes.fill(0, FIRST, used);
      used = FIRST;
      allocated = 0;
      lengths.clear();
    },
    allocate,
    store(data) {
      const address = allocate(data.length);
      if (address > 0) bytes.set(data, address);
      return address;
    },
    free(address) {
      lengths.delete(address);
    },
    lengthOf: (address) => lengths.get(address) ?? -1,
    bytesAt(address) {
      const length = lengths.get(address);
      return length === undefined ? undefined : bytes.subarray(address, address + length);
    },
    holds,
    slice: (address, length) => bytes.subarray(address, address + length),
    view: () => view,
  };
}
