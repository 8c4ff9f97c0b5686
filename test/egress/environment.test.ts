/** Proxy variables, read by Node's own clients, must not move a request of the kernel's. */
import { expect, it } from 'vitest';
import { askWithProxyVariables } from './proxied.ts';

it('a process started with proxy variables goes straight to the host', async () => {
  expect(await askWithProxyVariables()).toEqual({ ours: 'host', nodes: 'proxy', atHost: 1, atProxy: 1 });
});
