import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { tryFault } from './fault.ts';
import type { Fault, Row } from './row.ts';
import { attack, ROWS } from './rows.ts';

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
what this system does not give: see docs/operate.md. With --faults it ends with 0
when every defect was noticed: there BROKEN is good. Progress is on stderr.
`;

type Options = {
  readonly only?: string;
  readonly faults?: boolean;
  readonly json?: boolean;
  readonly help?: boolean;
};
/** A line of what is printed, by the heading of its columns. */
type Line = Readonly<Record<string, string>>;
type Printed = { readonly lines: readonly Line[]; readonly well: boolean };

function optionsOf(given: string[]): Options | undefined {
  try {
    const yes = { type: 'boolean' } as const;
    const options = { only: { type: 'string' }, faults: yes, json: yes, help: yes } as const;
    return parseArgs({ args: given, options }).values;
  } catch {
    return undefined;
  }
}

async function attackAll(rows: readonly Row[]): Promise<Printed> {
  const lines: Line[] = [];
  for (const row of rows) {
    process.stderr.write(`${row.id} ...`);
    const { verdict, happened } = await attack(row);
    process.stderr.write(` ${verdict}\n`);
    lines.push({ id: row.id, tries: row.tries, must: row.must, happened, verdict });
  }
  return { lines, well: lines.every(({ verdict }) => verdict === 'held' || verdict === 'in part') };
}

async function breakAll(rows: readonly Row[]): Promise<Printed> {
  const left = rows.flatMap((row) => row.faults.map((fault) => ({ row, fault }))).entries();
  const lines: Line[] = [];
  const worker = async () => {
    for (const [at, { row, fault }] of left) {
      const { verdict, happened } = await tryFault(row, fault);
      process.stderr.write(`${row.id} ... ${verdict}\n`);
      lines[at] = { id: row.id, broken: codeOf(fault), happened, verdict };
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return { lines, well: lines.every(({ verdict }) => verdict === 'BROKEN') };
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
  const { lines, well } = await (options.faults ? breakAll(rows) : attackAll(rows));
  process.stdout.write(options.json ? `${JSON.stringify(lines, null, 2)}\n` : table(lines));
  return well ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
