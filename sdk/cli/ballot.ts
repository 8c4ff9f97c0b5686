import type { Approval } from '../client/client.ts';
import { inLargeLetters } from './big.ts';
import { clean, exact, fields, paint, state, when } from './print.ts';
import { askedBy, verdictText } from './why.ts';

/**
 * What exactly is being decided, on one page: in which org, what would be done to whom, whether it can be undone, who
 * asked, and until when. Parameters and targets are shown as they are bound, so that nothing in them goes unseen.
 */
const LISTED = 20;
const ROOM = 2_000;

export function ballotText(approval: Approval, stream: NodeJS.WriteStream, now: number): string {
  const { plan, playbook, incident, votes } = approval;
  const targets = plan?.targets ?? [];
  const approved = votes.filter(({ decision }) => decision === 'approve').length;
  const page = fields(
    [
      ['org', paint('strong', approval.org, stream)],
      ['action', `${clean(approval.uses, 130)}, tier ${approval.tier}`],
      ...labelled(
        'parameter',
        Object.entries(approval.parameters).map(([name, value]) => `${exact(name)} = ${json(value)}`),
      ),
      ...labelled(
        'target',
        targets.map(({ kind, id }) => `${exact(kind)} ${exact(id, ROOM)}`),
        targets.length,
      ),
      ...labelled(
        'detail',
        Object.entries(plan?.details ?? {}).map(([name, value]) => `${exact(name)} = ${json(value)}`),
      ),
      ['reversible', reversible(plan, stream)],
      ['guardrail', approval.verdict ? verdictText(approval.verdict) : undefined],
      ['asked by', askedBy(approval, approval.verdict, !approval.uses.includes('/'))],
      ['asked again', approval.grantChangedSince ? againText(approval.grantChangedSince) : undefined],
      ['requester', clean(approval.requester)],
      ['because of', incident.title === null ? undefined : clean(incident.title)],
      ['', incident.message === null ? undefined : clean(incident.message, 600)],
      ['event', incident.event],
      ['playbook', `${playbook.name}  ${playbook.digest}`],
      ['run', `${approval.run}, step ${approval.step}`],
      ['state', `${state(approval.state, stream)}, ${approved} of ${approval.needed} by ${approval.role}`],
      ...labelled(
        'vote',
        votes.map(({ by, decision, rationale }) => `${clean(by)}: ${decision}, ${clean(rationale, 600)}`),
      ),
      ['may not vote', approval.excluded.map((name) => clean(name)).join(', ') || undefined],
      ['expires', `${when(approval.expiresAt)}${approval.state === 'pending' ? left(approval.expiresAt, now) : ''}`],
      ['subject', approval.subject],
      ['', 'It covers action, parameters, plan and grant. Event, requester and reason are for orientation.'],
    ],
    stream,
  );
  const summary =
    plan !== null
      ? clean(plan.summary, 600)
      : (questionOf(approval) ?? 'The action does not say what it would do; judge by its parameters.');
  // A terminal that does not know its size says 0.
  const name = paint('strong', inLargeLetters(approval.org, stream.columns || 80), stream);
  return `\n${name}\n\n${paint('strong', summary, stream)}\n\n${page}\n`;
}

const againText = (before: string): string =>
  `the grant of the plugin has changed since ${clean(before, 64)} was approved, which covers nothing any more`;

/** What a step of type `approval` asks; undefined for an action, which is named plugin/action. */
const questionOf = ({ uses, parameters }: Approval): string | undefined =>
  !uses.includes('/') && typeof parameters['ask'] === 'string' ? exact(parameters['ask'], ROOM) : undefined;

const json = (value: unknown): string => exact(JSON.stringify(value) ?? 'null', ROOM);

/** The first lines under one label; more are counted. */
function labelled(label: string, lines: readonly string[], count = lines.length): (readonly [string, string])[] {
  const rows = lines
    .slice(0, LISTED)
    .map((line, at): readonly [string, string] => [at === 0 ? `${label}${count > 1 ? 's' : ''}` : '', line]);
  return count > LISTED ? [...rows, ['', `and ${count - LISTED} more (${count} in all; --json shows them)`]] : rows;
}

function reversible(plan: Approval['plan'], stream: NodeJS.WriteStream): string {
  if (plan === null) return 'not known';
  return plan.reversible ? 'yes' : paint('bad', 'NO, this cannot be undone', stream);
}

function left(expiresAt: string, now: number): string {
  const minutes = Math.floor((Date.parse(expiresAt) - now) / 60_000);
  if (!Number.isFinite(minutes) || minutes < 0) return ', which is past';
  if (minutes < 120) return `, in ${minutes} min`;
  return minutes < 48 * 60 ? `, in ${Math.floor(minutes / 60)} h` : `, in ${Math.floor(minutes / 60 / 24)} days`;
}
