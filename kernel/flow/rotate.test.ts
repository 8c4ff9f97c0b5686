import { describe, expect, it } from 'vitest';
import type { ErrorClass } from '../../sdk/contract/error.ts';
import type { HealthStage } from '../../sdk/contract/plugin.ts';
import type { AuditDraft } from '../audit/record.ts';
import type { OrgId } from '../base/id.ts';
import { principalId } from '../base/id.ts';
import { err, ok } from '../base/result.ts';
import type { HealthAnswer } from '../call/health.ts';
import type { Principal } from '../org/principal.ts';
import type { SecretSource } from '../port/secret-source.ts';
import { openLentSecrets } from './lent-secrets.ts';
import { type CheckHealth, type Health, healthAfter, openRotate } from './rotate.ts';
import { processScheduler } from './scheduler.ts';

const ACME = 'acme' as OrgId;
const BY: Principal = { org: ACME, id: principalId('dana'), roles: ['admin'] };
const FORMER = 'the-former-value';
const FRESH = 'the-fresh-value';

const grantOf = (plugin: string, ...names: readonly string[]) => ({
  plugin,
  rules: names.map((name) => ({ secret: { name, header: 'authorization', format: '{}' } })),
});

/** Every connector says what the test has it say, when it is asked: `seen` is what was stored at that moment. */
function worldOf(
  states: Readonly<Record<string, Health | 'fails'>>,
  options: { wait?: Promise<void>; isChanging?: boolean } = {},
) {
  const values = new Map([['acme/api-key', FORMER]]);
  const records: AuditDraft[] = [];
  const seen: string[] = [];
  const disk = { failsAt: 0, writes: 0 };
  const stored: SecretSource = {
    known: async () => ok([]),
    lease: async (org, name) => {
      const value = values.get(`${org}/${name}`);
      if (value === undefined) return err('unknown');
      return ok({ name, reveal: () => value, isOver: () => false, revoke: () => 'ended' as const });
    },
    put: async (org, name, value) => {
      disk.writes += 1;
      if (disk.writes === disk.failsAt) throw new Error('the disk');
      values.set(`${org}/${name}`, value);
    },
    list: async () => [],
    remove: async () => false,
  };
  const report = () => undefined;
  const source = openLentSecrets({ stored, scheduler: processScheduler, report });
  const lender = { key: 'k', lend: async () => err({ kind: 'unknown', reason: '' } as const) };
  source.bind(ACME, {
    byName: new Map([['lent-key', { provider: 'vault', field: 'f', lender }]]),
    close: async () => undefined,
  });
  const grants = [
    grantOf('edr', 'other', 'api-key'),
    grantOf('mail', 'other'),
    grantOf('chat', 'api-key'),
    grantOf('gone', 'api-key'),
  ];
  const plugins = new Map([
    ['edr', {}],
    ['mail', {}],
    ['chat', {}],
  ]);
  const registry = { org: () => ({ egress: { grants }, plugins }) as never };
  const check: CheckHealth = async (org, connector) => {
    seen.push(`${connector} ${values.get(`${org}/api-key`)}`);
    await options.wait;
    const state = states[connector];
    if (state === 'fails' || state === undefined) throw new Error('no answer');
    return state;
  };
  const ledger = { stage: async ({ audit }: { audit: readonly AuditDraft[] }) => void records.push(...audit) };
  const rotation = openRotate({
    source,
    ledger,
    registry,
    isChanging: () => options.isChanging ?? false,
    check,
    report,
  });
  const kinds = () => records.map(({ kind, outcome }) => (outcome === undefined ? kind : `${kind} ${outcome}`));
  return { ...rotation, kinds, records, seen, disk, value: () => values.get('acme/api-key') };
}
const WELL: Health = { state: 'healthy' };
const ILL: Health = { state: 'unhealthy', reason: 'it answers 401' };

describe('what a health check says of a credential', () => {
  const failed = (kind: ErrorClass, stage: HealthStage = 'auth'): HealthAnswer => ({
    kind: 'failed',
    stage,
    error: { class: kind, message: 'why' },
  });
  it.each<[string, HealthAnswer | null, Health]>([
    ['nothing when nobody is asked', null, { state: 'unknown', reason: expect.stringContaining('not tried') }],
    ['nothing when it asked nobody', { kind: 'unasked' }, { state: 'unknown' }],
    ['that it is taken', { kind: 'well' }, { state: 'healthy' }],
    ['that it is refused', failed('unauthorized'), { state: 'unhealthy', reason: 'why' }],
    ['that it may not do enough', failed('forbidden'), { state: 'unhealthy', reason: 'why' }],
    [
      'that it is refused, by a plugin that asks late',
      failed('unauthorized', 'health'),
      { state: 'unhealthy', reason: 'why' },
    ],
    ...(['unavailable', 'timeout', 'upstream_error', 'rate_limited', 'refused_by_policy', 'internal'] as const).map(
      (kind): [string, HealthAnswer, Health] => [
        `nothing when it ends with ${kind}`,
        failed(kind),
        { state: 'unknown', reason: 'why' },
      ],
    ),
    ['nothing when a setting is wrong', failed('invalid_input', 'validate'), { state: 'unknown', reason: 'why' }],
  ])('is %s', (_, answer, health) => {
    expect(healthAfter(answer)).toEqual(health);
  });
});

