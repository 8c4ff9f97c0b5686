import { OPEN_PATHS } from './openapi.ts';
import type { Route } from './route.ts';

/** @returns the methods that a path takes, for the Allow header; undefined when it is no path of ours. */
export function methodsOf(routes: readonly Route[], path: string): string | undefined {
  const segments = path.split('/');
  const fits = (pattern: string) => {
    const parts = pattern.split('/');
    return (
      parts.length === segments.length &&
      parts.every((part, i) => (part.startsWith('{') ? segments[i] !== '' : part === segments[i]))
    );
  };
  const methods = new Set<string>(routes.filter((route) => fits(route.path)).map((route) => route.method));
  if (Object.values(OPEN_PATHS).some(fits)) methods.add('GET');
  if (methods.has('GET')) methods.add('HEAD');
  return methods.size > 0 ? [...methods].sort().join(', ') : undefined;
}
