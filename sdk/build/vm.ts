import { PAGE_BYTES } from './seal.ts';

/**
 * The engine at build time: boots the base program in this process and runs scripts in it. Nothing in here reaches the
 * host: every import of the bridge is answered by `hooks`, and at build time all of them refuse.
 */

/** Address of a value in the memory of the engine. */
type Value = number & { readonly __value: true };
type Pointer = number;

type Exports = {
  readonly memory: WebAssembly.Memory;
  readonly __stack_pointer: WebAssembly.Global<'i32'>;
  _initialize(): void;
  qjs_init(): number;
  qjs_set_interrupt_handler(enabled: number): void;
  qjs_set_max_stack_size(bytes: number): void;
  qjs_set_memory_limit(bytes: number): void;
  qjs_set_gc_threshold(bytes: number): void;
  qjs_run_gc(): void;
  qjs_compile(code: Pointer, length: number, file: Pointer, flags: number, write: number, out: Pointer): Pointer;
  qjs_eval_bytecode(code: Pointer, length: number): Value;
  qjs_call(callee: Value, self: Value, count: number, list: Pointer): Value;
  qjs_new_object(): Value;
  qjs_new_host_function(name: Pointer, length: number, count: number): Value;
  qjs_get_prop_string(object: Value, name: Pointer): Value;
  qjs_set_prop_string(object: Value, name: Pointer, value: Value): number;
  qjs_get_undefined(): Value;
  qjs_free_value(value: Value): void;
  qjs_get_string_len(value: Value, out: Pointer): Pointer;
  qjs_free_cstring(text: Pointer): void;
  qjs_is_exception(value: Value): number;
  qjs_get_exception(): Value;
  qjs_is_job_pending(): number;
  qjs_execute_pending_job(): number;
  wasm_malloc(bytes: number): Pointer;
  wasm_free(at: Pointer): void;
};

/** Answers an import while the engine runs at build time; what it throws leaves `run`. */
export type Hooks = { readonly imported: (name: string) => number };

/** What a script threw, as the author should read it: name and message, then the frames. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError';
}

/**
 * Recursion beyond this is a RangeError in JavaScript, with a trace. Far below the 1 MiB that the engine was linked with:
 * the frames of the engine also lie on the stack of the process, and its own recursion (a deep JSON text) takes more
 * there than here.
 */
const STACK_BYTES = 128 * 1024;
/** As in a call; see shim.wat. */
const MEMORY_BYTES = 24 * 1024 * 1024;
/** A call is over long before it has made this much garbage, so that ordinary calls never pay for a collection. */
const GC_THRESHOLD_BYTES = 8 * 1024 * 1024;
const STRIP_SOURCE = 16;

export function bootVm(module: WebAssembly.Module, hooks: Hooks) {
  const imports: Record<string, Record<string, () => number>> = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][name] = () => hooks.imported(name);
  }
  // The wall: what the base exports is fixed by the list in base.ts.
  const engine = new WebAssembly.Instance(module, imports).exports as unknown as Exports;
  const stackTop = Number(engine.__stack_pointer.value);
  engine._initialize();
  if (engine.qjs_init() !== 0) throw new Error('the engine did not start');
  engine.qjs_set_max_stack_size(STACK_BYTES);
  engine.qjs_set_memory_limit(MEMORY_BYTES);
  engine.qjs_set_gc_threshold(GC_THRESHOLD_BYTES);
  engine.qjs_set_interrupt_handler(1);

  const bytes = () => new Uint8Array(engine.memory.buffer);
  const word = (at: Pointer) => new DataView(engine.memory.buffer).getUint32(at, true);

  /** Lends a copy of the bytes to `use`, and leaves no trace of them in the memory. */
  function lend<T>(data: Uint8Array, use: (at: Pointer) => T): T {
    const at = engine.wasm_malloc(data.length + 1);
    bytes().set(data, at);
    bytes()[at + data.length] = 0;
    try {
      return use(at);
    } finally {
      bytes().fill(0, at, at + data.length);
      engine.wasm_free(at);
    }
  }
  const encoder = new TextEncoder();
  const lendText = <T>(text: string, use: (at: Pointer, length: number) => T): T => {
    const data = encoder.encode(text);
    return lend(data, (at) => use(at, data.length));
  };

  function textOf(value: Value): string {
    const out = engine.wasm_malloc(4);
    const chars = engine.qjs_get_string_len(value, out);
    const length = word(out);
    engine.wasm_free(out);
    if (chars === 0) return 'a value that cannot be shown';
    const text = new TextDecoder().decode(bytes().subarray(chars, chars + length));
    engine.qjs_free_cstring(chars);
    return text;
  }

  const property = (object: Value, name: string): Value =>
    lendText(name, (at) => engine.qjs_get_prop_string(object, at));

  function checked(value: Value): Value {
    if (engine.qjs_is_exception(value) === 0) return value;
    const thrown = engine.qjs_get_exception();
    const stack = textOf(property(thrown, 'stack'));
    throw new ScriptError([textOf(thrown), ...(stack.includes(' at ') ? [stack.trimEnd()] : [])].join('\n'));
  }

  return {
    property,
    textOf,
    free: (value: Value) => engine.qjs_free_value(value),

    /** Bytecode of a script, without its source text. The file name appears in stack traces. */
    compile(script: string, file: string): Uint8Array {
      const out = engine.wasm_malloc(4);
      const at = lendText(script, (code, length) =>
        lendText(file, (name) => engine.qjs_compile(code, length, name, 0, STRIP_SOURCE, out)),
      );
      if (at === 0) throw new ScriptError(textOf(engine.qjs_get_exception()));
      return bytes().slice(at, at + word(out));
    },

    /** Runs bytecode and gives its completion value. Throws ScriptError. */
    run: (bytecode: Uint8Array): Value =>
      checked(lend(bytecode, (at) => engine.qjs_eval_bytecode(at, bytecode.length))),

    /** Calls a function with one argument. Throws ScriptError. */
    call(callee: Value, argument: Value): Value {
      const self = engine.qjs_get_undefined();
      const result = lend(new Uint8Array(4), (list) => {
        new DataView(engine.memory.buffer).setUint32(list, argument, true);
        return engine.qjs_call(callee, self, 1, list);
      });
      engine.qjs_free_value(self);
      return checked(result);
    },

    /** An object with one function per name; each calls the bridge under its name. */
    bridge(names: string): Value {
      const object = engine.qjs_new_object();
      for (const name of names) {
        lendText(name, (at, length) => {
          const value = engine.qjs_new_host_function(at, length, 1);
          engine.qjs_set_prop_string(object, at, value);
          engine.qjs_free_value(value);
        });
      }
      return object;
    },

    /** Runs the jobs (promise reactions) that are waiting. */
    runJobs() {
      while (engine.qjs_is_job_pending() !== 0) {
        if (engine.qjs_execute_pending_job() < 0) throw new ScriptError(textOf(engine.qjs_get_exception()));
      }
    },

    /**
     * The memory as it is now, collected and with `headroomBytes` of free heap, in whole pages. The stack is empty when
     * no call is running, so what is left in it is wiped.
     */
    snapshot(headroomBytes: number): Uint8Array {
      engine.qjs_run_gc();
      engine.wasm_free(engine.wasm_malloc(headroomBytes));
      if (engine.__stack_pointer.value !== stackTop) throw new Error('the stack of the engine is not empty');
      const image = bytes().slice();
      // The linker put the stack below everything else, growing down from its first value.
      image.fill(0, 0, stackTop);
      if (image.length % PAGE_BYTES !== 0) throw new Error('the memory is not a whole number of pages');
      return image;
    },
  };
}
