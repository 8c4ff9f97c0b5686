import {
  envelope,
  listOf,
  RotateForm,
  Secret,
  SecretForm,
  SecretName,
  SecretRotated,
} from '../../../sdk/contract/api.ts';
import { isName } from '../../base/id.ts';
import type { Kernel } from '../../flow/kernel.ts';
import { judgeSecretValue } from '../../secret/value.ts';
import { data, page, problem } from '../answer.ts';
import { form } from '../body.ts';
import { type Route, route } from '../route.ts';

/** Secrets go in here and never come out. */
export function secretRoutes({ kernel }: { readonly kernel: Kernel }): readonly Route[] {
  /** A store that cannot be written is no failure of the record, which goes on. */
  const change = async (work: Promise<Response>): Promise<Response> => {
    try {
      return await work;
    } catch (error) {
      if (!kernel.healthy()) throw error;
      return problem('secrets-unavailable', { headers: { 'retry-after': '30' } });
    }
  };

  return [
    route({
      method: 'GET',
      path: '/v1/orgs/{org}/secrets',
      operation: 'listSecrets',
      summary: 'The names of the secrets',
      access: 'secret.manage',
      answer: { status: 200, description: 'All of them, by name.', schema: listOf(Secret) },
      handle: async ({ by }) => {
        const secrets = await kernel.secrets.list(by.org);
        return page(
          secrets.map(({ name, updatedAt }) => ({ name, updatedAt })),
          null,
        );
      },
    }),
    route({
      method: 'PUT',
      path: '/v1/orgs/{org}/secrets/{secret}',
      operation: 'putSecret',
      summary: 'Store or replace a secret. The value is never shown again',
      access: 'secret.manage',
      body: form(SecretForm),
      problems: ['secrets-unavailable', 'secret-lent', 'secret-rotating', 'too-many-secrets'],
      answer: { status: 200, description: 'Stored.', schema: envelope(SecretName) },
      async handle({ by, context, body }) {
        const name = context.req.param('secret') ?? '';
        if (!isName(name)) return problem('not-found', { detail: NAME_RULE });
        const judged = judgeSecretValue(body.value);
        if (!judged.ok) return problem('invalid-body', { errors: [{ pointer: '/value', text: judged.error }] });
        const held = kernel.secrets.heldBy(by.org, name);
        if (held) return problem(HELD[held]);
        return change(
          kernel.secrets
            .put(by, name, judged.value)
            .then((hasRoom) => (hasRoom ? data({ name }) : problem('too-many-secrets'))),
        );
      },
    }),
    route({
      method: 'POST',
      path: '/v1/orgs/{org}/secrets/{secret}/rotate',
      operation: 'rotateSecret',
      summary:
        'Replace a secret, ask the connectors that carry it, and put the former value back if a target refuses it',
      access: 'secret.manage',
      body: form(RotateForm),
      problems: ['secrets-unavailable', 'secret-lent', 'secret-rotating'],
      answer: { status: 200, description: 'Which value is stored now, and why.', schema: envelope(SecretRotated) },
      async handle({ by, context, body }) {
        const name = context.req.param('secret') ?? '';
        if (!isName(name)) return problem('not-found', { detail: NAME_RULE });
        const judged = judgeSecretValue(body.value);
        if (!judged.ok) return problem('invalid-body', { errors: [{ pointer: '/value', text: judged.error }] });
        const options = { keep: body.keep ?? false };
        return change(
          kernel.secrets.rotate(by, name, judged.value, options).then((done) => {
            if (done.ok) return data({ ...done.value });
            if (done.error === 'unknown') return problem('not-found');
            if (done.error === 'unavailable')
              return problem('secrets-unavailable', { headers: { 'retry-after': '30' } });
            return problem(HELD[done.error]);
          }),
        );
      },
    }),
    route({
      method: 'DELETE',
      path: '/v1/orgs/{org}/secrets/{secret}',
      operation: 'removeSecret',
      summary: 'Remove a secret. What needs it fails from now on',
      access: 'secret.manage',
      problems: ['secrets-unavailable', 'secret-rotating'],
      answer: { status: 200, description: 'Removed.', schema: envelope(SecretName) },
      async handle({ by, context }) {
        const name = context.req.param('secret') ?? '';
        if (!isName(name)) return problem('not-found');
        const known = await kernel.secrets.list(by.org);
        if (!known.some((secret) => secret.name === name)) return problem('not-found');
        if (kernel.secrets.heldBy(by.org, name) === 'busy') return problem('secret-rotating');
        return change(
          kernel.secrets.remove(by, name).then((removed) => (removed ? data({ name }) : problem('not-found'))),
        );
      },
    }),
  ];
}

/** Why it is not changed here and now. */
const HELD = { lent: 'secret-lent', busy: 'secret-rotating' } as const;

const NAME_RULE = 'A secret is named with lower-case letters, digits and single hyphens, at most 63, a letter first.';
