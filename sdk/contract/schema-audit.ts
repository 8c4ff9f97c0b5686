import * as v from 'valibot';
import { Digest, says } from './api-word.ts';
import { ACTOR_PATTERN, AUDIT_CHARS, AUDIT_FORM, type AuditRecord } from './audit.ts';

/**
 * One audit record as a schema, for whoever reads an export. It says the form of each field; whether the chain holds is
 * what the verifier says, from the bytes of the line.
 */
const Hash = v.pipe(v.string(), v.regex(AUDIT_FORM.hash));
const Count = v.pipe(v.number(), v.integer(), v.minValue(0));
const named = (chars: number) => v.pipe(v.string(), v.minLength(1), v.maxLength(chars));

export const AuditRecordSchema = v.object({
  act: v.exactOptional(
    says(Digest, 'Of what was done: parameters, plan, event, decision. The thing itself is elsewhere.'),
  ),
  actor: says(
    // The flag of the original is of no matter here: names beyond the BMP fit `.` twice.
    v.pipe(named(AUDIT_CHARS.actor), v.regex(new RegExp(ACTOR_PATTERN.source))),
    '`principal:<id>` or `system:<part>`.',
  ),
  attempt: v.exactOptional(
    says(v.pipe(v.number(), v.integer(), v.minValue(1)), 'Number of the try, on records of a step.'),
  ),
  cause: v.exactOptional(says(Count, '`seq` of the record that authorises this one.')),
  kind: says(
    v.pipe(v.string(), v.regex(AUDIT_FORM.kind)),
    'What happened, such as `step.intent`. There are more in later versions: pass over one that you do not know.',
  ),
  log: says(v.pipe(v.string(), v.regex(AUDIT_FORM.log)), 'Short id of the log.'),
  nonce: says(v.pipe(v.string(), v.regex(AUDIT_FORM.nonce)), '128 random bits.'),
  outcome: v.exactOptional(
    says(v.pipe(v.string(), v.regex(AUDIT_FORM.outcome)), 'A word of a closed list, such as `approved` or `timeout`.'),
  ),
  prev: says(Hash, 'Leaf hash (RFC 6962) of the record before; of the first, 32 zero bytes.'),
  ref: v.exactOptional(
    says(named(AUDIT_CHARS.ref), 'Name of the thing concerned: playbook, trigger, action, approval, secret.'),
  ),
  run: v.exactOptional(named(AUDIT_CHARS.run)),
  seq: says(Count, 'Place in the log, from 0, gapless.'),
  step: v.exactOptional(named(AUDIT_CHARS.step)),
  tenant: says(v.pipe(v.string(), v.regex(AUDIT_FORM.tenant)), 'The org that it belongs to.'),
  time: says(Count, 'Unix milliseconds; never decreases.'),
  tprev: says(Hash, "Leaf hash of the same org's record before."),
  tseq: says(Count, "Place among the org's records, from 0, gapless."),
  v: v.literal(1),
}) satisfies v.GenericSchema<unknown, AuditRecord>;
