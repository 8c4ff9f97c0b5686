/**
 * The one way out of a cell. Owns what a step may send, which secret rides along, and the account of it that
 * settles the step. Holds no socket and keeps no secret beyond the step. What a plugin sees of an answer: `shown-answer.ts`.
 */
import type { EgressProxy, EgressRule, HttpMethod } from '../../sdk/contract/egress.ts';
import type { HealthStage, HttpRequest, Operation } from '../../sdk/contract/plugin.ts';
import type { OrgId } from '../base/id.ts';
import { LIMITS } from '../base/limits.ts';
import { type AllowedRequest, isSafe } from '../egress/allow.ts';
import type { BrokerAnswer } from '../port/cell-host.ts';
import type { EgressClient, OutboundAnswer } from '../port/egress.ts';
import { type Holder, type LeaseDesk, openLeases, openScrubbers, type SecretUse } from './leases.ts';
import { openRates, type Rates } from './rates.ts';
import type { Reports } from './reports.ts';
import { processScheduler, type Scheduler } from './scheduler.ts';
import { ILLEGIBLE_SECRET, noAnswer, scrubbedText, shown } from './shown-answer.ts';
import { judgeStepRequest } from './step-request.ts';

export type StepScope = {
  readonly org: OrgId;
  /** Null for a health check, which belongs to no run. */
  readonly run: string | null;
  /** The step run, or which stage of a health check it is. */
  readonly step: string;
  readonly attempt: number;
  readonly plugin: string;
  readonly action: string;
  /** Of the run; null where no playbook asks. */
  readonly playbook: string | null;
  /** The plugin's rules from the org's egress policy. Empty: everything is denied. */
  readonly rules: readonly EgressRule[];
  /** The proxy of the org, through which all of its requests go. */
  readonly proxy?: EgressProxy | undefined;
  /** The grant is in report mode. */
  readonly reports: boolean;
  /** What the action's manifest declares. */
  readonly effect: 'none' | 'read' | 'write';
  /** What the action sends by its manifest; a grant of the plugin may cover more. */
  readonly methods: readonly HttpMethod[];
  readonly op: Operation | HealthStage;
  /** The same over all attempts of the step. */
  readonly idempotencyKey: string;
  /** W3C Trace Context, version 00; empty when there is none. */
  readonly traceparent: string;
  /** Time for all requests of the step, in milliseconds from the first one. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /**
   * Asked once, before the first request that may change something. Resolves when its leaving is on disk; false when it
   * may not leave any more, or only after the resume of its run. Without it nobody is asked.
   */
  readonly leaving?: () => Promise<Leave>;
  /**
   * Asked at the last moment, too, before what begins the call, and before what begins to change something: whether its
   * run is paused. What has begun ends. Without it nobody is asked.
   */
  readonly isPaused?: () => boolean;
  /** Asked at the last moment before a request leaves: whether its run still wants it. Without it nobody is asked. */
  readonly isWanted?: () => boolean;
};

export type Leave = 'leaves' | 'paused' | 'over';

export type BrokerUse = {
  /** Requests handed to the egress client. */
  readonly requests: number;
  /**
   * About requests that may change something (any but GET and HEAD) and may have left: `uncertain` when one of them got
   * no whole answer, else `answered`, or `none`. With `uncertain` a step that does not succeed is indeterminate, not failed.
   */
  readonly unsafe: 'none' | 'answered' | 'uncertain';
  /** One of several such requests was answered as done (2xx): a failure after it leaves something done. */
  readonly isInPart: boolean;
  /** A pause kept it from what it was about to begin: nothing that may change something has left. */
  readonly isHeldBack: boolean;
  /** The first denial, safe to show: a code, and a sentence that says nothing of the grants. */
  readonly denied: string | null;
  /** Secrets that were put into a request, each place once. */
  readonly secrets: readonly SecretUse[];
  /** The header `Retry-After` of the last answer that asked for patience (429, 503), or of a rate of ours. Foreign text. */
  readonly retryAfter: string | null;
  /** A rate of the grant kept a request back: that says nothing of its target. */
  readonly isOverRate: boolean;
};

export type StepBroker = {
  /** Never rejects. After one denial every answer is a denial, whatever is asked. */
  handle(request: HttpRequest): Promise<BrokerAnswer>;
  /** Stops what is in flight, revokes every lease, and gives the account. Later requests are denied. Idempotent. */
  close(): Promise<BrokerUse>;
};

/** A request that was stopped, told to whoever runs the kernel: only here is it said what would let it pass. */
export type EgressRefused = Pick<StepScope, 'org' | 'run' | 'step' | 'plugin'> & {
  readonly reason: string;
  readonly hint: string | null;
};

