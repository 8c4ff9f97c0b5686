import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { machine } from '../../test/support/machine.ts';
import { trailOf } from '../run/trail.ts';
import type { Diagram, DiagramNode } from './diagram.ts';
import { diagramOf } from './diagram-of.ts';
import { layersOf } from './layers.ts';
import { type Box, layOut } from './layout.ts';
import { toMermaid } from './mermaid.ts';
import { toSvg } from './svg.ts';

/** Pictures: nothing lies on anything else, nothing is lost, and no text of theirs is more than text. */
const node = (id: string, more: Partial<DiagramNode> = {}): DiagramNode => ({
  id,
  kind: 'step',
  label: id,
  detail: '',
  state: null,
  parent: null,
  ...more,
});
const way = (from: string, to: string) => ({ from, to, label: '', taken: false, onFailure: false });

const MEASURES = {
  sizeOf: () => ({ width: 100, height: 40 }),
  paddingOf: () => ({ side: 10, top: 30, bottom: 10 }),
  gap: { x: 20, y: 30, bend: 10 },
};
const overlap = (a: Box, b: Box) =>
  a.x < b.x + b.width - 0.01 &&
  b.x < a.x + a.width - 0.01 &&
  a.y < b.y + b.height - 0.01 &&
  b.y < a.y + a.height - 0.01;

/** Nodes, each within an earlier one or none; ways between any two of one box, also back and to itself. */
const diagrams = fc
  .integer({ min: 1, max: 24 })
  .chain((count) =>
    fc.record({
      parents: fc.array(fc.option(fc.nat(count - 1), { nil: null }), { minLength: count, maxLength: count }),
      ways: fc.array(fc.tuple(fc.nat(count - 1), fc.nat(count - 1)), { maxLength: 40 }),
    }),
  )
  .map(({ parents, ways }): Diagram => {
    const parentOf = (n: number) => (parents[n] != null && parents[n] < n ? `n${parents[n]}` : null);
    const nodes = parents.map((_, n) => node(`n${n}`, { parent: parentOf(n) }));
    const edges = ways.flatMap(([a, b]) => (a !== b && parentOf(a) === parentOf(b) ? [way(`n${a}`, `n${b}`)] : []));
    return { title: 't', state: null, nodes, edges };
  });

test('whatever the graph, boxes of one block lie apart and within theirs, and each way ends where it should', () => {
  fc.assert(
    fc.property(diagrams, (diagram) => {
      const { boxes, routes, width, height } = layOut(diagram, MEASURES);
      const boxOf = (id: string) => boxes.get(id) as Box;
      for (const a of diagram.nodes) {
        const box = boxOf(a.id);
        const outer = a.parent === null ? { x: 0, y: 0, width, height } : boxOf(a.parent);
        expect(box.x).toBeGreaterThanOrEqual(outer.x - 0.01);
        expect(box.y).toBeGreaterThanOrEqual(outer.y - 0.01);
        expect(box.x + box.width).toBeLessThanOrEqual(outer.x + outer.width + 0.01);
        expect(box.y + box.height).toBeLessThanOrEqual(outer.y + outer.height + 0.01);
        for (const b of diagram.nodes)
          if (a.id < b.id && a.parent === b.parent)
            expect([a.id, b.id, overlap(box, boxOf(b.id))]).toEqual([a.id, b.id, false]);
      }
      diagram.edges.forEach(({ from, to }, index) => {
        const ends = [routes[index]?.at(0), routes[index]?.at(-1)];
        for (const [end, id] of [
          [ends[0], from],
          [ends[1], to],
        ] as const) {
          const box = boxOf(id);
          expect(end?.x).toBeCloseTo(box.x + box.width / 2);
          expect([box.y, box.y + box.height].some((y) => Math.abs(y - (end?.y ?? Number.NaN)) < 0.01)).toBe(true);
        }
      });
    }),
    { numRuns: 200 },
  );
});

test('a way leads down wherever the graph allows it', () => {
  const { layers, vertices } = layersOf(
    ['a', 'b', 'c', 'd'],
    [
      { from: 'a', to: 'b', weight: 1 },
      { from: 'b', to: 'c', weight: 1 },
      { from: 'a', to: 'd', weight: 1 },
      { from: 'c', to: 'd', weight: 1 },
      { from: 'c', to: 'b', weight: 1 },
    ],
  );
  expect(layers.map((layer) => layer.map((vertex) => vertices[vertex]?.id ?? '|').sort())).toEqual([
    ['a'],
    ['b', '|'].sort(),
    ['c', '|'].sort(),
    ['d'],
  ]);
});

