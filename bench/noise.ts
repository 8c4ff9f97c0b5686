import { setTimeout as sleep } from 'node:timers/promises';
import { eventPrinter, findingName } from './event.ts';
import { openHttpClient } from './http-client.ts';

/**
 * The noisy neighbour, a process of its own: sends events that match, as many as are taken, and waits for none of the
 * runs that they start. `node noise.ts URL ORG`, with the token in BENCH_TOKEN.
 */
export type FromNoise = { readonly taken: number; readonly refused: number };

const IN_FLIGHT = 64;
/** Pause of a sender that was turned away: shorter than what the kernel asks for, as noise is. */
const REFUSED_MS = 5;

async function makeNoise(url: string, org: string, token: string): Promise<void> {
  const client = openHttpClient(url, token);
  const print = eventPrinter('matching');
  let sent = 0;
  let taken = 0;
  let refused = 0;
  let over = false;
  const sender = async () => {
    while (!over) {
      const { status, body } = await client.request(`/v1/orgs/${org}/events`, print(findingName('n', sent++)));
      if (status === 202) taken++;
      else if (status === 429) {
        refused++;
        await sleep(REFUSED_MS);
      } else throw new Error(`an event of the noise was answered with ${status}: ${body}`);
    }
  };
  process.once('message', () => {
    over = true;
  });
  await Promise.all(Array.from({ length: IN_FLIGHT }, sender));
  client.close();
  process.send?.({ taken, refused } satisfies FromNoise);
  process.disconnect?.();
}

if (import.meta.main) {
  const [, , url = '', org = ''] = process.argv;
  await makeNoise(url, org, process.env['BENCH_TOKEN'] ?? '');
}
