import { Command, CommanderError, Help, type Option } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import { withExamples } from './act.ts';
import { addApproval } from './command-approval.ts';
import { addAudit } from './command-audit.ts';
import { addConnector } from './command-connector.ts';
import { addEgress } from './command-egress.ts';
import { addEvent } from './command-event.ts';
import { addIncident } from './command-incident.ts';
import { addLifecycle } from './command-lifecycle.ts';
import { addPlaybook } from './command-playbook.ts';
import { addPlugin } from './command-plugin.ts';
import { addRun } from './command-run.ts';
import { addSchema } from './command-schema.ts';
import { addSecret } from './command-secret.ts';
import { addStop } from './command-stop.ts';
import { addToken, addWhoami } from './command-token.ts';
import { addTrigger } from './command-trigger.ts';
import { EXIT, type Exit } from './ending.ts';
import { note } from './print.ts';
import { DEFAULT_URL } from './session.ts';
import { withoutTokens } from './token.ts';

/** The command line as a whole: its commands, the options all of them take, and what wrong usage ends in. */
export function createProgram(): Command {
  const program = new Command('interlock');
  program
    .description('Send detections, follow runs, decide approvals, and check the record of an Interlock server.')
    .version(manifest.version, '-V, --version', 'print the version')
    .option('--url <address>', `address of the server (or INTERLOCK_URL; else ${DEFAULT_URL})`)
    .option('--token-file <file>', 'file with the access token (or INTERLOCK_TOKEN_FILE, INTERLOCK_TOKEN)')
    .option('--org <org>', 'stop unless the token is for this org')
    .option('--json', 'one JSON document on stdout and nothing else')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .configureHelp({ showGlobalOptions: true, optionDescription })
    .showHelpAfterError('(--help shows how)')
    .configureOutput({ outputError: (text, write) => write(usageFault(text)) })
    .exitOverride();
  program.commandsGroup('Events, runs, approvals and incidents:');
  addEvent(program);
  addRun(program);
  addApproval(program);
  addIncident(program);
  addLifecycle(program);
  addStop(program);
  program.commandsGroup('Playbooks and plugins:');
  addPlaybook(program);
  addTrigger(program);
  addPlugin(program);
  addConnector(program);
  addEgress(program);
  program.commandsGroup('Record and access:');
  addAudit(program);
  addSchema(program);
  addSecret(program);
  addToken(program);
  addWhoami(program);
  return withExamples(
    program,
    [
      'npm start                                  # a server with a demo org, in another terminal',
      'interlock whoami',
      'interlock event send finding.json --wait   # send a detection, follow the runs it starts',
      'interlock approval list',
      'interlock audit export --out ./evidence && interlock audit verify ./evidence',
    ],
    'With --json a refusal of the server is printed as its problem document, which has a status; the sentence is on\n' +
      'stderr as ever. Where no server answered, stdout stays empty.\n' +
      'Exit codes: 0 done and good; 1 the answer is no (invalid, refused, not found, the run did not complete);\n' +
      '2 no answer (wrong use, a file that is not there, no connection, no access, nothing to check); 130 Ctrl-C.\n' +
      'Without a command this help is printed and the exit code is 2, so that a script does not go on.',
  );
}

/** Options look as if they could be left out; those that cannot say so. */
const optionDescription = (option: Option): string =>
  `${option.mandatory ? '(required) ' : ''}${Help.prototype.optionDescription(option)}`;

/** Parses and runs. Sets the exit code of the process; what the command does may set it first. */
export async function run(program: Command, argv: readonly string[]): Promise<void> {
  try {
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = exitOf(error);
  }
}

function exitOf(error: unknown): Exit {
  // Help and version are fine when asked for; everything else that commander says is about usage, and said already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.cannot;
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: '' };
  note(withoutTokens(`interlock: this is a fault in the command itself, please report it (${name}: ${message}).`));
  return EXIT.cannot;
}

/** Commander repeats what was typed. Surplus arguments and values of unknown options may be what nobody should see. */
const usageFault = (text: string): string =>
  withoutTokens(text)
    .replace(/^error: /, 'interlock: ')
    .replace(/(but got \d+): .*\.$/ms, '$1.')
    .replace(/(unknown option '[^'=]*)=.*'/s, "$1'");
