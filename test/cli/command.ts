import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Double, openDouble, type Reply } from './double.ts';
import { interlock, type RunOptions } from './run.ts';

/** The real command against a double of the API: what it asks, what it prints where, and how it ends. */
export const ORG = '/v1/orgs/acme';
export const SAMPLE = (name: string) => new URL(`../samples/${name}`, import.meta.url).pathname;

type Row = {
  readonly args: readonly string[];
  readonly answers: Readonly<Record<string, Reply>>;
  readonly input?: string;
  /** What the last request held, where it had a body. */
  readonly sent?: unknown;
  readonly code?: number;
  /** A request of it, where it matters what it asked for. */
  readonly asks?: string;
  /** Parts of what people read. */
  readonly says: readonly string[];
  /** What programs read. */
  readonly json: unknown;
};

/** One double for all tests of a file. */
export function openCommand() {
  vi.setConfig({ testTimeout: 30_000 });
  let double: Double | undefined;
  const open = (): Double => {
    if (!double) throw new Error('the double is there only while a test runs');
    return double;
  };
  beforeAll(async () => {
    double = await openDouble();
  });
  afterAll(() => double?.close());

  const server = {
    answers: (entries: Parameters<Double['answers']>[0]) => open().answers(entries),
    get asked() {
      return open().asked;
    },
  };
  const run = (args: readonly string[], options: RunOptions = {}) => interlock(args, { url: open().url, ...options });

  /** Each command twice: for people and for programs. */
  const table = (rows: Readonly<Record<string, Row>>): void =>
    test.each(Object.entries(rows))(
      '%s, for people and for programs',
      async (_name, { args, answers, input = '', sent, asks, code = 0, says, json }) => {
        server.answers(answers);
        const [people, programs] = await Promise.all([run(args, { input }), run([...args, '--json'], { input })]);
        expect(people).toMatchObject({ code });
        for (const part of says) expect(people.stdout).toContain(part);
        expect(programs).toMatchObject({ code });
        expect(JSON.parse(programs.stdout)).toEqual(json);
        const bodies = server.asked.filter(({ method }) => method !== 'GET').map(({ body }) => body);
        if (asks !== undefined) expect(server.asked.map(({ path }) => path)).toContain(asks);
        if (sent !== undefined) expect(bodies.map((body) => JSON.parse(body))).toEqual([sent, sent]);
      },
    );
  return { server, run, table };
}
