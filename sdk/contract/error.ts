/**
 * The one table of error classes that connectors and the kernel share.
 * `transient` means: the same call may succeed later, so the retry policy applies.
 */
export const ERROR_CLASSES = {
  invalid_input: { transient: false },
  unauthorized: { transient: false },
  forbidden: { transient: false },
  not_found: { transient: false },
  conflict: { transient: false },
  rate_limited: { transient: true },
  timeout: { transient: true },
  unavailable: { transient: true },
  refused_by_policy: { transient: false },
  upstream_error: { transient: true },
  internal: { transient: false },
} as const satisfies Record<string, { readonly transient: boolean }>;

export type ErrorClass = keyof typeof ERROR_CLASSES;

export const isErrorClass = (text: unknown): text is ErrorClass =>
  typeof text === 'string' && Object.hasOwn(ERROR_CLASSES, text);
