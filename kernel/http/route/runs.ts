import * as v from 'valibot';
import { envelope, listOf } from '../../../sdk/contract/api.ts';
import type * as Api from '../../../sdk/contract/api-run.ts';
import {
  AgainForm,
  CancelForm,
  CLOSURES,
  CloseForm,
  PauseForm,
  RUN_STATES,
  Run,
  RunPaused,
  RunSummary,
  SettleForm,
} from '../../../sdk/contract/api-run.ts';
import { IncidentId, Name, Principal } from '../../../sdk/contract/api-word.ts';
import { type OrgId, toRunId, toStepRunId } from '../../base/id.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { summaryOf } from '../../flow/project.ts';
import type { Run as RunValue } from '../../run/state.ts';
import { diagramOf } from '../../view/diagram-of.ts';
import { data, problem } from '../answer.ts';
import { form } from '../body.ts';
import { AGAIN_PROBLEMS, againAnswer, controlAnswer, pauseAnswer } from '../control.ts';
import { GRAPH_ANSWER, GraphQuery, graphAnswer } from '../graph.ts';
import { Bound, instantOf, listPage, paging } from '../paging.ts';
import { type Route, route } from '../route.ts';
import { runView, summaryView } from '../view/run.ts';
import { openWaits, wait, waitMsOf } from '../waits.ts';

const ListQuery = v.strictObject({
  state: v.optional(v.picklist(RUN_STATES)),
  closure: v.optional(v.picklist(CLOSURES)),
  /** Whether something was carried out although the run did not complete. */
  partial: v.optional(v.picklist(['true', 'false'])),
  playbook: v.optional(Name),
  trigger: v.optional(Name),
  requester: v.optional(Principal),
  /** Runs that belong to it, or have updated it. */
  incident: v.optional(IncidentId),
  /** Started at this time or later. */
  since: v.optional(Bound),
  /** Started before this time. */
  until: v.optional(Bound),
  ...paging,
});
/** What a cursor is bound to, in this order. */
const FILTERS = [
  'state',
  'closure',
  'partial',
  'playbook',
  'trigger',
  'requester',
  'incident',
  'since',
  'until',
] as const;

const ReadQuery = v.strictObject({
  /** Answer when the run has ended, or after this long. */
  wait,
});

