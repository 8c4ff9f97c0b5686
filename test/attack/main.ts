import { parseArgs } from 'node:util';
import { attack, ROWS, type Seen } from './rows.ts';

/** `npm run attack`: the table of attacks with what happened to each. Ends with 1 when one did not hold, with 2 when misused. */

const HELP = `Attacks this checkout with the plugins of a hostile author, and prints what happened to each.

  npm run attack
  npm run attack -- --only A1,H3
  npm run attack -- --json

  --only <ids>  only these rows
  --json        one JSON document instead of a table
  --help        this text

Ends with 0 when every row held, with 1 when one did not, with 2 when it was not understood. Progress is on stderr.
`;

type Options = { readonly only?: string; readonly json?: boolean; readonly help?: boolean };

function optionsOf(given: string[]): Options | undefined {
  try {
    const options = { only: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean' } } as const;
    return parseArgs({ args: given, options }).values;
  } catch {
    return undefined;
  }
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
  const seen: (Seen & { readonly id: string; readonly tries: string; readonly must: string })[] = [];
  for (const row of ROWS.filter(({ id }) => only?.includes(id) ?? true)) {
    process.stderr.write(`${row.id} ...`);
    const { id, tries, must } = row;
    const result = await attack(row);
    process.stderr.write(` ${result.verdict}\n`);
    seen.push({ id, tries, must, ...result });
  }
  const lines = seen.map((row) => `| ${row.id} | ${row.tries} | ${row.must} | ${row.happened} | ${row.verdict} |`);
  const table = ['| id | tries | must happen | happened | verdict |', '| --- | --- | --- | --- | --- |', ...lines];
  process.stdout.write(options.json ? `${JSON.stringify(seen, null, 2)}\n` : `${table.join('\n')}\n`);
  return seen.some((row) => row.verdict === 'BROKEN') ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
