import { createInterface } from 'node:readline/promises';
import { cannot, EXIT, ok, type Result } from './ending.ts';

/** Questions at a terminal. They go to stderr, so that stdout holds the answer of the command and nothing else. */
export const atTerminal = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** One line, as typed. Ctrl-C ends the program, Ctrl-D answers with nothing. */
export async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  lines.on('SIGINT', () => {
    process.stderr.write('\n');
    process.exit(EXIT.interrupted);
  });
  const closed = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  const answer = await Promise.race([lines.question(question), closed]);
  lines.close();
  return answer.trim();
}

/** What was typed so far without being shown, and whether it is complete. */
export type Typed = { readonly text: string; readonly end: 'enter' | 'interrupt' | 'unprintable' | null };

/** Takes in what a terminal in raw mode sends. Anything behind the end is dropped. */
export function typed(before: string, chunk: string): Typed {
  let text = before;
  for (const char of chunk) {
    if (char === '\r' || char === '\n' || char === '\u0004') return { text, end: 'enter' };
    if (char === '\u0003') return { text, end: 'interrupt' };
    if (char === '\u007f' || char === '\b') text = Array.from(text).slice(0, -1).join('');
    // Ctrl-U begins anew. Other control characters (arrow keys) cannot be meant and would be kept unseen.
    else if (char === '\u0015') text = '';
    else if (char < ' ') return { text, end: 'unprintable' };
    else text += char;
  }
  return { text, end: null };
}

/** One line that is not shown while it is typed. */
export async function askHidden(question: string): Promise<Result<string>> {
  const { stdin } = process;
  // First of all: what is typed before it would be echoed by the terminal.
  stdin.setRawMode(true);
  process.stderr.write(question);
  stdin.setEncoding('utf8');
  let entered: Typed = { text: '', end: null };
  for await (const chunk of stdin.iterator({ destroyOnReturn: false })) {
    entered = typed(entered.text, String(chunk));
    if (entered.end !== null) break;
  }
  stdin.setRawMode(false);
  stdin.pause();
  process.stderr.write('\n');
  if (entered.end === 'interrupt') process.exit(EXIT.interrupted);
  if (entered.end === 'unprintable') return cannot('that held a key that is not text. Pipe the value in instead.');
  return ok(entered.text);
}
