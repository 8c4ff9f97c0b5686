/**
 * The catalog of audit records: every kind there is, the optional fields it cannot do without, and what it means.
 * docs/audit-events.md is this table in print. A kind is added here and nowhere else.
 */
type Kind = { readonly needs: readonly Need[]; readonly means: string };
type Need = 'act' | 'attempt' | 'outcome' | 'ref' | 'run' | 'step';

const kind = (needs: readonly Need[], means: string): Kind => ({ needs, means });

export const AUDIT_KINDS = {
  'event.accepted': kind(['ref'], 'An event came in and its triggers were judged; `ref` is the event.'),
  'event.repeated': kind(['ref'], 'An event came in again and changed nothing.'),
  'trigger.absorbed': kind(
    ['run', 'ref', 'outcome'],
    'A trigger (`ref`) matched, and a run that is there takes the event in; `outcome` is its policy of repeats.',
  ),
  'trigger.queued': kind(['run', 'ref', 'outcome'], 'A run was made that waits; `outcome` says for what.'),
  'trigger.suppressed': kind(['ref', 'outcome'], 'A trigger matched and started nothing; `outcome` says why.'),
  'trigger.burst': kind(['ref', 'outcome'], 'More matches than a trigger may have: `began`, or `over`.'),
  'trigger.scheduled': kind(['ref'], 'A schedule came into force or was changed; its next time is set.'),
  'trigger.unscheduled': kind(['ref'], 'A schedule is not in force any more; nothing of it is due.'),
  'trigger.missed': kind(['ref', 'outcome'], 'Times of a schedule were passed over; `outcome` is its policy.'),
  'trigger.stopped': kind(['ref', 'act'], 'Somebody stopped a trigger; `act` is the digest of the reason.'),
  'trigger.resumed': kind(['ref', 'act'], 'Somebody let a trigger go on; `act` is the digest of the reason.'),
  'run.started': kind(['run'], 'A run began, with every version it rests on pinned in `act`.'),
  'run.released': kind(['run'], 'A run that waited for its turn began.'),
  'step.ready': kind(['run', 'step'], 'A step was reached: its parameters are bound and its plan is asked for.'),
  'step.planned': kind(['run', 'step'], 'An action said what it would touch; `act` is the digest of the plan.'),
  'step.parked': kind(['run', 'step'], 'Nothing may be sent at present: the step waits until that is over.'),
  'step.claimed': kind(['run', 'step'], 'What a step with `dedup` does once is its to do.'),
  'step.deferred': kind(
    ['run', 'step', 'ref'],
    'Another step is about to do what is done once; `ref` is its run. It is looked at again.',
  ),
  'step.opened': kind(
    ['run', 'step', 'outcome'],
    'A step that calls no action is under way; `outcome` is what it waits for: lanes, time, an event, a run, a person.',
  ),
  'lane.started': kind(['run', 'step', 'ref'], 'A lane of a step began; `ref` is its place.'),
  'lane.ended': kind(['run', 'step', 'ref', 'outcome'], 'A lane of a step ended: `succeeded`, `failed` or `stopped`.'),
  'step.held': kind(['run', 'step'], 'A step waits for an approval (`ref`); it may not be sent before that.'),
  'step.intent': kind(['run', 'step', 'attempt'], 'An effect is about to leave. On disk before it does.'),
  'step.leaving': kind(
    ['run', 'step', 'attempt'],
    'The first request that may change something is about to leave, of an action that may not be repeated.',
  ),
  'step.succeeded': kind(['run', 'step'], 'The effect happened.'),
  'step.kept': kind(['run', 'step', 'ref'], 'An ended run (`ref`) has done the same, so the step did not act.'),
  'step.failed': kind(['run', 'step'], 'The step failed; `outcome` is the error class.'),
  'step.retry': kind(['run', 'step', 'attempt'], 'Another try is due; `attempt` is its number.'),
  'step.indeterminate': kind(['run', 'step', 'attempt'], 'Nobody knows whether the effect happened.'),
  'step.checking': kind(
    ['run', 'step', 'attempt'],
    'The action is asked whether a try happened of which nobody knows.',
  ),
  'step.check_failed': kind(['run', 'step', 'attempt'], 'It could not say: a person has to.'),
  'step.by_hand': kind(['run', 'step', 'outcome'], 'A person did by hand what had failed, or gave it up.'),
  'step.rolled_back': kind(['run', 'step', 'attempt'], 'What the step had done was undone.'),
  'rollback.failed': kind(['run', 'step'], 'What the step had done was not undone, and stays; somebody has to look.'),
  'step.settled': kind(['run', 'step', 'outcome'], 'An indeterminate try was settled by a check or by a person.'),
  'steps.skipped': kind(['run', 'outcome'], 'Steps that will not run; `outcome` says why.'),
  'branch.taken': kind(['run', 'step'], 'A branch was decided; `ref` is the way taken.'),
  'approval.voted': kind(['ref', 'outcome'], 'A vote that counts: `approved` or `rejected`.'),
  'approval.refused': kind(['ref', 'outcome'], 'A vote that does not count; `outcome` says why.'),
  'approval.decided': kind(['ref', 'outcome'], 'An approval ended: `approved`, `rejected` or `expired`.'),
  'incident.updated': kind(
    [],
    'An event, a step or a person told of an incident (`ref`); `outcome` is the state asked for.',
  ),
  'run.again': kind(
    ['run', 'ref', 'outcome'],
    'A person asked for an ended run (`ref`) to run again: `run` was `started` for that, which is the next record and ' +
      'holds the reason, or was `under_way` already.',
  ),
  'run.cancel': kind(['run'], 'An operator asked for the run to stop.'),
  'run.paused': kind(['run'], 'A person had the run, and the runs that it starts, send nothing more until the resume.'),
  'run.resumed': kind(['run'], 'A person ended the pause of the run: by a resume, or by cancelling it.'),
  'run.undoing': kind(
    ['run', 'outcome'],
    'The run will end as `outcome` says; what it did, and can undo, is undone first.',
  ),
  'run.closed': kind(['run'], 'An analyst has looked at how the run ended.'),
  'run.ended': kind(['run', 'outcome'], 'The run ended; `outcome` is its final state.'),
  'guardrail.blocked': kind([], 'A guardrail refused an action; `outcome` says why, `ref` which rule.'),
  'playbook.put': kind(['ref', 'act'], 'A version of a playbook was stored; `act` is its digest.'),
  'playbook.activated': kind(['ref', 'act'], 'A version became the one that new runs use.'),
  'playbook.deprecated': kind(['ref'], 'A version is no longer used by new runs.'),
  'policy.put': kind(['ref', 'act'], 'A policy of the org was replaced; `act` is the digest of the new one.'),
  'policy.removed': kind(['ref'], 'A policy that the org had is in its configuration no more: the default holds.'),
  'plugin.installed': kind(
    ['ref', 'act'],
    'A plugin was admitted; `act` is the digest of module and manifest together.',
  ),
  'plugin.quarantined': kind(
    ['ref', 'act'],
    'A plugin killed its cells again and again: it does not run for the org for a while; `act` is its digest.',
  ),
  'breaker.opened': kind(
    ['ref'],
    'A connector failed too often in a row: its calls end at once; `ref` is the connector.',
  ),
  'breaker.closed': kind(
    ['ref', 'outcome'],
    'A connector is called again: a trial call found it well (`recovered`), or a person said so (`reset`).',
  ),
  'connector.checked': kind(
    ['ref', 'outcome'],
    'A person had the health of a connector (`ref`) checked: `well`, `unasked`, or the class of the failure.',
  ),
  'connector.unhealthy': kind(
    ['ref', 'outcome'],
    'Health checks of a connector failed in a row; `outcome` is the class of the failure, `step` the stage.',
  ),
  'connector.healthy': kind(['ref'], 'A health check found a connector well that was not, or was not known.'),
  'stop.engaged': kind(['ref', 'act'], 'The stop switch of the `org` or the `machine` was engaged; nothing is sent.'),
  'stop.released': kind(['ref', 'act'], 'The stop switch was released; what waited goes on.'),
  'egress.reported': kind(
    ['run', 'step', 'ref', 'act'],
    'A plugin (`ref`) in report mode asked for what no rule covers, and it is let go on without any secret; `act` is the ' +
      'digest of method, place and path. A second one with the outcome `refused`: it did not leave, because its address or ' +
      'the proxy was against it.',
  ),
  'secret.put': kind(['ref'], 'A secret was stored or replaced. Its name only.'),
  'secret.rekeyed': kind([], 'The stored secrets are sealed under another key than at the last start.'),
  'secret.rotated': kind(
    ['ref', 'outcome'],
    'The connectors that carry a new value were asked: it was `kept`, kept `unproven` because not all of them tried it with success, or the former one was `put_back`.',
  ),
  'secret.removed': kind(['ref'], 'A secret was removed.'),
  'secret.leased': kind(
    ['ref'],
    'A secret is about to be lent to one call. On disk before it is looked for. Without a `run` it is for a health check, ' +
      'whose connector and stage are in `step`, or for the kernel itself.',
  ),
  'secret.used': kind(['ref'], 'A secret rode in a request; `ref` is `NAME/HOST/HEADER`.'),
  'secret.revoked': kind(
    ['ref', 'outcome'],
    'A lease ended: `ended` here, `revoked` by its provider, or `failed` to be: then it ends with its term. ' +
      '`not_lent`: there was none, because the secret is not there or cannot be had.',
  ),
  'token.created': kind(
    ['ref'],
    'An access token was made; `ref` is `ID/PRINCIPAL/ROLES`, several roles with `+` between.',
  ),
  'token.revoked': kind(['ref'], 'An access token was withdrawn.'),
  'access.refused': kind([], 'Someone asked for what they may not do.'),
  'webhook.delivered': kind(['ref'], 'Lifecycle events were delivered to a webhook (`ref`).'),
  'webhook.failed': kind(['ref', 'outcome'], 'A webhook did not take a lifecycle event; `outcome` says why.'),
  'webhook.dropped': kind(
    ['ref', 'outcome'],
    'Lifecycle events were given up for a webhook: they are too old, or no longer kept.',
  ),
  'lifecycle.pruned': kind(['ref'], 'The feed of lifecycle events was cut; `ref` is the last one that was removed.'),
  'kernel.started': kind([], 'The kernel opened the log and took it over.'),
  'kernel.stopped': kind([], 'The kernel closed the log in good order.'),
  'kernel.recovered': kind([], 'The kernel found work of an earlier life and took it up.'),
  'lists.built': kind(['ref'], 'Lists of runs from before there were lists were made; `ref` is of how many runs.'),
  'org.created': kind([], 'The org of this record came to be.'),
} as const satisfies Record<`${string}.${string}`, Kind>;

export type AuditKind = keyof typeof AUDIT_KINDS;

export const isAuditKind = (text: string): text is AuditKind => Object.hasOwn(AUDIT_KINDS, text);
