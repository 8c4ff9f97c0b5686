import { type Action, definePlugin, PluginError, requireSuccess } from '@interlock/sdk';

/** Posts JSON to a URL. The two actions differ in what the receiver promises, which the manifest says. */

type Post = { readonly url: string; readonly payload: unknown };

const post: Action = {
  plan(_ctx, { url, payload }: Post) {
    const target = targetOf(url);
    const bytes = JSON.stringify(payload).length;
    return {
      summary: `Post ${bytes} characters of JSON to ${target}`.slice(0, 500),
      targets: [{ kind: 'url', id: target }],
      reversible: false,
    };
  },
  async execute(ctx, { url, payload }: Post) {
    targetOf(url);
    const response = await ctx.fetch(url, { method: 'POST', json: payload });
    requireSuccess(response);
    return { status: response.status };
  },
};

export default definePlugin({ name: 'webhook', version: '1.0.0', actions: { post, deliver: post } });

/**
 * Origin and path of a URL, as the target that a person approves. Without the query, which may carry a token.
 * Forms that two parsers may read differently (user info, `..`, backslashes, non-ASCII) are refused rather than guessed.
 */
function targetOf(url: string): string {
  const match =
    /^(https?):\/\/([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(\/[\x21\x24-\x3b\x3d\x40-\x5b\x5d-\x7e]*)?(?:\?[\x21-\x22\x24-\x7e]*)?$/i.exec(
      url,
    );
  const [, scheme = '', host = '', port, path = '/'] = match ?? [];
  if (!match || /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i.test(path)) {
    throw new PluginError(
      'invalid_input',
      'url: write it as http(s)://host[:port]/path[?query] in ASCII, without user, `..` or #',
    );
  }
  const standard = scheme.toLowerCase() === 'https' ? '443' : '80';
  const suffix = port === undefined || port === standard ? '' : `:${port}`;
  const target = `${scheme.toLowerCase()}://${host.toLowerCase()}${suffix}${path}`;
  if (target.length > 512) throw new PluginError('invalid_input', 'url: the path is longer than 512 characters');
  return target;
}
