import { describe, expect, test } from 'vitest';
import { openMemoryStore } from '../adapter/memory/store.ts';
import { digestOf } from '../base/digest.ts';
import type { Digest, OrgId, RunId } from '../base/id.ts';
import { unixMs } from '../base/time.ts';
import type { Run } from '../run/state.ts';
import { KEYS } from './keys.ts';
import { openRunsInFlight } from './runs-in-flight.ts';
import { takeUpRuns } from './take-up.ts';

const [ACME, GLOBEX] = ['acme' as OrgId, 'globex' as OrgId];
const runOf = (digit: string) => `run_${digit.repeat(32)}` as RunId;
const module = (text: string) => {
  const wasm = new TextEncoder().encode(text);
  return { wasm, manifest: { name: text }, sealed: text === 'sealed', digest: digestOf(`plugin ${text}`) };
};
const MODULES = ['first', 'second', 'sealed'].map(module);
const [FIRST, SECOND, SEALED] = MODULES.map(({ digest }) => digest) as [Digest, Digest, Digest];
/** Of the bytes: by that a module is revoked, whatever manifest it has. */
const bytesOf = (digest: Digest) => digestOf(MODULES.find((one) => one.digest === digest)?.wasm ?? new Uint8Array());

async function takeUp(part: {
  runs: readonly (readonly [OrgId, RunId, readonly Digest[]])[];
  revoked?: Partial<Record<OrgId, readonly Digest[]>>;
  loaded?: readonly Digest[];
  /** What new runs use, in the order of what runs pin. */
  active?: readonly Digest[];
  broken?: RunId;
}) {
  const store = openMemoryStore();
  await store.write(part.runs.map(([org, id], at) => ({ key: KEYS.timer(unixMs(1 + at), org, id), value: '{}' })));
  const loads: [Digest, boolean][] = [];
  const shown: Digest[] = [];
  const [notes, reported]: [RunId[], unknown[]] = [[], []];
  const former = await takeUpRuns({
    store,
    registry: {
      org: () => ({ plugins: new Map((part.active ?? []).map((digest, at) => [`plugin-${at}`, { digest }])) }) as never,
      plugin: (digest) =>
        part.loaded?.includes(digest) || shown.includes(digest) || loads.some(([one]) => one === digest)
          ? ({ digest, module: bytesOf(digest) } as never)
          : undefined,
      revocation: (id, { module: bytes }) =>
        part.revoked?.[id]?.map(bytesOf).includes(bytes) ? 'this module is revoked' : undefined,
    },
    isCallable: (digest) => part.loaded?.includes(digest) === true || loads.some(([one]) => one === digest),
    driver: {
      load: (org, id) => {
        if (id === part.broken) throw new Error('a defect');
        const [, , digests = []] = part.runs.find((one) => one[0] === org && one[1] === id) ?? [];
        return { org, id, plugins: Object.fromEntries(digests.map((one, at) => [`plugin-${at}`, one])) } as Run;
      },
    },
    modules: { put: async () => undefined, get: async (digest) => MODULES.find((one) => one.digest === digest) },
    load: async (digest, _, __, sealed, isCalled) => {
      if (isCalled) loads.push([digest, sealed]);
      else shown.push(digest);
      return { ok: true, value: digest };
    },
    inFlight: openRunsInFlight(),
    children: { takeUpOrphan: async () => undefined },
    noted: ({ id }) => void notes.push(id),
    report: (defect) => void reported.push(defect),
  });
  return { loads, shown, former, noted: notes, reported };
}

describe('a kernel that starts takes up runs with the modules that they pinned', () => {
  test('each that is not loaded yet, sealed or not as it is kept', async () => {
    const { loads } = await takeUp({ runs: [[ACME, runOf('1'), [FIRST, SECOND, SEALED]]], loaded: [SECOND] });
    expect(loads).toEqual([
      [FIRST, false],
      [SEALED, true],
    ]);
  });

  test('of one that the org has revoked only what it is, never to be called; another org may', async () => {
    const revoked = { [ACME]: [FIRST] };
    const one = await takeUp({ runs: [[ACME, runOf('1'), [FIRST, SECOND]]], revoked });
    expect([one.loads, one.shown, one.noted, one.reported]).toEqual([[[SECOND, false]], [FIRST], [runOf('1')], []]);
    const two = await takeUp({
      runs: [
        [ACME, runOf('1'), [FIRST]],
        [GLOBEX, runOf('2'), [FIRST]],
      ],
      revoked,
    });
    expect([two.loads, two.noted]).toEqual([[[FIRST, false]], [runOf('1'), runOf('2')]]);
  });

  test('and one that cannot be taken up keeps no other from it', async () => {
    const { loads, noted, reported } = await takeUp({
      runs: [
        [ACME, runOf('1'), [FIRST]],
        [ACME, runOf('2'), [SECOND]],
      ],
      broken: runOf('1'),
    });
    expect([loads, noted, reported]).toMatchObject([[[SECOND, false]], [runOf('2')], [{ message: 'a defect' }]]);
  });

  test('and tells of those that go on with what is not loaded for new ones, unless it is revoked', async () => {
    const runs: [OrgId, RunId, readonly Digest[]][] = [
      [ACME, runOf('1'), [FIRST, SECOND]],
      [ACME, runOf('2'), [FIRST]],
      [GLOBEX, runOf('3'), [SECOND]],
    ];
    const name = 'plugin-0';
    expect((await takeUp({ runs, active: [FIRST, SECOND] })).former).toEqual([
      { org: GLOBEX, name, digest: SECOND, runs: 1 },
    ]);
    expect((await takeUp({ runs, active: [SEALED, SECOND] })).former).toEqual([
      { org: ACME, name, digest: FIRST, runs: 2 },
      { org: GLOBEX, name, digest: SECOND, runs: 1 },
    ]);
    const revoked = { [ACME]: [FIRST], [GLOBEX]: [SECOND] };
    expect((await takeUp({ runs, active: [SEALED, SECOND], revoked })).former).toEqual([]);
  });
});
