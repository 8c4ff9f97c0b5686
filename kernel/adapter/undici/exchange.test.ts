/** What real sockets cannot be made to show at will; the rest is in test/egress. */
import { Dispatcher } from 'undici';
import { expect, it } from 'vitest';
import type { EgressRule } from '../../../sdk/contract/egress.ts';
import { exchange } from './exchange.ts';

const rule: EgressRule = {
  scheme: 'http',
  host: 'api.test',
  port: 80,
  methods: ['POST'],
  pathPrefix: '/',
  addresses: [],
};
const request = {
  rule,
  pool: 'p',
  url: new URL('http://api.test/'),
  method: 'POST',
  headers: {},
  body: '{}',
  timeoutMs: 5_000,
  maxBodyBytes: 10,
};

/** A dispatcher that puts a started request back into its queue, as undici does with those of a socket that it closed. */
class RequeuingDispatcher extends Dispatcher {
  written = 0;
  override dispatch(_: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const controller = {
      aborted: false,
      paused: false,
      reason: null,
      abort: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
    };
    const start = () => {
      handler.onRequestStart?.(controller, {});
      this.written += 1;
    };
    start();
    try {
      start();
    } catch (error) {
      handler.onResponseError?.(controller, error as Error);
    }
    return true;
  }
}

it('a request that undici would write a second time is not written, and may have left', async () => {
  const dispatcher = new RequeuingDispatcher();
  expect(await exchange(dispatcher, request)).toMatchObject({ kind: 'failed', sent: true });
  expect(dispatcher.written).toBe(1);
});
