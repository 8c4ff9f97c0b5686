import type { Diagram, DiagramEdge, DiagramNode } from './diagram.ts';

/**
 * A diagram as Mermaid text (a flowchart), for documents and tickets. Ids are ours, and every letter of a label that
 * could mean something to Mermaid or to HTML is written as its number.
 */
const CLASSES: Readonly<Record<string, string>> = {
  good: 'fill:#dafbe1,stroke:#1a7f37,color:#1f2328',
  kept: 'fill:#e0f5f5,stroke:#0e7c86,color:#1f2328',
  bad: 'fill:#ffebe9,stroke:#cf222e,color:#1f2328',
  open: 'fill:#ddf4ff,stroke:#0969da,color:#1f2328',
  asks: 'fill:#fff8c5,stroke:#9a6700,color:#1f2328',
  unknown: 'fill:#fbefff,stroke:#8250df,color:#1f2328',
  undone: 'fill:#fff1e5,stroke:#bc4c00,color:#1f2328',
  faint: 'fill:#f6f8fa,stroke:#9aa4af,color:#59636e,stroke-dasharray:4 3',
};
const CLASS_OF: Readonly<Record<string, keyof typeof CLASSES>> = {
  succeeded: 'good',
  kept: 'kept',
  failed: 'bad',
  indeterminate: 'unknown',
  held: 'asks',
  open: 'open',
  ready: 'open',
  intended: 'open',
  rolled_back: 'undone',
  pending: 'faint',
  skipped: 'faint',
};

export function toMermaid({ title, state, nodes, edges }: Diagram): string {
  const idOf = new Map(nodes.map(({ id }, index) => [id, `n${index}`]));
  const children = Map.groupBy(nodes, ({ parent }) => parent);
  const id = (of: string) => idOf.get(of) ?? 'n';
  const draw = (node: DiagramNode, indent: string): readonly string[] => {
    const inner = children.get(node.id);
    const words = label([node.label, node.detail, node.state ?? ''].filter((part) => part !== ''));
    if (!inner) return [`${indent}${id(node.id)}${shape(node, words)}`];
    return [
      `${indent}subgraph ${id(node.id)}["${words}"]`,
      ...inner.flatMap((one) => draw(one, `${indent}  `)),
      `${indent}end`,
    ];
  };
  const classes = nodes.flatMap(({ id: of, state: now }) => {
    const word = now?.split(/[ ,]+/).find((part) => Object.hasOwn(CLASS_OF, part));
    return word === undefined ? [] : [`  class ${id(of)} ${CLASS_OF[word]}`];
  });
  const used = new Set(classes.map((line) => line.split(' ').at(-1) ?? ''));
  return [
    `%% ${comment(title)}${state === null ? '' : ` (${comment(state)})`}`,
    'flowchart TD',
    ...(children.get(null) ?? []).flatMap((node) => draw(node, '  ')),
    ...edges.map((edge) => `  ${id(edge.from)} ${arrow(edge)} ${id(edge.to)}`),
    ...Object.entries(CLASSES).flatMap(([name, style]) => (used.has(name) ? [`  classDef ${name} ${style}`] : [])),
    ...classes,
    '',
  ].join('\n');
}

function shape({ kind }: DiagramNode, words: string): string {
  if (kind === 'start') return '((" "))';
  if (kind === 'end') return '(((" ")))';
  return kind === 'branch' ? `{{"${words}"}}` : `["${words}"]`;
}

function arrow({ taken, onFailure, label: words }: DiagramEdge): string {
  const line = taken ? '==>' : onFailure ? '-.->' : '-->';
  return words === '' ? line : `${line}|"${label([words])}"|`;
}

const label = (lines: readonly string[]): string =>
  lines
    .map((line) => line.toWellFormed().replaceAll(/[^A-Za-z0-9 _/,]/gu, (letter) => `#${letter.codePointAt(0)};`))
    .join('<br/>');
const comment = (words: string): string => words.replaceAll(/[^A-Za-z0-9 _.,:/-]/gu, ' ');
