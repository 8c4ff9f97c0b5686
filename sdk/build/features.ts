import wabt from 'wabt';

/**
 * Whether a module uses only instructions that plugins may use. Admission judges sections and cannot see instructions; this
 * can, and takes a tenth of a second, so it is asked when a plugin is published and not by the kernel.
 */
const FEATURES = {
  mutable_globals: true,
  sat_float_to_int: true,
  sign_extension: true,
  bulk_memory: true,
  multi_value: true,
  simd: true,
  // Could catch what a host function throws, and go on.
  exceptions: false,
  // Live on the heap of the host, outside the limit of the memory.
  reference_types: false,
  function_references: false,
  gc: false,
  // Not clamped by admission, or not needed by any toolchain that we know.
  threads: false,
  memory64: false,
  tail_call: false,
  relaxed_simd: false,
  extended_const: false,
  annotations: false,
  code_metadata: false,
};

let loading: ReturnType<typeof wabt> | undefined;

const ALL = Object.fromEntries(Object.keys(FEATURES).map((name) => [name, true]));

/** @returns what is wrong, as the validator says it, and how to mend it; or undefined. */
export async function faultOfFeatures(wasm: Uint8Array): Promise<string | undefined> {
  const fault = await faultUnder(FEATURES, wasm);
  if (fault === undefined) return undefined;
  return (await faultUnder(ALL, wasm)) === undefined
    ? `its code is not taken: ${fault}. Turn the feature off in the compiler; docs/plugins.md lists those that are taken`
    : `its code is not valid: ${fault}. It was damaged or changed after it was built: find out how, and build it again`;
}

async function faultUnder(features: object, wasm: Uint8Array): Promise<string | undefined> {
  loading ??= wabt();
  const tools = await loading;
  try {
    // A copy: the tool reads the whole buffer behind a view.
    const module = tools.readWasm(Uint8Array.from(wasm), { ...features, readDebugNames: false });
    try {
      module.validate();
    } finally {
      module.destroy();
    }
    return undefined;
  } catch (error) {
    const [first = 'it is not valid'] = String((error as Error).message)
      .split('\n')
      .filter((line) => line.includes('error:'));
    return first.replace(/^.*error: /, '').slice(0, 200);
  }
}
