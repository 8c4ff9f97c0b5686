import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { CLOUDEVENT, changed, FALCO, OCSF, takenOne } from '../../test/samples/intake.ts';
import { evaluateTriggers, type TriggerEvaluation } from './evaluate.ts';
import type { ActiveTrigger } from './indexed.ts';
import { type JudgedTrigger, TriggerSchema } from './schema.ts';

const severe = { fact: 'event', path: '/severity_id', operator: 'greaterThanInclusive', value: 4 };
const malware = { fact: 'event', path: '/finding_info/types', operator: 'contains', value: 'Malware' };

/** The trigger of the example playbook: a command-and-control address was seen. */
const C2 = {
  id: 'c2-seen',
  on: 'event',
  where: { all: [severe, malware] },
  requires: ['/finding_info/uid', '/device/uid'],
  dedup: { key: ['/finding_info/uid'], window: '30m', repeat: 'coalesce' },
};

const active = (trigger: object, playbook = 'contain-c2'): ActiveTrigger => ({
  playbook,
  digest: 'sha256:0',
  trigger: v.parse(TriggerSchema, { ...C2, ...trigger }) as JudgedTrigger,
});

const evaluate = async (trigger: object, body: unknown = OCSF): Promise<TriggerEvaluation> => {
  const [evaluation] = await evaluateTriggers([active(trigger)], takenOne({ body }));
  if (!evaluation) throw new Error('no evaluation');
  return evaluation;
};

describe('what comes out', () => {
  it.each<[string, object, unknown, TriggerEvaluation['outcome'], readonly string[]]>([
    ['rule and fields are there', {}, OCSF, 'matched', ['/severity_id true', '/finding_info/types true']],
    ['the same, wrapped', {}, CLOUDEVENT, 'matched', ['/severity_id true', '/finding_info/types true']],
    ['the rule is false', {}, { ...OCSF, severity_id: 3 }, 'not_matched', ['/severity_id false']],
    ['the rule cannot be answered', {}, FALCO, 'not_matched', ['/finding_info/types missing']],
    [
      'false comes before missing',
      { where: { all: [{ ...severe, value: 6 }, malware] } },
      FALCO,
      'not_matched',
      ['/severity_id false'],
    ],
    ['not over a missing field', { where: { not: malware } }, FALCO, 'not_matched', ['/finding_info/types missing']],
    [
      'a required field is absent',
      {},
      changed(OCSF, 'device/uid', undefined),
      'missing_fields',
      ['/device/uid missing'],
    ],
    ['a required field is null', {}, changed(OCSF, 'device/uid', null), 'missing_fields', ['/device/uid missing']],
    [
      'a key field is absent',
      { requires: undefined, dedup: { ...C2.dedup, key: ['/x'] } },
      OCSF,
      'missing_fields',
      ['/x missing'],
    ],
    [
      'absent fields do not matter where the rule is false',
      {},
      changed({ ...OCSF, severity_id: 1 }, 'device', undefined),
      'not_matched',
      ['/severity_id false'],
    ],
    [
      'a Falco alert by its original field',
      { where: { fact: 'event', path: '/unmapped/falco/output_fields/proc.name', operator: 'equal', value: 'curl' } },
      FALCO,
      'matched',
      ['/unmapped/falco/output_fields/proc.name true'],
    ],
    [
      'by the envelope',
      { where: { fact: 'envelope', path: '/format', operator: 'equal', value: 'ocsf' } },
      OCSF,
      'matched',
      ['/format true'],
    ],
    [
      'by the source',
      { where: { fact: 'envelope', path: '/source', operator: 'equal', value: 'urn:ocsf:x' } },
      OCSF,
      'not_matched',
      ['/source false'],
    ],
    [
      'only a new finding',
      { where: { fact: 'event', path: '/activity_id', operator: 'equal', value: 1 } },
      { ...OCSF, activity_id: 2, type_uid: 200402 },
      'not_matched',
      ['/activity_id false'],
    ],
  ])('%s', async (_, trigger, body, outcome, why) => {
    const evaluation = await evaluate(trigger, body);
    expect(evaluation).toMatchObject({ playbook: 'contain-c2', trigger: 'c2-seen', digest: 'sha256:0', outcome });
    expect(evaluation.why.map(({ path, reason }) => `${path} ${reason}`)).toEqual(why);
    expect(evaluation.dedupKey === null).toBe(outcome !== 'matched');
  });

  it('never holds a value of the event', async () => {
    const hostile = changed({ ...OCSF, severity_id: 3 }, 'finding_info/types', ['CANARY']);
    for (const where of [malware, { all: [severe, malware] }, { not: { ...malware, operator: 'doesNotContain' } }])
      expect(JSON.stringify(await evaluate({ where }, hostile))).not.toContain('CANARY');
  });
});