describe('a rotation', () => {
  it('stores the new value and asks the connectors that carry it, and no other', async () => {
    const { rotate, seen, kinds, value, records } = worldOf({ edr: WELL, chat: WELL });
    expect(await rotate(BY, 'api-key', FRESH, { keep: false })).toEqual({
      ok: true,
      value: {
        name: 'api-key',
        kept: 'new',
        checks: [
          { connector: 'chat', state: 'healthy', reason: null },
          { connector: 'edr', state: 'healthy', reason: null },
        ],
      },
    });
    expect(seen).toEqual([`chat ${FRESH}`, `edr ${FRESH}`]);
    expect(value()).toBe(FRESH);
    expect(kinds()).toEqual(['secret.leased', 'secret.put', 'secret.rotated kept', 'secret.revoked ended']);
    expect(JSON.stringify(records)).not.toMatch(/former-value|fresh-value/);
  });

  it('puts the former value back when one of them is refused with the new one', async () => {
    const { rotate, kinds, value } = worldOf({ edr: ILL, chat: WELL });
    const done = await rotate(BY, 'api-key', FRESH, { keep: false });
    expect(done.ok && done.value).toMatchObject({
      kept: 'former',
      checks: [{}, { connector: 'edr', state: 'unhealthy', reason: 'it answers 401' }],
    });
    expect(value()).toBe(FORMER);
    expect(kinds()).toContain('secret.rotated put_back');
  });

  it.each<[string, Readonly<Record<string, Health | 'fails'>>, boolean]>([
    ['it is told to', { edr: ILL, chat: WELL }, true],
    ['of none anything is known', { edr: { state: 'unknown' }, chat: 'fails' }, false],
    ['a target is down', { edr: { state: 'unknown', reason: 'it does not answer' }, chat: WELL }, false],
  ])('keeps the new value when %s', async (_, states, keep) => {
    const { rotate, value } = worldOf(states);
    const done = await rotate(BY, 'api-key', FRESH, { keep });
    expect(done.ok && done.value.kept).toBe('new');
    expect(value()).toBe(FRESH);
  });

  it.each([
    ['other-key', 'unknown', ['secret.leased', 'secret.revoked not_lent']],
    ['lent-key', 'lent', []],
  ])('of %s is refused: %s', async (name, error, recorded) => {
    const { rotate, disk, kinds } = worldOf({});
    expect(await rotate(BY, name, FRESH, { keep: false })).toEqual({ ok: false, error });
    expect(kinds()).toEqual(recorded);
    expect(disk.writes).toBe(0);
  });

  it('is one at a time, and holds the name meanwhile', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { rotate, heldBy } = worldOf({ edr: WELL, chat: WELL }, { wait: promise });
    const first = rotate(BY, 'api-key', FRESH, { keep: false });
    expect(await rotate(BY, 'api-key', 'a-third-value', { keep: false })).toEqual({ ok: false, error: 'busy' });
    expect([heldBy(ACME, 'api-key'), heldBy('globex' as OrgId, 'api-key'), heldBy(ACME, 'lent-key')]).toEqual([
      'busy',
      null,
      'lent',
    ]);
    resolve();
    expect((await first).ok).toBe(true);
    expect(heldBy(ACME, 'api-key')).toBe(null);
  });

  it('waits for no change that is under way: it would put the former value back over that', async () => {
    const { rotate, disk } = worldOf({ edr: ILL, chat: WELL }, { isChanging: true });
    expect(await rotate(BY, 'api-key', FRESH, { keep: false })).toEqual({ ok: false, error: 'busy' });
    expect(disk.writes).toBe(0);
  });

  it.each([1, 2])('whose write %d fails is told, and the next one is made', async (failsAt) => {
    const { rotate, disk, value } = worldOf({ edr: ILL, chat: WELL });
    disk.failsAt = failsAt;
    await expect(rotate(BY, 'api-key', FRESH, { keep: false })).rejects.toThrow('the disk');
    expect(value()).toBe(failsAt === 1 ? FORMER : FRESH);
    expect((await rotate(BY, 'api-key', FRESH, { keep: true })).ok).toBe(true);
  });
});
