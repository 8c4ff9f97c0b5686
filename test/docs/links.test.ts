import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { anchorsOf, DOCUMENTS, inlineCodeOf, proseOf, ROOT, readDocument } from './documents.ts';

const linksOf = (text: string): readonly string[] =>
  [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target).filter((target) => !/^[a-z]+:/.test(target));

const resolved = (file: string, target: string): string => {
  const [path = ''] = target.split('#');
  return path === '' ? file : normalize(join(dirname(file), path));
};

function faultOf(file: string, target: string): string | undefined {
  const path = resolved(file, target);
  if (!existsSync(join(ROOT, path))) return 'there is no such file';
  const anchor = target.split('#')[1];
  if (anchor === undefined || !path.endsWith('.md')) return undefined;
  return anchorsOf(readDocument(path)).has(anchor) ? undefined : 'there is no such heading';
}

describe('documents', () => {
  test('were found', () => {
    expect(DOCUMENTS.length).toBeGreaterThan(25);
    expect(DOCUMENTS.flatMap((document) => linksOf(proseOf(document))).length).toBeGreaterThan(60);
  });

  test.each(DOCUMENTS)('$file: every relative link leads somewhere', (document) => {
    const broken = linksOf(proseOf(document)).flatMap((target) => {
      const fault = faultOf(document.file, target);
      return fault ? [`${target}: ${fault}`] : [];
    });
    expect(broken).toEqual([]);
  });

  test('each one is linked from another', () => {
    const linked = new Set(
      DOCUMENTS.flatMap((document) => linksOf(proseOf(document)).map((target) => resolved(document.file, target))),
    );
    const alone = DOCUMENTS.map(({ file }) => file).filter(
      (file) => file.startsWith('docs/') && !linked.has(file) && !linked.has(`${dirname(file)}/`),
    );
    expect(alone).toEqual([]);
  });

  test.each(DOCUMENTS)('$file: every file it names in code is there', (document) => {
    const missing = inlineCodeOf(document)
      .filter((code) => /^(?:kernel|sdk|plugins|policies|test|docs|docker|bench|\.ci)\/[\w./-]*$/.test(code))
      .filter((path) => !['policies/playbooks', 'dist/'].includes(path) && !existsSync(join(ROOT, path)));
    expect(missing).toEqual([]);
  });

  test('a broken link is seen', () => {
    expect(faultOf('README.md', 'docs/nowhere.md')).toBe('there is no such file');
    expect(faultOf('README.md', 'docs/limits.md#nowhere')).toBe('there is no such heading');
    expect(faultOf('docs/limits.md', '../README.md#documents')).toBeUndefined();
  });
});
