import { styleText } from 'node:util';

/**
 * Printing for people and for programs. Everything that came from a server, a file or a plugin is foreign text: it is
 * cleaned here, so that it cannot move the cursor, recolour a line, turn the reading direction or fill the screen.
 */
const CELL_CHARS = 300;

// Controls, format characters (bidi and zero-width among them), lone surrogates, private use, line separators.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]+/gu;

/** Foreign text as one printable line of at most `chars` characters. */
export function clean(text: string, chars = CELL_CHARS): string {
  // Cut first: the pattern must not walk over megabytes.
  const start = text.slice(0, chars * 4);
  const letters = Array.from(start.replace(UNPRINTABLE, ' ').trim());
  if (letters.length <= chars && start.length === text.length) return letters.join('');
  return `${letters.slice(0, chars - 1).join('')}…`;
}

/**
 * Foreign text that someone decides on: nothing is left out or replaced unseen. What cannot be printed stands as an
 * escape of JSON, and what is cut off is counted.
 */
export function exact(text: string, chars = CELL_CHARS): string {
  const rest = text.length - chars;
  const shown = escapeUnprintable(rest > 0 ? text.slice(0, chars) : text);
  return rest > 0 ? `${shown}… (${rest} more characters; --json shows all)` : shown;
}

const escapeUnprintable = (text: string): string =>
  text.replace(UNPRINTABLE, (found) =>
    found
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );

export type Style = 'good' | 'bad' | 'open' | 'strong' | 'faint';

const FORMATS = { good: 'green', bad: 'red', open: 'yellow', strong: 'bold', faint: 'dim' } as const;

/** Coloured on a terminal that wants colours (NO_COLOR, FORCE_COLOR), plain elsewhere. Clean the text before. */
export const paint = (style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string =>
  styleText(FORMATS[style], text, { stream });

const STATE_STYLE: Readonly<Record<string, Style>> = {
  completed: 'good',
  succeeded: 'good',
  kept: 'good',
  approved: 'good',
  active: 'good',
  matched: 'good',
  valid: 'good',
  failed: 'bad',
  rejected: 'bad',
  aborted: 'bad',
  timed_out: 'bad',
  error: 'bad',
  invalid: 'bad',
  cancelled: 'open',
  expired: 'open',
  indeterminate: 'open',
  running: 'open',
  waiting: 'open',
  held: 'open',
  pending: 'open',
  person: 'open',
  late: 'bad',
  stuck: 'bad',
};

/** A word of one of the API's closed lists of states and outcomes. */
export function state(word: string, stream: NodeJS.WriteStream = process.stdout): string {
  const text = clean(word, 40);
  const style = Object.hasOwn(STATE_STYLE, text) ? STATE_STYLE[text] : undefined;
  return style ? paint(style, text, stream) : text;
}

/** Answers go to stdout. */
export const say = (line: string): void => void process.stdout.write(`${line}\n`);
/** What is not the answer (warnings, progress, what to do next) goes to stderr. */
export const note = (line: string): void => void process.stderr.write(`${line}\n`);

/**
 * One JSON document. What a terminal could take as a command is written as an escape of JSON: any parser gives the same
 * value. The line ends are our own indentation; those in values are escaped already.
 */
export function sayJson(data: unknown): void {
  const lines = JSON.stringify(data, null, 2).split('\n');
  process.stdout.write(`${lines.map(escapeUnprintable).join('\n')}\n`);
}

/** One JSON document on one line, for what has no end. */
export const sayJsonLine = (data: unknown): void =>
  void process.stdout.write(`${escapeUnprintable(JSON.stringify(data))}\n`);

const ESC = String.fromCharCode(27);
const STYLING = new RegExp(`${ESC}\\[[0-9;]*m`, 'g');
const widthOf = (text: string): number => Array.from(text.replace(STYLING, '')).length;
const pad = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));

/** Columns aligned; the last one is not padded. Cells may be painted. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const titles = head.map((title) => paint('faint', title));
  return align([titles, ...rows]);
}

/** `name  value` lines. Rows with an undefined value are left out. */
export const fields = (
  rows: readonly (readonly [string, string | undefined])[],
  stream: NodeJS.WriteStream = process.stdout,
): string =>
  align(rows.flatMap(([name, value]) => (value === undefined ? [] : [[paint('faint', name, stream), value]])));

function align(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, widthOf(cell));
  return rows
    .map((row) =>
      row
        .map((cell, at) => (at === row.length - 1 ? cell : pad(cell, widths[at] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** An instant of the API (RFC 3339) as `2026-11-23 14:33:40Z`. */
export function when(instant: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(instant);
  return match ? `${match[1]} ${match[2]}${match[3]}` : clean(instant, 40);
}
