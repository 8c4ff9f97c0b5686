import * as v from 'valibot';
import { envelope } from '../../sdk/contract/api.ts';
import { GRAPH_FORMATS, GRAPH_MEDIA, Graph, type GraphFormat } from '../../sdk/contract/api-graph.ts';
import type { Run } from '../run/state.ts';
import type { Diagram } from '../view/diagram.ts';
import { toMermaid } from '../view/mermaid.ts';
import { toSvg } from '../view/svg.ts';
import { data, document } from './answer.ts';

/** Answers a picture in the form that was asked for: by `format`, or else by what is accepted. */
export const GraphQuery = v.strictObject({ format: v.optional(v.picklist(GRAPH_FORMATS)) });

export const GRAPH_ANSWER = {
  status: 200,
  description: 'The graph: as JSON, as an SVG image, or as Mermaid text.',
  schema: envelope(Graph),
  also: [GRAPH_MEDIA.svg, GRAPH_MEDIA.mermaid],
} as const;

export function graphAnswer(
  of: { readonly name: string; readonly digest: string; readonly run: Run | null },
  diagram: Diagram,
  format: GraphFormat | undefined,
  accept: string | undefined,
): Response {
  const { name, digest, run } = of;
  switch (format ?? accepted(accept)) {
    case 'svg':
      return document(toSvg(diagram), GRAPH_MEDIA.svg);
    case 'mermaid':
      return document(toMermaid(diagram), `${GRAPH_MEDIA.mermaid}; charset=utf-8`);
    case 'json': {
      const { state, nodes, edges } = diagram;
      const path = Object.values(run?.steps ?? {})
        .flatMap(({ id, state: now, seq }) => (now === 'skipped' ? [] : [{ step: id, seq }]))
        .sort((a, b) => a.seq - b.seq);
      return data({ playbook: name, digest, run: run?.id ?? null, state, nodes, edges, path });
    }
  }
}

/** The first type that is one of ours; JSON for whoever takes anything. Weights are not weighed. */
function accepted(accept = ''): GraphFormat {
  const types = accept.split(',', 16).map((part) => part.split(';')[0]?.trim().toLowerCase());
  for (const type of types) for (const format of GRAPH_FORMATS) if (GRAPH_MEDIA[format] === type) return format;
  return 'json';
}
