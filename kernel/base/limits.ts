/**
 * Every bound of the kernel, in one place. Reaching one is a typed problem, never a slow death.
 * `what` says what happens there; docs/limits.md is printed from this table.
 */
type Limit = { readonly value: number; readonly unit: string; readonly why: string; readonly what: string };

const limit = (value: number, unit: string, why: string, what: string): Limit => ({ value, unit, why, what });

export const LIMITS = {
  eventBytes: limit(262_144, 'bytes', 'a detection is small; a larger body is a mistake or an attack', '413'),
  bodyBytes: limit(1_048_576, 'bytes', 'largest body of any route (a batch of events, a playbook)', '413'),
  batchEvents: limit(64, 'events', 'one answer must stay small and one commit short', '422'),
  jsonDepth: limit(64, 'levels', 'recursion in rules and references stays shallow', '422'),
  jsonKeys: limit(20_000, 'keys', 'bounds the memory of one parsed body', '422'),
  rulesPerOrg: limit(
    10_000,
    'triggers',
    'bounds the index of an org, and what an event costs that every trigger must be judged for',
    '422 on activate',
  ),
  triggersTold: limit(
    32,
    'triggers',
    'what is kept of an event stays small, however many triggers did not match',
    'the others are counted; explain shows each',
  ),
  replayedEvents: limit(2_000, 'events', 'one request reads and judges each', 'capped; the answer says where to go on'),
  matchesPerEvent: limit(
    256,
    'triggers',
    'what one event starts is one commit, which nobody may go before',
    'the others are told as error',
  ),
  ruleConditions: limit(128, 'conditions', 'one rule is judged in well under a millisecond', '422 on lint'),
  ruleDepth: limit(8, 'levels', 'readable by a person', '422 on lint'),
  ratesPerTrigger: limit(4, 'rates', 'each is a few numbers in the one row of a trigger', '422 on lint'),
  guardrailRules: limit(256, 'rules', 'deny, hold and allow rules of one set, each; judged before every action', '422'),
  stepsPerPlaybook: limit(128, 'steps', 'a graph a reviewer can read', '422 on lint'),
  blockDepth: limit(4, 'levels', 'blocks of parallel and foreach, one in another', '422 on lint'),
  lanesPerParallel: limit(16, 'lanes', 'a graph a reviewer can read', '422 on lint'),
  foreachItems: limit(256, 'items', 'one run must not become a crawl', '422 on lint; a longer list fails the step'),
  foreachConcurrency: limit(32, 'items', 'one run must not take every cell', '422 on lint'),
  stepRunsPerRun: limit(
    1_024,
    'step runs',
    'a run is folded again at every turn',
    'the foreach that goes beyond fails',
  ),
  subRunDepth: limit(4, 'levels', 'a run that starts runs without end', '422 on activate; the step fails'),
  playbooksPerOrg: limit(1_000, 'names', 'bounds the list of an org and what a start reads', '422 on put'),
  versionsPerPlaybook: limit(
    1_000,
    'versions',
    'bounds the record of one playbook; each is kept for good',
    '422 on put',
  ),
  playbookBytes: limit(65_536, 'bytes', 'bounds the YAML parser', '413'),
  runsInFlightPerOrg: limit(20_000, 'runs', 'one org cannot exhaust the kernel', '429 on events'),
  pendingPerPlaybook: limit(
    1_000,
    'runs',
    'what waits for a place is looked at whenever a run ends; older than this a detection is no news',
    'suppressed, reason queue_full',
  ),
  pendingPerKey: limit(8, 'runs', 'repeats of one thing that wait for each other (repeat: queue)', 'as above'),
  missedFirings: limit(24, 'times', 'what `missed: all` makes up for after a stop', 'the rest is passed over'),
  stepOutputBytes: limit(65_536, 'bytes', 'outputs are kept in the run history', 'step fails invalid_input'),
  runDays: limit(
    30,
    'days',
    'run timeout, approval expiry and dedup window: every wait ends within sight',
    '422 on lint',
  ),
  stepHours: limit(
    24,
    'hours',
    'timeout of one call and wait between two: timers hold no more than 24 days',
    '422 on lint',
  ),
  stepAttempts: limit(10, 'attempts', 'a retry budget is bounded', '422 on lint'),
  rationaleChars: limit(2_000, 'characters', 'a reason, not a report', '422'),
  incidentEntries: limit(
    10_000,
    'entries',
    'a source that repeats itself must not fill the disk; the audit log keeps all',
    'the oldest makes room',
  ),
  lifecycleDays: limit(30, 'days', 'how long a lifecycle event is kept in the feed of its org', 'it is removed'),
  lifecycleEvents: limit(
    100_000,
    'events',
    'lifecycle events that an org keeps; looked at every ten minutes',
    'the oldest are removed',
  ),
  webhookSeconds: limit(10, 'seconds', 'one delivery of a lifecycle event', 'it is tried again'),
  webhookHours: limit(
    72,
    'hours',
    'a lifecycle event that nobody takes is tried no longer: it would hold up newer ones',
    'given up, on record',
  ),
  auditRecordBytes: limit(65_535, 'bytes', 'C2SP tlog-tiles: the length of an entry is a uint16', 'invariant'),
  connections: limit(
    4_096,
    'connections',
    'bounds sockets and their buffers',
    'the one that rested longest is closed; the new one, if all are being answered',
  ),
  restingPerAddress: limit(
    256,
    'connections',
    'one address cannot keep another out; counted are those on which nothing is being answered',
    'the one that rested longest is closed',
  ),
  pageSize: limit(200, 'rows', 'one page is answered from memory', 'capped'),
  brokerCallsPerStep: limit(32, 'requests', 'a step is one action, not a crawler', 'step fails refused_by_policy'),
  httpBodyBytes: limit(1_048_576, 'bytes', 'an answer a plugin may read', 'step fails upstream_error'),
  cellMemoryPages: limit(512, '64 KiB pages', 'a connector is glue; 32 MiB is ample', 'trap in the plugin'),
} as const satisfies Record<string, Limit>;
