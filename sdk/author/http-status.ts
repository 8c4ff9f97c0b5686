import type { ErrorClass } from '../contract/error.ts';
import { PluginError } from './plugin-error.ts';

const CLASS_OF_STATUS: Readonly<Record<number, ErrorClass>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  408: 'timeout',
  409: 'conflict',
  410: 'not_found',
  429: 'rate_limited',
  502: 'unavailable',
  503: 'unavailable',
  504: 'timeout',
};

/** The error class of an HTTP status (RFC 9110, section 15), or null for 2xx. */
export function classOfStatus(status: number): ErrorClass | null {
  if (status >= 200 && status <= 299) return null;
  return CLASS_OF_STATUS[status] ?? (status >= 400 && status <= 499 ? 'invalid_input' : 'upstream_error');
}

/** Throws the PluginError that a status other than 2xx means. */
export function requireSuccess(response: { readonly status: number }): void {
  const { status } = response;
  const errorClass = classOfStatus(status);
  if (errorClass === null) return;
  const redirected = status >= 300 && status <= 399;
  throw new PluginError(
    errorClass,
    redirected
      ? `the server answered ${status}; redirects are not followed: use the address it redirects to`
      : `the server answered ${status}`,
  );
}
