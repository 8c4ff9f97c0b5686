import { realpath } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { build, formatMessages, type Message } from 'esbuild';
import { ABSENT } from '../author/absent.ts';
import { mapStack } from './map-stack.ts';

/**
 * Bundles a TypeScript file and all it imports into one script for the engine. The result depends on the sources and
 * on how they lie to each other, never on where on the machine they lie.
 */

export type Bundle = {
  readonly kind: 'bundled';
  /** A script whose completion value is the exports of the file. */
  readonly script: string;
  /** Source map (revision 3) of the script, as JSON text, without the sources themselves. */
  readonly sourceMap: string;
  /** Globals that the script uses and a cell does not have, each once: name, and the place in the source. */
  readonly absent: readonly { readonly name: string; readonly place: string }[];
};

/** `message` is for the author: what is wrong, with file and line. */
type BundleFault = { readonly kind: 'refused'; readonly message: string };

const SDK = join(import.meta.dirname, '..');
const GLOBAL_NAME = '__bundle';

/**
 * Stands at the end of a global name that a cell does not have, for its last letter, so that uses of the global can be
 * told from other things of that name. As long as what it replaces, so that the source map holds.
 */
const MARK = '\u01c3';
const marked = (name: string) => name.slice(0, -1) + MARK;

/** @param entry Absolute path of the file. */
export async function bundle(entry: string): Promise<Bundle | BundleFault> {
  const root = await realpath(dirname(entry));
  try {
    const result = await build({
      entryPoints: [join(root, basename(entry))],
      // The bundler writes the paths of CommonJS modules into the script, relative to this.
      absWorkingDir: root,
      outfile: join(root, 'bundle.js'),
      write: false,
      bundle: true,
      format: 'iife',
      globalName: GLOBAL_NAME,
      platform: 'neutral',
      mainFields: ['module', 'main'],
      target: 'es2023',
      charset: 'utf8',
      legalComments: 'none',
      sourcemap: 'external',
      sourcesContent: false,
      logLevel: 'silent',
      define: Object.fromEntries(Object.keys(ABSENT).map((name) => [name, marked(name)])),
      alias: { '@interlock/sdk': join(SDK, 'author', 'index.ts') },
      // No tsconfig.json of the surroundings decides about the result.
      tsconfigRaw: { compilerOptions: { target: 'esnext', verbatimModuleSyntax: true } },
    });
    const file = (extension: string) => result.outputFiles.find(({ path }) => path.endsWith(extension))?.text ?? '';
    const sourceMap = withoutPlaces(file('.js.map'), root);
    const { text, absent } = unmark(file('.js'));
    return {
      kind: 'bundled',
      // In front of the first line, which holds no code of the author, so that the source map holds.
      script: `(function(){${text}\nreturn ${GLOBAL_NAME};})()`,
      sourceMap,
      absent: absent.map(({ name, place }) => ({ name, place: mapStack(place, sourceMap) })),
    };
  } catch (error) {
    const { errors } = error as { readonly errors?: Message[] };
    if (!errors) throw error;
    const texts = await formatMessages(errors.map(inOurWords), { kind: 'error', color: false });
    return { kind: 'refused', message: texts.join('\n').trim() };
  }
}

/** What the bundler says of an import that it does not find is advice on its own settings, which are not the author's. */
function inOurWords(error: Message): Message {
  const [, name] = /^Could not resolve "(.+)"$/.exec(error.text) ?? [];
  if (name === undefined) return error;
  const why = isBuiltin(name)
    ? 'this is a part of Node, and a cell has none of them: use what ctx offers, such as ctx.fetch'
    : 'check the name, or install the package beside the plugin';
  return { ...error, text: `${error.text}: ${why}`, notes: [] };
}

/** The script as it was written, and where it uses globals that a cell does not have. */
function unmark(script: string) {
  const absent: { name: string; place: string }[] = [];
  let text = script;
  for (const name of Object.keys(ABSENT)) {
    const at = text.indexOf(marked(name));
    if (at < 0) continue;
    const lines = text.slice(0, at).split('\n');
    absent.push({ name, place: `plugin.js:${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}` });
    text = text.replaceAll(marked(name), name);
  }
  return { text, absent };
}

/** Names files of the SDK by their package: where it lies, seen from the plugin, differs between machines. */
function withoutPlaces(text: string, root: string): string {
  const map = JSON.parse(text) as { readonly sources: readonly string[]; readonly mappings: string };
  const sources = map.sources.map((source) => {
    const inSdk = relative(SDK, resolve(root, source)).replaceAll(sep, '/');
    return source.startsWith('../') && !inSdk.startsWith('../') ? `@interlock/sdk/${inSdk}` : source;
  });
  return JSON.stringify({ version: 3, sources, names: [], mappings: map.mappings });
}