describe('the dedup key', () => {
  const keyOf = async (trigger: object, body: unknown = OCSF) => (await evaluate(trigger, body)).dedupKey;
  const same = { ...OCSF, time: OCSF.time + 60_000, metadata: { ...OCSF.metadata, uid: 'another-event' } };
  const other = changed(OCSF, 'finding_info/uid', 'edr-other');

  it('is the same for a later event of the same finding, and another for another finding', async () => {
    expect(await keyOf({})).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(await keyOf({}, same)).toBe(await keyOf({}));
    expect(await keyOf({}, other)).not.toBe(await keyOf({}));
  });

  it('differs by trigger, by playbook and by what the key is made of', async () => {
    const [elsewhere] = await evaluateTriggers([active({}, 'other-playbook')], takenOne({ body: OCSF }));
    const keys = [
      await keyOf({}),
      await keyOf({ id: 'c2-again' }),
      await keyOf({ dedup: { ...C2.dedup, key: ['/finding_info/uid', '/device/uid'] } }),
      await keyOf({ dedup: { ...C2.dedup, key: ['/device/uid', '/finding_info/uid'] } }),
      elsewhere?.dedupKey,
    ];
    expect(new Set(keys).size).toBe(5);
  });

  it('does not depend on the version, the window or what is done with repeats', async () => {
    const [later] = await evaluateTriggers([{ ...active({}), digest: 'sha256:1' }], takenOne({ body: OCSF }));
    expect(later?.dedupKey).toBe(await keyOf({}));
    expect(await keyOf({ dedup: { ...C2.dedup, window: '4h', repeat: 'drop' } })).toBe(await keyOf({}));
  });

  it('keeps values apart that look alike as text', async () => {
    const dedup = { ...C2.dedup, key: ['/device/uid'] };
    const keys = await Promise.all(
      [1, '1', true, 'true', ['1'], { a: 1 }].map((uid) => keyOf({ dedup }, changed(OCSF, 'device/uid', uid))),
    );
    expect(new Set(keys).size).toBe(6);
  });

  it('is null without dedup', async () => {
    expect(await evaluate({ dedup: undefined })).toMatchObject({ outcome: 'matched', dedupKey: null });
  });
});

describe('many triggers', () => {
  const broken = { ...active({}), trigger: { ...active({}).trigger, where: { fact: 'event', operator: 'nope' } } };

  it('no triggers, no evaluations', async () => {
    expect(await evaluateTriggers([], takenOne({ body: OCSF }))).toEqual([]);
  });

  it('one that cannot be judged is an error, and spoils no other', async () => {
    const triggers = [
      active({ id: 'a' }),
      broken as unknown as ActiveTrigger,
      active({ id: 'b', where: { not: severe } }),
    ];
    const evaluations = await evaluateTriggers(triggers, takenOne({ body: OCSF }));
    expect(evaluations.map(({ trigger, outcome }) => [trigger, outcome])).toEqual([
      ['a', 'matched'],
      ['c2-seen', 'error'],
      ['b', 'not_matched'],
    ]);
    expect(evaluations[1]).toMatchObject({ why: [], dedupKey: null });
  });

  it('so many that they take several turns are each answered once, in their order', async () => {
    const where = { any: [{ any: Array(64).fill(severe) }, { any: Array(64).fill({ not: severe }) }] };
    const triggers = Array.from({ length: 14 }, (_, n) => active({ id: `t${n}`, where: n % 2 ? where : severe }));
    const evaluations = await evaluateTriggers(triggers, takenOne({ body: OCSF }));
    expect(evaluations.map(({ trigger, outcome }) => [trigger, outcome])).toEqual(
      triggers.map(({ trigger }) => [trigger.id, 'matched']),
    );
  });

  it('each is answered in its place, however many, with culprits anywhere', async () => {
    const event = takenOne({ body: OCSF });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('matched', 'not_matched', 'missing_fields', 'error'), { maxLength: 300 }),
        async (outcomes) => {
          const triggers = outcomes.map((outcome) =>
            outcome === 'error'
              ? (broken as unknown as ActiveTrigger)
              : active(
                  outcome === 'matched'
                    ? {}
                    : outcome === 'not_matched'
                      ? { where: { not: severe } }
                      : { requires: ['/x'] },
                ),
          );
          expect((await evaluateTriggers(triggers, event)).map(({ outcome }) => outcome)).toEqual(outcomes);
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe('an incident that the rule asks about', () => {
  const where = { all: [severe, { fact: 'incident', path: '/state', operator: 'in', value: ['new', 'triaged'] }] };
  const asks = active({ where, incident: '/finding_info/uid' });

  it.each<[string, object | undefined, string, readonly string[]]>([
    [
      'in a state that the rule wants',
      { state: 'triaged', severity: 4 },
      'matched',
      ['/severity_id true', '/state true'],
    ],
    ['in another state', { state: 'closed' }, 'not_matched', ['/state false']],
    ['unknown', undefined, 'not_matched', ['/state missing']],
  ])('%s', async (_, incident, outcome, why) => {
    const asked: unknown[] = [];
    const [evaluation] = await evaluateTriggers([asks], takenOne({ body: OCSF }), (id) => {
      asked.push(id);
      return incident as never;
    });
    expect(evaluation?.outcome).toBe(outcome);
    expect(evaluation?.why.map(({ path, reason }) => `${path} ${reason}`)).toEqual(why);
    expect(asked).toEqual([OCSF.finding_info.uid]);
  });

  it('is its own for each pointer, and spoils no neighbour', async () => {
    const plain = active({ id: 'plain' });
    const other = active({ id: 'other', where, incident: '/device/uid' });
    const evaluations = await evaluateTriggers([other, plain, asks], takenOne({ body: OCSF }), (id) =>
      id === OCSF.finding_info.uid ? { state: 'new' } : undefined,
    );
    expect(evaluations.map(({ trigger, outcome }) => `${trigger} ${outcome}`)).toEqual([
      'other not_matched',
      'plain matched',
      'c2-seen matched',
    ]);
  });
});
