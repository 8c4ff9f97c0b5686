import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { admit } from '../../kernel/cell/admit.ts';
import { moduleOf, text, vector } from '../../kernel/cell/wasm-fixture.ts';
import { makeKeyPair } from '../../sdk/signature/sign.ts';
import { ALL, MINE, openSupplyWorld, REVOKED, type SupplyWorld, startRevoked, UNTRUSTED } from '../e2e/supply-world.ts';
import { hostileModule } from '../hostile/hostile-module.ts';
import { inherited } from './plant.ts';
import { openRevoking } from './revoking.ts';
import { all, type Held, type Row, verdict, without } from './row.ts';
import type { World } from './world.ts';

/** S: where a module comes from. What counts is whether a kernel starts with it, and what it has kept when it does not. */

const JUDGE = 'kernel/trust/judge.ts';
const LOCK = 'kernel/trust/lock.ts';
const COMMAND = 'sdk/cli/command-plugin-lock.ts';
/** Whatever names the key passes for signed by it. */
const UNVERIFIED = without('sdk/signature/verify.ts', 'keys), thresholds).verify(entity);', 'keys), thresholds);');

const supply = async (world: World): Promise<SupplyWorld> => world.opened(await openSupplyWorld(inherited));

async function refuses(w: SupplyWorld, says: RegExp, what: string): Promise<Held> {
  const fault = await w.start();
  if (fault === undefined) return verdict(false, `a kernel starts ${what}`);
  const kept = await w.modules();
  if (kept.length > 0) return verdict(false, `${what}: refused, and ${kept.length} kept`);
  const held = says.test(fault);
  return verdict(held, held ? 'refused, nothing is kept' : `${what}: refused for another reason`);
}

/** The control: a kernel that takes nothing would hold every row. */
async function starts(w: SupplyWorld, what: string): Promise<Held> {
  const fault = await w.start();
  return verdict(fault === undefined, fault === undefined ? `${what}: it starts` : `${what}: it does not start`);
}

