import { registerHooks } from 'node:module';

/**
 * For a process to load first (`--import`): as in a runtime that has an HTTP client of its own in the place of undici, nobody
 * is asked for a socket, and names go to the resolver of the system.
 */
const NAME = 'test:undici';
const real = import.meta.resolve('undici');
const source = `
  import * as undici from ${JSON.stringify(real)};
  export * from ${JSON.stringify(real)};
  export class Pool extends undici.Pool {
    constructor(origin, { connect, ...options }) {
      super(origin, options);
    }
  }
`;
registerHooks({
  resolve: (name, context, next) =>
    name === 'undici' && context.parentURL !== NAME ? { url: NAME, shortCircuit: true } : next(name, context),
  load: (url, context, next) => (url === NAME ? { format: 'module', source, shortCircuit: true } : next(url, context)),
});