test('the largest playbooks are drawn, and no tangle takes long bends', () => {
  const ids = Array.from({ length: 128 }, (_, n) => `s${n}`);
  const tangle = ids.flatMap((from, n) => ids.slice(n + 1).map((to) => way(from, to)));
  const svg = toSvg({ title: 't', state: null, nodes: ids.map((id) => node(id)), edges: tangle });
  expect(svg.match(/<rect [^>]*rx="8"/g)).toHaveLength(128);
  // One place per end of each way, and no more.
  expect(svg.length).toBeLessThan(tangle.length * 700);
});

test.each([
  ['a short name', 'p'],
  ['the longest name and a run', `${'n'.repeat(63)} · run_${'a1'.repeat(16)}`],
])('the title has room: %s', (_name, title) => {
  const svg = toSvg({ title, state: 'waiting', nodes: [node('a')], edges: [] });
  const width = Number(/^<svg [^>]* width="(\d+)"/.exec(svg)?.[1]);
  const pill = Number(/<rect x="([\d.]+)" [^>]*rx="10" fill="#fff8c5"/.exec(svg)?.[1]);
  expect(svg).toContain(`font-weight="600" fill="#1f2328">${title}</text>`);
  expect(pill).toBeGreaterThan(24 + title.length * 8);
  expect(width).toBeLessThan(1_000);
});

describe('words are shown whole where there is room, and whole in a title where there is not', () => {
  const draw = (label: string, kind: DiagramNode['kind']) => {
    const nodes = [node('a', { label, detail: label, kind }), node('b')];
    return toSvg({ title: 't', state: null, nodes, edges: [{ ...way('a', 'b'), label }] });
  };
  const bodies = (svg: string) => [...svg.matchAll(/<text [^>]*>(.*?)<\/text>/g)].map(([, body]) => body);

  test.each(['step', 'branch'] as const)('in a %s', (kind) => {
    const fits = 'n'.repeat(50);
    expect(bodies(draw(fits, kind)).filter((body) => body === fits)).toHaveLength(2);
    expect(bodies(draw(fits, kind))).toContain(`<title>${fits}</title>${'n'.repeat(25)}…`);
    const long = 'n'.repeat(200);
    const cut = bodies(draw(long, kind)).filter((body) => body?.includes('…'));
    expect(cut).toHaveLength(3);
    for (const body of cut) expect(body).toContain(`<title>${long}</title>`);
  });
});

