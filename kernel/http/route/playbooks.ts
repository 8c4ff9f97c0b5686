import * as v from 'valibot';
import {
  ActivateForm,
  envelope,
  Lint,
  listOf,
  Playbook,
  PlaybookSummary,
  PlaybookVersion,
  PutPlaybook,
} from '../../../sdk/contract/api.ts';
import { NAME_PATTERN } from '../../../sdk/contract/name.ts';
import { isName, toDigest } from '../../base/id.ts';
import type { Kernel } from '../../flow/kernel.ts';
import type { PlaybookFault } from '../../flow/playbooks.ts';
import { mayDo, ROLES } from '../../org/role.ts';
import { diagramOf } from '../../view/diagram-of.ts';
import { data, problem } from '../answer.ts';
import { form } from '../body.ts';
import { GRAPH_ANSWER, GraphQuery, graphAnswer } from '../graph.ts';
import { listPage, paging } from '../paging.ts';
import { playbookText } from '../playbook-body.ts';
import { type Route, route } from '../route.ts';
import { issuesAsErrors, issuesView, playbookSummary, playbookView } from '../view/playbook.ts';

/** Playbooks: checked, put as immutable versions, activated by another person where it matters. */
export const playbookRoutes = ({ kernel }: { readonly kernel: Kernel }): readonly Route[] => [
  route({
    method: 'POST',
    path: '/v1/orgs/{org}/playbooks/lint',
    operation: 'lintPlaybook',
    summary: 'Check a playbook against the plugins of the org. Nothing is stored',
    access: 'playbook.read',
    body: playbookText,
    answer: { status: 200, description: 'What is wrong with it, if anything.', schema: envelope(Lint) },
    async handle({ by, body }) {
      const checked = await kernel.playbooks.lint(by.org, body);
      const warnings = issuesView(kernel.playbooks.warnings(by.org, body));
      return checked.ok
        ? data({ valid: true, digest: checked.value.digest, issues: [], warnings })
        : data({ valid: false, issues: issuesView(checked.error), warnings });
    },
  }),
  route({
    method: 'POST',
    path: '/v1/orgs/{org}/playbooks',
    operation: 'putPlaybook',
    summary: 'Store a version. Runs do not use it before it is activated; the same text is the same version',
    access: 'playbook.write',
    body: playbookText,
    problems: ['invalid-playbook', 'too-many-playbooks', 'too-many-versions'],
    answer: {
      status: 201,
      description: 'Stored; `digest` names the version.',
      schema: envelope(PutPlaybook),
      headers: { Location: 'The playbook.' },
    },
    async handle({ by, body }) {
      const put = await kernel.playbooks.put(by, body);
      if (!put.ok) return faultAnswer(put.error);
      const { digest, fourEyes, ...record } = put.value;
      const isAuthor = record.versions.some((version) => version.digest === digest && version.by === by.id);
      const activation = {
        roles: ROLES.filter((role) => mayDo([role], 'playbook.activate')),
        byYou: mayDo(by.roles, 'playbook.activate') && !(fourEyes && isAuthor),
      };
      const location = `/v1/orgs/${by.org}/playbooks/${record.name}`;
      return data({ ...playbookView(record), digest, activation }, 201, { location });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/playbooks',
    operation: 'listPlaybooks',
    summary: 'Playbooks by name: which version new runs use, since when, and the newest',
    access: 'playbook.read',
    query: v.strictObject(paging),
    problems: ['invalid-cursor'],
    answer: { status: 200, description: 'One page.', schema: listOf(PlaybookSummary) },
    handle: ({ by, query }) =>
      listPage({ operation: 'listPlaybooks', org: by.org, filter: [], key: NAME_PATTERN }, query, (limit, after) => {
        const { items, next } = kernel.query.playbooks(by.org, limit, after);
        return { items: items.map(playbookSummary), next };
      }),
  }),
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/playbooks/{playbook}',
    operation: 'readPlaybook',
    summary: 'A playbook and its versions',
    access: 'playbook.read',
    answer: { status: 200, description: 'The playbook.', schema: envelope(Playbook) },
    handle({ by, context }) {
      const name = context.req.param('playbook') ?? '';
      const record = isName(name) ? kernel.query.playbook(by.org, name) : undefined;
      return record ? data(playbookView(record)) : problem('not-found');
    },
  }),
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/playbooks/{playbook}/versions/{version}',
    operation: 'readPlaybookVersion',
    summary: 'The text of one version, as it was put; `version` is its digest',
    access: 'playbook.read',
    answer: { status: 200, description: 'The version.', schema: envelope(PlaybookVersion) },
    handle({ by, context }) {
      const name = context.req.param('playbook') ?? '';
      const digest = toDigest(context.req.param('version') ?? '');
      const version = isName(name) && digest ? kernel.query.version(by.org, name, digest) : undefined;
      return version ? data({ name, digest: version.digest, text: version.text }) : problem('not-found');
    },
  }),
  route({
    method: 'GET',
    path: '/v1/orgs/{org}/playbooks/{playbook}/versions/{version}/graph',
    operation: 'readPlaybookGraph',
    summary: 'One version as a picture',
    access: 'playbook.read',
    query: GraphQuery,
    answer: GRAPH_ANSWER,
    handle({ by, context, query }) {
      const name = context.req.param('playbook') ?? '';
      const digest = toDigest(context.req.param('version') ?? '');
      const graph = isName(name) && digest ? kernel.playbooks.graph(by.org, name, digest) : undefined;
      if (!graph || !digest) return problem('not-found');
      return graphAnswer(
        { name, digest, run: null },
        diagramOf(name, graph, null),
        query.format,
        context.req.header('accept'),
      );
    },
  }),
  route({
    method: 'POST',
    path: '/v1/orgs/{org}/playbooks/graph',
    operation: 'drawPlaybook',
    summary: 'A playbook as a picture, before it is stored. It is checked like one that is put',
    access: 'playbook.read',
    query: GraphQuery,
    body: playbookText,
    problems: ['invalid-playbook'],
    answer: GRAPH_ANSWER,
    async handle({ by, context, query, body }) {
      const checked = await kernel.playbooks.lint(by.org, body);
      if (!checked.ok) return faultAnswer({ kind: 'lint', issues: checked.error });
      const { playbook, graph, digest } = checked.value;
      const diagram = diagramOf(playbook.name, graph, null);
      return graphAnswer(
        { name: playbook.name, digest, run: null },
        diagram,
        query.format,
        context.req.header('accept'),
      );
    },
  }),
  route({
    method: 'POST',
    path: '/v1/orgs/{org}/playbooks/{playbook}/activate',
    operation: 'activatePlaybook',
    summary: 'Make a version the one that new runs use. It is checked again; runs under way keep theirs',
    access: 'playbook.activate',
    body: form(ActivateForm),
    problems: ['four-eyes', 'invalid-playbook', 'too-many-triggers'],
    answer: { status: 200, description: 'The playbook.', schema: envelope(Playbook) },
    async handle({ by, context, body }) {
      const name = context.req.param('playbook') ?? '';
      const digest = toDigest(body.digest);
      if (!isName(name) || !digest) return problem('not-found');
      const activated = await kernel.playbooks.activate(by, name, digest);
      return activated.ok ? data(playbookView(activated.value)) : faultAnswer(activated.error);
    },
  }),
];

function faultAnswer(fault: PlaybookFault): Response {
  switch (fault.kind) {
    case 'lint':
      return problem('invalid-playbook', { errors: issuesAsErrors(fault.issues) });
    case 'not_found':
      return problem('not-found');
    case 'four_eyes':
      return problem('four-eyes');
    case 'too_many':
      return problem(`too-many-${fault.what}`);
  }
}
