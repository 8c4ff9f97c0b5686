import * as v from 'valibot';

/**
 * Everything that a request can be refused with: the one table of kinds, with status, title and what to do about it.
 * An answer is `application/problem+json` (RFC 9457) of type `urn:interlock:problem:<kind>`. A kind is added here and
 * nowhere else; its name and its status never change. All text is ours: nothing of a request is ever repeated.
 */
type Kind = { readonly status: number; readonly title: string; readonly detail: string };

const kind = (status: number, title: string, detail: string): Kind => ({ status, title, detail });

const SEE_ERRORS = 'Mend what is listed under errors, then send it again.';

export const PROBLEMS = {
  'malformed-request': kind(400, 'This is not a well-formed HTTP request', 'Check the request line, Host and headers.'),
  'malformed-body': kind(400, 'The body cannot be read', 'Send one whole JSON document in UTF-8.'),
  unauthenticated: kind(
    401,
    'A token is required',
    'Send "Authorization: Bearer" and an access token that is known, not withdrawn and not expired.',
  ),
  forbidden: kind(403, 'The token does not carry this permission', 'GET /v1/whoami shows what it may do.'),
  'four-eyes': kind(
    403,
    'Whoever wrote this version does not activate it',
    'It has a step of tier high or critical: ask another person, who holds the role approver.',
  ),
  'vote-by-requester': kind(
    403,
    'Whoever caused the run does not decide on it',
    'Ask another person with the role that the approval names.',
  ),
  'vote-role-missing': kind(
    403,
    'The approval asks for another role',
    'The approval names the role whose holders may vote.',
  ),
  'not-found': kind(404, 'There is nothing here for this token', 'Check the path, the org and the id.'),
  'method-not-allowed': kind(405, 'This path does not take this method', 'The Allow header lists those it takes.'),
  'request-timeout': kind(408, 'The request did not arrive in time', 'Send it again, without pauses.'),
  'approval-not-pending': kind(409, 'The approval is decided already', 'Read it to see how; nothing was changed.'),
  'approval-expired': kind(409, 'The approval has expired', 'Expiry denies. The run has ended or is about to.'),
  'secret-lent': kind(
    409,
    'A provider lends this secret',
    'Change it where it is kept; the secrets policy of the org names the provider.',
  ),
  'secret-rotating': kind(
    409,
    'The secret is being rotated or changed',
    'Wait for the answer to that, which says what is stored.',
  ),
  'event-conflict': kind(
    409,
    'Another event has this source and id',
    'Give every event an id of its own; an event that is sent again must be the same.',
  ),
  'incident-state': kind(
    409,
    'The incident cannot take this state from where it is',
    'Read it to see its state; nothing was changed.',
  ),
  'run-ended': kind(409, 'The run has ended', 'Read it to see how; nothing was changed.'),
  'step-not-indeterminate': kind(
    409,
    'There is nothing to settle',
    'Only a step that is indeterminate, or that waits for a person, is settled by one.',
  ),
  'nothing-to-close': kind(409, 'The run needs no review', 'Only a run with the closure needs_review is closed.'),
  'run-not-ended': kind(
    409,
    'The run, or a run that it started, has not ended',
    'Only what has ended, and has been undone, runs again.',
  ),
  'run-not-settled': kind(
    409,
    'Of a step of the run, or of a run that it started, nobody knows whether it happened',
    'Settle it first (interlock run settle): what may have happened would be done beside it.',
  ),
  'run-not-last': kind(
    409,
    'The run has run again since, and another knows what is done',
    'Ask for the last one, ranAgainAs of the run: `interlock run show RUN` names it.',
  ),
  'sub-run': kind(409, 'A step of another run has started the run', 'Have the run that started it run again.'),
  'event-not-kept': kind(
    409,
    'The event that started the run is not kept any more',
    'Send the event with another id; nothing was changed.',
  ),
  'trigger-not-active': kind(
    409,
    'No active version of the playbook has the trigger of the run, or it requires what the event does not have',
    'Activate a version that has it, or send the event with another id.',
  ),
  'start-stopped': kind(
    409,
    'What would start the run is stopped',
    'Release the stop switch, or resume the trigger, then ask again.',
  ),
  'start-impossible': kind(
    409,
    'The run cannot start by the versions that are active now',
    'Its inputs may be too large, or too many runs keep what one has done; nothing was changed.',
  ),
  'subject-changed': kind(
    409,
    'The approval is about something else than you were shown',
    'Read the approval again and send the subject that it shows now.',
  ),
  'vote-repeated': kind(409, 'You have voted on this approval already', 'One person has one vote.'),
  'body-too-large': kind(413, 'The body is too large', 'Send less at once.'),
  'unsupported-media-type': kind(
    415,
    'The body has a form that is not read here',
    'Set Content-Type to application/json (UTF-8), without a Content-Encoding.',
  ),
  'invalid-body': kind(422, 'The body does not have the form that is wanted', SEE_ERRORS),
  'invalid-cursor': kind(
    422,
    'The cursor does not belong to this list',
    'Send the cursor of the page before, with the same filter; or none, to begin anew.',
  ),
  'invalid-event': kind(422, 'This is not an event that can be taken', SEE_ERRORS),
  'invalid-playbook': kind(422, 'The playbook is not valid', SEE_ERRORS),
  'invalid-query': kind(422, 'A query parameter is not valid', SEE_ERRORS),
  'too-many-playbooks': kind(
    422,
    'The org has as many playbooks as it may have',
    'Put it as a version under a name that is there.',
  ),
  'too-many-triggers': kind(
    422,
    'The org has as many active triggers as it may have',
    'Activate a version with fewer triggers, here or in another playbook.',
  ),
  'too-many-versions': kind(422, 'The playbook has as many versions as it may have', 'Go on under a new name.'),
  'too-many-secrets': kind(
    422,
    'The org has as many secrets as it may have',
    'Remove one that nothing uses, or have a provider lend it.',
  ),
  'too-many-events': kind(
    429,
    'Too many events of the org wait to be read',
    'Send the event again later: it was not taken.',
  ),
  'too-many-runs': kind(
    429,
    'The org has as many runs under way as it may have',
    'Send it again later: nothing was taken.',
  ),
  'playbook-busy': kind(
    429,
    'As many runs of the playbook are under way as may be at once',
    'Ask again when one of them has ended: nothing was started.',
  ),
  'too-many-waits': kind(
    429,
    'Too many requests wait for runs already',
    'Ask again later, or without the parameter wait.',
  ),
  'headers-too-large': kind(431, 'The headers are too large', 'Send fewer or shorter headers.'),
  internal: kind(500, 'Something went wrong here', 'It was logged under the id in instance. Nothing was sent outside.'),
  'record-unavailable': kind(
    503,
    'The record cannot be written, so nothing is accepted',
    'Send it again when GET /healthz answers 200.',
  ),
  'lists-unavailable': kind(
    503,
    'Runs of an earlier version are still being listed',
    'Ask again later, or without the parameter incident: the other filters work meanwhile.',
  ),
  'secrets-unavailable': kind(
    503,
    'The secret store cannot be written',
    'Nothing was stored. Tell the operator, then send it again.',
  ),
} as const satisfies Record<string, Kind>;

export type ProblemKind = keyof typeof PROBLEMS;
export const PROBLEM_KINDS = Object.keys(PROBLEMS) as readonly ProblemKind[];

export const problemType = (of: ProblemKind): string => `urn:interlock:problem:${of}`;

const ProblemError = v.object({
  /** JSON Pointer (RFC 6901) into the body; for a query parameter `?name`. Empty: the whole of it. */
  pointer: v.string(),
  text: v.string(),
});
export type ProblemError = Readonly<v.InferOutput<typeof ProblemError>>;

export const ProblemSchema = v.object({
  type: v.picklist(PROBLEM_KINDS.map(problemType)),
  title: v.string(),
  status: v.pipe(v.number(), v.integer()),
  /** What to do. */
  detail: v.string(),
  /** Names this one answer; give it when asking for help. */
  instance: v.string(),
  errors: v.optional(v.array(ProblemError)),
});
export type Problem = v.InferOutput<typeof ProblemSchema>;
