import { type ActionContext, definePlugin, PluginError, requireSuccess, resolvePointer } from '@interlock/sdk';

/** Asks a JSON API and keeps the answer, or one part of it. Changes nothing. */

type Ask = { readonly url: string; readonly headers?: Readonly<Record<string, string>>; readonly pick?: string };

async function ask(ctx: ActionContext, { url, headers = {}, pick = '' }: Ask, body?: { readonly json: unknown }) {
  const response = await ctx.fetch(url, {
    method: body ? 'POST' : 'GET',
    headers: { accept: 'application/json', ...headers },
    ...body,
  });
  requireSuccess(response);
  const picked = resolvePointer(await response.json(), pick);
  if (picked === undefined) throw new PluginError('not_found', 'the answer has nothing at the pointer `pick`');
  return { status: response.status, body: picked };
}

export default definePlugin({
  name: 'http-json',
  version: '1.0.0',
  actions: {
    get: { execute: (ctx, input: Ask) => ask(ctx, input) },
    query: { execute: (ctx, input: Ask & { readonly body: unknown }) => ask(ctx, input, { json: input.body }) },
  },
});
