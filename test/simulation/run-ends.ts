import type { StoredEvent } from '../../kernel/flow/stored-event.ts';
import type { Run, Terminal } from '../../kernel/run/state.ts';
import type { World } from './world.ts';

/**
 * Ends of runs that others answer: each is an event once, after it is on the disk and as it is there; what answers it is
 * no answer to itself, and nobody decides in it who caused what ended.
 *
 * @returns what is checked when all time has passed.
 */
export function openRunEndRules({ fail, trace, watch, disk, playbooks }: World): () => void {
  const answers = new Map(playbooks.flatMap(({ name, ends }) => (ends ? [[name, ends] as const] : [])));
  /** Of each org, playbooks that answer and have come into force. */
  const inForce = new Set<string>();
  /** Ended runs that somebody in force was to hear of, and those of which there is an event. */
  const awaited = new Set<string>();
  const told = new Set<string>();

  const isAnsweredBy = (run: Run, name: string, ends: readonly Terminal[]) =>
    run.ended !== null && !run.parent && run.playbook.name !== name && ends.includes(run.ended.state);

  watch.listen((run, event) => {
    if (event.kind === 'run-ended')
      for (const [name, ends] of answers)
        if (inForce.has(`${run.org} ${name}`) && isAnsweredBy(run, name, ends)) awaited.add(run.id);
    if (event.kind === 'approval-voted' && run.requester === 'system:run') {
      const ended = endedBefore(run);
      if (ended && (ended.requester === event.by || ended.senders?.includes(event.by)))
        fail('R2', `${trace.name(run.id)}: a vote of ${event.by} counts, who caused ${trace.name(ended.id)}`);
    }
  });

  /** The run whose end a run answers. */
  const endedBefore = ({ org, event }: Run): Run | undefined => {
    const { data } = (JSON.parse(disk.get(`${org}/event/${event}`) ?? '{}') as StoredEvent).event;
    return watch.run(String(data.run));
  };

  watch.listenRows((org, what, id, value) => {
    if (what === 'playbook' && value !== null && answers.has(id) && JSON.parse(value).active)
      inForce.add(`${org} ${id}`);
    if (what !== 'event' || value === null) return;
    const { event, triggers } = JSON.parse(value) as StoredEvent;
    if (event.receivedFormat !== 'run') {
      if (triggers.some(({ trigger }) => trigger === 'ended')) fail('end', `${trace.name(id)} is taken for an end`);
      return;
    }
    const run = watch.run(String(event.data.run));
    const name = trace.name(String(event.data.run));
    if (!run?.ended || run.org !== org) return fail('end', `${name} has not ended in ${org}, and that is told`);
    if (event.data.state !== run.ended.state || event.data.reason !== run.ended.reason)
      fail('end', `${name} is ${run.ended.state}, and told as ${event.data.state}`);
    if (told.has(run.id)) fail('end', `the end of ${name} is told again`);
    told.add(run.id);
    if (triggers.some(({ playbook, trigger }) => trigger !== 'ended' || playbook === run.playbook.name))
      fail('end', `the end of ${name} is taken for an event of ${triggers.map(({ playbook }) => playbook).join(', ')}`);
    if (triggers.some(({ outcome }) => outcome === 'error')) fail('end', `the end of ${name} started nothing`);
  });

  return () => {
    for (const id of awaited) if (!told.has(id)) fail('end', `the end of ${trace.name(id)} was never told`);
    for (const id of told) if (!awaited.has(id)) fail('end', `the end of ${trace.name(id)} was told to nobody`);
    const [left] = disk.range({ from: '!end/', to: '!end0', limit: 1 });
    if (left) fail('end', `${left.key} is left over`);
  };
}