export type Broker = { forStep(scope: StepScope): StepBroker };

type Parts = {
  /** Asked at the last moment before a request leaves. */
  readonly isStopped?: (org: OrgId) => boolean;
  readonly egress: EgressClient;
  readonly secrets: LeaseDesk;
  readonly scheduler?: Scheduler;
  /** Without it report mode lets nothing out. */
  readonly reports?: Pick<Reports, 'note' | 'refused'>;
  readonly onRefusal?: (refused: EgressRefused) => void;
};

export function createBroker(parts: Parts): Broker {
  const { scheduler = processScheduler } = parts;
  const scrubbers = openScrubbers();
  const all = { ...parts, scheduler, rates: openRates(scheduler) };
  return { forStep: (scope) => openStep(all, openLeases(parts.secrets, scrubbers, holderOf(scope)), scope) };
}

/** A health check has no run by which the record could tell whose lease it is. */
const holderOf = ({ org, run, step, plugin }: StepScope): Holder => ({
  org,
  run,
  step: run === null ? `${plugin}/${step}` : step,
});

type AllParts = Parts & { readonly scheduler: Scheduler; readonly rates: Rates };

function openStep(parts: AllParts, secrets: ReturnType<typeof openLeases>, scope: StepScope): StepBroker {
  const { egress, onRefusal, isStopped, scheduler, rates } = parts;
  let deadline: number | undefined;
  const stop = new AbortController();
  const signal = scope.signal ? AbortSignal.any([scope.signal, stop.signal]) : stop.signal;
  const pool = JSON.stringify([scope.org, scope.plugin]);
  let asked = 0;
  let requests = 0;
  let unsafeAsked = 0;
  let unsafe: BrokerUse['unsafe'] = 'none';
  let unsafeInFlight = 0;
  let unsafeDone = 0;
  let denied: string | null = null;
  let retryAfter: string | null = null;
  let isOverRate = false;
  let closing: Promise<BrokerUse> | undefined;
  let left: Promise<Leave> | undefined;
  let isHeldBack = false;

  const mayLeave = async (): Promise<Leave> => {
    left ??= scope.leaving?.();
    return (await left) ?? 'leaves';
  };

  /** As a denial: whatever else it asks for, it begins nothing. */
  const holdBack = (): BrokerAnswer => {
    isHeldBack = true;
    denied ??= 'the run is paused';
    return { denied };
  };

  const deny = (reason: string, hint: string | null = null): BrokerAnswer => {
    if (denied === null) {
      denied = reason;
      const { org, run, step, plugin } = scope;
      onRefusal?.({ org, run, step, plugin, reason, hint });
    }
    return { denied };
  };

  /** Outside of a run there is nobody to tell of what was let out, so nothing is. */
  const note = (request: AllowedRequest) =>
    scope.run === null ? false : parts.reports?.note({ ...scope, run: scope.run, request });
  /** What was noted before it left has not left. */
  const noteRefused = (request: AllowedRequest, block: string | undefined) =>
    scope.run === null ? undefined : parts.reports?.refused({ ...scope, run: scope.run, request }, block);

  const handle = async (request: HttpRequest): Promise<BrokerAnswer> => {
    if (denied !== null) return { denied };
    if (closing) return deny('the step has ended');
    asked += 1;
    // From the first request on: the wait for a free cell before it is no time of the step.
    deadline ??= scheduler.elapsed() + scope.timeoutMs;
    const allowed = judgeStepRequest(scope, request, asked);
    if (!allowed.ok) return deny(`${allowed.error.code}: ${allowed.error.text}`, allowed.error.hint);
    const { rule, method, url, beyond } = allowed.value;
    // Counted first, so that the next one has the key that it has in every attempt.
    const key = isSafe(method) ? undefined : keyOf(scope.idempotencyKey, ++unsafeAsked);
    // Before anything is said or leased for it. What is kept back later has used its place all the same.
    const freeInMs = rates.take(scope.org, rule);
    if (freeInMs > 0) {
      isOverRate = true;
      retryAfter = `${Math.ceil(freeInMs / 1_000)}`;
      return noAnswer('rate_limited', 'the grant of the plugin allows no more requests to this place for a while');
    }
    // Together, so that both records share a commit.
    const [carried, proxy, isNoted, leave, isLegible] = await Promise.all([
      secrets.headerFor(rule),
      secrets.proxyOf(scope.proxy),
      beyond === undefined || note(allowed.value),
      key === undefined ? 'leaves' : mayLeave(),
      secrets.scrubber().then((scrub) => scrub !== undefined),
    ]);
    // The wait is a gap in which the step may have been closed or denied.
    if (closing) return deny('the step has ended');
    if (denied !== null) return { denied };
    const begins = key === undefined ? requests === 0 : unsafeInFlight === 0 && unsafe === 'none';
    if (leave === 'paused' || (begins && scope.isPaused?.())) return holdBack();
    if (beyond && !isNoted) return deny(`${beyond.code}: ${beyond.text}`, beyond.hint);
    if (!carried.ok) {
      return carried.error.isFinal ? deny(carried.error.text) : noAnswer('unavailable', carried.error.text);
    }
    if (!proxy.ok) {
      return proxy.error.isFinal ? deny(proxy.error.text) : noAnswer('unavailable', proxy.error.text);
    }
    if (leave === 'over' || scope.isWanted?.() === false) return deny('the step has ended');
    // What would come back could not be shown.
    if (!isLegible) return noAnswer('unavailable', ILLEGIBLE_SECRET);
    const timeoutMs = Math.floor(deadline - scheduler.elapsed());
    if (isStopped?.(scope.org)) return noAnswer('unavailable', 'the stop switch is engaged: nothing is sent');
    if (timeoutMs <= 0) return noAnswer('timeout', 'the time of the step is used up');
    secrets.rides(rule.secret, rule.host);
    if (scope.proxy?.secret)
      secrets.rides({ name: scope.proxy.secret.name, header: 'proxy-authorization' }, scope.proxy.host);
    requests += 1;
    if (key !== undefined) unsafeInFlight += 1;
    const answer = await egress.send({
      rule,
      pool,
      url,
      ...(proxy.value && { proxy: proxy.value }),
      method,
      headers: { ...outboundHeaders(allowed.value, scope, key), ...carried.value },
      body: allowed.value.body,
      timeoutMs,
      maxBodyBytes: LIMITS.httpBodyBytes.value,
      signal,
    });
    if (key !== undefined) {
      unsafeInFlight -= 1;
      unsafe = worse(unsafe, answer);
      if (answer.kind === 'answered' && answer.status >= 200 && answer.status <= 299) unsafeDone += 1;
    }
    retryAfter = patienceOf(answer) ?? retryAfter;
    if (beyond && answer.kind === 'denied') await noteRefused(allowed.value, answer.block);
    if (closing) return deny('the step has ended');
    // Asked anew: a secret may have been stored, and used by another step, since the request left.
    const scrub = await secrets.scrubber();
    if (answer.kind === 'denied') {
      const { reason, hint } = answer;
      return deny(scrubbedText(scrub, reason), hint === undefined ? null : scrubbedText(scrub, hint));
    }
    const seen = await shown(answer, scrub, key === undefined, () => closing !== undefined);
    // Of what it does not get to read a plugin can say that it succeeded, by the status, but not that it failed.
    if (key !== undefined && !seen.isWhole) unsafe = 'uncertain';
    return closing ? deny('the step has ended') : seen.answer;
  };

  const close = async (): Promise<BrokerUse> => {
    if (unsafeInFlight > 0) unsafe = 'uncertain';
    const isInPart = unsafeAsked > 1 && unsafeDone > 0;
    const carried = secrets.used();
    const use = { requests, unsafe, isInPart, isHeldBack, denied, secrets: carried, retryAfter, isOverRate };
    // A reason of our own: the default one is an exception object with a stack, made for every step.
    stop.abort('the step has ended');
    secrets.revoke();
    return use;
  };

  return {
    handle: (request) =>
      handle(request).catch(() => deny('the broker failed inside; the request was stopped to be safe')),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** The n-th unsafe request has the same key in every attempt, because a plugin is deterministic. */
const keyOf = (key: string, n: number): string => (n === 1 ? key : `${key}-${n}`);

function outboundHeaders(request: AllowedRequest, scope: StepScope, key: string | undefined) {
  return {
    ...(request.body !== null && request.body !== '' ? { 'content-type': 'application/json' } : {}),
    ...request.headers,
    'user-agent': 'interlock',
    ...(scope.traceparent === '' ? {} : { traceparent: scope.traceparent }),
    ...(key === undefined ? {} : { 'idempotency-key': key }),
  };
}

const patienceOf = (answer: OutboundAnswer): string | undefined =>
  answer.kind === 'answered' && (answer.status === 429 || answer.status === 503)
    ? answer.headers['retry-after']
    : undefined;

function worse(before: BrokerUse['unsafe'], answer: OutboundAnswer): BrokerUse['unsafe'] {
  if (answer.kind === 'answered') return before === 'uncertain' ? before : 'answered';
  return answer.kind === 'failed' && answer.sent ? 'uncertain' : before;
}
