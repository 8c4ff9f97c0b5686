import type { Diagram, DiagramEdge, DiagramNode } from './diagram.ts';
import { type Box, type Layout, layOut, type Measures, type Point } from './layout.ts';

/**
 * Draws a diagram as SVG 1.1, alone in its file: no script, no style sheet, no font, nothing from outside. All text is
 * escaped. A state is told by a colour and by its word, and what a run did not reach stands back.
 */
const BOX = { width: 236, most: 460, height: 46, withState: 64 };
const DOT = 14;
const MARGIN = 24;
const HEAD = 40;
/** The picture is as wide as its title takes: the longest name of a playbook, and the id of a run. */
const TITLE = { letter: 8.2, chars: 102 };
const MEASURES: Measures = {
  sizeOf: (node) => {
    const { kind, state } = node;
    if (kind === 'start' || kind === 'end') return { width: DOT, height: DOT };
    return { width: widthOf(node), height: state === null ? BOX.height : BOX.withState };
  },
  paddingOf: ({ kind }) => ({ side: 16, top: kind === 'block' ? 48 : 68, bottom: 16 }),
  gap: { x: 28, y: 40, bend: 20 },
};

/** Of a letter, in the size of the name and of what stands below it. */
const LETTER = { label: 7.8, detail: 6 };
const insetOf = ({ kind }: DiagramNode): number => (kind === 'branch' ? 26 : 16);
/** As wide as its words take, within bounds; what is cut all the same is whole in the title. */
function widthOf(node: DiagramNode): number {
  const words = Math.max([...node.label].length * LETTER.label, [...node.detail].length * LETTER.detail);
  return Math.min(BOX.most, Math.max(BOX.width, Math.ceil(words + 2 * insetOf(node))));
}

const INK = {
  text: '#1f2328',
  soft: '#59636e',
  line: '#9aa4af',
  strong: '#1f2328',
  paper: '#ffffff',
  block: '#f6f8fa',
};
/**
 * Bar, and ground behind the word, of each state; a word that is not here is grey. What needs an eye comes first: of
 * several step runs the first that is among them gives the colour.
 */
const COLOURS: Readonly<Record<string, readonly [bar: string, ground: string]>> = {
  failed: ['#cf222e', '#ffebe9'],
  aborted: ['#cf222e', '#ffebe9'],
  timed_out: ['#cf222e', '#ffebe9'],
  indeterminate: ['#8250df', '#fbefff'],
  held: ['#9a6700', '#fff8c5'],
  waiting: ['#9a6700', '#fff8c5'],
  undoing: ['#bc4c00', '#fff1e5'],
  rolled_back: ['#bc4c00', '#fff1e5'],
  open: ['#0969da', '#ddf4ff'],
  intended: ['#0969da', '#ddf4ff'],
  ready: ['#0969da', '#ddf4ff'],
  running: ['#0969da', '#ddf4ff'],
  kept: ['#0e7c86', '#e0f5f5'],
  succeeded: ['#1a7f37', '#dafbe1'],
  completed: ['#1a7f37', '#dafbe1'],
};
const GREY = ['#9aa4af', '#eaeef2'] as const;
/** What a run has not come to. */
const FAINT: ReadonlySet<string> = new Set(['pending', 'skipped']);

