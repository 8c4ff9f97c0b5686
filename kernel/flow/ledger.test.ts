import { describe, expect, test } from 'vitest';
import { createVerifier } from '../../sdk/verify/verifier.ts';
import { openManualClock, openSeededEntropy } from '../adapter/memory/clock.ts';
import { openMemoryStore, type WriteFault } from '../adapter/memory/store.ts';
import type { AuditDraft } from '../audit/record.ts';
import type { OrgId } from '../base/id.ts';
import type { Store } from '../port/store.ts';
import { openExport } from './export.ts';
import { openLedger } from './ledger.ts';

const clock = openManualClock(1_800_000_000_000);
const org = (name: string) => name as OrgId;
const draft = (name: string, ref = 'x'): AuditDraft => ({
  org: org(name),
  kind: 'secret.put',
  actor: 'principal:a',
  ref,
});

/** A memory store that counts its writes and can be held. */
function watched(fault?: (write: number) => WriteFault) {
  const store = openMemoryStore(fault ? { fault } : {});
  let batches = 0;
  let gate = Promise.resolve();
  const watchedStore: Store = {
    ...store,
    async write(batch) {
      batches++;
      await gate;
      await store.write(batch);
    },
  };
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    return resolve;
  };
  return { store: watchedStore, batches: () => batches, hold };
}
const open = (store: Store, seed = 'ledger') => openLedger({ store, clock, entropy: openSeededEntropy(seed) });

function verdictOf(store: Store, name: string) {
  const { head, lines } = openExport({ store, clock })(org(name));
  const verifier = createVerifier({ scope: 'org', log: head.log, org: name });
  for (const line of lines) verifier.push(line);
  return verifier.end(head);
}

describe('the ledger', () => {
  test('writes rows and their record together, and the record verifies', async () => {
    const { store } = watched();
    const ledger = open(store);
    await ledger.stage({ audit: [draft('acme')], rows: [{ key: 'acme/x', value: '1' }] });
    await ledger.stage({ audit: [draft('acme'), draft('globex')], rows: [] });
    expect(store.get('acme/x')).toBe('1');
    expect([verdictOf(store, 'acme'), verdictOf(store, 'globex')]).toMatchObject([
      { verdict: 'valid', records: 2 },
      { verdict: 'valid', records: 1 },
    ]);
  });

  test('what is staged is read by the next decision at once, and by nobody else before it is on disk', async () => {
    const { store, hold } = watched();
    const release = hold();
    const ledger = open(store);
    const durable = ledger.stage({ audit: [draft('acme')], rows: [{ key: 'acme/x', value: '1' }] });
    await new Promise(setImmediate);
    expect([ledger.read('acme/x'), store.get('acme/x')]).toEqual(['1', undefined]);
    release();
    await durable;
    expect(store.get('acme/x')).toBe('1');
  });

  test('changes that arrive while a commit is under way share the next one', async () => {
    const { store, batches, hold } = watched();
    const release = hold();
    const ledger = open(store);
    const first = ledger.stage({ audit: [draft('acme')], rows: [] });
    await new Promise(setImmediate);
    const rest = Array.from({ length: 50 }, () => ledger.stage({ audit: [draft('acme')], rows: [] }));
    release();
    await Promise.all([first, ...rest]);
    expect(batches()).toBe(2);
    expect(verdictOf(store, 'acme')).toMatchObject({ verdict: 'valid', records: 51 });
  });

  test('numbers run on over a reopen, for the log and for each org', async () => {
    const { store } = watched();
    await open(store).stage({ audit: [draft('acme'), draft('globex')], rows: [] });
    const again = open(store, 'another life');
    expect(again.nextSeq()).toBe(2);
    await again.stage({ audit: [draft('globex'), draft('acme')], rows: [] });
    expect(verdictOf(store, 'acme')).toMatchObject({ verdict: 'valid', records: 2 });
    expect(verdictOf(store, 'globex')).toMatchObject({ verdict: 'valid', records: 2 });
  });

  test.each(['lost', 'failed-but-done'] as const)(
    'after a write that was %s nothing is taken any more',
    async (kind) => {
      const { store } = watched((write) => (write === 1 ? kind : 'none'));
      const ledger = open(store);
      await ledger.stage({ audit: [draft('acme')], rows: [] });
      const failing = ledger.stage({ audit: [draft('acme')], rows: [{ key: 'acme/x', value: '1' }] });
      await expect(failing).rejects.toThrow('could not be written');
      expect(ledger.healthy()).toBe(false);
      await expect(ledger.stage({ audit: [draft('acme')], rows: [] })).rejects.toThrow('could not be written');
      expect((await ledger.failure).message).toContain('until a restart');
      // What is on disk is whole either way: the record of the failed change is there if and only if the change is.
      const records = kind === 'lost' ? 1 : 2;
      expect(verdictOf(store, 'acme')).toMatchObject({ verdict: 'valid', records });
      expect(store.get('acme/x')).toBe(kind === 'lost' ? undefined : '1');
    },
  );

  test('a failing commit takes down also what was staged behind it', async () => {
    const { store, hold } = watched(() => 'lost');
    const release = hold();
    const ledger = open(store);
    const first = ledger.stage({ audit: [draft('acme')], rows: [] });
    await new Promise(setImmediate);
    const second = ledger.stage({ audit: [draft('acme')], rows: [] });
    release();
    expect((await Promise.allSettled([first, second])).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    // Nothing is left to wait for, so that a kernel that stops meanwhile comes to its end.
    await ledger.idle();
  });

  test('a large export streams in chunks and stays in order', async () => {
    const { store } = watched();
    const ledger = open(store);
    for (let i = 0; i < 40; i++)
      await ledger.stage({ audit: Array.from({ length: 150 }, () => draft('acme')), rows: [] });
    expect(verdictOf(store, 'acme')).toMatchObject({ verdict: 'valid', records: 6_000 });
  });
});
