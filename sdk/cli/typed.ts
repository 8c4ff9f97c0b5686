import { relative } from 'node:path';

/**
 * Commands in what we say, as whoever reads them has to type them: a hint that cannot be run as it stands is none. Whoever
 * has started this by npm or npx has no `interlock` of its own on the path.
 */
export function typed(text: string | readonly string[], ...values: readonly unknown[]): string {
  const [first = '', ...rest] = (typeof text === 'string' ? [text] : text).map(asTyped);
  return rest.reduce((whole, part, at) => `${whole}${values[at]}${part}`, first);
}

/** Only in our own words: what is put between them is as it came. */
const asTyped = (text: string): string => text.replaceAll(/(?<![\w./-])interlock (?=[a-z]|$)/g, `${STARTED_AS} `);

const STARTED_AS = startedAs(process.env);

/** By what npm tells of itself to what it runs; `INIT_CWD` is where it was typed. */
function startedAs({
  npm_command,
  npm_config_local_prefix: project = '',
  INIT_CWD: at = '',
}: NodeJS.ProcessEnv): string {
  if (npm_command !== 'exec') return 'interlock';
  const isElsewhere = at !== '' && relative(project, at).startsWith('..');
  return isElsewhere && /^[\w@%+=:,./-]+$/.test(project)
    ? `npm --prefix ${project} exec interlock --`
    : 'npx interlock';
}
