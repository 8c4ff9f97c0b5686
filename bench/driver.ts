import { isDeepStrictEqual } from 'node:util';
import type { Published } from '../sdk/contract/api.ts';
import type { Run } from '../sdk/contract/api-run.ts';
import type { KernelProcess, StubProcess } from './child.ts';
import { eventPrinter, findingName, shapeOf } from './event.ts';
import { openHttpClient } from './http-client.ts';
import type { Work } from './load.ts';
import type { Site } from './site.ts';

/**
 * The work of the loads, and what must be true of it. Every answer is judged: an event that was not taken as it should
 * be, or a run that did not end as it should, is an error, and so is a request to the world outside that was made twice
 * or not at all.
 */
export type Driver = {
  /** An event that starts a run. Over when the end of the run was read back. */
  readonly contain: Work;
  /** An event that no trigger matches. Over when it is on record. */
  readonly pass: Work;
  /** Compares what the stub got since the last time with the runs since then. @throws Error when they differ. */
  readonly settle: () => Promise<void>;
  readonly close: () => void;
};

/** A run that has not ended by then has not completed. */
const RUN_MS = 60_000;
/** Of a run of the playbook. */
const STEPS = 3;
/** One in so many runs is parsed and compared in all its parts, the others in what decides. */
const LOOK_CLOSELY = 32;

let series = 0;

export function openDriver(kernel: KernelProcess, site: Site, stub: StubProcess): Driver {
  const client = openHttpClient(kernel.url, site.token);
  const events = `/v1/orgs/${site.org}/events`;
  const matching = eventPrinter('matching');
  const notMatching = eventPrinter('not-matching');
  const own = `s${(series++).toString(36)}`;
  let named = 0;
  let expected: string[] = [];

  const publish = async (body: string) => {
    const { status, body: text } = await client.request(events, body);
    if (status !== 202) throw new Error(`an event was answered with ${status}: ${text}`);
    const [receipt] = (JSON.parse(text) as { data: Published }).data.events;
    const [trigger] = receipt?.triggers ?? [];
    if (!receipt || !trigger || receipt.repeat) throw new Error(`an event was not taken as new: ${text}`);
    return trigger;
  };

  /** Asks until the run has ended, each time for up to 10 s. @returns the answer that says so. */
  const endOf = async (run: string): Promise<string> => {
    const until = performance.now() + RUN_MS;
    while (performance.now() < until) {
      const { status, body } = await client.request(`/v1/orgs/${site.org}/runs/${run}?wait=10s`);
      if (status !== 200) throw new Error(`a run was answered with ${status}: ${body}`);
      if (looksFine(body) || (JSON.parse(body) as { data: Run }).data.endedAt !== null) return body;
    }
    throw new Error(`the run ${run} did not complete in ${RUN_MS / 1_000} s`);
  };

  return {
    contain: async (n) => {
      const name = findingName(own, named++);
      expected.push(name);
      const { outcome, run } = await publish(matching(name));
      if (outcome !== 'matched' || run === null) throw new Error(`an event started no run: ${outcome}`);
      const answer = await endOf(run);
      if (n % LOOK_CLOSELY !== 0 && looksFine(answer, name)) return;
      const fault = faultOf((JSON.parse(answer) as { data: Run }).data, name);
      if (fault) throw new Error(`the run ${run} ${fault}: ${answer}`);
    },
    pass: async () => {
      const { outcome } = await publish(notMatching(findingName(own, named++)));
      if (outcome !== 'not_matched') throw new Error(`an event that matches nothing was ${outcome}`);
    },
    settle: async () => {
      const { counts, strange } = await stub.report();
      const wrong = expected.filter((name) => counts[name] !== 1);
      const foreign = Object.keys(counts).length - (expected.length - wrong.filter((name) => !counts[name]).length);
      const runs = expected.length;
      expected = [];
      if (wrong.length + foreign + strange === 0) return;
      throw new Error(
        `of ${runs} runs ${wrong.length} did not make exactly one request to the world outside ` +
          `(${wrong.slice(0, 3).map((name) => `${name}: ${counts[name] ?? 0}`)}); ` +
          `${foreign + strange} requests belong to no run`,
      );
    },
    close: client.close,
  };
}

/**
 * Whether the text of an answer says that the run completed with all its steps, and of which finding. To parse it would
 * cost as much as all else that the driver does for a run. A no here proves nothing: then it is parsed.
 */
function looksFine(answer: string, name?: string): boolean {
  const state = answer.indexOf('"state":"completed"');
  if (state < 0 || state > answer.indexOf('"pins":') || answer.includes('"endedSeq":null')) return false;
  if (answer.split('"state":"succeeded"').length !== STEPS + 1) return false;
  return name === undefined || answer.includes(`"output":{"finding":"${name}"`);
}

/** @returns what is wrong with an ended run, if anything. */
function faultOf(run: Run, name: string): string | undefined {
  if (run.state !== 'completed' || run.endedSeq === null) return `ended as ${run.state}`;
  const [shape, post] = run.steps;
  if (run.steps.length !== STEPS || !shape || !post) return `has ${run.steps.length} steps`;
  if (run.steps.some((step) => step.state !== 'succeeded')) return 'has a step that did not succeed';
  if (!isDeepStrictEqual(shape.output, shapeOf(name))) return 'has another shape';
  return (post.output as { status?: unknown } | null)?.status === 200
    ? undefined
    : 'did not keep the answer to its post';
}
