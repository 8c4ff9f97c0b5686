/**
 * Asks the system for the addresses of names. Owns whose question is asked next: the system answers few at a time, and
 * whoever owns a name can have its answer take as long as the system waits.
 */
import { lookup } from 'node:dns/promises';
import { openTurns } from '../../base/turns.ts';

/**
 * All addresses of a name, in the order in which to try them.
 * @param owner for whom it is asked: those who share connections.
 * @param gone  nobody waits for the answer any more.
 */
export type Resolve = (host: string, owner: string, gone: AbortSignal) => Promise<readonly string[]>;

type Asked = {
  readonly host: string;
  readonly owner: string;
  readonly settle: (answer: Promise<readonly string[]>) => void;
};

/**
 * Each owner has one question under way at most, a name is asked for once at a time, and what nobody waits for any more is
 * not asked.
 * @param ask what answers; may take its time.
 * @param places how many questions it takes at a time.
 */
export function openResolve(ask: (host: string) => Promise<readonly string[]>, places: number): Resolve {
  const waiting = openTurns<string, Asked>(() => places, { ofOrg: () => 1, ofWay: () => 1 });
  const underWay = new Map<string, Promise<readonly string[]>>();

  const begin = ({ host, owner }: Asked): Promise<readonly string[]> => {
    const answer = ask(host).finally(() => {
      underWay.delete(host);
      waiting.done(owner);
      next();
    });
    underWay.set(host, answer);
    return answer;
  };
  const next = (): void => {
    for (let asked = waiting.take(); asked; asked = waiting.take()) {
      const same = underWay.get(asked.host);
      asked.settle(same ?? begin(asked));
      if (same) waiting.done(asked.owner);
    }
  };

  return (host, owner, gone) => {
    const same = underWay.get(host);
    if (same) return same;
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
    const asked: Asked = { host, owner, settle: resolve };
    gone.addEventListener('abort', () => waiting.remove(asked) && reject(new Error('nobody waits for it')), {
      once: true,
    });
    waiting.push(owner, asked);
    next();
    return promise;
  };
}

/** The runtime asks for names with half of its threads (libuv), and has four of them where nothing else is said. */
const THREADS = Number(process.env['UV_THREADPOOL_SIZE']) || 4;

/** The system's resolver, so that the hosts file and the search order of the machine hold. */
export const systemResolve: Resolve = openResolve(
  async (host) => (await lookup(host, { all: true, order: 'verbatim' })).map(({ address }) => address),
  (THREADS + 1) >> 1,
);
