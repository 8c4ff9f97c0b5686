import type { Block } from './documents.ts';

/** Takes a shell block of a document apart into the commands that a reader would type one after the other. */
export type ShellCommand = {
  readonly file: string;
  readonly line: number;
  /** As it stands, without its comment. */
  readonly text: string;
  /** What the comment says it ends with (`# ... exit code 1`); 0 when it says nothing. */
  readonly exit: number;
};

export function shellCommandsOf({ file, line: fence, text }: Block): readonly ShellCommand[] {
  const lines = text.split('\n');
  const commands: ShellCommand[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = fence + at + 1;
    let [command, comment] = split(lines[at] ?? '');
    while (command.endsWith('\\')) command = `${command}\n${lines[++at] ?? ''}`;
    const end = /<<'(\w+)'/.exec(command)?.[1];
    if (end !== undefined) {
      do command = `${command}\n${lines[++at] ?? ''}`;
      while (lines[at] !== end && at < lines.length);
    }
    if (command.trim() === '') continue;
    commands.push({ file, line, text: command, exit: Number(/exit code (\d+)/.exec(comment)?.[1] ?? 0) });
  }
  return commands;
}

/** A comment begins at a `#` behind a space, outside quotes. */
function split(line: string): [command: string, comment: string] {
  const at = /^(?:[^'"#]|'[^']*'|"[^"]*"|(?<=\S)#)*?(?:^|\s)#/.exec(line)?.[0].length;
  return at === undefined ? [line.trimEnd(), ''] : [line.slice(0, at - 1).trimEnd(), line.slice(at)];
}

/** The words of a command, quotes taken off. Enough for the commands of our documents; not a shell. */
export const wordsOf = (command: string): readonly string[] =>
  [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? '',
  );

/** The single commands of a line that ties several together. */
export const partsOf = (command: string): readonly string[] =>
  (command.split('\n')[0] ?? '').split(/\s*(?:&&|\|\||;|\|)\s*/).filter((part) => part !== '');
