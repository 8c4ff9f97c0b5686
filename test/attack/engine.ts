const NAMES = [
  'compile',
  'compileStreaming',
  'instantiate',
  'instantiateStreaming',
  'validate',
  'Module',
  'Instance',
] as const;

/** How often this process itself gave something to its engine meanwhile: what is hostile belongs to a cell. */
export async function compiledHere(use: () => Promise<unknown>): Promise<number> {
  const engine = WebAssembly as unknown as Record<string, new () => object>;
  const known = NAMES.map((name) => [name, engine[name]] as const);
  let times = 0;
  for (const [name, target] of known)
    if (target)
      engine[name] = new Proxy(target, {
        apply(...given) {
          times++;
          return Reflect.apply(...given);
        },
        construct(...given) {
          times++;
          return Reflect.construct(...given);
        },
      });
  try {
    await use();
  } finally {
    for (const [name, target] of known) if (target) engine[name] = target;
  }
  return times;
}