export const SUPPLY_ROWS: readonly Row[] = [
  {
    id: 'S1',
    tries:
      'another byte, digest, statement or manifest; no signature, that of somebody else or of another module; a signer or module whose time is over',
    must: 'the kernel does not start, or not with what is revoked, and nothing of the module is kept or compiled',
    run: async (world) => {
      const seen = await Promise.all(
        UNTRUSTED.map(async ([how, prepare, says]) => {
          const w = await supply(world);
          await prepare(w);
          return refuses(w, says, how);
        }),
      );
      const revoked = await Promise.all(
        REVOKED.map(async (revoking) => {
          const w = await supply(world);
          const told = await startRevoked(w, revoking);
          const [what, , says] = revoking;
          const kept = (await w.modules()).length;
          const held = told !== undefined && says.test(told) && kept === 0;
          return verdict(held, held ? 'revoked: it starts without' : `${what} is revoked: ${kept} kept`);
        }),
      );
      const right = await supply(world);
      await right.trust();
      await right.sign();
      await right.lock();
      return all([
        ...seen,
        ...revoked,
        verdict(true, `${seen.length + revoked.length} ways`),
        await starts(right, 'signed and locked'),
      ]);
    },
    faults: [
      without(JUDGE, "if (seen.digest !== asked.digest) return fault('its signature is for another module');"),
      without(JUDGE, "if (seen.manifest !== asked.manifest) return fault('its signature is for another manifest');"),
      without(JUDGE, 'if (seen.until !== undefined && !(now < Date.parse(seen.until)))', 'if (now < 0)'),
      without(JUDGE, 'const found = revoked.find(', 'const found = revoked.slice(0, 0).find('),
      without(JUDGE, "return policy.unsigned === 'allow'", 'return seen'),
      without(LOCK, 'one.digest === asked.digest && one.manifest', 'one.manifest'),
      UNVERIFIED,
    ],
  },
  {
    id: 'S2',
    tries: 'an upgrade that asks for more',
    must: 'held until approved; the difference is shown',
    run: async (world) => {
      const w = await supply(world);
      await w.trust(ALL);
      // As if what is there were the next version of what was locked, which sent GET and HEAD only.
      await w.lock((whole) => ({
        ...whole,
        plugins: whole.plugins.map((one) => ({
          ...one,
          digest: `sha256:${'0'.repeat(64)}`,
          capabilities: one.capabilities.filter((each) => each !== 'method:POST'),
        })),
      }));
      const before = await readFile(w.at('plugins.lock'), 'utf8');
      const shown = await w.cli('lock', '--config', w.config);
      const isSame = (await readFile(w.at('plugins.lock'), 'utf8')) === before;
      const news = shown.stdout.split('\n').filter((line) => line.includes('new:'));
      const held = await refuses(
        w,
        /another digest or manifest\n {2}new: may ask to send POST\n/,
        'before it is approved',
      );
      const agreed = await w.cli('lock', '--config', w.config, '--approve');
      return all([
        verdict(shown.code === 1 && isSame, isSame ? 'nothing is written unasked' : 'the lock is written unasked'),
        verdict(news.join().trim() === 'new: may ask to send POST', `news shown: ${news.length}`),
        held,
        verdict(agreed.code === 0, `approved: ${agreed.code}`),
        await starts(w, 'approved'),
      ]);
    },
    faults: [
      without(
        COMMAND,
        'if (asked.length > 0 && !options.approve && !(await isAgreed(asked.length)))',
        'if (asked.length < 0)',
      ),
      without(COMMAND, 'of [signed, ...more, ...less]) say', 'of [signed, ...less]) say'),
      without(
        JUDGE,
        "if (locked.kind === 'other') {",
        "if (locked.kind === 'other') return undefined;\n  if (more.length < 0) {",
      ),
    ],
  },
  {
    id: 'S3',
    tries: 'an import that is not granted, and one that the manifest does not own to',
    must: 'admission refuses: what a module imports counts',
    run: async (world) => {
      const admitted = admit(moduleOf({ 2: vector([...text('interlock:host/v2'), ...text('shell'), 0, 0]) }));
      const code = admitted.ok ? 'admitted' : admitted.error.code;
      const w = await supply(world);
      await w.trust(ALL);
      await writeFile(w.wasm, await hostileModule('requester'));
      const { manifest } = await w.read();
      const say = (http: boolean) =>
        writeFile(join(w.plugin, 'manifest.json'), JSON.stringify({ ...manifest, capabilities: { http } }));
      await say(false);
      const held = await refuses(
        w,
        /is not admitted: its module imports interlock:host\/v1\.http/,
        'with a false manifest',
      );
      await say(true);
      return all([verdict(code === 'import_refused', code), held, await starts(w, 'with a true one')]);
    },
    faults: [
      without('kernel/cell/claims.ts', 'imports.includes(HTTP_IMPORT) && !capabilities.http', 'imports.length < 0'),
      without(
        'kernel/cell/wasm-sections.ts',
        'const granted = policy.imports.get(full);',
        "const granted = policy.imports.get(full) ?? '() -> (i32)';",
      ),
    ],
  },
  {
    id: 'S4',
    tries: 'a module that its source does not give',
    must: 'a rebuild says so',
    run: async (world) => {
      const w = await supply(world);
      const same = await w.cli('verify', w.plugin, '--rebuild');
      const source = join(w.plugin, 'plugin.ts');
      await writeFile(source, `${await readFile(source, 'utf8')}\nexport const changed = [1, 2, 3];\nconsole.log;\n`);
      const other = await w.cli('verify', w.plugin, '--rebuild');
      const isTold = other.code === 1 && /gives another module, sha256:/.test(other.stderr);
      return all([
        verdict(same.code === 0, same.code === 0 ? 'its own source gives it' : 'its own source does not give it'),
        verdict(isTold, isTold ? 'another source gives another module' : `another source: ${other.code}`),
      ]);
    },
    faults: [without('sdk/cli/command-plugin-sign.ts', 'again === undefined || again.digest === digest', 'true')],
  },
  {
    id: 'S5',
    tries: 'a module that another organisation signed, under the name of our key',
    must: 'not loaded by us, loaded by whom trusts that organisation',
    run: async (world) => {
      const theirs = makeKeyPair();
      const w = await supply(world);
      await w.sign(theirs.privateKey);
      await w.trust({ unlocked: 'allow', signers: [{ id: 'platform', key: theirs.publicKey }] });
      const control = await starts(w, 'for whom trusts it');
      const kept = (await w.modules()).length;
      const us = await supply(world);
      await us.trust({ unlocked: 'allow' });
      await us.sign(MINE.privateKey);
      const bundle = JSON.parse(await readFile(us.bundle, 'utf8'));
      await us.sign(theirs.privateKey);
      const foreign = JSON.parse(await readFile(us.bundle, 'utf8'));
      const as = { ...foreign, verificationMaterial: bundle.verificationMaterial };
      const seen: Held[] = [];
      for (const one of [foreign, as]) {
        await writeFile(us.bundle, JSON.stringify(one));
        seen.push(await refuses(us, /none of the signers/, 'with the signature of another organisation'));
      }
      return all([
        control,
        verdict(kept > 0, kept > 0 ? 'its module is kept there' : 'nothing is kept there'),
        ...seen,
      ]);
    },
    faults: [UNVERIFIED],
  },
  {
    id: 'S6',
    tries: 'a lock that has one module twice, the second time with what was approved',
    must: 'the kernel does not start: nobody can say which entry counts',
    run: async (world) => {
      const w = await supply(world);
      await w.trust(ALL);
      await w.lock((whole) => ({
        ...whole,
        plugins: whole.plugins.flatMap((one) => [one, { ...one, capabilities: ['http'] }]),
      }));
      const held = await refuses(w, /plugins\.lock does not have the form/, 'with two entries of one module');
      await rm(w.at('plugins.lock'));
      await w.lock();
      return all([held, await starts(w, 'with one')]);
    },
    faults: [
      without(
        'sdk/contract/trust.ts',
        "=== all.length,\n      'each plugin once'",
        "<= all.length,\n      'each plugin once'",
      ),
    ],
  },
  {
    id: 'S7',
    tries: 'a module that a waiting run has pinned, and another org still loads, after it is revoked',
    must: 'it is not called by that run',
    run: async (world) => {
      const target = await world.listen();
      const org = world.opened(await openRevoking(target));
      const [control, pinned] = [await org.begin(), await org.begin()];
      const called = await org.approve(control);
      await org.revoke();
      const after = await org.approve(pinned);
      const reached = target.requests.length;
      return all([
        verdict(called === 'completed', `before: ${called}`),
        verdict(after === 'aborted' && reached === 1, `after: ${after}; requests: ${reached}`),
      ]);
    },
    faults: [without('kernel/flow/registry.ts', 'return revocationOf(trust, {', 'return void ({')],
  },
];
