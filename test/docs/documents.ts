import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Reads the documents of the repository: their text, their fenced blocks, their headings. Judges nothing. */
export const ROOT = join(import.meta.dirname, '..', '..');

export type Document = { readonly file: string; readonly text: string };

export type Block = {
  readonly file: string;
  /** Of the opening fence, from 1. */
  readonly line: number;
  readonly language: string;
  /** The words behind the language, such as `walk` or `file=plugin.ts`. */
  readonly marks: readonly string[];
  readonly text: string;
};

const PLACES = [
  '*.md',
  'docs/**/*.md',
  'docker/*.md',
  'policies/**/*.md',
  'plugins/*/*.md',
  'bench/**/*.md',
  'test/samples/*.md',
  'sdk/build/*.md',
];

export const readDocument = (file: string): Document => ({ file, text: readFileSync(join(ROOT, file), 'utf8') });

export const DOCUMENTS: readonly Document[] = globSync(PLACES, { cwd: ROOT })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => !file.includes('node_modules'))
  .sort()
  .map(readDocument);

const FENCE = /^```(\S*)[ \t]*(.*)\n([\s\S]*?)^```[ \t]*$/gm;

export const blocksOf = ({ file, text }: Document): readonly Block[] =>
  [...text.matchAll(FENCE)].map((match) => {
    const [, language = '', marks = '', body = ''] = match;
    const line = text.slice(0, match.index).split('\n').length;
    return { file, line, language, marks: marks.split(/\s+/).filter((mark) => mark !== ''), text: body };
  });

/** The text without its fenced blocks and without what is printed into it. */
export const proseOf = ({ text }: Document): string => text.replaceAll(FENCE, '');

/** Code in a line of prose, such as `npm test`. */
export const inlineCodeOf = (document: Document): readonly string[] =>
  [...proseOf(document).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);

/** Anchors of headings, as the usual hosts make them. */
export const anchorsOf = (document: Document): ReadonlySet<string> =>
  new Set(
    [...proseOf(document).matchAll(/^#{1,6} +(.+?) *$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
