import type { EventId } from '../../kernel/base/id.ts';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import type { NormalEvent } from '../../kernel/trigger/event.ts';
import type { WorldOrg } from './orgs.ts';
import type { World } from './world.ts';

/**
 * Who sends events: until each was taken in, and some of them again, late, twice at once or changed on the way. What was
 * answered must be there for good.
 */
type Sent = { readonly org: WorldOrg; readonly event: NormalEvent; taken: { event: EventId; seq: number } | undefined };

export type Senders = { /** What was answered is on the disk. */ check(): void };

const RESEND_MS = 5_000;
const PATIENCE_MS = 20_000;

export function openSenders(world: World): Senders {
  const { fail, trace, time, watch } = world;
  const random = world.random.fork('senders');
  const all: Sent[] = [];

  const deliver = async (sent: Sent, kernel: Kernel) => {
    const { org, event } = sent;
    const before = sent.taken;
    const name = `${org.id} ${event.sourceId}`;
    const received = await world.answer(kernel, kernel.ingest(org.source, event));
    if (!received) return trace.say(`sender: ${name} is not taken in`);
    if (!received.ok) return fail('events', `${name} is refused: ${received.error.kind}`);
    const { event: id, seq, repeat, triggers } = received.value;
    const started = triggers.flatMap(({ run, outcome }) => (run ? [`${outcome} ${trace.name(run)}`] : [outcome]));
    trace.say(`sender: ${name} is taken in${repeat ? ' as a repeat' : ''}: ${started.join(', ')}`);
    if (!watch.hasEvent(org.id, id)) fail('R5', `${name} is answered and not on the disk`);
    if (before && (!repeat || before.event !== id || before.seq !== seq))
      fail('R4', `${name} is taken in a second time`);
    sent.taken ??= { event: id, seq };
    for (const { run, outcome } of triggers) {
      if (outcome === 'error') fail('events', `${name} matched and started nothing`);
      if (run && !watch.run(run)) fail('R5', `${name} is said to have started a run that is not on the disk`);
      if (run && watch.orgOf(run) !== org.id) fail('R7', `${name} is said to have started a run of another org`);
      if (run && outcome === 'matched') world.follow(org.id, run);
    }
  };

  const send = (sent: Sent) => {
    const kernel = world.kernel();
    if (kernel) void deliver(sent, kernel);
    time.after(PATIENCE_MS, () => {
      if (!sent.taken) time.after(random.below(RESEND_MS), () => send(sent));
    });
  };

  /** Another event under the name of one that was taken in. */
  const deliverChanged = async ({ org, event, taken }: Sent) => {
    const kernel = world.kernel();
    if (!kernel || !taken) return;
    const changed = { ...event, data: { ...event.data, score: 101 } };
    const received = await world.answer(kernel, kernel.ingest(org.source, changed));
    if (received?.ok) fail('R4', `${org.id} ${event.sourceId} is taken in a second time with other content`);
  };

  const count = 3 + random.below(6);
  for (let i = 1; i <= count; i++) {
    const org = random.pick(world.orgs);
    const event: NormalEvent = {
      receivedFormat: 'cloudevents-structured',
      source: 'urn:simulation',
      sourceId: `e${i}`,
      type: 'seen',
      subject: null,
      time: null,
      traceparent: null,
      data: {
        kind: random.pick(['c2', 'c2', 'malware', 'noise']),
        ip: random.chance(0.1) ? '10.0.0.1' : `198.51.100.${random.below(4)}`,
        hosts: Array.from({ length: random.below(4) }, (_, host) => `203.0.113.${10 + host}`),
        finding: `finding-${random.below(3)}`,
        score: random.below(100),
      },
    };
    const sent: Sent = { org, event, taken: undefined };
    all.push(sent);
    const at = world.instant(random);
    time.after(at, () => send(sent));
    if (random.chance(0.3)) time.after(at, () => send(sent));
    if (random.chance(0.3)) time.after(world.instant(random), () => send(sent));
    if (random.chance(0.1)) time.after(at + PATIENCE_MS, () => void deliverChanged(sent));
  }

  return {
    check() {
      for (const { org, event, taken } of all) {
        const name = `${org.id} ${event.sourceId}`;
        if (!taken) fail('events', `${name} was never taken in`);
        else if (!watch.hasEvent(org.id, taken.event)) fail('R5', `${name} was answered and is lost`);
      }
    },
  };
}
