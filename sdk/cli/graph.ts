import { type Command, Option } from 'commander';
import type { Answer } from '../client/answer.ts';
import type { DrawnFormat, Graph } from '../client/client.ts';
import { complain } from './complain.ts';
import { type Ending, fine } from './ending.ts';
import { say, sayJson } from './print.ts';
import type { Globals, Session } from './session.ts';

/** Pictures: as text that documents and tickets draw, as an image, or as data. */
export type Drawing = Globals & { readonly format: DrawnFormat | 'json' };

export const withFormat = (command: Command): Command =>
  command.addOption(
    new Option('--format <format>', 'mermaid (text), svg (an image), or json')
      .choices(['mermaid', 'svg', 'json'])
      .default('mermaid'),
  );

export async function draw(
  session: Session,
  { format, json }: Drawing,
  read: { readonly graph: () => Promise<Answer<Graph>>; readonly as: (format: DrawnFormat) => Promise<Answer<string>> },
): Promise<Ending> {
  if (json || format === 'json') {
    const graph = await read.graph();
    if (!graph.ok) return complain(graph.error, session);
    sayJson(graph.value);
    return fine;
  }
  const drawn = await read.as(format);
  if (!drawn.ok) return complain(drawn.error, session);
  // A picture of ours has no control characters; one of a server that is none of ours must not steer a terminal.
  say(drawn.value.trimEnd().replaceAll(/[^\P{C}\n]/gu, '\ufffd'));
  return fine;
}
