import type { Refusal } from '../client/answer.ts';

/**
 * How a command ends. Exit codes are part of the interface: scripts branch on them.
 */
export const EXIT = {
  fine: 0,
  /** The answer is no: invalid, refused, not found, or the run that was waited for did not complete. */
  no: 1,
  /** No answer: wrong usage, no connection, no access, a server in trouble, nothing that could be checked. */
  cannot: 2,
  interrupted: 130,
} as const;

export type Exit = (typeof EXIT)[keyof typeof EXIT];

/** Why a command could not do what was asked: what, why, and how to mend it, as one paragraph; then single faults. */
export type Complaint = {
  readonly exit: typeof EXIT.no | typeof EXIT.cannot;
  /** Our own words; foreign parts are cleaned. Never a token or a secret. */
  readonly text: string;
  readonly list?: readonly string[];
  /** What the server answered, where it is to be printed as the JSON document of the command. */
  readonly problem?: Refusal;
};

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Complaint };
export type Ending = Result<Exit>;

export const ok = <T>(value: T): Result<T> => ({ ok: true, value });
export const fine: Ending = ok(EXIT.fine);
export const no: Ending = ok(EXIT.no);

/** The answer is no. */
export const refuse = (text: string, list?: readonly string[]): { readonly ok: false; readonly error: Complaint } => ({
  ok: false,
  error: { exit: EXIT.no, text, ...(list ? { list } : {}) },
});

/** There is no answer. */
export const cannot = (text: string, list?: readonly string[]): { readonly ok: false; readonly error: Complaint } => ({
  ok: false,
  error: { exit: EXIT.cannot, text, ...(list ? { list } : {}) },
});
