import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { noProof, tryFault } from './fault.ts';
import type { Fault, Row } from './row.ts';
import { attack, holds, ROWS, type Seen } from './rows.ts';

/**
 * `npm run attack`: the table of attacks with what happened to each, or with `--faults` what each row makes of a product that
 * lacks its defence. Ends with 1 when one is not as it must be, with 2 when misused.
 */

const HELP = `Attacks this checkout with the plugins of a hostile author, and prints what happened to each.

  npm run attack
  npm run attack -- --only A1,H3
  npm run attack -- --faults
  npm run attack -- --json

  --only <ids>  only these rows
  --faults      takes away the defences, one at a time, and prints which rows notice it; no file is changed
  --json        one JSON document instead of a table
  --help        this text

Ends with 0 when every row held, with 1 when one did not, with 2 when it was not understood. A row that held "in part" says
what this system does not give: see docs/operate.md. With --faults each row first runs as it is, and it ends with 0 when that
held and every defect was noticed: there BROKEN is good. Progress is on stderr.
`;

type Options = {
  readonly only?: string;
  readonly faults?: boolean;
  readonly json?: boolean;
  readonly help?: boolean;
};
/** A line of what is printed, by the heading of its columns. */
type Line = Readonly<Record<string, string>>;
type Printed = {
  readonly lines: readonly Line[];
  readonly well: boolean;
  /** How to read the table, where a reader could take it wrong. */
  readonly note?: string;
};

const BROKEN_IS_GOOD = 'BROKEN is good here: without its defence the row does not hold, so it can fail.';

function optionsOf(given: string[]): Options | undefined {
  try {
    const yes = { type: 'boolean' } as const;
    const options = { only: { type: 'string' }, faults: yes, json: yes, help: yes } as const;
    return parseArgs({ args: given, options }).values;
  } catch {
    return undefined;
  }
}

/** One at a time, in this process. */
async function attackEach(rows: readonly Row[]): Promise<readonly { readonly row: Row; readonly seen: Seen }[]> {
  const each: { row: Row; seen: Seen }[] = [];
  for (const row of rows) {
    process.stderr.write(`${row.id} ...`);
    const seen = await attack(row);
    process.stderr.write(` ${seen.verdict}\n`);
    each.push({ row, seen });
  }
  return each;
}

async function attackAll(rows: readonly Row[]): Promise<Printed> {
  const each = await attackEach(rows);
  const lines = each.map(({ row: { id, tries, must }, seen: { happened, verdict } }) => ({
    id,
    tries,
    must,
    happened,
    verdict,
  }));
  return { lines, well: each.every(({ seen }) => holds(seen)) };
}

/** A row that does not hold as it is would be broken with any fault, so it says nothing of them. */
async function breakAll(rows: readonly Row[]): Promise<Printed> {
  const each = await attackEach(rows);
  const left = each.flatMap(({ row, seen }) => row.faults.map((fault) => ({ row, seen, fault }))).entries();
  const lines: Line[] = [];
  const worker = async () => {
    for (const [at, { row, seen, fault }] of left) {
      const without = holds(seen) ? await tryFault(row, fault) : noProof(`without any fault: ${seen.happened}`);
      process.stderr.write(`${row.id} without its defence ... ${without.verdict}\n`);
      lines[at] = { id: row.id, broken: codeOf(fault), happened: without.happened, verdict: without.verdict };
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return { lines, well: lines.every(({ verdict }) => verdict === 'BROKEN'), note: BROKEN_IS_GOOD };
}

const codeOf = (fault: Fault) => {
  const code = (text: string) => `\`${text.replace(/\s+/g, ' ').trim()}\``;
  return fault.map(({ file, text, becomes }) => `${file}: ${code(text)} becomes ${code(becomes)}`).join('; ');
};

function table(lines: readonly Line[]): string {
  const row = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  const headings = Object.keys(lines[0] ?? {});
  return [headings, headings.map(() => '---'), ...lines.map((line) => Object.values(line))].map(row).join('');
}

async function main(given: string[]): Promise<number> {
  const options = optionsOf(given);
  const only = options?.only?.split(',');
  if (!options || only?.some((id) => !ROWS.some((row) => row.id === id))) {
    process.stderr.write(`No such option or row.\n\n${HELP}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const rows = ROWS.filter(({ id }) => only?.includes(id) ?? true);
  const { lines, well, note } = await (options.faults ? breakAll(rows) : attackAll(rows));
  if (options.json) process.stdout.write(`${JSON.stringify(lines, null, 2)}\n`);
  else process.stdout.write(`${note ? `${note}\n\n` : ''}${table(lines)}`);
  return well ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
