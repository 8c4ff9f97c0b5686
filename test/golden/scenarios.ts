import type { RunId } from '../../kernel/base/id.ts';
import type { Row } from '../../kernel/port/store.ts';
import type { Run } from '../../kernel/run/state.ts';
import {
  APPROVER,
  EVENT,
  OPERATOR,
  ORG,
  openRecord,
  openStandIn,
  openTarget,
  PLAYBOOK,
  POST_ONCE,
  SENDER,
  type StandIn,
  setUp,
  type Target,
} from '../fault/stand-in.ts';

/**
 * Lives of runs, one for each way that a run can go, lived by a real kernel on a record in memory. What they leave
 * behind is kept as golden histories; a new kind of step or event gets a new scenario, and no old one is changed.
 */
type Life = {
  readonly kernel: () => StandIn;
  readonly run: () => Run;
  /** Waits until the run looks like this. */
  readonly until: (look: (run: Run) => boolean) => Promise<Run>;
  /** What the target does from now on. */
  readonly target: (does: Target['does']) => void;
  /** Ends the kernel as a crash does, and starts one on what it left. */
  readonly restart: () => Promise<void>;
  readonly vote: (decision: 'approve' | 'reject') => Promise<void>;
  /** From now on it is about this run, whose history is kept. */
  readonly follow: (run: RunId) => void;
};
type Scenario = {
  readonly playbook?: string;
  /** One that is active before it. */
  readonly other?: string;
  readonly ip?: string;
  /** Before the event comes. */
  readonly before?: (life: Pick<Life, 'target' | 'kernel'>) => unknown;
  readonly live: (life: Life) => Promise<unknown>;
};

const MINUTE = 60_000;
const ended = (run: Run) => run.ended !== null;
const held = (run: Run) => Object.values(run.approvals).some(({ state }) => state === 'pending');

const branching = PLAYBOOK.replace(
  '  - { id: look,',
  `  - { id: known, type: branch, when: { fact: inputs, path: /ip, operator: equal, value: 203.0.113.7 }, then: look, else: note }
  - { id: look,`,
);
const retrying = POST_ONCE.replace('type: webhook, uses: target/post', 'type: enrich, uses: target/look');

/** A playbook of these steps, started by the same event. */
const of = (steps: string, more = '') => `${POST_ONCE.slice(0, POST_ONCE.indexOf('steps:'))}steps:\n${steps}\n${more}`;

const LANES = of(`
  - id: both
    type: parallel
    join: any
    rest: finish
    lanes:
      ask: [{ id: look, type: enrich, uses: target/look, with: { ip: "{{ inputs.ip }}" } }]
      note: [{ id: note, type: update_state, incident: "inc-2", set: { state: triaged } }]
  - { id: last, type: update_state, incident: "inc-2", set: { state: contained } }`);
const LOOK = '{ id: look, type: enrich, uses: target/look, with: { ip: "{{ inputs.ip }}" } }';
const REPEATING = of(`
  - id: in-vain
    type: repeat
    until: { fact: steps.look, path: /done, operator: equal, value: false }
    times: 2
    pause: 10m
    onFailure: continue
    steps: [${LOOK}]
  - id: once
    type: repeat
    until: { fact: steps.again, path: /done, operator: equal, value: true }
    collect: "{{ steps.again.done }}"
    steps: [${LOOK.replace('id: look', 'id: again')}]
  - { id: note, type: update_state, incident: "inc-6", set: { state: triaged, note: "after {{ steps.once.rounds }}" } }`);
const SAID = of(`
  - { id: no, type: fail, message: "nothing is known of {{ inputs.ip }}" }`);
const WAITING = of(`
  - { id: pause, type: wait, for: 10m }
  - { id: note, type: update_state, incident: "inc-3", set: { state: triaged } }`);
