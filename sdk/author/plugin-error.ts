import type { ErrorClass } from '../contract/error.ts';

/**
 * A failure that the kernel can act on: the class decides whether the step is retried. Anything else that an action
 * throws is a defect of the plugin and ends the step as `internal`.
 */
export class PluginError extends Error {
  override readonly name = 'PluginError';
  readonly class: ErrorClass;

  /** @param message For a person who operates the playbook: what is wrong and how to mend it. No secrets, no bodies. */
  constructor(errorClass: ErrorClass, message: string) {
    super(message);
    this.class = errorClass;
  }

  /** The runtime and a bundle each hold a copy of this class; an error of either is an instance of both. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === 'PluginError' && 'class' in value;
  }
}
