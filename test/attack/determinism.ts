import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '../../kernel/base/digest.ts';
import { buildPlugin } from '../../sdk/build/build-plugin.ts';
import { all, type Held, type Row, told, verdict, without } from './row.ts';
import { buildSealed, type World } from './world.ts';

/** T: the same again. */

/** What module scope may not do, as the first line of a plugin; caught or not. */
const OUTWARD = [
  `fetch('https://a.test/');`,
  `try { console.log('here'); } catch {}`,
  `Promise.resolve().then(() => console.log('late')).catch(() => {});`,
  `import 'node:fs';`,
  `process.exit(0);`,
  `setTimeout(() => {}, 1);`,
];

async function withFirstLine(world: World, line: string): Promise<string> {
  // In the checkout no path: the SDK is found from anywhere.
  const folder = await mkdtemp(join(tmpdir(), 'interlock-attack-'));
  world.opened({ close: () => rm(folder, { recursive: true }) });
  await cp(join(import.meta.dirname, '../../sdk/build/fixture'), folder, { recursive: true });
  const source = join(folder, 'plugin.ts');
  await writeFile(source, `${line}\n${await readFile(source, 'utf8')}`);
  const built = await buildPlugin(folder, { outDir: join(folder, 'dist') });
  return built.ok ? 'built' : built.error.kind;
}

export const DETERMINISM_ROWS: readonly Row[] = [
  {
    id: 'T1',
    tries: 'time, randomness and input and output while it is built',
    must: 'time and randomness are constants of the build, so the digest is the same; anything else fails it',
    run: async (world) => {
      const [one, two] = [digestOf(await buildSealed()), digestOf(await buildSealed())];
      const seen: Held[] = [verdict(one === two, one === two ? 'the same digest' : 'another digest')];
      for (const line of OUTWARD) {
        const built = await withFirstLine(world, line);
        seen.push(
          verdict(built === 'module-scope' || built === 'bundle', built === 'built' ? `built: ${line}` : 'no build'),
        );
      }
      const control = await withFirstLine(world, 'const table = [1, 2, 3].map((n) => n * Math.random()); void table;');
      return all([...seen, verdict(control === 'built', 'a table is built')]);
    },
    faults: [
      without(
        'sdk/build/build-plugin.ts',
        'body: encoder.encode(script.sourceMap)',
        'body: encoder.encode(script.sourceMap + performance.now())',
      ),
      without('sdk/build/prelude.ts', 'if (tooEarly) throw tooEarly;'),
    ],
  },
  {
    id: 'T2',
    tries:
      'another output for the same input: called again, in another cell, in a new instance and in one that was put back',
    must: 'the same to the byte',
    run: async (world) => {
      const seen: Held[] = [];
      const replies = { world: new Set<string>(), count: new Set<string>() };
      for (const isKept of [true, true, false]) {
        // No restore is looked at, so that what is left would be seen in a reply.
        const sealed = await world.sealed(world.cells({ checkRestoreEvery: 1_000_000 }), isKept);
        for (let i = 0; i < 3; i++)
          for (const action of ['world', 'count'] as const) {
            const outcome = await sealed(action);
            const text = outcome.kind === 'replied' ? outcome.reply : told(outcome);
            seen.push(verdict(text.includes('"output"'), 'an output each time'));
            replies[action].add(text);
          }
      }
      const kinds = Object.values(replies).map(({ size }) => size);
      return all([
        ...seen,
        verdict(
          kinds.every((size) => size === 1),
          `replies to the same call: ${kinds.join(' and ')}`,
        ),
      ]);
    },
    faults: [without('kernel/adapter/extism/snapshot.ts', 'for (const { at, bytes } of copies) live.set(bytes, at);')],
  },
];
