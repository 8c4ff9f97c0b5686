import type { Command } from 'commander';
import type { Answer } from '../client/answer.ts';
import type { Run, RunPaused } from '../client/client.ts';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { type Ending, fine } from './ending.ts';
import { clean, note, say, sayJson, when } from './print.ts';
import { openRunSession } from './run-session.ts';
import type { Globals, Session } from './session.ts';
import { typed } from './typed.ts';

/** `interlock run pause` and `resume`: to have one run wait while somebody looks, and let it go on. */
export function addRunPause(run: Command): void {
  withExamples(
    run
      .command('pause')
      .description('send nothing more of a run, and of the runs that it starts, until it is resumed')
      .argument('<id>', 'run_ and 32 hex digits')
      .requiredOption('--reason <text>', 'why; it is shown with the run and goes into its history'),
    ['interlock run pause run_0123... --reason "is that host ours? asking, case 4711"'],
    'What is under way ends, and its outcome is recorded: a pause cuts nothing off. What would be sent next waits. Votes and\n' +
      'settlements count. Time goes on: approvals expire, and the run times out at its deadline. `interlock run cancel`\n' +
      'ends the pause. To pause what is paused changes nothing: the first reason stays.',
  ).action((id: string, _options, command: Command) => act(pauseRun(id, command.optsWithGlobals())));

  withExamples(
    run
      .command('resume')
      .description('end the pause of a run: what waited for it goes on')
      .argument('<id>', 'of the run that was paused: run_ and 32 hex digits'),
    ['interlock run resume run_0123...'],
    'A run that it started, and that was paused by itself, stays paused. A stop holds it as before: interlock stop show.',
  ).action((id: string, _options, command: Command) => act(resumeRun(id, command.optsWithGlobals())));
}

async function pauseRun(id: string, options: Globals & { readonly reason: string }): Promise<Ending> {
  const session = await openRunSession(id, options);
  if (!session.ok) return session;
  const answer = await session.value.client.pauseRun(id, { reason: options.reason });
  return told(session.value, answer, 'is paused', 'was paused before; the first reason stays');
}

async function resumeRun(id: string, options: Globals): Promise<Ending> {
  const session = await openRunSession(id, options);
  if (!session.ok) return session;
  const answer = await session.value.client.resumeRun(id);
  return told(session.value, answer, 'is resumed', 'was not paused');
}

function told(session: Session, answer: Answer<RunPaused>, done: string, before: string): Ending {
  if (!answer.ok) return complain(answer.error, session, 'run');
  const run = answer.value;
  if (session.json) sayJson(run);
  else {
    say(`run ${run.run} ${run.changed ? done : before}`);
    // Also after a resume: one above it may be paused.
    if (run.paused) note(pauseText(run) ?? '');
  }
  return fine;
}

/** Who paused the run, or one that it is a part of, why, and what ends that. Undefined: nobody. */
export function pauseText({ run, paused, endedAt }: Pick<Run, 'run' | 'paused' | 'endedAt'>): string | undefined {
  if (!paused) return undefined;
  const whose = paused.run === run ? '' : `with ${clean(paused.run, 40)}, which it is a part of, `;
  const why = `${whose}by ${clean(paused.by)} since ${when(paused.at)}: ${clean(paused.reason)}`;
  return endedAt === null ? typed`${why}; go on with: interlock run resume ${clean(paused.run, 40)}` : why;
}
