import { LIMITS } from '../../base/limits.ts';
import type { CellLayer } from '../../port/cell-host.ts';

/**
 * The command that goes in front of a cell, so that the system holds it as well. Made of util-linux alone: each of its
 * programs sets one thing up and becomes the next.
 */
export const TOOLS = { setpriv: '/usr/bin/setpriv', unshare: '/usr/bin/unshare', prlimit: '/usr/bin/prlimit' } as const;
export type Tool = keyof typeof TOOLS;

/** Those that are set up here. The others are the command line of the cell itself (`cell-command.ts`). */
export const SYSTEM_LAYERS = [
  'network-namespace',
  'process-namespace',
  'own-proc',
  'own-user',
  'no-new-privileges',
  'resource-limits',
  'dies-with-kernel',
] as const satisfies readonly CellLayer[];
export type SystemLayer = (typeof SYSTEM_LAYERS)[number];

export const TOOL_OF: Readonly<Record<SystemLayer, Tool>> = {
  'network-namespace': 'unshare',
  'process-namespace': 'unshare',
  'own-proc': 'unshare',
  'own-user': 'setpriv',
  'no-new-privileges': 'setpriv',
  'resource-limits': 'prlimit',
  'dies-with-kernel': 'setpriv',
};

/** Two pipes, the standard streams, and what Node opens for itself. */
const OPEN_FILES_MAX = 64;

export type Around = {
  readonly isRoot: boolean;
  /** The user and group of the cells, where the layer `own-user` is on. */
  readonly uid: number;
};

/** A limit of a process: as `prlimit` takes it, as /proc/PID/limits calls it, and its value. */
type ProcessLimit = readonly [option: string, name: string, most: number];

const hasProcesses = (layers: ReadonlySet<SystemLayer>) => layers.has('process-namespace') || layers.has('own-proc');
const isUnshared = (layers: ReadonlySet<SystemLayer>) => hasProcesses(layers) || layers.has('network-namespace');

export function limitsOf(layers: ReadonlySet<SystemLayer>, { isRoot }: Pick<Around, 'isRoot'>): ProcessLimit[] {
  // The system counts the processes of a user, so this bounds cells only where nobody else is counted with them: where they
  // are of another user, or in the namespace of users that goes with the others where the kernel is not root.
  const isCountedApart = isRoot ? layers.has('own-user') : isUnshared(layers);
  return [
    ['data', 'data size', LIMITS.cellDataBytes.value],
    ['nofile', 'open files', OPEN_FILES_MAX],
    ['core', 'core file size', 0],
    ['fsize', 'file size', 0],
    ...(isCountedApart ? [['nproc', 'processes', LIMITS.cellThreads.value] as const] : []),
  ];
}

/** @returns words to put in front of the command of a cell; it ends with the process that was started. */
export function wrapperOf(layers: ReadonlySet<SystemLayer>, { isRoot, uid }: Around): readonly string[] {
  const diesWithKernel = layers.has('dies-with-kernel');
  const mayDropCapabilities = isRoot || isUnshared(layers);
  const inner = [
    ...(layers.has('own-user') ? ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups'] : []),
    ...(layers.has('no-new-privileges') ? ['--no-new-privs'] : []),
    ...(layers.has('no-new-privileges') && mayDropCapabilities ? ['--bounding-set=-all', '--inh-caps=-all'] : []),
  ];
  // Whoever becomes another user is forgotten by the process above; so it is asked for again, last.
  const isBelow = inner.length > 0 && hasProcesses(layers);
  if (diesWithKernel || isBelow) inner.push('--pdeathsig', 'KILL');
  return [
    // A process namespace has a process of `unshare` above it, which must die with the kernel, too.
    ...(diesWithKernel && hasProcesses(layers) ? [TOOLS.setpriv, '--pdeathsig', 'KILL', '--'] : []),
    ...(isUnshared(layers)
      ? [
          TOOLS.unshare,
          ...(isRoot ? [] : ['--user', '--map-root-user']),
          ...(layers.has('network-namespace') ? ['--net', '--ipc', '--uts'] : []),
          ...(hasProcesses(layers) ? ['--pid', '--fork', '--kill-child=KILL'] : []),
          ...(layers.has('own-proc') ? ['--mount-proc'] : []),
          '--',
        ]
      : []),
    ...(layers.has('resource-limits')
      ? [TOOLS.prlimit, ...limitsOf(layers, { isRoot }).map(([option, , most]) => `--${option}=${most}`), '--']
      : []),
    ...(inner.length > 0 ? [TOOLS.setpriv, ...inner, '--'] : []),
  ];
}
