import type { AuditKind } from '../../sdk/contract/audit-kind.ts';
import type { VoteRefusal } from '../approval/approval.ts';
import type { ApprovalId, Digest, RunId, StepRunId } from '../base/id.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Principal } from '../org/principal.ts';
import type { Run } from '../run/state.ts';
import type { Driver, Submitted } from './drive.ts';
import { KEYS } from './keys.ts';
import type { Ledger } from './ledger.ts';
import type { ApprovalRow } from './project.ts';
import type { Query } from './query.ts';

/** What people do to runs: vote, cancel, settle. Each is an input of the run; a refusal is recorded and changes nothing. */
export type ControlFault =
  | { readonly kind: 'not_found' }
  | { readonly kind: 'run_ended' }
  | { readonly kind: 'not_indeterminate' }
  | { readonly kind: 'nothing_to_close' }
  | { readonly kind: 'vote_refused'; readonly why: VoteRefusal };

export type BallotForm = {
  readonly decision: 'approve' | 'reject';
  readonly rationale: string;
  readonly subject: Digest;
};

/** `changed`: whether this turn did it, or the run was so already. */
export type Paused = { readonly run: Run; readonly changed: boolean };

export type Control = ReturnType<typeof openControl>;

export function openControl(deps: { driver: Driver; ledger: Ledger; query: Pick<Query, 'run'> }) {
  const { driver, ledger, query } = deps;

  const refused = async (by: Principal, kind: AuditKind, ref: string, outcome: string) =>
    ledger.stage({ audit: [{ org: by.org, kind, actor: `principal:${by.id}`, ref, outcome }], rows: [] });

  const faultOf = (submitted: Extract<Submitted, { ok: false }>): ControlFault => {
    switch (submitted.refusal.kind) {
      case 'ended':
        return { kind: 'run_ended' };
      case 'not-indeterminate':
        return { kind: 'not_indeterminate' };
      case 'nothing-to-close':
        return { kind: 'nothing_to_close' };
      case 'vote':
        return { kind: 'vote_refused', why: submitted.refusal.why };
      default:
        return { kind: 'not_found' };
    }
  };

  const paused = (by: Principal, id: RunId, submitted: Submitted): Result<Paused, ControlFault> => {
    if (submitted.ok) return ok({ run: submitted.run, changed: true });
    const run = submitted.refusal.kind === 'unchanged' ? query.run(by.org, id) : null;
    return run ? ok({ run, changed: false }) : err(faultOf(submitted));
  };

  return {
    /** S 6: who votes on what, for what reason, on exactly the subject that was shown. */
    async vote(by: Principal, approval: ApprovalId, form: BallotForm): Promise<Result<Run, ControlFault>> {
      const text = ledger.read(KEYS.approval(by.org, approval));
      if (!text) return err({ kind: 'not_found' });
      const { run, state } = JSON.parse(text) as ApprovalRow;
      const ballot = { by: by.id, roles: by.roles, ...form };
      const submitted = await driver.submit(by.org, run, { kind: 'vote', approval, ballot });
      if (submitted.ok) return ok(submitted.run);
      const hasEnded = submitted.refusal.kind === 'ended';
      const fault = hasEnded ? voteFault(state === 'expired' ? 'expired' : 'not-pending') : faultOf(submitted);
      if (fault.kind === 'vote_refused') await refused(by, 'approval.refused', approval, fault.why);
      return err(fault);
    },

    /** S 5.4: ends the run now; a call under way is stopped, and what it may have changed is indeterminate. */
    async cancel(by: Principal, run: RunId, reason: string): Promise<Result<Run, ControlFault>> {
      if (!driver.load(by.org, run)) return err({ kind: 'not_found' });
      const submitted = await driver.submit(by.org, run, { kind: 'cancel', by: by.id, reason });
      return submitted.ok ? ok(submitted.run) : err(faultOf(submitted));
    },

    /** Nothing more of the run, and of the runs that it starts, is sent. To pause what is paused changes nothing. */
    pause: async (by: Principal, run: RunId, reason: string): Promise<Result<Paused, ControlFault>> =>
      paused(by, run, await driver.submit(by.org, run, { kind: 'pause', by: by.id, reason })),

    /** What waited for it goes on, unless something else keeps it. */
    resume: async (by: Principal, run: RunId): Promise<Result<Paused, ControlFault>> =>
      paused(by, run, await driver.submit(by.org, run, { kind: 'end-pause', by: by.id })),

    /** A person says what became of a step whose outcome is unknown. */
    async settle(
      by: Principal,
      run: RunId,
      form: { readonly step: StepRunId; readonly outcome: 'succeeded' | 'failed'; readonly note: string },
    ): Promise<Result<Run, ControlFault>> {
      if (!driver.load(by.org, run)) return err({ kind: 'not_found' });
      const submitted = await driver.submit(by.org, run, { kind: 'settle', by: by.id, ...form });
      return submitted.ok ? ok(submitted.run) : err(faultOf(submitted));
    },

    /** S 13.3: an analyst has looked at how a run ended that needs a review. */
    async close(by: Principal, run: RunId, note: string): Promise<Result<Run, ControlFault>> {
      if (!driver.load(by.org, run)) return err({ kind: 'not_found' });
      const submitted = await driver.submit(by.org, run, { kind: 'close', by: by.id, note });
      return submitted.ok ? ok(submitted.run) : err(faultOf(submitted));
    },
  };
}

const voteFault = (why: VoteRefusal): ControlFault => ({ kind: 'vote_refused', why });
