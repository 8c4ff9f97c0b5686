import * as v from 'valibot';
import { Digest, Name, RunId, Seq, says } from './api-word.ts';

/** A playbook as a picture, and what a run has made of it: boxes, ways between them, and the way that was taken. */
export const GraphNode = v.object({
  id: says(v.string(), 'Id of the step; of what is no step, a word with `!` or `/` in it.'),
  kind: says(
    v.picklist(['start', 'end', 'step', 'branch', 'group', 'block']),
    '`group`: a step that holds others; `block`: one block of such a step.',
  ),
  label: v.string(),
  detail: says(v.string(), 'What it does, in a line.'),
  state: says(
    v.nullable(v.string()),
    'Of the step run, `kept` where it did not act because a run before it has done the same; of several what they have come to; null without a run.',
  ),
  parent: says(v.nullable(v.string()), 'The node that holds it.'),
});
export const GraphEdge = v.object({
  from: v.string(),
  to: v.string(),
  label: v.string(),
  taken: says(v.boolean(), 'The run went this way.'),
  onFailure: says(v.boolean(), 'Only when the step fails.'),
});

export const Graph = v.object({
  playbook: Name,
  digest: Digest,
  run: v.nullable(RunId),
  state: says(v.nullable(v.string()), 'Of the run.'),
  nodes: v.array(GraphNode),
  edges: v.array(GraphEdge),
  path: says(
    v.array(v.object({ step: v.string(), seq: Seq })),
    'The steps that the run has come to, in the order of their latest audit records.',
  ),
});
export type Graph = v.InferOutput<typeof Graph>;

export const GRAPH_FORMATS = ['json', 'svg', 'mermaid'] as const;
export type GraphFormat = (typeof GRAPH_FORMATS)[number];
/** What each format is sent as. */
export const GRAPH_MEDIA: Readonly<Record<GraphFormat, string>> = {
  json: 'application/json',
  svg: 'image/svg+xml',
  mermaid: 'text/vnd.mermaid',
};
