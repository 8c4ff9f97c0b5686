import { type Command, Option } from 'commander';
import type { OpenRun } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { type Ending, fine } from './ending.ts';
import { type Listing, readList, withListOptions } from './list.ts';
import { clean, note, say, sayJson, state, table, when } from './print.ts';
import { type Globals, openSession } from './session.ts';
import { noteStop } from './stopped.ts';
import { typed } from './typed.ts';

const STANDINGS: readonly OpenRun['standing'][] = ['moving', 'person', 'late', 'stuck'];

/** `interlock run open`: what has not ended, on whom or what it waits, and whether that is on its way. */
export function addRunOpen(run: Command): void {
  withExamples(
    withListOptions(run.command('open').description('runs that have not ended, and what each waits for'))
      .addOption(new Option('--only <standing>', 'only runs that stand like this').choices(STANDINGS))
      .option('--longer-than <duration>', 'only runs that wait for the same thing for longer, e.g. 30m or 2d'),
    [
      'interlock run open',
      'interlock run open --only person --longer-than 4h',
      'interlock run open --only stuck --all',
    ],
    'moving: what it waits for is on its way. person: it waits for people only.\n' +
      'late: an answer or a due time should have come. stuck: nothing on its way will move it, which is a defect.',
  ).action((_options, command: Command) => act(listOpen(command.optsWithGlobals())));
}

type Options = Globals & Listing & { readonly only?: OpenRun['standing']; readonly longerThan?: string };

async function listOpen(options: Options): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const { client } = session.value;
  const { only, longerThan } = options;
  const rows = await readList(session.value, options, (paging) => client.openWork({ only, longerThan }, paging));
  if (!rows.ok) return rows;
  if (options.json) sayJson(rows.value);
  else if (rows.value.length === 0) say('no open runs');
  else say(table(['RUN', 'PLAYBOOK', 'STANDS', 'WAITS FOR', 'SINCE', 'UNTIL'], rows.value.flatMap(rowsOf)));
  await noteStop(session.value);
  if (!options.json && rows.value.some(({ paused }) => paused))
    note(typed('`interlock run show` says who paused a run and why; a run goes on after: interlock run resume <id>'));
  const stuck = rows.value.filter(({ standing }) => standing === 'stuck').length;
  if (stuck > 0)
    note(typed`${stuck} stuck: only their deadline will end them, or interlock run cancel; please report it`);
  return fine;
}

/** One row for each thing that the run waits for. */
function rowsOf({ run, playbook, standing, why, waits, startedAt, deadlineAt, paused }: OpenRun): string[][] {
  const isPaused = paused != null;
  const stands = `${state(standing)}${why === null ? '' : `: ${clean(why, 40)}`}${isPaused ? ', paused' : ''}`;
  const rows = waits.map((wait) => [textOf(wait, isPaused), when(wait.since), when(wait.until)]);
  if (rows.length === 0) rows.push(['nothing', when(startedAt), deadlineAt === null ? '-' : when(deadlineAt)]);
  return rows.map((row, at) => [...(at === 0 ? [run, playbook, stands] : ['', '', '']), ...row]);
}

function textOf({ what, step: at, approval, role, child }: OpenRun['waits'][number], isPaused: boolean): string {
  const step = clean(at ?? 'the run', 90);
  switch (what) {
    case 'plan':
      return `the plan of ${step}`;
    case 'action':
      return `the answer to ${step}`;
    case 'check':
      return `the check of ${step}`;
    case 'rollback':
      return `the undoing of ${step}`;
    case 'run':
      return `${clean(child ?? 'a run', 40)}, for ${step}`;
    case 'retry':
      return `the next try of ${step}`;
    case 'time':
      return `the time of ${step}`;
    case 'event':
      return `an event, for ${step}`;
    case 'release':
      if (at === null) return 'its turn';
      return `${isPaused ? 'the resume' : 'the end of the stop'}, for ${step}`;
    case 'approval':
      return `an ${clean(role ?? '', 40)}: ${step}, ${clean(approval ?? '', 40)}`;
    case 'settlement':
      return `a person to settle ${step}`;
    default:
      return clean(`${what} ${step}`, 120);
  }
}
