import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { AuditRecord } from '@interlock/sdk/contract';

/**
 * Which secret went to which run and host, and when it was given back: out of an export of the audit log. One line for each
 * lease. It believes the export, so verify that first.
 */
const options = { secret: { type: 'string' }, run: { type: 'string' } } as const;
const { values, positionals } = parseArgs({ options, allowPositionals: true });
const [folder] = positionals;
if (folder === undefined) throw new Error('usage: secret-leases.ts EXPORT [--secret NAME] [--run RUN]');

type Lease = { readonly text: string; readonly places: string[] };
/** Leases that have not ended, the oldest first, by who holds what. */
const open = new Map<string, Lease[]>();
const at = (time: number) => new Date(time).toISOString();
const tell = ({ text, places }: Lease, end: string) =>
  console.log(`${text}  ${places.length > 0 ? `rode to ${places.join(', ')}` : 'rode nowhere'}  ${end}`);

for await (const line of createInterface({ input: createReadStream(join(folder, 'entries.ndjson')) })) {
  const { kind, actor, run, step, ref = '', time, outcome } = JSON.parse(line) as AuditRecord;
  // NAME, and of a use NAME/HOST/HEADER.
  const [secret = '', ...place] = ref.split('/');
  if (!kind.startsWith('secret.') || (values.secret ?? secret) !== secret || (values.run ?? run) !== run) continue;
  const key = JSON.stringify([actor, run, step, secret]);
  const held = open.get(key) ?? [];
  if (kind === 'secret.leased') {
    const whom = run ? `${run} ${step}` : step ? `health check ${step}` : actor;
    open.set(key, [...held, { text: `${at(time)}  ${secret}  ${whom}`, places: [] }]);
  }
  if (kind === 'secret.used') for (const { places } of held) places.push(place.join('/'));
  const [first, ...others] = held;
  if (kind !== 'secret.revoked' || !first) continue;
  open.set(key, others);
  tell(first, outcome === 'not_lent' ? 'was not lent' : `${outcome} ${at(time)}`);
}
for (const lease of [...open.values()].flat()) tell(lease, 'has no end here: it goes on, or its kernel died');