const LISTENING = of(`
  - { id: verdict, type: wait, event: { match: { /ip: "{{ inputs.ip }}" }, where: { fact: event, path: /kind, operator: equal, value: verdict } } }
  - { id: note, type: update_state, incident: "inc-6", set: { state: triaged } }`);
const GATE = of(`
  - { id: gate, type: approval, ask: "Go on with {{ inputs.ip }}?" }
  - { id: note, type: update_state, incident: "inc-4", set: { state: triaged } }`);
const LEAVING = of(`
  - { id: other, type: playbook, uses: other, detached: true, with: { ip: "{{ inputs.ip }}" } }
  - { id: note, type: update_state, incident: "inc-7", set: { state: triaged, note: "{{ steps.other.run }}" } }`);
const LEFT = GATE.replace(/^name: .*$/m, 'name: other').replace('value: c2', 'value: none');
const BY_HAND = of(`
  - { id: look, type: enrich, uses: target/look, with: { ip: "{{ inputs.ip }}" }, retry: { attempts: 1 }, onFailure: manual }
  - { id: note, type: update_state, incident: "inc-5", set: { state: triaged } }`);

const UNDOING = of(`
  - { id: ban, type: contain, uses: target/ban, with: { ip: "{{ inputs.ip }}" }, rollback: true }
  - { id: pause, type: wait, for: 10m }
  - { id: look, type: enrich, uses: target/look, with: { ip: "{{ inputs.ip }}" }, retry: { attempts: 1 } }`);
const ONCE = of(`
  - { id: look, type: enrich, uses: target/look, with: { ip: "{{ inputs.ip }}" }, dedup: { key: ["{{ inputs.ip }}"], window: 1h } }
  - { id: pause, type: wait, for: 10m }`);
const CLAIMING = of(`
  - { id: claim, type: webhook, uses: target/claim, with: { ip: "{{ inputs.ip }}" } }`);

