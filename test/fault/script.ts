import { expect } from 'vitest';
import type { ApprovalId, Digest, RunId, StepRunId } from '../../kernel/base/id.ts';
import { isEnded, type Run } from '../../kernel/run/state.ts';
import { personOf } from '../support/org-files.ts';
import {
  APPROVER,
  activate,
  EVENT,
  OPERATOR,
  ORG,
  openTarget,
  PLAYBOOK,
  POST_ONCE,
  SENDER,
  type StandIn,
  type Target,
} from './stand-in.ts';

/**
 * What people and machines do to a kernel, from wherever it stands to the end, so that it can be gone on with after any
 * fault. They remember what they were told is done, and never do that again.
 */
export type Told = {
  event?: string;
  vote?: ApprovalId;
  settled?: RunId;
  cancelled?: RunId;
  again?: RunId;
  put?: Digest;
  active?: Digest;
  token?: { readonly token: string; readonly tokenId: string };
  revoked?: string;
  secret?: string;
  removed?: string;
};

export type Script = {
  readonly name: string;
  /** Active before it begins; without one, it begins with an empty disk. */
  readonly playbook?: string;
  readonly target: () => Target;
  /** The target takes requests without a key, so that no lease of a secret is on record before one leaves. */
  readonly isOpen?: true;
  /** @throws when the kernel fails on the way. */
  readonly play: (standIn: StandIn, told: Told, target: Target) => Promise<Run | undefined>;
  /** How many runs there are at the end; absent: one, where there is any. */
  readonly runs?: number;
  /** How it may end, and how many effects there may be. */
  readonly ends: readonly string[];
  readonly effects: readonly number[];
};

const MINUTE = 60_000;
const AUTHOR = personOf(ORG, 'author', ['author']);
const ADMIN = personOf(ORG, 'admin', ['admin']);

/** Time goes on, and `meanwhile` is done, until the run has ended. */
async function untilEnd(
  standIn: StandIn,
  told: Told,
  stepMs: number,
  meanwhile: (run: Run) => Promise<void> = async () => undefined,
): Promise<Run> {
  const receipt = await standIn.kernel.ingest(SENDER, EVENT);
  if (!receipt.ok) throw new Error(receipt.error.kind);
  told.event = receipt.value.event;
  return untilEndOf(receipt.value.triggers[0]?.run as RunId, standIn, stepMs, meanwhile);
}

async function untilEndOf(
  id: RunId,
  { kernel, clock, run }: StandIn,
  stepMs: number,
  meanwhile: (run: Run) => Promise<void>,
): Promise<Run> {
  for (let round = 0; round < 3_000; round++) {
    if (!kernel.healthy()) throw await kernel.failure;
    const now = run(id);
    if (now && isEnded(now)) return now;
    if (now) await meanwhile(now);
    clock.advance(stepMs);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`the run does not end: ${JSON.stringify(run(id))}`);
}

const votes =
  ({ kernel }: StandIn, told: Told) =>
  async (run: Run): Promise<void> => {
    const open = Object.values(run.approvals).find((approval) => approval.state === 'pending');
    if (!open) return;
    const ballot = { decision: 'approve', rationale: 'seen', subject: open.subject } as const;
    const voted = await kernel.control.vote(APPROVER, open.id, ballot);
    if (voted.ok) told.vote = open.id;
  };

const settles =
  ({ kernel }: StandIn, told: Told, target: Target) =>
  async (run: Run): Promise<void> => {
    if (run.steps['post' as StepRunId]?.state !== 'indeterminate') return;
    const outcome = target.arrived.length > 0 ? 'succeeded' : 'failed';
    const form = { step: 'post' as StepRunId, outcome, note: 'looked there' } as const;
    const settled = await kernel.control.settle(OPERATOR, run.id, form);
    if (settled.ok) told.settled = run.id;
  };

const cancels =
  ({ kernel }: StandIn, told: Told) =>
  async (run: Run): Promise<void> => {
    if (Object.keys(run.approvals).length === 0) return;
    const cancelled = await kernel.control.cancel(OPERATOR, run.id, 'a mistake');
    if (cancelled.ok) told.cancelled = run.id;
  };

/** A run that was cancelled by mistake runs again, and somebody agrees to what it wants to do. */
async function asksAgain(standIn: StandIn, told: Told): Promise<Run> {
  const cancelled = await untilEnd(standIn, told, 50, cancels(standIn, told));
  if (told.again === undefined) {
    const again = await standIn.kernel.runAgain(OPERATOR, cancelled.id, 'it was no mistake');
    if (!again.ok) throw new Error(again.error);
    told.again = again.value.id;
  }
  return untilEndOf(told.again, standIn, 50, votes(standIn, told));
}

/** Every other request meets an overloaded target, so that every call is tried again. */
const overloaded = (): Target => {
  let sent = 0;
  const target = openTarget();
  return {
    ...target,
    get does() {
      return sent++ % 2 === 0 ? ('refuses connections' as const) : ('answers' as const);
    },
  };
};

