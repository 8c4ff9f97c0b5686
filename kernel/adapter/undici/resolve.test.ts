import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openResolve } from './resolve.ts';

/** Names whose servers never answer, among others, where the system takes four questions at a time. */
function world() {
  const asked: string[] = [];
  const answers = new Map<string, (addresses: readonly string[]) => void>();
  const ask = (host: string) =>
    new Promise<readonly string[]>((resolve) => {
      asked.push(host);
      if (host.startsWith('slow')) answers.set(host, resolve);
      else resolve([`address of ${host}`]);
    });
  const resolve = openResolve(ask, 4);
  /** Of one who waits as long as it takes, or until `gone`. */
  const as =
    (owner: string) =>
    (host: string, gone = new AbortController()) =>
      resolve(host, owner, gone.signal);
  return { asked, answers, as };
}
const NEVER = Symbol('no answer');
const soon = (answer: Promise<readonly string[]>) => Promise.race([answer, setImmediate(NEVER)]);

describe('a name is resolved', () => {
  it('while another plugin asks for any number of names that do not answer', async () => {
    const { as, asked } = world();
    for (let i = 0; i < 100; i++) void as('hostile')(`slow-${i}`);
    expect(await soon(as('good')('a.example'))).toEqual(['address of a.example']);
    expect(asked).toEqual(['slow-0', 'a.example']);
  });

  it('once for all who ask meanwhile, whoever they are', async () => {
    const { as, asked, answers } = world();
    const both = [as('one')('slow.example'), as('two')('slow.example'), as('one')('slow.example')];
    answers.get('slow.example')?.(['192.0.2.1']);
    expect(await Promise.all(both)).toEqual([['192.0.2.1'], ['192.0.2.1'], ['192.0.2.1']]);
    expect(asked).toEqual(['slow.example']);
    await as('two')('slow.example-again'.replace('slow', 'fast'));
    expect(asked).toHaveLength(2);
  });

  it('in its turn, when the one before it has its answer', async () => {
    const { as, answers } = world();
    void as('one')('slow.example');
    const second = as('one')('a.example');
    expect(await soon(second)).toBe(NEVER);
    answers.get('slow.example')?.([]);
    expect(await second).toEqual(['address of a.example']);
  });

  it('not any more when nobody waits for it', async () => {
    const { as, asked, answers } = world();
    const gone = new AbortController();
    void as('one')('slow.example');
    const second = as('one')('b.example', gone);
    gone.abort();
    await expect(second).rejects.toThrow();
    answers.get('slow.example')?.([]);
    expect(await as('one')('c.example')).toEqual(['address of c.example']);
    expect(asked).toEqual(['slow.example', 'c.example']);
  });
});
