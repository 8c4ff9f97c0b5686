import { InvariantError } from '../base/assert.ts';

/** What is logged of a defect: where in our code, never what was sent. Messages of errors quote input, so only ours stay. */
export type LogEntry = {
  readonly level: 'error';
  readonly event: 'http.internal';
  /** As in the answer. */
  readonly instance: string;
  readonly operation: string;
  readonly error: string;
  /** Ours: of a broken invariant. */
  readonly text: string | null;
  readonly frames: readonly string[];
};

const FRAMES = 8;

export function toLogEntry(error: unknown, operation: string, instance: string): LogEntry {
  const isError = error instanceof Error;
  // The first lines of a stack are the message; frames begin with "at".
  const frames = (isError ? (error.stack ?? '') : '')
    .split('\n')
    .filter((line) => /^ {4}at /.test(line))
    .slice(0, FRAMES)
    .map((line) => line.trim());
  return {
    level: 'error',
    event: 'http.internal',
    instance,
    operation,
    error: isError ? error.constructor.name : typeof error,
    text: error instanceof InvariantError ? error.message : null,
    frames,
  };
}
