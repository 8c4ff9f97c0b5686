import { type Command, Option } from 'commander';
import type { Answer } from '../client/answer.ts';
import type { DrawnFormat, Graph } from '../client/client.ts';
import { complain } from './complain.ts';
import { type Ending, fine } from './ending.ts';
import { clean, note, say, sayJson, state, table } from './print.ts';
import type { Globals, Session } from './session.ts';

/** Pictures: as a table to read, as text that documents and tickets draw, as an image, or as data. */
export type Drawing = Globals & { readonly format?: DrawnFormat | 'text' | 'json' };

export const withFormat = (command: Command): Command =>
  command.addOption(
    new Option(
      '--format <format>',
      'text (the steps as a table; at a terminal without this option), mermaid (without it elsewhere), svg (an image), or json',
    ).choices(['text', 'mermaid', 'svg', 'json']),
  );

export async function draw(
  session: Session,
  { format: asked, json }: Drawing,
  read: { readonly graph: () => Promise<Answer<Graph>>; readonly as: (format: DrawnFormat) => Promise<Answer<string>> },
): Promise<Ending> {
  const format = json ? 'json' : (asked ?? (process.stdout.isTTY ? 'text' : 'mermaid'));
  if (format === 'json' || format === 'text') {
    const graph = await read.graph();
    if (!graph.ok) return complain(graph.error, session);
    if (format === 'json') sayJson(graph.value);
    else {
      say(tableOf(graph.value));
      note(legendOf(graph.value));
    }
    return fine;
  }
  const drawn = await read.as(format);
  if (!drawn.ok) return complain(drawn.error, session);
  // A picture of ours has no control characters; one of a server that is none of ours must not steer a terminal.
  say(drawn.value.trimEnd().replaceAll(/[^\P{C}\n]/gu, '\ufffd'));
  return fine;
}

const legendOf = ({ run, nodes }: Graph): string => {
  const ways = run === null ? '-> leads to' : '=> the way that the run took; -> one that it did not take, or not yet';
  const names = '(in brackets: when)';
  return `${ways} ${names}${nodes.some(({ parent }) => parent !== null) ? '; a step further in belongs to the block above it' : ''}`;
};

/** The steps in their order, those of blocks further in, and where each leads; `=>` is the way that the run took. */
function tableOf({ nodes, edges }: Graph): string {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const isDot = ({ kind }: Graph['nodes'][number]) => kind === 'start' || kind === 'end';
  const depthOf = (id: string | null, most = nodes.length): number => {
    const parent = id === null || most === 0 ? undefined : byId.get(id)?.parent;
    return parent == null ? 0 : 1 + depthOf(parent, most - 1);
  };
  const nameOf = (id: string): string => {
    const node = byId.get(id);
    return node?.kind === 'end' ? 'end' : clean(node?.label ?? id, 80);
  };
  const wayOf = ({ to, label, taken, onFailure }: Graph['edges'][number]): string => {
    const when = [clean(label, 60), onFailure && label === '' ? 'on failure' : ''].filter((word) => word !== '');
    return `${taken ? '=>' : '->'} ${nameOf(to)}${when.length > 0 ? ` (${when.join(', ')})` : ''}`;
  };
  const rows = nodes
    .filter((node) => !isDot(node))
    .map((node) => [
      `${'  '.repeat(depthOf(node.id))}${nameOf(node.id)}`,
      node.state === null ? '-' : state(node.state),
      edges
        .filter(({ from }) => from === node.id)
        .map(wayOf)
        .join(', ') || '-',
      clean(node.detail, 120),
    ]);
  return table(['STEP', 'STATE', 'LEADS TO', 'DOES'], rows);
}
