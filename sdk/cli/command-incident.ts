import type { Command } from 'commander';
import type { Incident } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine } from './ending.ts';
import { clean, fields, paint, say, sayJson, state, table, when } from './print.ts';
import { type Globals, openSession } from './session.ts';

/** `interlock incident show`: what runs have made of an incident. */
export function addIncident(program: Command): void {
  const incident = program.command('incident').description('see what playbooks have made of an incident');
  withExamples(incident, ['interlock incident show INC-4711']);

  withExamples(
    incident
      .command('show')
      .description('the state of an incident and its latest changes')
      .argument('<id>', 'the id that the playbook gives it: `incident` of its update_state step'),
    ['interlock incident show INC-4711', 'interlock incident show INC-4711 --json'],
    'There is an incident when a step of type update_state has named it.',
  ).action((id: string, _options, command: Command) => act(showIncident(id, command.optsWithGlobals())));
}

async function showIncident(id: string, options: Globals): Promise<Ending> {
  // The dots would be taken for steps of a path.
  if (!/^[\x21-\x7e]{1,256}$/.test(id) || /^\.{1,2}$/.test(id)) {
    return cannot('an incident is named by 1-256 printable characters without spaces, as its playbook makes it.');
  }
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.incident(id);
  if (!answer.ok) return complain(answer.error, session.value);
  if (options.json) sayJson(answer.value);
  else sayIncident(answer.value);
  return fine;
}

function sayIncident({ incident, org, state: now, updatedAt, timeline }: Incident): void {
  say(`${paint('strong', clean(incident, 256))}  ${state(now)}`);
  say(
    fields([
      ['org', org],
      ['updated', when(updatedAt)],
    ]),
  );
  say('');
  const rows = timeline.map(({ at, state: to, run, note }) => [when(at), state(to), run, clean(note ?? '')]);
  say(table(['AT', 'STATE', 'RUN', 'NOTE'], rows));
}
