import type { Run, RunSummary } from '../client/client.ts';
import { pauseText } from './command-run-pause.ts';
import { endOf, extentOf } from './follow.ts';
import { clean, fields, note, paint, say, sayJson, state, table, when } from './print.ts';
import { noteRefusal } from './refusal.ts';
import type { Globals } from './session.ts';
import { typed } from './typed.ts';
import { askedBy, keyText, verdictText } from './why.ts';

/** What is said of a run: a row of a list, a line, and the whole. */
export const runRow = (row: RunSummary): string[] => [
  row.run,
  state(row.state),
  row.playbook,
  isQueued(row) ? '-' : when(row.startedAt),
  row.endedAt === null ? '-' : when(row.endedAt),
  remarks(row),
];

const tookIn = ({ events, last, at }: NonNullable<Run['absorbed']>): string =>
  `${events} more ${events === 1 ? 'event' : 'events'}, the last ${clean(last, 64)} at ${when(at)}`;

/** It was made and has not begun. */
const isQueued = ({ state }: RunSummary): boolean => state === 'pending';

const pausedIn = ({ run, paused, endedAt }: RunSummary): string => {
  if (!paused) return '';
  const whose = paused.run === run ? '' : ` with ${clean(paused.run, 40)}`;
  return `${endedAt === null ? 'paused' : 'ended while paused'}${whose} by ${clean(paused.by)}: ${clean(paused.reason, 120)}`;
};

const remarks = (row: RunSummary): string => {
  const { closure, reason, failure, state: end, startedAt } = row;
  return [
    isQueued(row) ? `queued since ${when(startedAt)}` : '',
    pausedIn(row),
    extentOf(row),
    closure === 'needs_review' ? 'needs review' : '',
    reason === end ? '' : clean(reason ?? '', 120),
    failure == null ? '' : clean(`${failure.step}: ${failure.message}`, 160),
  ]
    .filter((part) => part !== '')
    .join('; ');
};

export function sayChanged(run: Run, { json }: Globals): void {
  if (json) sayJson(run);
  else say(`run ${run.run} is ${state(run.state)}${run.reason === null ? '' : `: ${clean(run.reason)}`}`);
}

/** How it ended stays as it was. */
export function sayClosed(run: Run, options: Globals): void {
  if (options.json || run.closed === null) sayChanged(run, options);
  else say(`run ${run.run}, ${endOf(run)}, is closed by ${clean(run.closed.by)}`);
}

/** Of a run that was followed to its end: what `run show` says of why it ended, in as many words. */
export function sayFollowed(run: Run): void {
  const { reason, state: end } = run;
  const why = reason === null || reason === end ? '' : `: ${clean(reason)}`;
  say(`run ${run.run} ${endOf(run)}${why}`);
  const failure = failureText(run);
  if (failure !== undefined) say(`  ${failure}`);
  for (const { step, undo } of run.steps)
    if (undo?.state === 'failed') say(`  ${clean(step, 80)}: ${undoText(undo, '')}`);
  noteRefusal(run);
}

/** Steps that are named where the server does not say which of them ended the run. */
const NAMED = 3;

/** The step that ended a run, and why. Of a run that goes on, or completed, or was ended by no step: undefined. */
function failureText(run: Run): string | undefined {
  if (run.endedAt === null || run.state === 'completed') return undefined;
  const failed = run.steps.filter(({ state: at }) => at === 'failed');
  const ended = failed.filter(({ step }) => step === run.failure?.step);
  const steps = ended.length > 0 ? ended : failed.slice(0, NAMED);
  const texts = steps.map((step) => `${clean(step.step, 80)}: ${denialOf(step, run) ?? errorText(step.error)}`);
  return texts.length === 0 ? undefined : texts.join('; ');
}

const errorText = (error: Run['steps'][number]['error']): string =>
  error === null ? 'it does not say why' : `${clean(error.class, 40)}: ${clean(error.message)}`;

const originText = ({ run, step }: NonNullable<Run['parent']>): string => `${run}, step ${clean(step, 80)}`;

