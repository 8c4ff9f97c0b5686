import type { Command } from 'commander';
import type { Ending } from './ending.ts';
import { note, sayJson } from './print.ts';
import { withoutTokens } from './token.ts';
import { typed } from './typed.ts';

/** Runs a command's work and ends with its exit code; what went wrong is said on stderr, as one paragraph. */
export async function act(work: Promise<Ending>): Promise<void> {
  const ending = await work;
  if (ending.ok) {
    process.exitCode = ending.value;
    return;
  }
  const { exit, text, list, problem } = ending.error;
  if (problem !== undefined) sayJson(JSON.parse(withoutTokens(JSON.stringify(problem))));
  note(withoutTokens([`interlock: ${text}`, ...(list ?? []).map((item) => `  ${item}`)].join('\n')));
  process.exitCode = exit;
}

/** Adds the part of a help page that people read first. Lines are `command` or `command   # what it does`. */
export const withExamples = (command: Command, lines: readonly string[], remarks = ''): Command =>
  command.addHelpText(
    'after',
    typed(`\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}${remarks === '' ? '' : `\n\n${remarks}`}`),
  );