async function administer({ kernel }: StandIn, told: Told): Promise<undefined> {
  if (told.put === undefined) {
    const put = await kernel.playbooks.put(AUTHOR, PLAYBOOK.replace('title: Look', 'title: Look well'));
    if (!put.ok) throw new Error(put.error.kind);
    told.put = put.value.digest;
  }
  if (told.active === undefined) {
    const active = await kernel.playbooks.activate(APPROVER, 'governed', told.put);
    if (!active.ok) throw new Error(active.error.kind);
    told.active = told.put;
  }
  if (told.token === undefined)
    told.token = await kernel.tokens.create(ORG, 'system:test', { id: ADMIN.id, roles: ['auditor'] });
  if (told.revoked === undefined && (await kernel.tokens.revoke(ADMIN, told.token.tokenId)))
    told.revoked = told.token.token;
  if (told.secret === undefined) {
    await kernel.secrets.put(ADMIN, 'other-key', 'the-value-of-the-other-key');
    told.secret = 'other-key';
  }
  if (told.removed === undefined) {
    await kernel.secrets.remove(ADMIN, 'other-key');
    told.removed = 'other-key';
  }
  await kernel.refuseAccess(APPROVER, 'putSecret');
  return undefined;
}

export const SCRIPTS: readonly Script[] = [
  {
    name: 'the first start, and a run that a person agrees to',
    target: openTarget,
    isOpen: true,
    play: async (standIn, told) => {
      await activate(standIn, PLAYBOOK);
      return untilEnd(standIn, told, 50, votes(standIn, told));
    },
    ends: ['completed'],
    effects: [1],
  },
  {
    name: 'a run whose target is overloaded, so that timers bring its next tries',
    playbook: PLAYBOOK,
    target: overloaded,
    play: (standIn, told) => untilEnd(standIn, told, 200, votes(standIn, told)),
    ends: ['completed'],
    effects: [1],
  },
  {
    name: 'a post whose answer is lost, which a person settles',
    playbook: POST_ONCE,
    target: () => openTarget('does not answer'),
    play: (standIn, told, target) => untilEnd(standIn, told, 50, settles(standIn, told, target)),
    // Cut off before it left, it is tried again; cut off at its leaving, the person finds that nothing was done.
    ends: ['completed', 'failed'],
    effects: [0, 1],
  },
  {
    name: 'a run that is cancelled while it waits for people',
    playbook: PLAYBOOK,
    target: openTarget,
    play: (standIn, told) => untilEnd(standIn, told, 50, cancels(standIn, told)),
    ends: ['cancelled'],
    effects: [0],
  },
  {
    name: 'a run that is cancelled, and that somebody has run again',
    playbook: PLAYBOOK,
    target: openTarget,
    play: asksAgain,
    runs: 2,
    ends: ['completed'],
    effects: [1],
  },
  {
    name: 'an approval that nobody gives, which expires',
    playbook: PLAYBOOK,
    target: openTarget,
    play: (standIn, told) =>
      untilEnd(standIn, told, 50, async (run) => {
        if (Object.keys(run.approvals).length > 0) standIn.clock.advance(MINUTE);
      }),
    ends: ['aborted', 'timed_out'],
    effects: [0],
  },
  {
    name: 'a new version, a token and a secret, made and withdrawn',
    playbook: PLAYBOOK,
    target: openTarget,
    play: administer,
    ends: [],
    effects: [0],
  },
];

/** Whether everything that somebody was told is there, in the kernel that came after. */
export async function expectKept({ kernel, secrets }: StandIn, told: Told): Promise<void> {
  const { query, tokens } = kernel;
  if (told.event !== undefined) expect(query.event(ORG, told.event), 'the event').toBeDefined();
  if (told.vote) expect(query.approval(ORG, told.vote)?.votes, 'the vote').toMatchObject([{ by: 'approver' }]);
  if (told.settled) expect(query.run(ORG, told.settled)?.steps['post' as StepRunId]?.state).not.toBe('indeterminate');
  if (told.cancelled) expect(query.run(ORG, told.cancelled)?.state).toBe('cancelled');
  if (told.again) expect(query.run(ORG, told.again)?.again, 'the run that was asked for').toBeDefined();
  const governed = query.playbook(ORG, 'governed');
  if (told.put) expect(governed?.versions.map(({ digest }) => digest)).toContain(told.put);
  if (told.active) expect(governed?.active, 'the active version').toBe(told.active);
  if (told.token && told.revoked === undefined) {
    // Withdrawn it may be all the same: the answer to that got lost.
    const roles = tokens.recognise(told.token.token)?.roles ?? ['auditor'];
    expect(roles).toEqual(['auditor']);
  }
  if (told.revoked !== undefined) expect(tokens.recognise(told.revoked), 'the token').toBeUndefined();
  const names = (await secrets.list(ORG)).map(({ name }) => name);
  if (told.removed !== undefined) expect(names, 'the removed secret').not.toContain(told.removed);
}