describe('hostile words stay words', () => {
  const words = `"><script>alert(1)</script>&'\u0000\u001b[2J\u202e\ud800 end]"|x|`;
  const diagram: Diagram = {
    title: words,
    state: words,
    nodes: [
      node('a', { label: words, detail: words, state: words }),
      node(words, { kind: 'branch' }),
      node('in', { parent: 'a' }),
    ],
    edges: [{ ...way('a', words), label: words }],
  };

  test('in SVG', () => {
    const svg = toSvg(diagram);
    const names = new Set([...svg.matchAll(/<\/?([^\s/>]+)/g)].map(([, name]) => name));
    expect([...names].sort()).toEqual(['circle', 'g', 'path', 'rect', 'svg', 'text', 'title']);
    expect(svg).not.toMatch(/[^\P{C}\n]/u);
    expect(svg).not.toMatch(/\b(?:on\w+|href|style|class)=/);
    expect([...svg.matchAll(/ ([a-z-]+)="/gi)].length).toBeGreaterThan(10);
  });

  test('in Mermaid', () => {
    const text = toMermaid(diagram);
    for (const line of text.split('\n').slice(1)) expect(line).toMatch(/^[A-Za-z0-9 _/,#;:&|"()[\]{}<>=.-]*$/);
    expect(text).not.toMatch(/script>|alert\(|\bend\]/);
    expect(text.split('\n')[0]).toMatch(/^%% [A-Za-z0-9 _.,:/()-]*$/);
  });
});

describe('a run', () => {
  const STEPS = `
- { id: ask, type: enrich, uses: p/ask }
- { id: bad, type: branch, when: { fact: steps.ask, path: /score, operator: greaterThan, value: 70 }, then: act, else: note }
- { id: act, type: webhook, uses: p/act, next: end }
- { id: note, type: update_state, incident: inc-1, set: { state: triaged } }`;
  const lived = (branch: 0 | 1) => {
    const m = machine({ steps: STEPS, actions: { 'p/ask': { effect: 'read' }, 'p/act': {} }, branch: () => branch });
    m.start();
    return m;
  };
  const taken = ({ edges }: Diagram) => edges.filter((edge) => edge.taken).map(({ from, to }) => `${from}>${to}`);

  test('of a playbook alone nothing is taken and nothing has a state', () => {
    const picture = diagramOf('test', lived(0).graph, null);
    expect([taken(picture), picture.nodes.every(({ state }) => state === null)]).toEqual([[], true]);
    expect(picture.nodes.map(({ id }) => id)).toEqual(['start!', 'ask', 'bad', 'act', 'note', 'end!']);
    expect(picture.edges.map(({ from, to, label }) => [from, to, label].join(' '))).toEqual([
      'start! ask ',
      'ask bad ',
      'bad act then',
      'bad note else',
      'act end! ',
      'note end! ',
    ]);
    expect(picture.nodes[2]?.detail).toBe('steps.ask/score > 70');
  });

  test('shows the way that it took', () => {
    const m = lived(1);
    m.outcome('ask', { kind: 'succeeded', output: { score: 1 } });
    const picture = diagramOf('test', m.graph, { run: m.run(), trail: trailOf(m.turns()) });
    expect(taken(picture)).toEqual(['start!>ask', 'ask>bad', 'bad>note', 'note>end!']);
    expect(picture.nodes.map(({ state }) => state)).toEqual([
      'succeeded',
      'succeeded',
      'succeeded',
      'skipped',
      'succeeded',
      'succeeded',
    ]);
    const svg = toSvg(picture);
    expect(svg.match(/stroke-width="2.25"/g)).toHaveLength(2 * 4);
    expect(svg).toContain('>skipped</text>');
    expect(toMermaid(picture)).toContain('==>|"else"|');
  });

  test.each([
    ['all', 'all items must succeed'],
    ['any', '1 item must succeed'],
    ['{ quorum: 2 }', '2 items must succeed'],
  ])('says what a join needs: %s', (join, says) => {
    const { graph } = machine({
      steps: `
- id: each
  type: foreach
  over: "{{ inputs.hosts }}"
  join: ${join}
  steps: [{ id: note, type: update_state, incident: i, set: { state: triaged } }]`,
    });
    const box = diagramOf('test', graph, null).nodes.find(({ id }) => id === 'each');
    expect(box?.detail).toBe(`for each of {{ inputs.hosts }}, ${says}`);
  });

  test('boxes in boxes: a step inside of a foreach is one, whatever the number of its items', () => {
    const m = machine({
      steps: `
- id: pick
  type: branch
  paths:
    - { when: { fact: inputs, path: /ip, operator: equal, value: a }, then: both }
    - { when: { all: [{ fact: inputs, path: /ip, operator: equal, value: b }, { fact: inputs, path: /ip, operator: equal, value: c }] }, then: both }
  else: end
- id: both
  type: parallel
  lanes:
    one: [{ id: note, type: update_state, incident: i, set: { state: triaged } }]
    two:
      - id: each
        type: foreach
        over: "{{ inputs.hosts }}"
        steps:
          - { id: act, type: webhook, uses: p/act }
          - { id: fine, type: branch, when: { fact: steps.act, path: /ok, operator: equal, value: true }, then: told, else: end }
          - { id: told, type: update_state, incident: i, set: { state: contained } }`,
      actions: { 'p/act': {} },
      inputs: { ip: 'a', hosts: ['x', 'y', 'z'] } as never,
      branch: (step) => (step === 'fine[1]' ? 1 : 0),
    });
    m.start();
    for (const act of ['act[0]', 'act[1]']) m.outcome(act, { kind: 'succeeded', output: { ok: true } });
    const picture = diagramOf('test', m.graph, { run: m.run(), trail: trailOf(m.turns()) });
    expect(picture.nodes.map(({ id, kind, parent, state }) => [id, kind, parent, state])).toEqual([
      ['start!', 'start', null, 'succeeded'],
      ['pick', 'branch', null, 'succeeded'],
      ['both', 'group', null, 'open'],
      ['both/one', 'block', 'both', null],
      ['both/two', 'block', 'both', null],
      ['note', 'step', 'both/one', 'succeeded'],
      ['each', 'group', 'both/two', 'open'],
      ['act', 'step', 'each', '2 succeeded, 1 intended'],
      ['fine', 'branch', 'each', '2 succeeded'],
      ['told', 'step', 'each', 'succeeded'],
      ['end!', 'end', null, 'pending'],
      ['each/end!', 'end', 'each', 'succeeded'],
    ]);
    expect(picture.edges.map(({ from, to, label, taken }) => [`${from}>${to}`, label, taken])).toEqual([
      ['start!>pick', '', true],
      ['pick>both', 'ip = a, all of 2', true],
      ['pick>end!', 'else', false],
      ['both>end!', '', false],
      ['act>fine', '', true],
      ['fine>told', 'then', true],
      ['fine>each/end!', 'else', true],
    ]);
    expect(toMermaid(picture).match(/subgraph/g)).toHaveLength(4);
  });
});
