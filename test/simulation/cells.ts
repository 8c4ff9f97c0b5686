import { ok } from '../../kernel/base/result.ts';
import type { CellCall, CellHost, CellOutcome } from '../../kernel/port/cell-host.ts';
import { ERROR_CLASSES } from '../../sdk/contract/error.ts';
import type { CallEnvelope, HttpAnswer } from '../../sdk/contract/plugin.ts';
import { describedAs } from '../support/described.ts';
import type { Life } from './life.ts';
import { type ActionName, BEHAVIOURS, MANIFEST } from './orgs.ts';
import { wasDone } from './targets.ts';
import type { World } from './world.ts';

/**
 * Cells with the one plugin in them: it sends what its action sends, and says of the answers what they say. Whatever can
 * become of a cell becomes of some: it is slow, dies before, between and after its requests, never answers, lies.
 */
type Ending = CellOutcome extends infer One
  ? One extends CellOutcome
    ? Omit<One, 'logs' | 'elapsedMs'>
    : never
  : never;

/** What the plugin tells the target, so that the world knows whose request it is without the word of the kernel. */
export type Message = {
  readonly run: string;
  readonly step: string;
  readonly attempt: number;
  readonly op: CallEnvelope['op'];
  readonly action: ActionName;
  /** Place among the unsafe requests of the call, from 1. */
  readonly number: number;
  readonly parameters: CallEnvelope['input'];
  readonly plan: CallEnvelope['plan'];
};

const GET = 'GET' as const;
const POST = 'POST' as const;

const STATUS_CLASS: Readonly<Record<number, string>> = {
  400: 'invalid_input',
  403: 'forbidden',
  409: 'conflict',
  429: 'rate_limited',
  500: 'upstream_error',
  503: 'unavailable',
  504: 'timeout',
};
const CLASSES = Object.keys(ERROR_CLASSES);
const NO_REPLIES = ['', '{', '[]', '{"ok":true', '{"ok":"yes"}', '{"ok":true,"ok":true}'];

export function cellsOf(world: World, life: Life): CellHost {
  const { faults, fail, trace } = world;
  const random = world.random.fork(`cells ${life.number}`);
  let busy = 0;

  /** What the plugin does, from its first line to its reply. Undefined: it goes on after its cell has ended. */
  const work = async (call: CellCall, ends: () => boolean): Promise<Ending> => {
    const envelope = JSON.parse(call.envelope) as CallEnvelope;
    const action = envelope.action as ActionName;
    const sends = envelope.op === 'execute' ? BEHAVIOURS[action].sends : [envelope.op === 'rollback' ? POST : GET];
    const dies = faults.happens('cell crashed') ? random.below(sends.length + 1) : -1;
    const overruns = faults.happens('cell overran') ? random.below(sends.length + 1) : -1;
    let number = 0;
    for (const [place, method] of [...sends, null].entries()) {
      await life.pause(faults.happens('cell slow') ? random.below(60_000) : random.pick([0, 1, 5]));
      if (ends()) return { kind: 'aborted' };
      if (place === dies) return { kind: 'crashed', reason: 'the module trapped' };
      if (place === overruns) return { kind: 'overran', deadline: random.pick(['soft', 'hard']) };
      if (method === null) break;
      if (faults.happens('plugin fails')) return failed(random.pick(CLASSES));
      if (method === 'POST') number++;
      const { run, step, attempt, op, input: parameters, plan } = envelope;
      const message: Message = { run, step, attempt, op, action, number, parameters, plan };
      const host = faults.happens('plugin asks too much') ? 'elsewhere.example' : 'target.example';
      // A GET has no body: what it is for stands in its address.
      const query = method === 'GET' ? `?m=${encodeURIComponent(JSON.stringify(message))}` : '';
      const body = method === 'GET' ? null : JSON.stringify(message);
      const answer = await call.broker({ url: `https://${host}/v1/${action}${query}`, method, headers: {}, body });
      if (ends()) return { kind: 'aborted' };
      if ('denied' in answer) return { kind: 'refused', reason: answer.denied };
      const error = errorOf(answer);
      if (error && !faults.happens('plugin lies')) return failed(error);
    }
    if (faults.happens('reply is no reply')) return { kind: 'replied', reply: random.pick(NO_REPLIES) };
    return { kind: 'replied', reply: JSON.stringify({ ok: true, output: outputOf(envelope) }) };
  };

  const outputOf = (envelope: CallEnvelope) => {
    if (envelope.op === 'plan') return planFor(envelope);
    return envelope.op === 'check' ? { done: wasDone(world.deeds, envelope.run, envelope.step) } : { status: 200 };
  };

  const planFor = (envelope: CallEnvelope) => {
    const { ip } = envelope.input as { ip: string };
    const count = faults.happens('plan is too wide') ? 6 : faults.happens('plan needs a person') ? 3 : 1;
    const targets = Array.from({ length: count }, (_, i) => ({ kind: 'ip', id: i === 0 ? ip : `203.0.113.${i}` }));
    return { summary: `${envelope.action} ${count}`, targets, reversible: !faults.happens('plan needs a person') };
  };

  /** A cell that has ended and speaks on is not heard: nothing of it leaves. */
  const talkOn = async (call: CellCall) => {
    await life.pause(random.below(2_000));
    if (life.isOver()) return;
    const answer = await call.broker({
      url: 'https://target.example/v1/late',
      method: 'POST',
      headers: {},
      body: '{}',
    });
    if (!('denied' in answer)) fail('cell', 'a cell that has ended was answered');
  };

  return {
    load: async () => ok(undefined),
    async call(call) {
      if (call.entry === 'describe') return describedAs(MANIFEST);
      const began = life.scheduler.elapsed();
      const { promise, resolve } = Promise.withResolvers<Ending>();
      busy++;
      let over = false;
      const end = (ending: Ending) => {
        over = true;
        resolve(ending);
      };
      call.signal?.addEventListener('abort', () => end({ kind: 'aborted' }));
      if (call.signal?.aborted) end({ kind: 'aborted' });
      else if (faults.happens('cell unavailable')) end({ kind: 'unavailable', reason: 'no cell can be started' });
      else if (!faults.happens('cell never answers')) {
        life.scheduler.after(call.hardDeadlineMs, () => end({ kind: 'overran', deadline: 'hard' }));
        void work(call, () => over || life.isOver()).then(end);
      }
      const ending = await promise;
      busy--;
      if (life.isOver()) return new Promise(() => undefined);
      if (faults.happens('cell talks after its end')) void talkOn(call);
      const { run, step, op, attempt } = JSON.parse(call.envelope) as CallEnvelope;
      trace.say(`cell: ${trace.name(run)} ${step} ${op} #${attempt} ${endText(ending)}`);
      return { ...ending, logs: [], elapsedMs: life.scheduler.elapsed() - began } as CellOutcome;
    },
    stats: () => ({ cells: 1, busy, waiting: 0, respawns: 0 }),
    close: async () => undefined,
  };
}

const failed = (errorClass: string): Ending => ({
  kind: 'replied',
  reply: JSON.stringify({ ok: false, error: { class: errorClass, message: 'it failed' } }),
});

const errorOf = (answer: HttpAnswer): string | undefined =>
  answer.ok ? (answer.status < 300 ? undefined : (STATUS_CLASS[answer.status] ?? 'upstream_error')) : answer.error;

const endText = (ending: Ending): string =>
  ending.kind === 'replied' ? `replies ${ending.reply.slice(0, 80)}` : ending.kind;
