import type * as Api from '../../../sdk/contract/api-explain.ts';
import { excerptOf } from '../../base/excerpt.ts';
import type { Json } from '../../base/json.ts';
import { iso, type UnixMs } from '../../base/time.ts';
import type { ExplainedPlaybook } from '../../flow/explain.ts';
import type { ReplayExample, ReplayResult } from '../../flow/replay.ts';
import type { Reading } from '../../rule/reading.ts';

/** Shows what triggers would say to an event, with what their conditions saw of it. */
const SEEN_CHARS = 256;
const EXPECTED = 16;

export const explainedView = ({
  playbook,
  digest,
  triggers,
  waits,
  untold,
}: ExplainedPlaybook): Api.ExplainedPlaybook => {
  // Many conditions may see one large value; it is looked through once.
  const texts = new Map<Json, string>();
  const excerpt = (value: Json): string => {
    const text = texts.get(value) ?? excerptOf(value, SEEN_CHARS);
    if (typeof value === 'object') texts.set(value, text);
    return text;
  };
  return {
    playbook,
    digest,
    triggers: triggers.map(({ lacks, rule, reason = null, until, stop = null, ...rest }) => ({
      ...rest,
      reason,
      until: until === undefined ? null : iso(until),
      stop,
      lacks: [...lacks],
      rule: rule && readingView(rule, excerpt),
    })),
    waits: waits.map(({ where, waiting, ...rest }) => ({
      ...rest,
      where: where && readingView(where, excerpt),
      waiting: waiting.map(({ until, ...one }) => ({ ...one, until: iso(until) })),
    })),
    untold,
  };
};

function readingView(reading: Reading, excerpt: (value: Json) => string): Api.RuleReading {
  const { truth } = reading;
  switch (reading.kind) {
    case 'all':
      return { truth, all: reading.parts.map((part) => readingView(part, excerpt)) };
    case 'any':
      return { truth, any: reading.parts.map((part) => readingView(part, excerpt)) };
    case 'not':
      return { truth, not: readingView(reading.part, excerpt) };
    case 'condition': {
      const { fact, path, operator, expected, reason, seen } = reading;
      return {
        truth,
        fact,
        path,
        operator,
        expected: Array.isArray(expected) ? expected.slice(0, EXPECTED) : expected,
        reason,
        seen: seen === undefined ? null : excerpt(seen),
      };
    }
  }
}

export const replayView = (result: ReplayResult): Omit<Api.Replay, 'next'> => {
  const { next: _, from, to, triggers, gained, lost, ...rest } = result;
  return {
    ...rest,
    from: instant(from),
    to: instant(to),
    triggers: [...triggers],
    gained: gained.map(exampleView),
    lost: lost.map(exampleView),
  };
};

const exampleView = ({ receivedAt, why, ...rest }: ReplayExample) => ({
  ...rest,
  receivedAt: iso(receivedAt),
  why: [...why],
});
const instant = (at: UnixMs | null): string | null => (at === null ? null : iso(at));
