import { build } from 'esbuild';

/**
 * Bundles a program for Node and everything that it imports into one file, so that it starts without a look at others.
 * @param entry Absolute path of its TypeScript.
 * @param file  Absolute path of what is made.
 */
export async function bundleProgram(entry: string, file: string): Promise<void> {
  await build({
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'es2024',
    charset: 'utf8',
    legalComments: 'inline',
    logLevel: 'error',
  });
}