/** Runs that are named where an end has started many, and inputs of a run that are shown. */
const TOLD = 8;

const first = (all: readonly string[]): string =>
  [...all.slice(0, TOLD), ...(all.length > TOLD ? [`and ${all.length - TOLD} more (--json)`] : [])].join(', ');

function inputsText({ inputs }: Run): string | undefined {
  const all = Object.entries(inputs).map(
    ([name, value]) => `${clean(name, 64)} ${clean(JSON.stringify(value ?? null), 120)}`,
  );
  return all.length === 0 ? undefined : first(all);
}

/** @param stop why nothing of it is sent at present. */
export function sayRun(run: Run, stop?: string): void {
  say(`${paint('strong', run.run)}  ${endOf(run)}`);
  say(
    fields([
      ['org', run.org],
      ['playbook', `${run.playbook}  ${run.digest}`],
      ['trigger', `${run.trigger}, event ${run.event}`],
      ['requester', clean(run.requester)],
      ['part of', run.parent ? originText(run.parent) : undefined],
      ['started by', run.startedBy ? originText(run.startedBy) : undefined],
      [
        'again',
        run.again ? `${run.again.run}, asked for by ${clean(run.again.by)}: ${clean(run.again.reason)}` : undefined,
      ],
      ['keeps', run.keeps === null ? undefined : `what ${run.keeps} has done`],
      ['ran again', run.ranAgainAs === null ? undefined : `as ${run.ranAgainAs}`],
      ['answers', run.answers === null ? undefined : `the end of ${run.answers}`],
      ['its end', run.answeredBy.length === 0 ? undefined : `started ${first(run.answeredBy)}`],
      ['took in', run.absorbed ? tookIn(run.absorbed) : undefined],
      ['inputs', inputsText(run)],
      isQueued(run) ? ['queued', `since ${when(run.startedAt)}; it has not begun`] : ['started', when(run.startedAt)],
      run.endedAt === null
        ? ['ends by', when(run.deadlineAt)]
        : ['ended', `${when(run.endedAt)} by ${clean(run.endedBy ?? 'nobody known')}`],
      ['paused', pauseText(run)],
      ['stop', stop],
      ['reason', run.reason === null || run.reason === run.state ? undefined : clean(run.reason)],
      ['failure', failureText(run)],
      ['policy', run.pins.policy],
      [
        'plugins',
        Object.entries(run.pins.plugins)
          .map(([name, digest]) => `${clean(name, 63)} ${digest}`)
          .join(', '),
      ],
      ['kernel', clean(run.pins.kernel ?? 'not recorded', 40)],
      ['cancelled', run.cancel ? `by ${clean(run.cancel.by)}: ${clean(run.cancel.reason)}` : undefined],
      [
        'review',
        run.closure === 'needs_review' ? typed`needed; then: interlock run close ${run.run} --note ...` : undefined,
      ],
      ['closed', run.closed ? `by ${clean(run.closed.by)}: ${clean(run.closed.note)}` : undefined],
    ]),
  );
  say('');
  say(
    table(
      ['STEP', 'STATE', 'ACTION', 'TRIES', 'AUDIT', 'REMARKS'],
      run.steps.map((step) => stepRow(step, run)),
    ),
  );
  for (const line of run.steps.flatMap((step) => policyLine(step, run))) say(line);
  noteRefusal(run);
  for (const { step, state, waitsFor } of run.steps) {
    if (waitsFor === 'person')
      note(
        typed`${step} waits for a person to do it by hand. Then: interlock run settle ${run.run} --step ${step} ...`,
      );
    if (state !== 'indeterminate' || waitsFor === 'check') continue;
    note(typed`Nobody knows whether ${step} happened. Look, then: interlock run settle ${run.run} --step ${step} ...`);
  }
}

