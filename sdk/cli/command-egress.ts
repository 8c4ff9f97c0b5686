import type { Command } from 'commander';
import type { EgressReported } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { type Ending, fine } from './ending.ts';
import { clean, say, sayJson, table, when } from './print.ts';
import { type Globals, openSession } from './session.ts';

/** `interlock egress`: what plugins in report mode asked for, as rules to paste. */
export function addEgress(program: Command): void {
  const egress = program.command('egress').description('see what plugins in report mode ask for');
  withExamples(egress, ['interlock egress report']);

  withExamples(
    egress.command('report').description('what no rule covers and was let go on, as the rules that would allow it'),
    ['interlock egress report', 'interlock egress report --json'],
    'What a rule in force covers by now is not listed. RESULT says whether it left: it is refused where its address is not\n' +
      'public, or where the proxy refuses it. Read each rule before you paste it: a plugin asks for what it likes. One with\n' +
      'addresses opens a place of your own network. docs/operate.md says how a plugin is taken in.',
  ).action((_options, command: Command) => act(report(command.optsWithGlobals())));
}

async function report(options: Globals): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.egressReport();
  if (!answer.ok) return complain(answer.error, session.value);
  const { data } = answer.value;
  if (options.json) sayJson(data);
  else if (data.length === 0) say('nothing was asked for beyond the rules of a plugin in report mode');
  else {
    say(table(['PLUGIN', 'PLACE', 'REQUESTS', 'RESULT', 'FIRST', 'LAST', 'RUN', 'STEP'], data.map(rowOf)));
    for (const plugin of new Set(data.map((one) => one.plugin))) {
      say(`\nto allow it, add to the rules of ${clean(plugin, 63)}:`);
      const rules = data.filter((one) => one.plugin === plugin).map(({ rule }) => JSON.stringify(rule));
      say(rules.map((rule) => `  ${clean(rule, RULE_CHARS)}`).join(',\n'));
    }
  }
  return fine;
}

/** The longest rule that a kernel tells, and more. */
const RULE_CHARS = 4_096;

const resultOf = (requests: number, refused: number): string => {
  if (refused === 0) return 'let out';
  return refused === requests ? 'refused' : `${refused} refused`;
};

const rowOf = ({ plugin, rule, requests, refused = 0, first, last, run, step }: EgressReported): string[] => [
  clean(plugin, 63),
  clean(`${rule.scheme}://${rule.host}:${rule.port}${rule.pathPrefix}`, 80),
  `${requests}`,
  resultOf(requests, refused),
  when(first),
  when(last),
  clean(run, 80),
  clean(step, 80),
];
