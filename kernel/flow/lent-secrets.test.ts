import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { AuditDraft } from '../audit/record.ts';
import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Lender, LendFault, Loan } from '../port/secret-lender.ts';
import type { SecretSource } from '../port/secret-source.ts';
import { type NotLent, openLentSecrets } from './lent-secrets.ts';
import type { Scheduler } from './scheduler.ts';
import { credentialsOnRecord, leasesOnRecord } from './secrets.ts';

const ACME = 'acme' as OrgId;
const at = (step: string) => ({ run: 'run_1', step });

/** Time that the test owns. */
function openTime() {
  let now = 0;
  const tasks = new Set<{ at: number; task: () => void }>();
  const scheduler: Scheduler = {
    elapsed: () => now,
    worked: () => ({ workMs: 0, restMs: 0 }),
    soon: (task) => void setImmediate(task),
    after(ms, task) {
      const one = { at: now + ms, task };
      tasks.add(one);
      return () => void tasks.delete(one);
    },
    every: () => () => undefined,
  };
  const settle = () => new Promise<void>((resolve) => void setImmediate(resolve));
  /** Everything that is due on the way has its turn. */
  const pass = async (ms: number) => {
    const end = now + ms;
    for (;;) {
      await settle();
      const [next] = [...tasks].filter((one) => one.at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      tasks.delete(next);
      now = next.at;
      next.task();
    }
    now = end;
    await settle();
  };
  return { scheduler, pass, waiting: () => tasks.size };
}

type Terms = {
  termMs?: number | null;
  renews?: readonly (number | 'unavailable' | 'over')[];
  revokes?: readonly boolean[] | null;
  /** Before it answers. */
  waits?: Promise<void>;
};

/** A provider that makes a value for each loan, and remembers what was asked of it. */
function openProvider(terms: Terms = {}) {
  const { termMs = 60_000, renews, revokes = [], waits } = terms;
  const log: string[] = [];
  let loans = 0;
  let fault: LendFault | undefined;
  const lend = async (): Promise<Result<Loan, LendFault>> => {
    log.push('lend');
    await waits;
    if (fault) return err(fault);
    loans += 1;
    const n = loans;
    let renewed = 0;
    let revoked = 0;
    return ok({
      fields: { user: `user-of-loan-${n}`, password: `password-of-loan-${n}` },
      termMs,
      renew: renews
        ? async () => {
            log.push(`renew ${n}`);
            const term = renews[renewed++] ?? 'over';
            return typeof term === 'number' ? ok(term) : err(term);
          }
        : null,
      revoke:
        revokes &&
        (async () => {
          log.push(`revoke ${n}`);
          return revokes[revoked++] ?? true;
        }),
    });
  };
  const lender: Lender = { key: 'database', lend };
  return {
    lender,
    log,
    fail: (next: LendFault | undefined) => {
      fault = next;
    },
  };
}

const STORED: SecretSource = {
  known: async () => ok(KNOWN),
  lease: async (_, name) =>
    name === 'stored-key'
      ? ok({ name, reveal: () => 'the-stored-value', isOver: () => false, revoke: () => 'ended' as const })
      : err('unknown'),
  put: async () => undefined,
  list: async () => [],
  remove: async () => false,
};
const KNOWN = [{ name: 'stored-key', reveal: () => 'the-stored-value' }];

function openWorld(terms: Terms = {}) {
  const time = openTime();
  const provider = openProvider(terms);
  const told: NotLent[] = [];
  const records: AuditDraft[] = [];
  const source = openLentSecrets({
    stored: STORED,
    scheduler: time.scheduler,
    report: (defect) => {
      throw defect;
    },
    onNotLent: (fault) => void told.push(fault),
  });
  const bound = (field: string) => ({ provider: 'vault', field, lender: provider.lender });
  let closed = 0;
  source.bind(ACME, {
    byName: new Map([
      ['db-user', bound('user')],
      ['db-password', bound('password')],
      ['no-field', bound('missing')],
    ]),
    close: async () => void closed++,
  });
  const desk = leasesOnRecord(source, { stage: async ({ audit }) => void records.push(...audit) }, () => undefined);
  const take = async (name: string, step = 'ban') => {
    const leased = await source.lease(ACME, name, at(step));
    if (!leased.ok) throw new Error(leased.error);
    return leased.value;
  };
  const known = async () => {
    const list = await source.known(ACME);
    return list.ok ? list.value.map((one) => one.reveal()) : [];
  };
  return { ...time, ...provider, source, desk, records, told, take, known, closed: () => closed };
}

describe('a lent secret', () => {
  it('comes from its provider, and every other name from the store', async () => {
    const { take, source, log } = openWorld();
    expect((await take('db-password')).reveal()).toBe('password-of-loan-1');
    expect((await take('stored-key')).reveal()).toBe('the-stored-value');
    expect(await source.lease(ACME, 'other', at('ban'))).toEqual({ ok: false, error: 'unknown' });
    expect(await source.lease('globex' as OrgId, 'db-password', at('ban'))).toEqual({ ok: false, error: 'unknown' });
    expect(log).toEqual(['lend']);
  });

  it('is one loan for all its fields in a step, and another one for another step', async () => {
    const { take, log } = openWorld();
    const [user, password] = await Promise.all([take('db-user'), take('db-password')]);
    expect([user.reveal(), password.reveal()]).toEqual(['user-of-loan-1', 'password-of-loan-1']);
    expect((await take('db-user', 'ticket')).reveal()).toBe('user-of-loan-2');
    user.revoke();
    expect(log).toEqual(['lend', 'lend']);
    const end = password.revoke();
    expect(password.revoke()).toBe(end);
    expect(await end).toBe('revoked');
    expect(await user.revoke()).toBe('revoked');
    expect(log).toEqual(['lend', 'lend', 'revoke 1']);
    expect(() => password.reveal()).toThrow('has ended');
    expect((await take('db-user')).reveal()).toBe('user-of-loan-3');
  });

  it('cannot be printed by accident', async () => {
    const { take, source } = openWorld();
    const lease = await take('db-password');
    const prints = [
      `${lease}`,
      JSON.stringify(lease),
      inspect(lease, { showHidden: true, depth: null }),
      inspect(source),
    ];
    expect(prints.join()).toContain('[secret:db-password]');
    expect(prints.join()).not.toContain('password-of-loan');
  });

  it('is renewed while it is held, and not after that', async () => {
    const { take, pass, log, waiting } = openWorld({ renews: [60_000, 'unavailable', 60_000, 'over'] });
    const lease = await take('db-password');
    await pass(31_000);
    expect(log).toEqual(['lend', 'renew 1']);
    // The second try fails, and the third comes before the term has passed.
    await pass(45_000);
    expect(log.slice(2)).toEqual(['renew 1', 'renew 1']);
    expect(lease.isOver()).toBe(false);
    await pass(600_000);
    expect(log.slice(4)).toEqual(['renew 1']);
    expect(lease.isOver()).toBe(true);
    lease.revoke();
    await pass(1);
    expect(waiting()).toBe(0);
  });

  it('whose term has passed is lent anew under the same step', async () => {
    const { take, pass } = openWorld({ revokes: null });
    const first = await take('db-password');
    await pass(59_000);
    expect(first.isOver()).toBe(true);
    expect((await take('db-password')).reveal()).toBe('password-of-loan-2');
  });

  it.each<[string, LendFault, 'unknown' | 'unavailable']>([
    ['sealed', { kind: 'unavailable', reason: 'the server is sealed' }, 'unavailable'],
    ['not there', { kind: 'unknown', reason: 'there is nothing at this path' }, 'unknown'],
  ])('that is %s is not lent, is told once, and is asked for again', async (_, fault, error) => {
    const { source, take, fail, told, pass } = openWorld();
    fail(fault);
    for (let i = 0; i < 3; i++)
      expect(await source.lease(ACME, 'db-password', at('ban'))).toEqual({ ok: false, error });
    expect(told).toEqual([{ org: ACME, name: 'db-password', provider: 'vault', reason: fault.reason }]);
    fail(undefined);
    await pass(30_000);
    expect((await take('db-password')).reveal()).toBe('password-of-loan-1');
  });

  it('whose provider refuses is asked for later and later, by one step at a time, and at once when it is well', async () => {
    const { source, fail, log, pass, take } = openWorld();
    fail({ kind: 'unavailable', reason: 'the server refused the login' });
    let steps = 0;
    const many = () =>
      Promise.all(Array.from({ length: 20 }, () => source.lease(ACME, 'db-password', at(`s${steps++}`))));
    // All at once, and the first time: nobody knows better.
    expect(new Set((await many()).map((one) => JSON.stringify(one)))).toEqual(
      new Set(['{"ok":false,"error":"unavailable"}']),
    );
    const asked: number[] = [];
    for (let second = 0; second < 120; second++) {
      const before = log.length;
      await many();
      asked.push(log.length - before);
      await pass(1_000);
    }
    expect(Math.max(...asked)).toBe(1);
    expect(asked.slice(60).reduce((sum, one) => sum + one)).toBeLessThanOrEqual(3);
    fail(undefined);
    await pass(30_000);
    expect((await take('db-password', 'first')).reveal()).toBe('password-of-loan-1');
    expect((await many()).every(({ ok: isLent }) => isLent)).toBe(true);
    fail({ kind: 'unavailable', reason: 'a moment of bad luck' });
    expect((await source.lease(ACME, 'db-password', at('unlucky'))).ok).toBe(false);
    fail(undefined);
    expect((await source.lease(ACME, 'db-password', at('unlucky'))).ok).toBe(true);
  });

  it('that is over as soon as it is lent is lent once, and given back', async () => {
    const { take, pass, log } = openWorld({ termMs: 0 });
    const lease = await take('db-password');
    expect(lease.reveal()).toBe('password-of-loan-1');
    lease.revoke();
    await pass(1);
    expect(log).toEqual(['lend', 'revoke 1']);
  });

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('of a term of %s ms ends, and is forgotten', async (termMs) => {
    const { take, pass, known } = openWorld({ termMs });
    const lease = await take('db-password');
    await pass((LIMITS.leaseHours.value + 1) * 3_600_000);
    expect(lease.isOver()).toBe(true);
    lease.revoke();
    await pass(LIMITS.lentValueMinutes.value * 60_000);
    expect(await known()).toEqual(['the-stored-value']);
  });

  it('without the field that the policy names is unknown, and what was lent is given back', async () => {
    const { source, log, pass } = openWorld();
    expect(await source.lease(ACME, 'no-field', at('ban'))).toEqual({ ok: false, error: 'unknown' });
    await pass(1);
    expect(log).toEqual(['lend', 'revoke 1']);
  });

  it('is refused beyond the bound of what an org holds', async () => {
    const { source, take } = openWorld();
    const held = [];
    for (let i = 0; i < LIMITS.leasesPerOrg.value; i++) held.push(await take('db-user', `s${i}`));
    expect(await source.lease(ACME, 'db-user', at('more'))).toEqual({ ok: false, error: 'unavailable' });
    held[0]?.revoke();
    expect((await source.lease(ACME, 'db-user', at('more'))).ok).toBe(true);
  });
});

describe('what is known of an org', () => {
  it('is what is stored, held, and was held lately, as one list until it changes', async () => {
    const { source, take, known, pass } = openWorld();
    expect(await known()).toEqual(['the-stored-value']);
    const lease = await take('db-password');
    const list = await source.known(ACME);
    expect(await known()).toEqual(['the-stored-value', 'password-of-loan-1']);
    const other = await take('db-user', 'other');
    const more = await source.known(ACME);
    // A new one makes a new list, of the same objects: what was made of them need not be made again.
    expect(list.ok && more.ok && list.value.every((one) => more.value.includes(one))).toBe(true);
    other.revoke();
    lease.revoke();
    await pass(1);
    expect(await known()).toEqual(['the-stored-value', 'password-of-loan-1', 'user-of-loan-2']);
    const again = await source.known(ACME);
    expect(more.ok && again.ok && more.value === again.value).toBe(true);
    await pass(60_000 + LIMITS.lentValueMinutes.value * 60_000);
    expect(await known()).toEqual(['the-stored-value']);
  });

  it('holds what never ends until another value comes under its name', async () => {
    const { take, known, pass } = openWorld({ termMs: null, revokes: null });
    (await take('db-password')).revoke();
    await pass(86_400_000);
    expect(await known()).toContain('password-of-loan-1');
    (await take('db-password')).revoke();
    expect(await known()).toEqual(['the-stored-value', 'password-of-loan-1', 'password-of-loan-2']);
    await pass(LIMITS.lentValueMinutes.value * 60_000);
    expect(await known()).toEqual(['the-stored-value', 'password-of-loan-2']);
  });

  it('is bounded: the values of the latest leases stay', async () => {
    const { take, known, pass } = openWorld();
    const bound = LIMITS.lentValuesKept.value;
    for (let i = 0; i < bound + 10; i++) {
      (await take('db-password', `s${i}`)).revoke();
      await pass(1);
    }
    const values = await known();
    expect(values.length).toBe(bound + 1);
    expect(values).toContain(`password-of-loan-${bound + 10}`);
    expect(values).not.toContain('password-of-loan-1');
  });
});

describe('the end of a lease', () => {
  it.each<[string, readonly boolean[], string, number]>([
    ['at once', [true], 'revoked', 1],
    ['at the third try', [false, false, true], 'revoked', 3],
    ['never', [false, false, false], 'failed', 3],
  ])('taken back %s is on record as it went, and nobody waits for it', async (_, revokes, outcome, tries) => {
    const { desk, records, pass, log } = openWorld({ revokes });
    const leased = await desk.lease(ACME, 'db-password', at('ban'));
    if (!leased.ok) throw new Error(leased.error);
    desk.giveBack(
      { org: ACME, ...at('ban') },
      [leased.value],
      [{ name: 'db-password', host: 'db.test', header: 'x-key' }],
    );
    const head = { org: ACME, actor: 'system:broker', ...at('ban') };
    const before = [
      { ...head, kind: 'secret.leased', ref: 'db-password' },
      { ...head, kind: 'secret.used', ref: 'db-password/db.test/x-key' },
    ];
    expect(records).toEqual(before);
    await pass(10_000);
    expect(records).toEqual([...before, { ...head, kind: 'secret.revoked', ref: 'db-password', outcome }]);
    expect(log.filter((line) => line.startsWith('revoke')).length).toBe(tries);
  });

  it('of a stored secret is on record together with its use', async () => {
    const { desk, records } = openWorld();
    const leased = await desk.lease(ACME, 'stored-key', at('ban'));
    if (!leased.ok) throw new Error(leased.error);
    desk.giveBack({ org: ACME, ...at('ban') }, [leased.value], []);
    expect(records.map(({ kind, outcome }) => [kind, outcome])).toEqual([
      ['secret.leased', undefined],
      ['secret.revoked', 'ended'],
    ]);
  });

  it.each<[string, Parameters<typeof openWorld>[0], string]>([
    ['is not stored', {}, 'no-such-secret'],
    ['is not lent, because its provider has it without the field', {}, 'no-field'],
  ])('is on record also where the secret %s', async (_, part, name) => {
    const { desk, records } = openWorld(part);
    expect((await desk.lease(ACME, name, at('ban'))).ok).toBe(false);
    const head = { org: ACME, actor: 'system:broker', ...at('ban'), ref: name };
    expect(records).toEqual([
      { ...head, kind: 'secret.leased' },
      { ...head, kind: 'secret.revoked', outcome: 'not_lent' },
    ]);
  });

  it('of what the kernel logs in with is on record, also where it is not stored', async () => {
    const { source, records } = openWorld();
    const stage = async ({ audit }: { audit: readonly AuditDraft[] }) => void records.push(...audit);
    const ask = credentialsOnRecord({
      stored: source,
      ledger: { stage },
      report: () => undefined,
      readFile: undefined,
    });
    expect((await ask(ACME, { secret: 'stored-key' })).ok).toBe(true);
    expect(await ask(ACME, { secret: 'no-such-secret' })).toEqual(err('the secret no-such-secret is not stored'));
    expect(records.map(({ kind, ref, outcome }) => [kind, ref, outcome])).toEqual([
      ['secret.leased', 'stored-key', undefined],
      ['secret.revoked', 'stored-key', 'ended'],
      ['secret.leased', 'no-such-secret', undefined],
      ['secret.revoked', 'no-such-secret', 'not_lent'],
    ]);
  });

  it('is waited for when the kernel ends, and so are the lenders, within bounds', async () => {
    const { take, source, closed, pass } = openWorld({ revokes: [false, true] });
    (await take('db-password')).revoke();
    const over = source.close(3_000);
    expect(closed()).toBe(0);
    await pass(1_500);
    await over;
    expect(closed()).toBe(1);
    const slow = openWorld({ revokes: [false, false, false] });
    (await slow.take('db-password')).revoke();
    const late = slow.source.close(3_000);
    await slow.pass(2_900);
    expect(slow.closed()).toBe(0);
    await slow.pass(600);
    await late;
    // What one provider does not take back keeps no other from being told.
    expect(slow.closed()).toBe(1);
  });

  it('is waited for also of what is on its way from its provider when the kernel ends', async () => {
    const answer = Promise.withResolvers<void>();
    const { desk, source, log, pass, closed } = openWorld({ waits: answer.promise });
    const leased = desk.lease(ACME, 'db-password', at('ban')).then((lease) => {
      if (lease.ok) desk.giveBack({ org: ACME, ...at('ban') }, [lease.value], []);
    });
    await pass(1);
    const over = source.close(3_000);
    await pass(1_000);
    expect(closed()).toBe(0);
    answer.resolve();
    await leased;
    await pass(1);
    await over;
    expect([...log, closed()]).toEqual(['lend', 'revoke 1', 1]);
  });
});
