import { type ApprovalId, partsOfStepRun, type RunId, type StepRunId } from '../../kernel/base/id.ts';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { Person, WorldOrg } from './orgs.ts';
import { otherVersion } from './playbooks.ts';
import type { World } from './world.ts';

/**
 * People: most do their work, and some what they may not: vote on what they asked for, twice, without the role, on
 * another subject, too late, in another org. The kernel must not tell the difference by luck.
 */
const WORK = {
  vote: 10,
  wrongVote: 4,
  cancel: 1,
  settle: 3,
  close: 1,
  write: 0.3,
  promote: 1.5,
  elsewhere: 1,
} as const;
/** `open` may be a step that waits for a person. */
const OPEN_TO_SETTLE: readonly string[] = ['indeterminate', 'open'];
type Deed = keyof typeof WORK;

const mayCancel = (person: Person) => person.roles.includes('operator');

export function openPeople(world: World): void {
  const { fail, trace, time, watch } = world;
  const random = world.random.fork('people');

  const pending = (kernel: Kernel, org: WorldOrg) => {
    const { items } = kernel.query.approvals(org.id, random.chance(0.9) ? 'pending' : undefined, 50);
    return items.length > 0 ? random.pick(items) : undefined;
  };
  const openRuns = (org: WorldOrg): readonly Run[] => watch.runs().filter((run) => run.org === org.id);

  const vote = async (
    kernel: Kernel,
    org: WorldOrg,
    person: Person,
    approval: { readonly id: ApprovalId; readonly subject: string; readonly run: RunId },
    more: { readonly subject?: string; readonly rationale?: string } = {},
  ) => {
    const form = {
      decision: random.chance(0.85) ? 'approve' : 'reject',
      rationale: 'seen and judged',
      subject: approval.subject,
      ...more,
    } as const;
    watch.cast({ ...form, org: person.org, by: person.id, roles: person.roles, approval: approval.id });
    const name = `${person.id} of ${person.org}: ${form.decision} for ${trace.name(approval.id)} of ${trace.name(approval.run)}`;
    const done = await world.answer(kernel, kernel.control.vote(person, approval.id, form as never));
    trace.say(
      `person: ${name}: ${done ? (done.ok ? 'counts' : ('why' in done.error && done.error.why) || done.error.kind) : 'no answer'}`,
    );
    if (!done?.ok) return;
    world.compare(done.value);
    if (person.org !== org.id) fail('R7', `${name} counts in ${org.id}`);
    if (form.rationale.trim() === '') fail('R2', `${name} counts without a reason`);
    if (form.subject !== approval.subject) fail('R2', `${name} counts although it is for another subject`);
  };

  const deeds: Readonly<Record<Deed, (kernel: Kernel, org: WorldOrg) => Promise<unknown> | undefined>> = {
    vote(kernel, org) {
      const approval = pending(kernel, org);
      const able = org.people.filter(({ id, roles }) => roles.includes('approver') && id !== approval?.requester);
      return approval && vote(kernel, org, random.pick(able), approval);
    },
    wrongVote(kernel, org) {
      const approval = pending(kernel, org);
      if (!approval) return undefined;
      const anyone = random.pick(org.people);
      switch (random.pick(['requester', 'anyone', 'twice', 'subject', 'reason'])) {
        case 'requester':
          return vote(kernel, org, org.source, approval);
        case 'twice':
          return Promise.all([vote(kernel, org, anyone, approval), vote(kernel, org, anyone, approval)]);
        case 'subject':
          return vote(kernel, org, anyone, approval, { subject: `sha256:${'f'.repeat(64)}` });
        case 'reason':
          return vote(kernel, org, anyone, approval, { rationale: ' ' });
        default:
          return vote(kernel, org, anyone, approval);
      }
    },
    cancel(kernel, org) {
      const runs = openRuns(org);
      const run = runs.length > 0 ? random.pick(runs) : undefined;
      const person = org.people.find(mayCancel) as Person;
      return run && cancel(kernel, person, run);
    },
    async settle(kernel, org) {
      const steps = openRuns(org).flatMap((run) =>
        Object.values(run.steps).flatMap(({ id, state }) =>
          OPEN_TO_SETTLE.includes(state) || random.chance(0.05) ? [{ run, id }] : [],
        ),
      );
      const person = org.people.find(mayCancel) as Person;
      if (steps.length === 0) return;
      const { run, id } = random.pick(steps);
      const isDone = await settle(kernel, person, run, id);
      const isDoneAgain = random.chance(0.3) && (await settle(kernel, person, run, id));
      // What failed may be handed to a person by its author; to say what came of that is another settlement.
      const step = watch.graphOf(run).steps.get(partsOfStepRun(id).step);
      const isByHand = step && 'onFailure' in step && step.onFailure.kind === 'manual';
      if (isDone && isDoneAgain && !isByHand) fail('R4', `${trace.name(run.id)} ${id} is settled twice`);
    },
    async close(kernel, org) {
      const runs = openRuns(org).filter(({ ended }) => ended);
      const person = org.people.find(mayCancel) as Person;
      if (runs.length === 0) return;
      const done = await world.answer(kernel, kernel.control.close(person, random.pick(runs).id, 'seen'));
      if (done?.ok) world.compare(done.value);
    },
    async write(kernel, org) {
      const made = random.pick(world.playbooks);
      const { name } = made;
      const text = otherVersion(made.text, random, made.subs);
      const put = await world.answer(kernel, kernel.playbooks.put(org.author, text));
      if (!put) return;
      if (!put.ok) return fail('grammar', `a playbook is refused: ${JSON.stringify(put.error)}`);
      const own = await world.answer(kernel, kernel.playbooks.activate(org.author, name, put.value.digest));
      if (own?.ok && isRisky(text)) fail('R10', `${org.author.id} activates a risky version that is by the same hand`);
    },
    /** Another version that is there, an older one too. */
    async promote(kernel, org) {
      const { name } = random.pick(world.playbooks);
      const others = kernel.query.playbook(org.id, name)?.versions.filter(({ state }) => state !== 'active') ?? [];
      if (others.length === 0) return;
      const by = org.people.find(({ id }) => id === 'ann') as Person;
      const done = await world.answer(kernel, kernel.playbooks.activate(by, name, random.pick(others).digest));
      trace.say(`person: another version of ${org.id} ${name} is ${done?.ok ? 'active' : 'not active'}`);
    },
    elsewhere(kernel, org) {
      const other = world.orgs.find(({ id }) => id !== org.id);
      if (!other) return undefined;
      const approval = pending(kernel, org);
      if (approval && random.chance(0.5)) return vote(kernel, org, random.pick(other.people), approval);
      const runs = openRuns(org);
      const stranger = other.people.find(mayCancel) as Person;
      return runs.length > 0 ? cancel(kernel, stranger, random.pick(runs)) : undefined;
    },
  };

  const cancel = async (kernel: Kernel, person: Person, run: Run) => {
    const answered = world.pauses.lifting(run);
    const done = await world.answer(kernel, kernel.control.cancel(person, run.id, 'because'));
    if (done) answered();
    trace.say(
      `person: ${person.id} of ${person.org} cancels ${trace.name(run.id)}: ${done ? (done.ok ? 'done' : done.error.kind) : 'no answer'}`,
    );
    if (!done?.ok) return;
    if (run.org !== person.org) fail('R7', `${trace.name(run.id)} is cancelled from another org`);
    world.compare(done.value);
  };
  const settle = async (kernel: Kernel, person: Person, run: Run, step: StepRunId) => {
    const outcome = random.pick(['succeeded', 'failed'] as const);
    const form = { step, outcome, note: 'looked' };
    const done = await world.answer(kernel, kernel.control.settle(person, run.id, form));
    trace.say(
      `person: ${person.id} settles ${trace.name(run.id)} ${step} as ${outcome}: ${done ? (done.ok ? 'done' : done.error.kind) : 'no answer'}`,
    );
    if (done?.ok) world.compare(done.value);
    return done?.ok === true;
  };

  /** Those who are asked look at it soon, most of the time. */
  watch.listen((run, event) => {
    if (event.kind !== 'step-held') return;
    const org = world.orgs.find(({ id }) => id === run.org) as WorldOrg;
    const when = () => random.below(random.pick([5_000, 60_000, 600_000]));
    if (random.chance(0.4))
      time.after(when(), () => {
        const kernel = world.kernel();
        if (kernel) void deeds.wrongVote(kernel, org);
      });
    for (let needed = event.needed; needed > 0; needed--)
      if (random.chance(0.7))
        time.after(when(), () => {
          const kernel = world.kernel();
          const able = org.people.filter(({ id, roles }) => roles.includes('approver') && id !== run.requester);
          const { approval: id, subject } = event;
          if (kernel) void vote(kernel, org, random.pick(able), { id, subject, run: run.id });
        });
  });

  // Where there are two versions, people cannot make up their minds.
  const work = { ...WORK, promote: world.playbooks.some(({ other }) => other) ? 8 : WORK.promote };
  const count = 10 + random.below(20);
  for (let i = 0; i < count; i++)
    time.after(world.instant(random), () => {
      const kernel = world.kernel();
      if (kernel) void deeds[random.weighted(work)](kernel, random.pick(world.orgs));
    });
}

/** Whether an action of it, however deep, is of a high tier. */
function isRisky(text: string): boolean {
  let found = false;
  JSON.parse(text, (_, part: { uses?: unknown; type?: unknown; tier?: unknown } | null) => {
    if (part?.uses && (part.type === 'contain' || part.tier === 'high' || part.tier === 'critical')) found = true;
    return part;
  });
  return found;
}
