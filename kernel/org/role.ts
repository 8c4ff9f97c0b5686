/**
 * Who may do what: one table (S 8.2). Separate permissions for create, approve, activate, execute and cancel.
 * A principal acts in one org only; nothing here crosses orgs.
 */
export const ROLES = ['source', 'author', 'approver', 'operator', 'auditor', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export const PERMISSIONS = [
  'event.publish',
  'run.read',
  'run.again',
  'run.pause',
  'run.cancel',
  'run.settle',
  'run.close',
  'approval.read',
  'approval.vote',
  'playbook.read',
  'playbook.write',
  'playbook.activate',
  'trigger.stop',
  'incident.read',
  'incident.write',
  'lifecycle.read',
  'connector.check',
  'connector.reset',
  'stop.engage',
  'stop.release',
  'audit.read',
  'egress.read',
  'secret.manage',
  'token.manage',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

const READS: readonly Permission[] = ['run.read', 'approval.read', 'playbook.read', 'incident.read', 'lifecycle.read'];

/** Whoever may stop may not always let go: to stop is safe. */
const HANDS_ON: readonly Permission[] = ['connector.check', 'connector.reset', 'stop.engage', 'stop.release'];

/** Note what admin lacks: to run the place is not to decide in it, so an admin does not vote (S 8.2). */
const GRANTED: Readonly<Record<Role, readonly Permission[]>> = {
  source: ['event.publish'],
  author: [...READS, 'playbook.write'],
  approver: [...READS, 'approval.vote', 'playbook.activate', 'stop.engage'],
  operator: [
    ...READS,
    'event.publish',
    'run.again',
    'run.pause',
    'run.cancel',
    'run.settle',
    'run.close',
    'trigger.stop',
    'incident.write',
    ...HANDS_ON,
  ],
  auditor: [...READS, 'audit.read'],
  admin: [
    ...READS,
    'run.again',
    'run.pause',
    'run.cancel',
    'run.settle',
    'run.close',
    'trigger.stop',
    ...HANDS_ON,
    'egress.read',
    'secret.manage',
    'token.manage',
  ],
};

export const mayDo = (roles: readonly Role[], permission: Permission): boolean =>
  roles.some((role) => GRANTED[role].includes(permission));