/** Of a step that was refused, or had to be approved: which rule of which policy decided. */
function policyLine({ step, type, verdict, approval: id }: Run['steps'][number], { approvals }: Run): string[] {
  const asked = approvals.find(({ approval }) => approval === id);
  const parts = [
    verdict && (asked || verdict.kind === 'deny') ? `guardrail: ${verdictText(verdict)}` : '',
    asked ? `approval asked by ${askedBy(asked, verdict, type === 'approval')}` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? [] : [`  ${step}: ${parts.join('; ')}`];
}

/** That people said no, or nothing, to a step. Its error has the class of a policy, which is not who refused it. */
function denialOf({ state: at, approval: asked }: Run['steps'][number], run: Run): string | undefined {
  const approval = at === 'failed' ? run.approvals.find(({ approval }) => approval === asked) : undefined;
  if (approval?.state === 'expired') return `not approved by ${when(approval.expiresAt)}, when its approval expired`;
  if (approval?.state !== 'rejected') return undefined;
  const no = approval.votes.find(({ decision }) => decision === 'reject');
  return no ? `refused by ${clean(no.by)}: ${clean(no.rationale)}` : 'refused by a person';
}

/** Of a step that is to be tried again: what became of its last try, which a stop may have cut off. */
function lastTryText(attempt: Run['steps'][number]['attempts'][number] | undefined): string {
  if (attempt?.end === 'indeterminate') return 'last try: nobody knows whether it happened';
  return attempt?.end === 'failed' ? `last try: ${errorText(attempt.error)}` : '';
}

/**
 * What became of the undoing of a step, whose own state stays `succeeded` until it is undone. Where nobody knows of the last
 * try, it is not said that nothing was undone.
 * @param release what it waits for where nothing may be sent.
 */
function undoText({ state: at, attempts, error }: NonNullable<Run['steps'][number]['undo']>, release: string): string {
  const tries = attempts.length === 1 ? '1 try' : `${attempts.length} tries`;
  const after = attempts.length === 0 ? '' : ` after ${tries}`;
  const why = error === null ? '' : `: ${errorText(error)}`;
  switch (at) {
    case 'done':
      return attempts.length > 1 ? `undone${after}` : 'undone';
    case 'intended':
      return `is being undone, try ${attempts.length}`;
    case 'retry':
      return `not undone${after}, and is tried again${why}`;
    case 'parked':
      return `to undo it waits for ${release}`;
    case 'failed': {
      const isUnknown = attempts.at(-1)?.end === 'indeterminate';
      return `${isUnknown ? 'nobody knows whether it was undone,' : 'NOT undone'}${after}${why}`;
    }
  }
}

function stepRow(of: Run['steps'][number], run: Run): string[] {
  const { step, state: at, uses, type, attempts, error, reason, approval, retryAt, note: said } = of;
  const { waitsFor, until, parameters, event, undo, kept, behind, child } = of;
  const release = run.paused ? 'the resume' : 'the end of the stop';
  const parts = [
    denialOf(of, run) ?? (error === null ? '' : errorText(error)),
    clean(reason ?? ''),
    said === null ? '' : `settled: ${clean(said)}`,
    at === 'held' && approval !== null ? `waits for ${approval}` : '',
    at === 'ready' && behind === null ? lastTryText(attempts.at(-1)) : '',
    behind === null ? '' : `waits for ${behind}, which is about to do the same`,
    retryAt === null ? '' : `${behind === null ? 'next try' : 'next look'} at ${when(retryAt)}`,
    waitsFor === 'release' ? `waits for ${release}` : '',
    undo === null ? '' : undoText(undo, release),
    until === null
      ? ''
      : `waits ${waitsFor === 'event' ? `for an event with ${keyText(parameters.match)}, ` : ''}until ${when(until)}`,
    kept !== null || child === null ? '' : `started ${clean(child, 40)}`,
    kept === null ? '' : `kept from ${kept}`,
    event === null ? '' : `woken by ${clean(event, 64)}`,
  ];
  return [
    step,
    state(at),
    clean(uses ?? type ?? '-', 130),
    attempts.length === 0 ? '-' : String(attempts.length),
    attempts.length === 0 ? '-' : attempts.map(({ intentSeq, endSeq }) => `${intentSeq}-${endSeq ?? ''}`).join(', '),
    parts.filter((part) => part !== '').join('; '),
  ];
}