/** The ban is done, and what follows fails. */
async function banAndFail({ until, vote, kernel, target }: Life): Promise<void> {
  await until(held);
  await vote('approve');
  await until(({ steps }) => Object.values(steps).some(({ state }) => state === 'open'));
  target('answers 504');
  kernel().clock.advance(11 * MINUTE);
  await until(undoTried(1));
}
const undoTried = (tries: number) => (run: Run) =>
  Object.values(run.steps).some(({ undo }) => undo?.attempts.filter(({ end }) => end !== null).length === tries);

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'approved-and-completed': {
    async live({ until, vote }) {
      await until(held);
      await vote('approve');
      await until(ended);
    },
  },
  rejected: {
    async live({ until, vote }) {
      await until(held);
      await vote('reject');
      await until(ended);
    },
  },
  'approval-expired': {
    playbook: PLAYBOOK.concat('timeout: 3h\n'),
    async live({ until, kernel }) {
      await until(held);
      kernel().clock.advance(61 * MINUTE);
      await until(ended);
    },
  },
  'timed-out': {
    async live({ until, kernel }) {
      await until(held);
      kernel().clock.advance(31 * MINUTE);
      await until(ended);
    },
  },
  'kept-from-the-run-before': {
    async live({ until, vote, run, kernel, follow }) {
      await until(held);
      await vote('reject');
      await until(ended);
      const again = await kernel().kernel.runAgain(OPERATOR, run().id, 'it was no mistake', true);
      if (!again.ok) throw new Error(again.error);
      follow(again.value.id);
      await until(held);
      await vote('approve');
      await until(ended);
    },
  },
  'done-by-the-run-before': {
    playbook: ONCE,
    async live({ until, kernel, follow }) {
      await until((now) => now.state === 'waiting');
      kernel().clock.advance(11 * MINUTE);
      await until(ended);
      const sent = await kernel().kernel.ingest(SENDER, { ...EVENT, sourceId: 'another' });
      const other = sent.ok ? sent.value.triggers[0]?.run : undefined;
      if (!other) throw new Error('the second event starts a run');
      follow(other);
      await until((now) => now.state === 'waiting');
      kernel().clock.advance(11 * MINUTE);
      await until(ended);
    },
  },
  'waited-for-the-one-that-does-it': {
    playbook: ONCE.replace('type: enrich, uses: target/look', 'type: contain, uses: target/ban'),
    async live({ until, run, kernel, follow }) {
      await until(held);
      const first = run().id;
      const sent = await kernel().kernel.ingest(SENDER, { ...EVENT, sourceId: 'another' });
      const other = sent.ok ? sent.value.triggers[0]?.run : undefined;
      if (!other) throw new Error('the second event starts a run');
      follow(other);
      await until((now) => Object.values(now.steps).some((step) => 'behind' in step));
      await kernel().kernel.control.cancel(OPERATOR, first, 'the other may');
      kernel().clock.advance(MINUTE);
      await until(held);
      await kernel().kernel.control.cancel(OPERATOR, other, 'seen enough');
      await until(ended);
    },
  },
  'cancelled-while-held': {
    async live({ until, run, kernel }) {
      await until(held);
      await kernel().kernel.control.cancel(OPERATOR, run().id, 'false positive');
      await until(ended);
    },
  },
  'denied-by-a-guardrail': { ip: '10.0.0.7', live: ({ until }) => until(ended) },
  'retried-and-completed': {
    playbook: retrying,
    before: ({ target }) => target('refuses connections'),
    async live({ until, target, kernel }) {
      await until((run) => run.state === 'waiting');
      target('answers');
      kernel().clock.advance(MINUTE);
      await until(ended);
    },
  },
  'retried-in-vain': {
    playbook: retrying,
    before: ({ target }) => target('refuses connections'),
    async live({ until, kernel }) {
      for (let tries = 1; tries < 3; tries++) {
        await until((run) => run.state === 'waiting' && (Object.values(run.steps)[0]?.attempts.length ?? 0) === tries);
        kernel().clock.advance(MINUTE);
      }
      await until(ended);
    },
  },
  'indeterminate-and-settled-as-succeeded': indeterminate('succeeded'),
  'indeterminate-and-settled-as-failed': indeterminate('failed'),
  'indeterminate-and-cancelled': {
    playbook: POST_ONCE,
    before: ({ target }) => target('does not answer'),
    async live({ until, run, kernel }) {
      await until((now) => Object.values(now.steps).some(({ state }) => state === 'indeterminate'));
      await kernel().kernel.control.cancel(OPERATOR, run().id, 'nobody knows');
      await until(ended);
    },
  },
  'branch-then': {
    playbook: branching,
    async live({ until, vote }) {
      await until(held);
      await vote('approve');
      await until(ended);
    },
  },
  'branch-else': { playbook: branching, ip: '198.51.100.1', live: ({ until }) => until(ended) },
  'lanes-of-which-one-is-enough': { playbook: LANES, live: ({ until }) => until(ended) },
  'repeated-in-vain-and-once': {
    playbook: REPEATING,
    async live({ until, kernel }) {
      await until(({ state }) => state === 'waiting');
      kernel().clock.advance(11 * MINUTE);
      await until(ended);
    },
  },
  'failed-by-its-own-word': { playbook: SAID, live: ({ until }) => until(ended) },
  'waited-for-a-time': {
    playbook: WAITING,
    async live({ until, kernel }) {
      await until(({ state }) => state === 'waiting');
      kernel().clock.advance(11 * MINUTE);
      await until(ended);
    },
  },
  'waited-for-an-event': {
    playbook: LISTENING,
    async live({ until, kernel }) {
      await until(({ state }) => state === 'waiting');
      const data = { kind: 'verdict', ip: '203.0.113.7' };
      await kernel().kernel.ingest(SENDER, { ...EVENT, sourceId: 'e2', data });
      await until(ended);
    },
  },
  'asked-at-a-gate': {
    playbook: GATE,
    async live({ until, vote }) {
      await until(held);
      await vote('approve');
      await until(ended);
    },
  },
  'done-by-hand': {
    playbook: BY_HAND,
    before: ({ target }) => target('refuses connections'),
    async live({ until, run, kernel }) {
      const now = await until(({ steps }) => Object.values(steps).some(({ state }) => state === 'open'));
      const [step] = Object.values(now.steps);
      if (!step) throw new Error('no step');
      await kernel().kernel.control.settle(OPERATOR, run().id, {
        step: step.id,
        outcome: 'succeeded',
        note: 'by hand',
      });
      await until(ended);
    },
  },
  'ended-unknown-and-closed': {
    playbook: POST_ONCE,
    before: ({ target }) => target('does not answer'),
    async live({ until, run, kernel }) {
      await until((now) => Object.values(now.steps).some(({ state }) => state === 'indeterminate'));
      await kernel().kernel.control.cancel(OPERATOR, run().id, 'nobody knows');
      await kernel().kernel.control.close(OPERATOR, run().id, 'looked: it did not happen');
      await until(({ closed }) => closed !== null);
    },
  },
  'undone-at-the-second-try': {
    playbook: UNDOING,
    async live(life) {
      await banAndFail(life);
      life.target('answers');
      life.kernel().clock.advance(MINUTE);
      await life.until(ended);
    },
  },
  'undone-in-vain': {
    playbook: UNDOING,
    async live(life) {
      await banAndFail(life);
      for (const tries of [2, 3]) {
        life.kernel().clock.advance(MINUTE);
        await life.until((run) => ended(run) || undoTried(tries)(run));
      }
      await life.until(ended);
    },
  },
  'undone-after-a-stop': {
    playbook: UNDOING,
    async live({ until, vote, run, kernel }) {
      await until(held);
      await vote('approve');
      await until(({ steps }) => Object.values(steps).some(({ state }) => state === 'open'));
      await kernel().kernel.stops.engage(OPERATOR, 'it bans our own');
      await kernel().kernel.control.cancel(OPERATOR, run().id, 'it was our own');
      await until(({ state }) => state === 'undoing');
      await kernel().kernel.stops.release(OPERATOR);
      await until(ended);
    },
  },
  'parked-by-a-stop': {
    async live({ until, vote, kernel }) {
      await until(held);
      await kernel().kernel.stops.engage(OPERATOR, 'it bans our own');
      await vote('approve');
      await until(({ steps }) =>
        Object.values(steps).some((step) => step.state === 'ready' && step.waitsFor === 'release'),
      );
      await kernel().kernel.stops.release(OPERATOR);
      await until(ended);
    },
  },
  'paused-and-resumed': {
    async live({ until, vote, run, kernel }) {
      await until(held);
      const { control } = kernel().kernel;
      await control.pause(OPERATOR, run().id, 'is that host ours?');
      await vote('approve');
      await until(({ steps }) =>
        Object.values(steps).some((step) => step.state === 'ready' && step.waitsFor === 'release'),
      );
      await control.resume(OPERATOR, run().id);
      await until(ended);
    },
  },
  'checked-at-the-second-try': {
    playbook: CLAIMING,
    before: ({ target }) => target('does not answer'),
    async live({ until, target, kernel }) {
      const waits = (run: Run) => run.state === 'waiting' && Object.values(run.steps).some(({ spent }) => spent > 0);
      await until(waits);
      target('refuses connections');
      kernel().clock.advance(MINUTE);
      await until((run) => waits(run) && Object.values(run.steps).some(({ spent }) => spent > 1));
      target('answers');
      kernel().clock.advance(MINUTE);
      await until(ended);
    },
  },
  'queued-and-released': {
    playbook: GATE.concat('concurrency: { limit: 1, over: queue }\n'),
    before: ({ kernel }) => kernel().kernel.ingest(SENDER, { ...EVENT, sourceId: 'e0' }),
    async live({ until, vote, run, kernel }) {
      await until(({ state }) => state === 'pending');
      const first = kernel()
        .kernel.query.runs(ORG, {}, 10)
        .items.find((one) => one.run !== run().id);
      if (!first) throw new Error('no other run');
      await kernel().kernel.control.cancel(OPERATOR, first.run, 'false positive');
      await until(held);
      await vote('approve');
      await until(ended);
    },
  },
  'left-to-another-run': { playbook: LEAVING, other: LEFT, live: ({ until }) => until(ended) },
  'started-by-a-detached-step': {
    playbook: LEAVING,
    other: LEFT,
    async live({ until, vote, follow }) {
      const { steps } = await until(ended);
      const child = Object.values(steps).find((step) => step.child)?.child;
      if (!child) throw new Error('nothing was started');
      follow(child);
      await until(held);
      await vote('approve');
      await until(ended);
    },
  },
  'cut-off-by-a-restart': {
    async live({ until, vote, kernel, restart }) {
      await until(held);
      kernel().holdCalls();
      await vote('approve');
      await until((run) => Object.values(run.steps).some(({ state }) => state === 'intended'));
      await restart();
      kernel().clock.advance(MINUTE);
      await until(ended);
    },
  },
};

