/** Judges what a step asks for. Owns the order: what the step may do at all, then the grant, then report mode. */
import type { HttpRequest } from '../../sdk/contract/plugin.ts';
import { LIMITS } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { type AllowedRequest, isSafe, judgeRequest, uncovered } from '../egress/allow.ts';
import type { Refusal } from '../egress/refusal.ts';
import type { StepScope } from './broker.ts';

type StepRefusal = Omit<Refusal, 'code'> & {
  readonly code: Refusal['code'] | 'E_EFFECT' | 'E_TOO_MANY' | 'E_OPERATION';
};

/** `beyond`: what report mode let pass it in spite of. */
type Judged = AllowedRequest & { readonly beyond?: Refusal };

/** The rules of the step first, then those of the grant. */
export function judgeStepRequest(scope: StepScope, request: HttpRequest, asked: number): Result<Judged, StepRefusal> {
  if (scope.effect === 'none') {
    const text = 'the action declares effect none; to let it send requests, declare read or write in its manifest';
    return err({ code: 'E_EFFECT', text });
  }
  const limit = LIMITS.brokerCallsPerStep.value;
  if (asked > limit) {
    return err({ code: 'E_TOO_MANY', text: `a step may send ${limit} requests; divide the work into several steps` });
  }
  const judged = judgeGrant(scope, request);
  if (!judged.ok) return judged;
  const changesNothing = scope.op !== 'execute' && scope.op !== 'rollback';
  if (changesNothing && !isSafe(judged.value.method)) {
    const text = `${scope.op} changes nothing, so it may send GET and HEAD only; send the rest in execute`;
    return err({ code: 'E_OPERATION', text });
  }
  if (!scope.methods.includes(judged.value.method)) {
    const text = 'the action does not send this method by its manifest; name it there under methods, or leave it out';
    return err({ code: 'E_EFFECT', text });
  }
  return judged;
}

function judgeGrant(scope: StepScope, request: HttpRequest): Result<Judged, Refusal> {
  const judged = judgeRequest(scope.rules, request, scope);
  if (judged.ok || !scope.reports) return judged;
  const beyond = uncovered(scope.rules, request, scope);
  return beyond ? ok({ ...beyond, beyond: judged.error }) : judged;
}
