/**
 * Defects to plant in the engine, one at a time, to see whether the simulation finds them. Data: what is replaced in which
 * file, and the rules that one of them must be seen broken.
 */
export type Mutation = {
  readonly name: string;
  readonly file: string;
  readonly replace: string;
  readonly by: string;
  readonly breaks: readonly string[];
};

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'effects are sent before the commit',
    file: 'kernel/flow/drive.ts',
    replace: 'await ledger.stage(prepared);\n        adopt(prepared);\n        return { ok',
    by: 'adopt(prepared);\n        await ledger.stage(prepared);\n        return { ok',
    breaks: ['R1', 'durable'],
  },
  {
    name: 'an event is answered before it is on the disk',
    file: 'kernel/flow/ingest.ts',
    replace: 'return durable.then(() => {',
    by: 'return Promise.resolve().then(() => {',
    breaks: ['R5', 'R1'],
  },
  {
    name: 'what makes an event a repeat is forgotten',
    file: 'kernel/flow/repeat.ts',
    replace: '...(dedup ? keepRow(',
    by: '...(dedup && !run ? keepRow(',
    breaks: ['dedup'],
  },
  {
    name: 'a vote need not be for what is asked',
    file: 'kernel/approval/approval.ts',
    replace: "if (ballot.subject !== approval.subject) return 'subject-changed';",
    by: '',
    breaks: ['R2'],
  },
  {
    name: 'an approval is good for another subject',
    file: 'kernel/run/action.ts',
    replace: "approval?.state === 'approved' && approval.subject === subject",
    by: "approval?.state === 'approved'",
    breaks: ['R1'],
  },
  {
    name: 'the vote of the requester counts',
    file: 'kernel/approval/approval.ts',
    replace: "if (ballot.by === approval.requester) return 'requester-may-not-vote';",
    by: '',
    breaks: ['R2'],
  },
  {
    name: 'one person votes twice',
    file: 'kernel/approval/approval.ts',
    replace: "if (approval.votes.some((vote) => vote.by === ballot.by)) return 'already-voted';",
    by: '',
    breaks: ['R2'],
  },
  {
    name: 'a vote counts without the role',
    file: 'kernel/approval/approval.ts',
    replace: "if (!ballot.roles.includes(approval.role)) return 'role-missing';",
    by: '',
    breaks: ['R2'],
  },
  {
    name: 'a try is made under a key of its own',
    file: 'kernel/run/action.ts',
    replace: 'const key = keyOf(turn.run(), at);\n  const uses',
    by: 'const key = keyOf(turn.run(), at).slice(0, -1) + attempt;\n  const uses',
    breaks: ['once'],
  },
  {
    name: 'whatever was done may be repeated',
    file: 'kernel/run/retry.ts',
    replace: "action.effect !== 'write' || action.idempotent === 'key'",
    by: 'true',
    breaks: ['once', 'R1'],
  },
  {
    name: 'a request leaves before its leaving is on the disk',
    file: 'kernel/flow/broker.ts',
    replace: 'key === undefined || mayLeave(),',
    by: 'key === undefined || (void mayLeave(), true),',
    breaks: ['R1'],
  },
  {
    name: 'a guardrail that denies is passed over',
    file: 'kernel/run/action.ts',
    replace: "if (verdict.kind === 'deny') {",
    by: "if (verdict.kind === 'deny' && verdict.by === 'fault') {",
    breaks: ['R1'],
  },
  {
    name: 'recovery forgets the open calls',
    file: 'kernel/flow/recover.ts',
    replace: 'if (!run) return undefined;',
    by: "if (!run || op !== 'run') return undefined;",
    breaks: ['R8'],
  },
  {
    name: 'an ended run keeps its timer',
    file: 'kernel/run/open-work.ts',
    replace: 'if (run.ended) return null;\n  let first',
    by: 'let first',
    breaks: ['R6'],
  },
  {
    name: 'an ended run takes inputs',
    file: 'kernel/run/decide.ts',
    replace: "if (isEnded(run) && input.kind !== 'settle' && input.kind !== 'close')",
    by: "if (isEnded(run) && input.kind === 'timer')",
    breaks: ['R6'],
  },
  {
    name: 'an event of a run has no record',
    file: 'kernel/flow/drive.ts',
    replace: 'return { run, rows: [...rows, ...told], audit, effects };',
    by: 'return { run, rows: [...rows, ...told], audit: audit.length > 3 ? audit.slice(0, -1) : audit, effects };',
    breaks: ['R5'],
  },
  {
    name: 'a run is found from another org',
    file: 'kernel/flow/drive.ts',
    replace: 'if (known) return known.org === org ? known : null;',
    by: 'if (known) return known;',
    breaks: ['R7'],
  },
  {
    name: 'events are matched by triggers that are not in force any more',
    file: 'kernel/flow/ingest.ts',
    replace: 'org.triggers.revision() !== revision || incidents',
    by: 'incidents',
    breaks: ['R9'],
  },
  {
    name: 'a run has a deadline that is too late',
    file: 'kernel/run/open-work.ts',
    replace: "{ kind: 'deadline', at: run.deadlineAt };",
    by: "{ kind: 'deadline', at: (run.deadlineAt * 2) as typeof run.deadlineAt };",
    breaks: ['R8'],
  },
  {
    name: 'what was done first is undone first',
    file: 'kernel/run/undo.ts',
    replace: '.sort((a, b) => b.run.seq - a.run.seq)',
    by: '.sort((a, b) => a.run.seq - b.run.seq)',
    breaks: ['undo'],
  },
  {
    name: 'what could not be undone is not looked at',
    file: 'kernel/run/open-work.ts',
    replace: 'return unknown || isLeft || isPartial(run)',
    by: 'return unknown',
    breaks: ['undo'],
  },
  {
    name: 'undoing has a new key for each try',
    file: 'kernel/run/undo.ts',
    replace: "const key = keyOf(turn.run(), run.id, 'rollback');",
    by: "const key = keyOf(turn.run(), run.id, 'rollback').slice(0, -1) + attempt;",
    breaks: ['once'],
  },
  {
    name: 'the end of a sub-playbook is not told',
    file: 'kernel/flow/children.ts',
    replace: 'if (!parent || !run.ended) return;',
    by: 'if (!parent || !run.ended || run.steps) return;',
    breaks: ['sub'],
  },
  {
    name: 'a check that says no is taken for a yes',
    file: 'kernel/flow/outcome.ts',
    replace: "if (!said.output.done) return { kind: 'not-done' };",
    by: '',
    breaks: ['check'],
  },
  {
    name: 'a join takes one lane for all of them',
    file: 'kernel/run/fork.ts',
    replace: "step.join.need === 'all' ? lanes.length",
    by: "step.join.need === 'all' ? 1",
    breaks: ['join'],
  },
  {
    name: 'what is under way in a lane that is stopped goes on',
    file: 'kernel/run/fork.ts',
    replace: "stopLane(turn, { fork: at, lane }, isMet ? 'join-met' : 'join-lost');",
    by: '',
    breaks: ['R6', 'R8', 'defect'],
  },
  {
    name: 'an event starts a run while the org is stopped',
    file: 'kernel/flow/admission.ts',
    replace: 'if (before.stopped || ask.isStopped)',
    by: 'if (before.stopped)',
    breaks: ['stop'],
  },
  {
    name: 'a run that goes on does not ask for the stop',
    file: 'kernel/flow/drive.ts',
    replace: 'stopped: isStopped(run.org),',
    by: 'stopped: false,',
    breaks: ['stop'],
  },
  {
    name: 'what is under way goes on after a stop',
    file: 'kernel/flow/worker.ts',
    replace: 'call.isCutOff = true;\n        call.abort.abort();',
    by: '',
    breaks: ['stop'],
  },
  {
    name: 'nobody tells the runs of a release',
    file: 'kernel/flow/kernel.ts',
    replace: 'for (const org of orgs) void resumeAll(org);',
    by: 'void orgs;',
    breaks: ['stop'],
  },
];