function indeterminate(outcome: 'succeeded' | 'failed'): Scenario {
  return {
    playbook: POST_ONCE,
    before: ({ target }) => target('does not answer'),
    async live({ until, run, kernel }) {
      const now = await until((one) => Object.values(one.steps).some(({ state }) => state === 'indeterminate'));
      const [step] = Object.values(now.steps);
      if (!step) throw new Error('no step');
      await kernel().kernel.control.settle(OPERATOR, run().id, { step: step.id, outcome, note: 'looked' });
      await until(ended);
    },
  };
}

/** @returns the turns of the run as they are stored, one text each. */
export async function liveThrough({
  playbook = PLAYBOOK,
  other,
  ip = '203.0.113.7',
  before,
  live,
}: Scenario): Promise<readonly string[]> {
  let does: Target['does'] = 'answers';
  const { arrived, effects } = openTarget();
  const target: Target = {
    get does() {
      return does;
    },
    arrived,
    effects,
  };
  const playbooks = other === undefined ? [playbook] : [other, playbook];
  let lives = 0;
  let record = await openRecord();
  let kernel = await openStandIn(record.store, target);
  await setUp(kernel, playbooks);
  const setTarget = (now: Target['does']) => {
    does = now;
  };
  await before?.({ target: setTarget, kernel: () => kernel });
  const taken = await kernel.kernel.ingest(SENDER, { ...EVENT, data: { kind: 'c2', ip } });
  let id = taken.ok ? taken.value.triggers[0]?.run : undefined;
  if (!id) throw new Error('no run was started');
  const run = () => {
    const found = id && kernel.run(id);
    if (!found) throw new Error('no run');
    return found;
  };
  await live({
    kernel: () => kernel,
    run,
    async until(look) {
      for (;;) {
        const now = run();
        if (look(now)) return now;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    target: setTarget,
    follow(other) {
      id = other;
    },
    async restart() {
      const rows: readonly Row[] = record.rows();
      await kernel.kernel.stop();
      record = await openRecord(rows);
      kernel = await openStandIn(record.store, target, ++lives);
      await setUp(kernel, playbooks);
    },
    async vote(decision) {
      const approval = Object.values(run().approvals).find(({ state }) => state === 'pending');
      if (!approval) throw new Error('nothing to vote on');
      const ballot = { decision, rationale: 'as agreed', subject: approval.subject };
      await kernel.kernel.control.vote(APPROVER, approval.id, ballot);
    },
  });
  await kernel.kernel.stop();
  return record.rows().flatMap(({ key, value }) => (key.startsWith(`${ORG}/turn/${id}/`) ? [value] : []));
}
