/** What a plugin is asked. A file of its own, without imports: it is sealed into every plugin. */

/** What is asked of an action. `plan` must not change anything; `rollback` undoes what `execute` did. */
export const OPERATIONS = ['plan', 'execute', 'check', 'rollback'] as const;
export type Operation = (typeof OPERATIONS)[number];

/**
 * What the health check of a connector asks it, in this order (S 7.1): `validate` whether its settings make sense, without
 * a request; `auth` whether its target lets it in; `health` whether the target does its work. None of them changes anything.
 */
export const HEALTH_STAGES = ['validate', 'auth', 'health'] as const;
export type HealthStage = (typeof HEALTH_STAGES)[number];
