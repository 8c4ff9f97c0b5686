import type { Command } from 'commander';
import type { Connector } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine, no } from './ending.ts';
import { isName } from './form.ts';
import { clean, paint, say, sayJson, table, when } from './print.ts';
import { isMendedByRule, whatTheLogHas } from './refusal.ts';
import { type Globals, openSession } from './session.ts';

/** `interlock connector`: which targets are in trouble, and how much waits for them. */
export function addConnector(program: Command): void {
  const connector = program.command('connector').description('see how the connectors of the org are doing');
  withExamples(connector, [
    'interlock connector list',
    'interlock connector check edge-firewall',
    'interlock connector reset edge-firewall',
  ]);

  withExamples(
    connector.command('list').description('health, circuit breakers, calls under way and calls that wait, by plugin'),
    ['interlock connector list', 'interlock connector list --json'],
    'open: it failed several times in a row, so its calls end at once (unavailable) until RETRY AT; then half_open: trial\n' +
      'calls find out whether it is well. HEALTH is what the health checks found: unchecked, where the plugin answers none or\n' +
      'has no grant. docs/policies.md says how to set the numbers.',
  ).action((_options, command: Command) => act(listConnectors(command.optsWithGlobals())));

  withExamples(
    connector
      .command('check')
      .description('check the health of a connector now: its settings, its credential, its target')
      .argument('<connector>', 'name of the plugin'),
    ['interlock connector check edge-firewall'],
    'Changes nothing at the target. Exits 1 when the check fails. The kernel does the same by the clock, and says in the log,\n' +
      'in the feed of lifecycle events and on the record when a connector becomes unhealthy. Where the egress policy kept a\n' +
      'check in (E_NOT_ALLOWED and the like), the line that would allow it is in the log of the kernel (its standard error),\n' +
      'after "request refused:". Report mode does not hold for health checks.',
  ).action((name: string, _options, command: Command) => act(checkConnector(name, command.optsWithGlobals())));

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
  else
    say(
      table(['CONNECTOR', 'HEALTH', 'STATE', 'SINCE', 'RETRY AT', 'FAILURES', 'IN FLIGHT', 'WAITING'], data.map(rowOf)),
    );
  return fine;
}

const HEALTH_PAINT = { healthy: 'good', unhealthy: 'bad', unknown: 'open', unchecked: 'open' } as const;

function healthText(health: Connector['health'], quarantinedUntil: Connector['quarantinedUntil']): string {
  if (quarantinedUntil) return paint('bad', `quarantined until ${when(quarantinedUntil)}`);
  return health ? paint(HEALTH_PAINT[health.state], health.state) : '-';
}

const rowOf = ({
  connector,
  state,
  since,
  retryAt,
  failures,
  inFlight,
  waiting,
  limit,
  health,
  quarantinedUntil,
}: Connector): string[] => [
  clean(connector, 63),
  healthText(health, quarantinedUntil),
  paint(state === 'closed' ? 'good' : state === 'open' ? 'bad' : 'open', clean(state, 20)),
  since === null ? '-' : when(since),
  retryAt === null ? '-' : when(retryAt),
  `${failures}`,
  `${inFlight} of ${limit}`,
  `${waiting}`,
];

async function checkConnector(name: string, options: Globals): Promise<Ending> {
  if (!isName(name)) return cannot('a connector is named by lower-case letters, digits and single hyphens.');
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.checkConnector(name);
  if (!answer.ok) return complain(answer.error, session.value, 'connector');
  const { check, health } = answer.value;
  if (options.json) sayJson(answer.value);
  else
    say(
      `connector ${name} of ${session.value.org} ${CHECK_SAYS[check]}${check === 'failed' ? failureOf(health) : check === 'unasked' ? whyUnasked(health) : ''}`,
    );
  return check === 'well' ? fine : no;
}

const CHECK_SAYS = {
  well: 'is well',
  failed: 'fails its health check',
  unasked: 'was not asked',
} as const;

type Failure = NonNullable<NonNullable<Connector['health']>['failure']>;

/** The stage says what was asked about; what came of it, the class of the error. */
function troubleOf({ stage, class: errorClass }: Failure): string {
  switch (errorClass) {
    case 'refused_by_policy':
      return 'the kernel kept it from asking';
    case 'unauthorized':
    case 'forbidden':
      return 'its target does not let it in';
    case 'unavailable':
    case 'timeout':
      return 'its target does not answer';
    case 'upstream_error':
      return 'its target does not answer as it should';
    case 'rate_limited':
      return 'its target takes no more requests at present';
    default:
      return STAGE_SAYS[stage];
  }
}

const STAGE_SAYS = {
  validate: 'its settings do not fit',
  auth: 'its login does not work',
  health: 'its target is not well',
} as const;

function failureOf(health: Connector['health']): string {
  if (!health?.failure) return '';
  const { failure } = health;
  const { stage, class: errorClass, message } = failure;
  const paste = isMendedByRule(failure)
    ? `\nthe log of the kernel (its standard error) has ${whatTheLogHas(failure)} it, after "request refused:"`
    : '';
  return `: ${troubleOf(failure)} (${stage}): ${errorClass}: ${clean(message, 500)}${paste}`;
}

const whyUnasked = (health: Connector['health']): string =>
  health?.state === 'unchecked'
    ? ': its plugin answers no health check, or it has no grant'
    : ': a stop is engaged, or no cell is free';

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