export function toSvg(diagram: Diagram): string {
  const layout = layOut(diagram, MEASURES);
  const title = cut(diagram.title, TITLE.chars);
  const head = title.length * TITLE.letter + (diagram.state === null ? 0 : MARGIN + pillWidth(diagram.state));
  const width = Math.ceil(Math.max(layout.width, 280, head) + 2 * MARGIN);
  const height = Math.ceil(layout.height + 2 * MARGIN + HEAD);
  const shift = (width - layout.width) / 2;
  const depth = depthsOf(diagram);
  const boxes = diagram.nodes.toSorted((a, b) => (depth.get(a.id) ?? 0) - (depth.get(b.id) ?? 0));
  // Ways that were taken lie on top of the others, and boxes on top of both; blocks are the ground.
  const isGround = ({ kind }: DiagramNode) => kind === 'group' || kind === 'block';
  const edges = [...diagram.edges.entries()].sort(([, a], [, b]) => Number(a.taken) - Number(b.taken));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
      `role="img" aria-label="${escaped(diagram.title)}" font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">`,
    `<title>${escaped(diagram.title)}</title>`,
    `<rect width="${width}" height="${height}" fill="${INK.paper}"/>`,
    text(title, { x: MARGIN, y: MARGIN + 6, size: 15, weight: 600, chars: TITLE.chars }),
    ...(diagram.state === null ? [] : [pill(diagram.state, width - MARGIN, MARGIN - 8)]),
    `<g transform="translate(${number(shift)} ${MARGIN + HEAD})">`,
    ...boxes.filter(isGround).map((node) => group(node, layout.boxes.get(node.id))),
    ...edges.map(([index, edge]) => line(edge, layout.routes[index] ?? [])),
    ...boxes.filter((node) => !isGround(node)).map((node) => box(node, layout.boxes.get(node.id))),
    ...labels(edges, layout),
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

function depthsOf({ nodes }: Diagram): ReadonlyMap<string, number> {
  const parents = new Map(nodes.map(({ id, parent }) => [id, parent]));
  const depthOf = (id: string | null | undefined): number => (id == null ? 0 : 1 + depthOf(parents.get(id)));
  return new Map(nodes.map(({ id }) => [id, depthOf(id)]));
}

function box(node: DiagramNode, at: Box | undefined): string {
  if (!at) return '';
  const { kind, label, detail, state } = node;
  const { x, y, width, height } = at;
  if (kind === 'start' || kind === 'end') {
    const [cx, cy] = [number(x + width / 2), number(y + height / 2)];
    const isReached = state !== 'pending';
    const ink = isReached ? INK.strong : INK.line;
    const inner = kind === 'end' ? `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${ink}"/>` : '';
    return `<circle cx="${cx}" cy="${cy}" r="6" fill="${kind === 'end' ? INK.paper : ink}" stroke="${ink}" stroke-width="1.5"/>${inner}`;
  }
  const isFaint = state !== null && FAINT.has(state);
  const [bar] = colourOf(state);
  const stroke = isFaint
    ? ` stroke="${INK.line}" stroke-dasharray="4 3"`
    : ` stroke="${state === null ? INK.line : bar}"`;
  const shape =
    kind === 'branch'
      ? `<path d="${hexagon(at)}" fill="${INK.paper}"${stroke} stroke-width="1.25"/>`
      : `<rect x="${number(x)}" y="${number(y)}" width="${width}" height="${height}" rx="8" fill="${INK.paper}"${stroke} stroke-width="1.25"/>`;
  const inset = insetOf(node);
  const edge =
    kind === 'branch' || state === null || isFaint
      ? ''
      : `<path d="M${number(x + 6)} ${number(y + 9)}v${height - 18}" stroke="${bar}" stroke-width="3" stroke-linecap="round"/>`;
  const chars = Math.floor((width - 2 * inset) / LETTER.detail);
  return [
    `<g${isFaint ? ' opacity="0.6"' : ''}>`,
    `<title>${escaped([label, detail, state].filter((part) => part).join(' · '))}</title>`,
    shape,
    edge,
    text(label, {
      x: x + inset,
      y: y + 19,
      size: 13,
      weight: 600,
      chars: Math.floor((width - 2 * inset) / LETTER.label),
    }),
    text(detail, { x: x + inset, y: y + 35, size: 11, fill: INK.soft, chars }),
    state === null ? '' : stateLine(state, x + inset, y + 53, chars),
    '</g>',
  ].join('');
}

function group({ kind, label, detail, state }: DiagramNode, at: Box | undefined): string {
  if (!at) return '';
  const { x, y, width, height } = at;
  const isFaint = state !== null && FAINT.has(state);
  const [bar] = colourOf(state);
  const stroke = kind === 'block' || state === null || isFaint ? INK.line : bar;
  const dashed = kind === 'block' || isFaint ? ' stroke-dasharray="4 3"' : '';
  const ground = kind === 'block' ? INK.paper : INK.block;
  return [
    `<g${isFaint ? ' opacity="0.7"' : ''}>`,
    `<title>${escaped([label, detail, state].filter((part) => part).join(' · '))}</title>`,
    `<rect x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}" rx="10" fill="${ground}" stroke="${stroke}" stroke-width="1.25"${dashed}/>`,
    text(label, { x: x + 16, y: y + 20, size: 13, weight: 600, chars: Math.floor((width - 120) / LETTER.label) }),
    text(detail, { x: x + 16, y: y + 36, size: 11, fill: INK.soft, chars: Math.floor((width - 32) / LETTER.detail) }),
    state === null || kind === 'block' ? '' : stateLine(state, x + 16, y + 54, 60),
    '</g>',
  ].join('');
}

const hexagon = ({ x, y, width, height }: Box): string => {
  const [left, right, top, bottom] = [number(x), number(x + width), number(y), number(y + height)];
  const middle = number(y + height / 2);
  return `M${left} ${middle}L${number(x + 14)} ${top}H${number(x + width - 14)}L${right} ${middle}L${number(x + width - 14)} ${bottom}H${number(x + 14)}Z`;
};

function stateLine(state: string, x: number, y: number, chars: number): string {
  const [bar] = colourOf(state);
  return (
    `<circle cx="${number(x + 4)}" cy="${number(y - 4)}" r="4" fill="${bar}"/>` +
    text(state.replaceAll('_', ' '), { x: x + 13, y, size: 11, weight: 600, fill: bar, chars: chars - 2 })
  );
}

/** A state as a word on its colour, right-aligned. */
function pill(state: string, right: number, top: number): string {
  const word = state.replaceAll('_', ' ');
  const width = pillWidth(state);
  const [bar, ground] = colourOf(state);
  return (
    `<rect x="${number(right - width)}" y="${number(top)}" width="${number(width)}" height="20" rx="10" fill="${ground}" stroke="${bar}"/>` +
    text(word, { x: right - width / 2, y: top + 14, size: 11, weight: 600, fill: bar, chars: 40, anchor: 'middle' })
  );
}

const pillWidth = (state: string): number => state.length * 6.6 + 18;

const colourOf = (state: string | null): readonly [string, string] => {
  const words = new Set(state?.split(/[ ,]+/));
  return Object.entries(COLOURS).find(([word]) => words.has(word))?.[1] ?? GREY;
};

function line({ taken, onFailure }: DiagramEdge, points: readonly Point[]): string {
  const [first, ...rest] = points;
  const last = rest.at(-1);
  if (!first || !last) return '';
  let path = `M${number(first.x)} ${number(first.y)}`;
  let from = first;
  for (const to of rest) {
    const middle = number((from.y + to.y) / 2);
    path +=
      from.x === to.x
        ? `V${number(to.y)}`
        : `C${number(from.x)} ${middle} ${number(to.x)} ${middle} ${number(to.x)} ${number(to.y)}`;
    from = to;
  }
  const ink = taken ? INK.strong : INK.line;
  const down = last.y >= first.y ? -6 : 6;
  const head = `M${number(last.x - 4)} ${number(last.y + down)}L${number(last.x)} ${number(last.y)}L${number(last.x + 4)} ${number(last.y + down)}`;
  const dashed = onFailure ? ' stroke-dasharray="5 4"' : '';
  return (
    `<path d="${path}" fill="none" stroke="${ink}" stroke-width="${taken ? 2.25 : 1.25}"${dashed}/>` +
    `<path d="${head}" fill="none" stroke="${ink}" stroke-width="${taken ? 2.25 : 1.25}" stroke-linecap="round" stroke-linejoin="round"/>`
  );
}

const LABEL_CHARS = 26;

/** In the middle of where each way first turns aside, so that ways from one box are told apart. */
function labels(edges: readonly (readonly [number, DiagramEdge])[], { routes }: Layout): readonly string[] {
  return edges.flatMap(([index, { label, taken }]) => {
    const points = routes[index] ?? [];
    const parts = points.slice(1).map((to, at) => [points[at] as Point, to] as const);
    const [from, to] = parts.find(([a, b]) => a.x !== b.x) ?? parts.find(([a, b]) => a.y !== b.y) ?? [];
    if (label === '' || !from || !to) return [];
    const [x, y] = [(from.x + to.x) / 2, (from.y + to.y) / 2];
    const width = Math.min(label.length, LABEL_CHARS) * 6.2 + 8;
    const ink = taken ? { fill: INK.text, weight: 600 } : { fill: INK.soft, weight: 400 };
    return [
      `<rect x="${number(x - width / 2)}" y="${number(y - 8)}" width="${number(width)}" height="16" rx="4" fill="${INK.paper}"/>` +
        text(label, { x, y: y + 4, size: 11, chars: LABEL_CHARS, anchor: 'middle', ...ink }),
    ];
  });
}

type Text = {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly chars: number;
  readonly weight?: number;
  readonly fill?: string;
  readonly anchor?: 'middle';
};
function text(words: string, { x, y, size, chars, weight = 400, fill = INK.text, anchor }: Text): string {
  if (words === '') return '';
  const attributes = `x="${number(x)}" y="${number(y)}" font-size="${size}" font-weight="${weight}" fill="${fill}"${anchor ? ` text-anchor="${anchor}"` : ''}`;
  const shown = cut(words, chars);
  return `<text ${attributes}>${shown === words ? '' : `<title>${escaped(words)}</title>`}${escaped(shown)}</text>`;
}

const cut = (words: string, chars: number): string => {
  const letters = [...words];
  return letters.length > chars ? `${letters.slice(0, Math.max(1, chars - 1)).join('')}…` : words;
};

const number = (value: number): string => String(Math.round(value * 10) / 10);

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/** Controls, which XML has no form for, and what would turn the direction of a text or hide in it. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}]/gu;
const escaped = (words: string): string =>
  words
    .toWellFormed()
    .replaceAll(UNSEEN, '\ufffd')
    .replaceAll(/[&<>"']/g, (letter) => ENTITIES[letter] ?? '');
