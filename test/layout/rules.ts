/**
 * Who may import whom, and where each third-party package may enter. Data; layout.test.ts enforces it.
 * docs/architecture.md shows the same table with the reasons.
 */

/** Rooms that do no I/O: no clock, no randomness, no process, no Node module but these. */
export const PURE = [
  'kernel/base',
  'kernel/org',
  'kernel/rule',
  'kernel/trigger',
  'kernel/guardrail',
  'kernel/playbook',
  'kernel/approval',
  'kernel/audit',
  'kernel/egress',
  'kernel/secret',
  'kernel/cell',
  'kernel/trust',
  'kernel/call',
  'kernel/run',
  'kernel/incident',
  'kernel/lifecycle',
  'kernel/view',
  'kernel/port',
  'sdk/contract',
] as const;

/** What lends secrets: it asks through the egress port, and holds no socket. */
const LENDER = ['kernel/base', 'kernel/port', 'kernel/egress', 'sdk/contract'];

/** Room -> rooms it may import besides itself. `kernel/*` rooms are named by folder. */
export const ROOMS: Readonly<Record<string, readonly string[]>> = {
  'sdk/contract': [],
  'sdk/author': ['sdk/contract'],
  'sdk/build': ['sdk/contract', 'sdk/author'],
  'sdk/verify': ['sdk/contract'],
  'sdk/client': ['sdk/contract'],
  'sdk/signature': ['sdk/contract'],
  // The judges of the kernel, asked beforehand: an author is told what an operator would be told.
  'sdk/supply': ['sdk/contract', 'sdk/build', 'sdk/signature', 'kernel/base', 'kernel/cell', 'kernel/trust'],
  'sdk/cli': ['sdk/contract', 'sdk/client', 'sdk/verify', 'sdk/build', 'sdk/signature', 'sdk/supply'],

  'kernel/base': ['sdk/contract'],
  'kernel/org': ['kernel/base'],
  'kernel/rule': ['kernel/base', 'sdk/contract'],
  'kernel/trigger': ['kernel/base', 'kernel/rule', 'sdk/contract'],
  'kernel/guardrail': ['kernel/base', 'kernel/rule', 'sdk/contract'],
  'kernel/playbook': ['kernel/base', 'kernel/rule', 'kernel/trigger', 'sdk/contract'],
  'kernel/approval': ['kernel/base', 'kernel/org', 'kernel/playbook', 'sdk/contract'],
  'kernel/audit': ['kernel/base', 'sdk/contract'],
  'kernel/egress': ['kernel/base', 'sdk/contract'],
  'kernel/secret': ['kernel/base', 'sdk/contract'],
  'kernel/cell': ['kernel/base', 'sdk/contract'],
  'kernel/trust': ['kernel/base', 'sdk/contract'],
  'kernel/call': ['kernel/base', 'sdk/contract'],
  'kernel/run': ['kernel/base', 'kernel/org', 'kernel/playbook', 'kernel/approval', 'kernel/audit', 'sdk/contract'],
  'kernel/incident': ['kernel/base', 'kernel/playbook', 'kernel/run', 'sdk/contract'],
  'kernel/lifecycle': ['kernel/base', 'kernel/run', 'sdk/contract'],
  'kernel/view': ['kernel/base', 'kernel/playbook', 'kernel/run', 'sdk/contract'],
  'kernel/port': ['kernel/base', 'sdk/contract'],
  'kernel/adapter/lmdb': ['kernel/base', 'kernel/port'],
  'kernel/adapter/memory': ['kernel/base', 'kernel/port'],
  'kernel/adapter/system': ['kernel/base', 'kernel/port'],
  'kernel/adapter/file': ['kernel/base', 'kernel/port', 'kernel/secret', 'kernel/cell', 'sdk/contract'],
  'kernel/adapter/undici': ['kernel/base', 'kernel/port', 'kernel/egress', 'sdk/contract'],
  'kernel/adapter/extism': ['kernel/base', 'kernel/port', 'sdk/contract'],
  'kernel/adapter/vault': LENDER,
  'kernel/adapter/oauth': LENDER,
  'kernel/adapter/aws': LENDER,
  'kernel/adapter/github': LENDER,
  'kernel/flow': PURE,
  'kernel/http': [
    'kernel/base',
    'kernel/org',
    'kernel/flow',
    'kernel/rule',
    'kernel/trigger',
    'kernel/approval',
    'kernel/playbook',
    'kernel/run',
    'kernel/incident',
    'kernel/lifecycle',
    'kernel/view',
    'kernel/secret',
    'sdk/contract',
  ],
  plugins: ['sdk/author'],
};

export const PURE_MAY_IMPORT = ['node:crypto', 'node:buffer', 'node:net'];
export const IMPURE_WORDS = [
  /\bDate\.now\(/,
  /\bMath\.random\(/,
  /\bprocess\./,
  /\bsetTimeout\(/,
  /\bfetch\(/,
  /\brandomUUID/,
];

/** What the flow asks of its scheduler and of nobody else, so that a simulation owns its time. */
export const SCHEDULER = 'kernel/flow/scheduler.ts';
export const TIME_WORDS = [
  /\bDate\.now\(/,
  /\bperformance\.now\(/,
  /\bsetTimeout\(/,
  /\bsetInterval\(/,
  /\bMath\.random\(/,
  /\brandomUUID/,
];

/** Files that tie rooms together and may import any of them. Nobody imports them. */
export const ROOTS = [
  'kernel/main.ts',
  'kernel/config.ts',
  'kernel/prepare.ts',
  'kernel/plugin-files.ts',
  'kernel/json-file.ts',
  'kernel/lenders.ts',
];

/** Third-party package -> the one folder that imports it. */
export const PACKAGES: Readonly<Record<string, string>> = {
  '@cfworker/json-schema': 'kernel/cell',
  '@extism/extism': 'kernel/adapter/extism',
  '@hono/node-server': 'kernel/http',
  '@sigstore/bundle': 'sdk/signature',
  '@sigstore/protobuf-specs': 'sdk/signature',
  '@sigstore/verify': 'sdk/signature',
  '@valibot/to-json-schema': 'kernel/http',
  binaryen: 'sdk/build',
  canonicalize: 'kernel/base',
  commander: 'sdk/cli',
  croner: 'kernel/trigger',
  esbuild: 'sdk/build',
  hono: 'kernel/http',
  'ipaddr.js': 'kernel/egress',
  'json-rules-engine': 'kernel/rule',
  lmdb: 'kernel/adapter/lmdb',
  'quickjs-wasi': 'sdk/build',
  oauth4webapi: 'kernel/adapter/oauth',
  undici: 'kernel/adapter/undici',
  wabt: 'sdk/build',
  yaml: 'kernel/playbook',
};

/** The exception: valibot is the language of every wall, so every room that has a wall writes its schema in it. */
export const EVERYWHERE = ['valibot'];
