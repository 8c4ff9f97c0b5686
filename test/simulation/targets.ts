import type { EgressClient, OutboundAnswer, OutboundRequest } from '../../kernel/port/egress.ts';
import type { Message } from './cells.ts';
import type { Life } from './life.ts';
import { honoursKey } from './orgs.ts';
import type { World } from './world.ts';

/**
 * The targets: what was really done, whatever anyone was told. They outlive the kernel, and what is on its way to them
 * arrives although the kernel that sent it has ended. An action that promises to honour the idempotency key does.
 */
export type Deed = {
  readonly org: string;
  readonly message: Message;
  /** Under which keys it was asked for. */
  readonly keys: Set<string>;
  /** Requests handed to the network that may have arrived. */
  sent: number;
  /** Requests that will have arrived, sooner or later. */
  arriving: number;
  /** How often it was done. */
  done: number;
  /** An answer said that it was not done although it was: then the kernel may believe so. */
  wasDenied: boolean;
};
export type Deeds = Map<string, Deed>;

/** One unsafe request of one step, over all its tries. */
const deedName = ({ run, step, op, number }: Message) => `${run} ${step} ${op} ${number}`;

/** What a target says that is asked whether it did this. After a no it may be asked to do it again. */
export function wasDone(deeds: Deeds, run: string, step: string): boolean {
  const its = [...deeds.values()].filter(({ message }) => message.run === run && message.step === step);
  const asked = its.filter(({ message }) => message.op === 'execute');
  if (asked.some(({ arriving }) => arriving > 0)) return true;
  for (const deed of asked) deed.sent = 0;
  return false;
}

const REFUSED: readonly number[] = [400, 403, 409];

type Fate = { readonly arrives: boolean; readonly answer: OutboundAnswer };

export function egressOf(world: World, life: Life): EgressClient {
  const { faults, fail, trace, deeds } = world;
  const random = world.random.fork(`targets ${life.number}`);
  const delay = () => (faults.happens('network slow') ? random.below(90_000) : random.pick([0, 1, 7, 40]));
  const ok: OutboundAnswer = { kind: 'answered', status: 200, headers: {}, body: Buffer.from('{"fine":true}') };
  const status = (code: number): OutboundAnswer => ({ ...ok, status: code, body: Buffer.from('no') });
  const failed = (errorClass: 'timeout' | 'unavailable', sent: boolean): OutboundAnswer => ({
    kind: 'failed',
    class: errorClass,
    reason: errorClass,
    sent,
  });

  const fateOf = (): Fate => {
    if (faults.happens('connection refused')) return { arrives: false, answer: failed('unavailable', false) };
    if (faults.happens('address refused'))
      return { arrives: false, answer: { kind: 'denied', reason: 'E_ADDRESS: no' } };
    if (faults.happens('request lost')) return { arrives: false, answer: failed('timeout', true) };
    if (faults.happens('answer lost')) return { arrives: true, answer: failed('timeout', true) };
    if (faults.happens('gateway gave up')) return { arrives: true, answer: status(504) };
    if (faults.happens('error status'))
      return { arrives: false, answer: status(random.pick([400, 403, 409, 429, 500, 503])) };
    return { arrives: true, answer: ok };
  };

  return {
    async send(request) {
      if (life.isOver()) return new Promise(() => undefined);
      const unsafe = request.method !== 'GET';
      const message = messageOf(request);
      const org = world.watch.orgOf(message.run);
      const secret = world.orgs.find((one) => one.id === org)?.secret;
      if (request.headers['x-api-key'] !== secret)
        fail('R7', `${trace.name(message.run)} ${message.step} sends a secret that is not its org's`);
      const what = `${trace.name(message.run)} ${message.step} ${message.op} #${message.attempt} ${message.action}`;
      if (request.signal?.aborted) return failed('unavailable', false);
      const key = request.headers['idempotency-key'] ?? '';
      world.leaving(message, unsafe ? key : null);
      world.pauses.leaving(message, unsafe);
      const answered = world.stops.leaving(org, what, request.signal);
      const fate = fateOf();
      const { arrives, answer: told } = fate;
      const leaves = arrives || told.kind === 'answered' || (told.kind === 'failed' && told.sent);
      const arrivesAt = delay();
      const name = deedName(message);
      const deed = deeds.get(name) ?? {
        org,
        message,
        keys: new Set(),
        sent: 0,
        arriving: 0,
        done: 0,
        wasDenied: false,
      };
      if (unsafe) {
        deeds.set(name, deed);
        deed.keys.add(key);
        if (deed.keys.size > 1) fail('once', `${what} is sent under another key than before`);
        if (leaves) {
          if (deed.sent > 0 && !honoursKey(message.action))
            fail('once', `${what} is sent again, although it may not be repeated and may have been done`);
          deed.sent++;
        }
        if (fate.arrives) {
          deed.arriving++;
          const arrive = () => {
            if (deed.done > 0 && honoursKey(message.action)) return trace.say(`target: ${what} again: nothing is done`);
            deed.done++;
            trace.say(`target: ${what} is done`);
          };
          world.time.after(arrivesAt, arrive);
          if (faults.happens('request arrives twice') && honoursKey(message.action))
            world.time.after(arrivesAt + delay(), arrive);
          if (fate.answer.kind === 'answered' && fate.answer.status >= 300) deed.wasDenied = true;
        }
      }
      const { promise, resolve } = Promise.withResolvers<OutboundAnswer>();
      const answerAt = arrivesAt + delay();
      const late = failed('timeout', unsafe && leaves);
      life.scheduler.after(Math.min(answerAt, request.timeoutMs), () =>
        resolve(answerAt > request.timeoutMs ? late : fate.answer),
      );
      request.signal?.addEventListener('abort', () => resolve(failed('unavailable', unsafe)));
      const answer = await promise;
      answered();
      // What the target refuses was not done: its author may have it sent again.
      if (unsafe && leaves && answer.kind === 'answered' && REFUSED.includes(answer.status)) deed.sent--;
      if (unsafe || answer.kind !== 'answered' || answer.status !== 200)
        trace.say(`target: ${what} ${request.method} is answered ${answerText(answer)}`);
      return answer;
    },
    selfTest: async () => ({ holds: true, detail: '' }),
    close: async () => undefined,
  };
}

const messageOf = ({ url, body }: OutboundRequest): Message =>
  JSON.parse(body ?? url.searchParams.get('m') ?? '{}') as Message;

const answerText = (answer: OutboundAnswer): string =>
  answer.kind === 'answered' ? String(answer.status) : `${answer.kind} (${answer.reason})`;
