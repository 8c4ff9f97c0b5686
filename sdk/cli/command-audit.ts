import type { Command } from 'commander';
import type { Verdict } from '../verify/verdict.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, type Exit, fine, ok } from './ending.ts';
import { folderFault } from './input.ts';
import { clean, fields, note, say, sayJson, state } from './print.ts';
import { type Globals, openSession } from './session.ts';
import { typed } from './typed.ts';

/** `interlock audit`: takes the record out, and checks it without asking whoever wrote it. */
export function addAudit(program: Command): void {
  const audit = program.command('audit').description('export the record of an org, and verify an export offline');
  withExamples(audit, [
    'interlock audit export --out ./evidence',
    'interlock audit verify ./evidence',
    'interlock audit verify ./evidence --head 4711:q83v...=   # against a head kept elsewhere',
  ]);

  withExamples(
    audit
      .command('export')
      .description('write all audit records of the org to a folder: entries.ndjson and head.json')
      .requiredOption('--out <dir>', 'folder to write to; made if it is not there')
      .option('--force', 'write into a folder that holds something already, over an older export'),
    ['interlock audit export --out ./evidence', 'interlock audit export --out ./evidence --force'],
    'Nothing is left half written: a cut transfer leaves no file behind, and never an export that looks whole.',
  ).action((_options, command: Command) => act(exportAudit(command.optsWithGlobals())));

  withExamples(
    audit
      .command('verify')
      .description('check an export offline: no server, no key, nothing but the folder')
      .argument('<dir>', 'folder with entries.ndjson and head.json')
      .option('--head <pin>', 'a head seen before, as <number>:<leaf hash>; proves that history was not rewritten'),
    [
      'interlock audit verify ./evidence',
      'interlock audit verify ./evidence --org acme --json',
      'interlock audit verify ./evidence --head 4711:q83v...=',
    ],
    'Exit codes: 0 the record holds, 1 it is broken (the finding names the record), 2 it cannot be checked.\n' +
      'Keep the printed head elsewhere: without one, a writer who wrote everything anew would not be seen.',
  ).action((dir: string, _options, command: Command) => act(verifyAudit(dir, command.optsWithGlobals())));
}

async function exportAudit(options: Globals & { readonly out: string; readonly force?: true }): Promise<Ending> {
  const { openBundle } = await import('./bundle-writer.ts');
  const session = await openSession(options);
  if (!session.ok) return session;
  const bundle = await openBundle(options.out, options.force === true);
  if (!bundle.ok) return bundle;
  await using writer = bundle.value;
  const answer = await session.value.client.auditExport();
  if (!answer.ok) return complain(answer.error, session.value);
  const { head, chunks } = answer.value;
  if (head.org !== session.value.org) return cannot('the server sent the record of another org; nothing was written.');
  for await (const chunk of chunks) {
    if (!chunk.ok) return complain(chunk.error, session.value);
    const written = await writer.write(chunk.value);
    if (!written.ok) return written;
  }
  const closed = await writer.close(head);
  if (!closed.ok) return closed;
  if (options.json) sayJson({ dir: options.out, head });
  else {
    say(`${head.records} ${head.records === 1 ? 'record' : 'records'} of ${head.org} written to ${clean(options.out)}`);
    note(typed`Check them with: interlock audit verify ${clean(options.out)}`);
  }
  return fine;
}

async function verifyAudit(dir: string, options: Globals & { readonly head?: string }): Promise<Ending> {
  const fault = await folderFault(dir);
  if (fault !== undefined) return cannot(typed`${fault}: name the folder that \`interlock audit export --out\` wrote.`);
  const [{ verifyBundle }, { EXIT_CODES }] = await Promise.all([
    import('../verify/bundle.ts'),
    import('../verify/verdict.ts'),
  ]);
  const verdict = await verifyBundle(dir, {
    ...(options.head === undefined ? {} : { pinnedHead: options.head }),
    ...(options.org === undefined ? {} : { org: options.org }),
  });
  const exit: Exit = EXIT_CODES[verdict.verdict];
  if (options.json) sayJson(verdict);
  else sayVerdict(verdict);
  return ok(exit);
}

const WORDS = { valid: 'valid', invalid: 'invalid', cannot_check: 'cannot check' } as const;

function sayVerdict({ verdict, statement, findings, found, head }: Verdict): void {
  say(`${state(WORDS[verdict])}  ${statement}`);
  for (const { code, line, text } of findings) say(`  ${code}${line === null ? '' : ` (line ${line})`}: ${text}`);
  if (found > findings.length) say(`  and ${found - findings.length} more`);
  if (head !== null && verdict === 'valid') say(fields([['head', head]]));
}
