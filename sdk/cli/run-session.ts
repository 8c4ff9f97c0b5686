import { cannot, type Result } from './ending.ts';
import { isApprovalOrRunId } from './form.ts';
import { type Globals, openSession, type Session } from './session.ts';
import { typed } from './typed.ts';

/** A session for a command about one run. */
export async function openRunSession(id: string, options: Globals): Promise<Result<Session>> {
  if (isApprovalOrRunId('run', id)) return openSession(options);
  return cannot(typed('a run is named by run_ and 32 hex digits; `interlock run list` shows them.'));
}
