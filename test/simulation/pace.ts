import type { StoredEvent } from '../../kernel/flow/stored-event.ts';
import type { Run } from '../../kernel/run/state.ts';
import type { MadePlaybook } from './playbooks.ts';
import type { World } from './world.ts';

/**
 * How many runs there may be: of one thing within the window of repeats, after a cooldown, of a trigger in a time, and of
 * a playbook at once. Knows starts and ends alone, as the disk has them, and what the document says.
 */
type Started = { readonly run: string; readonly thing: string; readonly at: number; readonly elapsed: number };

/** Longer than any kernel is away, in elapsed time. */
const LATE_MS = 600_000;

const isOfStep = (run: Run | undefined): boolean => Boolean(run?.parent ?? run?.startedBy);

export function openPaceRules({ fail, trace, time, watch, playbooks, clock }: World): void {
  /** Runs that events started, by org and playbook, since the clock was last set. */
  const started = new Map<string, Started[]>();
  /** Runs that have begun and not ended: each has a place, also where it is a step of another and waited for none. */
  const going = new Set<string>();
  /** Runs that were made and may not begin yet. */
  const pending = new Map<string, { readonly after: string | undefined; readonly at: number }>();
  /** When a run of the playbook last ended or began, in elapsed time. */
  const moved = new Map<string, number>();
  const settings = new Map(playbooks.map((one) => [one.name, one]));
  const lineOf = (run: Run) => `${run.org} ${run.playbook.name}`;
  let set = clock.sets();

  /** Starts of so long a time, by the clock and by the time that has really passed. */
  const within = (list: readonly Started[], ms: number, at: number) =>
    list.filter((one) => at < one.at + ms && time.elapsed() < one.elapsed + ms);

  const onStart = (run: Run, made: MadePlaybook, isPending: boolean) => {
    // A clock that was set forward has made old what is not; what it may repeat then is not asked here.
    if (set !== clock.sets()) started.clear();
    set = clock.sets();
    // What holds back events does not hold back a person.
    if (run.trigger === 'seen' && !run.again) onSeen(run, made, isPending);
    if (isPending) pending.set(run.id, { after: undefined, at: time.elapsed(), ...pending.get(run.id) });
    else begin(run, made);
  };

  const onSeen = (run: Run, made: MadePlaybook, isPending: boolean) => {
    const at = run.startedAt;
    const name = trace.name(run.id);
    const list = started.get(lineOf(run)) ?? [];
    const thing = String(run.inputs.finding);
    const same = list.filter((one) => one.thing === thing);
    if (made.cooldownMs !== null && within(same, made.cooldownMs, at).length > 0)
      fail('pace', `${name} is started within the cooldown of ${made.cooldownMs} ms`);
    if (made.rate && within(list, made.rate.ms, at).length >= made.rate.most)
      fail('pace', `${name} is one more than ${made.rate.most} in ${made.rate.ms} ms`);
    const before = made.windowMs === null ? [] : within(same, made.windowMs, at);
    const last = before.at(-1)?.run;
    const isTurns = made.repeat === 'queue' || made.repeat === 'restart';
    const after = isTurns && last && isUnderWay(last) ? last : undefined;
    if (after && !isPending) fail('pace', `${name} begins, and ${trace.name(after)} before it has not ended`);
    list.push({ run: run.id, thing, at, elapsed: time.elapsed() });
    started.set(lineOf(run), list);
    if (isPending) pending.set(run.id, { after, at: time.elapsed() });
  };

  const isUnderWay = (id: string) => going.has(id) || pending.has(id);

  const inLineOf = (run: Run) =>
    [...going].filter((id) => {
      const other = watch.run(id);
      return other && lineOf(other) === lineOf(run);
    });

  const begin = (run: Run, made: MadePlaybook) => {
    // One that a step begins in the same instant may be one too many: it asks for no place, and is seen when it is on the disk.
    const now = inLineOf(run).filter((id) => !isOfStep(watch.run(id)));
    if (made.concurrency && now.length >= made.concurrency.limit)
      fail('pace', `${trace.name(run.id)} begins, and ${now.map(trace.name).join(', ')} are under way already`);
    takePlace(run);
  };

  const takePlace = (run: Run) => {
    going.add(run.id);
    moved.set(lineOf(run), time.elapsed());
  };

  watch.listen((run, event) => {
    const made = settings.get(run.playbook.name);
    if (!made) return;
    if (event.kind === 'run-started' && isOfStep(run)) takePlace(run);
    else if (event.kind === 'run-started') onStart(run, made, event.queued === true);
    if (event.kind === 'run-released') {
      const { after } = pending.get(run.id) ?? {};
      pending.delete(run.id);
      if (after && isUnderWay(after))
        fail('pace', `${trace.name(run.id)} is released, and ${trace.name(after)} before it has not ended`);
      begin(run, made);
    }
    if (event.kind !== 'run-ended') return;
    const waited = pending.get(run.id);
    const others = inLineOf(run).filter((id) => id !== run.id);
    const since = Math.max(waited?.at ?? 0, moved.get(lineOf(run)) ?? 0);
    if (waited && event.state === 'timed_out' && others.length === 0 && time.elapsed() > since + LATE_MS)
      fail('pace', `${trace.name(run.id)} waits for its turn, and nothing was under way for long`);
    pending.delete(run.id);
    going.delete(run.id);
    moved.set(lineOf(run), time.elapsed());
  });

  /** What an event repeats goes to the run that it names: of the same thing, and by the policy that says so. */
  watch.listenRows((org, what, _, value) => {
    if (what !== 'event' || value === null) return;
    const { id, event, triggers } = JSON.parse(value) as StoredEvent;
    for (const { outcome, run: name, playbook } of triggers) {
      if (outcome !== 'absorbed' || name === null) continue;
      const made = settings.get(playbook);
      const run = watch.run(name);
      const isRight = run?.org === org && run.playbook.name === playbook && run.inputs.finding === event.data.finding;
      if (!isRight || (made?.repeat !== 'drop' && made?.repeat !== 'coalesce'))
        fail('pace', `${trace.name(id)} is taken in by ${trace.name(name)}, which it does not repeat`);
    }
  });
}
