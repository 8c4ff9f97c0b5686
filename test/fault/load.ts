import { type Api, cloudEvent } from '../support/api.ts';
import type { Field } from './world.ts';

/**
 * A detection pipeline: sends events without a pause worth mentioning, each until it is taken (202), and remembers
 * which were. An event that was sent and not answered is sent again, as a sender does whose peer has died.
 */
export type Load = {
  /** What was taken: the number of the event, and what the answer said of it. */
  readonly taken: ReadonlyMap<number, Taken>;
  /** Resolves when so many more are taken. */
  more(events: number): Promise<void>;
  /** Requests that ended without an answer. */
  unanswered(): number;
  /** Nothing more is sent, not even again, until `goOn`. */
  rest(): void;
  goOn(): void;
  /** Resolves when everything that was begun is taken. */
  stop(): Promise<void>;
};

export type Taken = {
  readonly field: Field;
  readonly event: string;
  readonly run: string | null;
  readonly repeat: boolean;
};

/** Each event names an address of its own, so that the target can tell them apart. */
export const addressOf = (n: number): string => `20.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;

export function startLoad(
  api: Api,
  senders: number,
  pauseMs: () => number,
  fieldOf: (n: number) => Field = () => 'deliver',
): Load {
  const taken = new Map<number, Taken>();
  let next = 1;
  let unanswered = 0;
  let stopping = false;
  let turn = Promise.withResolvers<void>();
  turn.resolve();

  const send = async (n: number): Promise<void> => {
    const field = fieldOf(n);
    for (;;) {
      await turn.promise;
      try {
        const answer = await api.publish(cloudEvent(`load-${n}`, { [field]: addressOf(n), incident: `inc-${n}` }));
        const receipt = answer.data?.events[0];
        if (answer.status === 202 && receipt) {
          const { event, repeat, triggers } = receipt;
          taken.set(n, { field, event, repeat, run: triggers.find((one) => one.run !== null)?.run ?? null });
          return;
        }
        // The kernel may say that it cannot now; it may not say that the event is bad.
        if (answer.status < 500) throw new RangeError(`event ${n} was refused: ${answer.status} ${answer.text}`);
      } catch (error) {
        if (error instanceof RangeError) throw error;
        unanswered++;
      }
      await pause(15);
    }
  };
  const sender = async () => {
    while (!stopping) {
      await send(next++);
      await pause(pauseMs());
    }
  };
  const senders_ = Promise.all(Array.from({ length: senders }, sender));
  // Looked at in `stop` and `more`; until then a failure is only kept.
  let failure: unknown;
  senders_.catch((error) => {
    failure = error;
  });
  return {
    taken,
    unanswered: () => unanswered,
    async more(events) {
      const wanted = taken.size + events;
      while (taken.size < wanted && failure === undefined) await pause(2);
      if (failure !== undefined) throw failure;
    },
    rest() {
      turn = Promise.withResolvers<void>();
    },
    goOn: () => turn.resolve(),
    async stop() {
      stopping = true;
      turn.resolve();
      await senders_;
    },
  };
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A generator of numbers in [0, 1) that a seed decides (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