export function runRoutes({ kernel }: { readonly kernel: Kernel }): readonly Route[] {
  const waits = openWaits();
  const viewOf = (run: RunValue): Api.Run => {
    const graph = kernel.playbooks.graph(run.org, run.playbook.name, run.playbook.digest);
    const trail = kernel.query.trail(run.org, run.id);
    const absorbed = kernel.query.absorbed(run.org, run.id);
    const paused = kernel.query.pauseOf(summaryOf(run));
    const others = {
      ranAgainAs: kernel.query.ranAgainAs(run),
      answers: kernel.query.answers(run),
      answeredBy: kernel.query.answeredBy(run),
    };
    return runView(run, graph, trail, kernel.query.verdicts(run, trail), absorbed, others, paused);
  };
  const show = (run: RunValue): Response => data(viewOf(run));
  const read = (org: OrgId, name: string | undefined, asked: string | undefined): Response | Promise<Response> => {
    const id = toRunId(name ?? '');
    if (!id) return problem('not-found');
    const answer = (run: RunValue | null) => (run ? show(run) : problem('not-found'));
    const waitMs = waitMsOf(asked);
    if (waitMs === 0) return answer(kernel.query.run(org, id));
    const ended = waits.take(org, () => kernel.waitForRun(org, id, waitMs));
    return ended ? ended.then(answer) : problem('too-many-waits', { headers: { 'retry-after': '1' } });
  };

  return [
    route({
      method: 'GET',
      path: '/v1/orgs/{org}/runs',
      operation: 'listRuns',
      summary: 'Runs, newest first',
      access: 'run.read',
      query: ListQuery,
      problems: ['invalid-cursor', 'lists-unavailable'],
      answer: { status: 200, description: 'One page.', schema: listOf(RunSummary) },
      handle: ({ by, query: { limit, cursor, ...filter } }) => {
        const { partial, since, until, ...rest } = filter;
        if (rest.incident !== undefined && !kernel.query.areListed(by.org))
          return problem('lists-unavailable', { headers: { 'retry-after': '5' } });
        const asked = {
          ...rest,
          partial: partial === undefined ? undefined : partial === 'true',
          since: instantOf(since),
          until: instantOf(until),
        };
        const list = {
          operation: 'listRuns',
          org: by.org,
          filter: FILTERS.map((name) => filter[name]),
          key: /^run_[0-9a-f]{32}$/,
        };
        return listPage(list, { limit, cursor }, (most, after) => {
          const { items, next } = kernel.query.runs(by.org, asked, most, after);
          return { items: items.map((one) => summaryView(one, kernel.query.pauseOf(one))), next };
        });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/orgs/{org}/runs/{run}',
      operation: 'readRun',
      summary: 'One run with all its steps, attempts and approvals; on request, once it has ended',
      access: 'run.read',
      query: ReadQuery,
      problems: ['too-many-waits'],
      answer: { status: 200, description: 'The run as it is on disk.', schema: envelope(Run) },
      handle: ({ by, context, query }) => read(by.org, context.req.param('run'), query.wait),
    }),
    route({
      method: 'GET',
      path: '/v1/orgs/{org}/runs/{run}/graph',
      operation: 'readRunGraph',
      summary: 'A run as a picture of its playbook, with the way that it took',
      access: 'run.read',
      query: GraphQuery,
      answer: GRAPH_ANSWER,
      handle({ by, context, query }) {
        const id = toRunId(context.req.param('run') ?? '');
        const run = id && kernel.query.run(by.org, id);
        const graph = run && kernel.playbooks.graph(by.org, run.playbook.name, run.playbook.digest);
        if (!run || !graph) return problem('not-found');
        const { name, digest } = run.playbook;
        const isPaused = !run.ended && kernel.query.pauseOf(summaryOf(run)) !== null;
        const title = `${name} · ${run.id}${isPaused ? ' · paused' : ''}`;
        const diagram = diagramOf(title, graph, { run, trail: kernel.query.trail(by.org, run.id) });
        return graphAnswer({ name, digest, run }, diagram, query.format, context.req.header('accept'));
      },
    }),
    route({
      method: 'POST',
      path: '/v1/orgs/{org}/runs/{run}/again',
      operation: 'runAgain',
      summary:
        'Start a new run of the event of a run that has ended. What was carried out is done again, unless it is kept',
      access: 'run.again',
      body: form(AgainForm),
      problems: AGAIN_PROBLEMS.filter((kind) => kind !== 'not-found'),
      answer: {
        status: 200,
        description: 'The new run; of a request that is repeated, the one that is under way.',
        schema: envelope(Run),
      },
      async handle({ by, context, body }) {
        const id = toRunId(context.req.param('run') ?? '');
        if (!id) return problem('not-found');
        return againAnswer(await kernel.runAgain(by, id, body.reason, body.keep), show);
      },
    }),
    route({
      method: 'POST',
      path: '/v1/orgs/{org}/runs/{run}/pause',
      operation: 'pauseRun',
      summary:
        'Send nothing more of a run, and of the runs that it starts. What is under way ends; its deadline stands',
      access: 'run.pause',
      body: form(PauseForm),
      problems: ['run-ended'],
      answer: { status: 200, description: 'The run, paused now or before.', schema: envelope(RunPaused) },
      async handle({ by, context, body }) {
        const id = toRunId(context.req.param('run') ?? '');
        if (!id) return problem('not-found');
        return pauseAnswer(await kernel.control.pause(by, id, body.reason), viewOf);
      },
    }),
    route({
      method: 'POST',
      path: '/v1/orgs/{org}/runs/{run}/resume',
      operation: 'resumeRun',
      summary: 'End the pause of a run: what waited for it goes on',
      access: 'run.pause',
      problems: ['run-ended'],
      answer: { status: 200, description: 'The run, which is not paused any more.', schema: envelope(RunPaused) },
      async handle({ by, context }) {
        const id = toRunId(context.req.param('run') ?? '');
        if (!id) return problem('not-found');
        return pauseAnswer(await kernel.control.resume(by, id), viewOf);
      },
    }),
    route({
      method: 'POST',
      path: '/v1/orgs/{org}/runs/{run}/cancel',
      operation: 'cancelRun',
      summary: 'End a run now. A call under way is stopped; what it may have changed is recorded as indeterminate',
      access: 'run.cancel',
      body: form(CancelForm),
      problems: ['run-ended'],
      answer: { status: 200, description: 'The run, ended.', schema: envelope(Run) },
      async handle({ by, context, body }) {
        const id = toRunId(context.req.param('run') ?? '');
        if (!id) return problem('not-found');
        return controlAnswer(await kernel.control.cancel(by, id, body.reason), show);
      },
    }),
    route({
      method: 'POST',
      path: '/v1/orgs/{org}/runs/{run}/settle',
      operation: 'settleStep',
      summary: 'Say what became of a step whose outcome nobody knows',
      access: 'run.settle',
      body: form(SettleForm),
      problems: ['run-ended', 'step-not-indeterminate'],
      answer: { status: 200, description: 'The run after it.', schema: envelope(Run) },
      async handle({ by, context, body }) {
        const id = toRunId(context.req.param('run') ?? '');
        const step = toStepRunId(body.step);
        if (!id || !step) return problem('not-found');
        return controlAnswer(await kernel.control.settle(by, id, { ...body, step }), show);
      },
    }),
    route({
      method: 'POST',
      path: '/v1/orgs/{org}/runs/{run}/close',
      operation: 'closeRun',
      summary: 'Say that somebody has looked at how a run ended that needs a review',
      access: 'run.close',
      body: form(CloseForm),
      problems: ['nothing-to-close'],
      answer: { status: 200, description: 'The run, closed.', schema: envelope(Run) },
      async handle({ by, context, body }) {
        const id = toRunId(context.req.param('run') ?? '');
        if (!id) return problem('not-found');
        return controlAnswer(await kernel.control.close(by, id, body.note), show);
      },
    }),
  ];
}
