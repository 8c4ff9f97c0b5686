import type { ClientFault, Refusal } from '../client/answer.ts';
import { cannot, type Result, refuse } from './ending.ts';
import { clean } from './print.ts';
import { DEFAULT_URL, type Session } from './session.ts';
import { typed } from './typed.ts';

/** Says a failed call in the words of whoever typed the command: what, why, and how to mend it. */
const LISTED = 20;

/** What a command names, and lists under the same word. */
export type Thing =
  | 'event'
  | 'run'
  | 'approval'
  | 'incident'
  | 'playbook'
  | 'trigger'
  | 'connector'
  | 'secret'
  | 'token';

/** @param thing what was named, where one was: it may not be there. */
export function complain(
  fault: ClientFault,
  session: Pick<Session, 'address' | 'org' | 'json'>,
  thing?: Thing,
): Result<never> {
  const { address } = session;
  switch (fault.kind) {
    case 'unreachable':
      return cannot(`cannot reach ${address}: ${unreachable(fault.code, address)}`);
    case 'timeout':
      return cannot(
        `${address} did not answer within ${Math.round(fault.afterMs / 1_000)} s. ` +
          'It may be overloaded, or what listens there is something else; try again, or check --url.',
      );
    case 'redirected':
      return cannot(
        `${address} points to another address (status ${fault.status}). The token is not carried along: ` +
          'give the address where the server really is with --url.',
      );
    case 'strange':
      return cannot(
        `${address} is not an Interlock server that this command understands: ${fault.why}. ` +
          'Check --url, and that command and server are of the same version.',
      );
    case 'problem':
      return withProblem(refusal(fault, session.org, thing), session.json ? fault.problem : undefined);
  }
}

/** A program that asked for JSON gets what the server said as its document; people get the sentence. */
function withProblem(refused: ReturnType<typeof refuse>, problem: Refusal | undefined): Result<never> {
  return problem === undefined ? refused : { ok: false, error: { ...refused.error, problem } };
}

const NOT_TRUSTED = /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_)/;

function unreachable(code: string, address: string): string {
  // `npm start` is the demo, and listens here; a kernel of somebody's own is started otherwise.
  const start = address === DEFAULT_URL ? 'Start the demo with `npm start`' : 'Start the kernel that belongs there';
  if (code === 'ECONNREFUSED') return `nothing listens there. ${start}, or give another address with --url.`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the name of the host is not known. Check --url.';
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG')
    return 'it does not speak https there. Check --url.';
  if (NOT_TRUSTED.test(code))
    return `its certificate is not trusted (${code}). Put its authority into a file and name that in NODE_EXTRA_CA_CERTS.`;
  return `the connection failed${code ? ` (${code})` : ''}. ${start}, or check --url.`;
}

const kind = (name: string): string => `urn:interlock:problem:${name}`;

/** The server speaks to programs that make requests; this is the same in the words of whoever typed a command. */
const OWN_WORDS: Readonly<
  Record<string, (title: string, detail: string, org: string, thing?: Thing) => readonly string[]>
> = {
  [kind('unauthenticated')]: () => [
    'The server does not accept the token',
    typed(
      'It is unknown, withdrawn or expired: ask whoever administers the org for a new one (`interlock token create`)',
    ),
  ],
  [kind('forbidden')]: (title, detail) => [title, detail, typed('`interlock whoami` shows what it may do')],
  [kind('not-found')]: (_title, _detail, org, thing) => [
    thing === undefined
      ? `There is nothing of this name or id in the org ${org}`
      : typed`There is no ${thing} of this name or id in the org ${org}: \`interlock ${thing} list\` shows those that there are`,
    typed('The token sees no other org; `interlock whoami` shows whose it is'),
  ],
};

/** About the thing asked for, most refusals are a no. These say that the question could not be put. */
const NO_ANSWER: ReadonlySet<number> = new Set([400, 401, 405, 407, 408, 415, 417, 429, 431]);
const NO_QUESTION: ReadonlySet<string> = new Set([kind('invalid-query'), kind('invalid-cursor')]);

type Refused = Extract<ClientFault, { kind: 'problem' }>;

function refusal({ problem, retryAfterSeconds }: Refused, org: string, thing?: Thing): ReturnType<typeof refuse> {
  const { type, status, instance, errors } = problem;
  const title = clean(problem.title, 200);
  const detail = clean(problem.detail, 600);
  const words = Object.hasOwn(OWN_WORDS, type) ? OWN_WORDS[type]?.(title, detail, org, thing) : undefined;
  const text = [
    ...(words ?? [title, detail]),
    retryAfterSeconds === null ? '' : `Try again in ${retryAfterSeconds} s`,
    status >= 500 && instance !== '' ? `Give this id when you ask for help: ${clean(instance, 100)}` : '',
  ]
    .filter((part) => part !== '')
    .map(endSentence)
    .join(' ');
  const list = errors
    .slice(0, LISTED)
    .map((one) => `${one.pointer === '' ? '' : `${clean(one.pointer, 200)}: `}${clean(one.text)}`);
  if (errors.length > LISTED) list.push(`and ${errors.length - LISTED} more`);
  const isAnswer = status >= 400 && status < 500 && !NO_ANSWER.has(status) && !NO_QUESTION.has(type);
  return isAnswer ? refuse(text, list) : cannot(text, list);
}

const endSentence = (text: string): string => (/[.!?…]$/.test(text) ? text : `${text}.`);
