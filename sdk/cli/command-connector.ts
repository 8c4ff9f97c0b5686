import type { Command } from 'commander';
import type { Connector } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine } from './ending.ts';
import { isName } from './form.ts';
import { clean, paint, say, sayJson, table, when } from './print.ts';
import { type Globals, openSession } from './session.ts';

/** `interlock connector`: which targets are in trouble, and how much waits for them. */
export function addConnector(program: Command): void {
  const connector = program.command('connector').description('see how the connectors of the org are doing');
  withExamples(connector, ['interlock connector list', 'interlock connector reset edge-firewall']);

  withExamples(
    connector.command('list').description('circuit breakers, calls under way and calls that wait, by plugin'),
    ['interlock connector list', 'interlock connector list --json'],
    'open: it failed several times in a row, so its calls end at once (unavailable) until RETRY AT; then half_open: trial\n' +
      'calls find out whether it is well. docs/policies.md says how to set the numbers.',
  ).action((_options, command: Command) => act(listConnectors(command.optsWithGlobals())));

  withExamples(
    connector
      .command('reset')
      .description('close the circuit breaker of a connector by hand: its next calls are made')
      .argument('<connector>', 'name of the plugin'),
    ['interlock connector reset edge-firewall'],
    'It is on record who did it. If the target is still in trouble, it opens again.',
  ).action((name: string, _options, command: Command) => act(resetConnector(name, command.optsWithGlobals())));
}

async function listConnectors(options: Globals): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.connectors();
  if (!answer.ok) return complain(answer.error, session.value);
  const { data } = answer.value;
  if (options.json) sayJson(data);
  else if (data.length === 0) say('no connectors');
  else say(table(['CONNECTOR', 'STATE', 'SINCE', 'RETRY AT', 'FAILURES', 'IN FLIGHT', 'WAITING'], data.map(rowOf)));
  return fine;
}

const rowOf = ({ connector, state, since, retryAt, failures, inFlight, waiting, limit }: Connector): string[] => [
  clean(connector, 63),
  paint(state === 'closed' ? 'good' : state === 'open' ? 'bad' : 'open', clean(state, 20)),
  since === null ? '-' : when(since),
  retryAt === null ? '-' : when(retryAt),
  `${failures}`,
  `${inFlight} of ${limit}`,
  `${waiting}`,
];

async function resetConnector(name: string, options: Globals): Promise<Ending> {
  if (!isName(name)) return cannot('a connector is named by lower-case letters, digits and single hyphens.');
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.resetConnector(name);
  if (!answer.ok) return complain(answer.error, session.value, 'connector');
  if (options.json) sayJson(answer.value);
  else {
    const { changed } = answer.value;
    const what = changed === undefined ? 'is closed' : changed ? 'was open and is closed now' : 'was closed already';
    say(`connector ${name} of ${session.value.org} ${what}: its next calls are made`);
  }
  return fine;
}
