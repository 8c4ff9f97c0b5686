/**
 * Puts an instance back to the state that it had before its first call, which costs a tenth of a new instance.
 * What cannot be put back (memory that grew) is reported, and the instance is dropped.
 */
export type Snapshot = {
  /** @returns false when the instance cannot be put back. */
  restore(): boolean;
  /** Compares everything with the snapshot; after `restore` it must hold. */
  matches(): boolean;
};

/** What an instance exports, by name. */
export type Exports = Readonly<Record<string, unknown>>;

const PAGE = 4096;
/** A shorter run of zero bytes is copied with its neighbours: one long copy beats three short steps. */
const ZERO_RUN_MIN = 4 * PAGE;

type Run = { readonly from: number; readonly to: number; readonly zero: boolean };

/** Cuts memory into runs to copy and runs to fill with zeros: most of it is an unused stack, and filling is cheaper. */
function runsOf(image: Buffer): Run[] {
  const zeros = Buffer.alloc(PAGE);
  const runs: Run[] = [];
  for (let at = 0; at < image.length; at += PAGE) {
    const zero = image.subarray(at, at + PAGE).equals(zeros);
    const last = runs.at(-1);
    if (last?.zero === zero) runs[runs.length - 1] = { ...last, to: at + PAGE };
    else runs.push({ from: at, to: at + PAGE, zero });
  }
  const merged: Run[] = [];
  for (const run of runs) {
    const zero = run.zero && run.to - run.from >= ZERO_RUN_MIN;
    const last = merged.at(-1);
    if (last?.zero === zero) merged[merged.length - 1] = { ...last, to: run.to };
    else merged.push({ ...run, zero });
  }
  return merged;
}

/** @returns undefined when the state cannot be seen: memory not exported as `memory`, or a global of type v128. */
export function takeSnapshot(exports: Exports): Snapshot | undefined {
  const memory = exports['memory'];
  if (!(memory instanceof WebAssembly.Memory)) return undefined;
  const live = Buffer.from(memory.buffer);
  const image = Buffer.from(live);
  const copies: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  const zeros: Uint8Array[] = [];
  for (const { from, to, zero } of runsOf(image)) {
    if (zero) zeros.push(live.subarray(from, to));
    else copies.push({ at: from, bytes: image.subarray(from, to) });
  }
  const globals: { readonly global: WebAssembly.Global; readonly value: unknown }[] = [];
  for (const each of Object.values(exports)) {
    if (!(each instanceof WebAssembly.Global)) continue;
    const kind = kindOf(each);
    if (kind === 'opaque') return undefined;
    if (kind === 'mutable') globals.push({ global: each, value: each.value });
  }

  return {
    restore() {
      if (memory.buffer.byteLength !== image.length) return false;
      for (const { at, bytes } of copies) live.set(bytes, at);
      for (const run of zeros) run.fill(0);
      for (const { global, value } of globals) global.value = value;
      return true;
    },
    matches: () =>
      memory.buffer.byteLength === image.length &&
      image.equals(live) &&
      globals.every(({ global, value }) => Object.is(global.value, value)),
  };
}

/** A constant global has no setter; one of type v128 cannot even be read from outside, so never be put back. */
function kindOf(global: WebAssembly.Global): 'constant' | 'mutable' | 'opaque' {
  let value: unknown;
  try {
    value = global.value;
  } catch {
    return 'opaque';
  }
  try {
    global.value = value;
    return 'mutable';
  } catch {
    return 'constant';
  }
}
