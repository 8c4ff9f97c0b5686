import { describe, expect, test } from 'vitest';
import { ORG, openCommand, SAMPLE } from './command.ts';
import { data } from './double.ts';
import * as samples from './samples.ts';

/** Events and triggers on the command line; `event send` has a file of its own. */
const { run, server, table } = openCommand();
const { RUN_ID, EVENT_ID } = samples;

table({
  'event send': {
    args: ['event', 'send', SAMPLE('ocsf-malware-finding.json')],
    answers: { [`POST ${ORG}/events`]: data({ events: [samples.receipt] }) },
    says: [
      `event ${EVENT_ID} accepted\n`,
      `contain-c2/c2-seen       matched      ${RUN_ID}\n`,
      'isolate-host/ransomware  not_matched  -  ',
      '/severity_id is not greaterThanInclusive 5; /device/uid is missing\n',
      '  40 other triggers did not match (interlock trigger explain shows why)\n',
      '  2 steps waited for an event with its key, and for more than it says (interlock trigger explain shows what)\n',
    ],
    json: { events: [samples.receipt] },
  },
  'event list': {
    args: ['event', 'list', '--outcome', 'suppressed', '--limit', '1'],
    answers: { [`GET ${ORG}/events`]: data([samples.eventRow], null) },
    says: [
      `${EVENT_ID}  2026-11-23 14:33:40Z  contain-c2/c2-seen  suppressed  -  `,
      'its cooldown: a run for the same thing had been started a short time before; until 2026-11-23 14:33:40Z\n',
      `-                   woke        ${RUN_ID}  which waited for it at verdict\n`,
    ],
    json: [samples.eventRow],
  },
  'event show': {
    args: ['event', 'show', EVENT_ID],
    answers: { [`GET ${ORG}/events/${EVENT_ID}`]: data(samples.storedEvent) },
    says: [
      'came    2026-11-23 14:33:40Z by pipeline\n',
      'type    com.example.finding (cloudevents)\n',
      `contain-c2/c2-seen       matched      ${RUN_ID}\n`,
      `  ${RUN_ID} waited for it at verdict\n`,
      '  1 step waited for an event with its key, and for more than it says (interlock trigger explain shows what)\n',
    ],
    json: samples.storedEvent,
  },
  'trigger explain': {
    args: ['trigger', 'explain', SAMPLE('ocsf-malware-finding.json'), '--playbook', 'contain-c2'],
    answers: { [`POST ${ORG}/triggers/explain`]: data([samples.explained], null) },
    says: [
      'contain-c2/c2-seen (version d4d4d4d4d4d4): not_matched\n',
      '  undecided  all of\n',
      '  true         event /class_uid equal 2004                    2004\n',
      '  undecided    not\n',
      '  undecided      event /device/hostname in ["lab-1","lab-2"]  nothing\n',
      '"high" (not a type that this compares)\n',
      `contain-c2/c2-again (version d4d4d4d4d4d4): absorbed\n  would be taken in by ${RUN_ID}\n`,
      '  would start nothing: as many runs as its rate allows were started\n',
      '  needs /device/uid, which is missing or null\n',
      'contain-c2/verdict (version d4d4d4d4d4d4): waits for an event with /case "c-7"; ' +
        'this one would not: its where does not hold\n' +
        `  ${RUN_ID} waits at verdict[2] until 2026-11-23 15:00:00Z\n`,
      '  false   event /kind equal "verdict"  "rumour"\n',
      'contain-c2/reply (version d4d4d4d4d4d4): waits for an event with /case "c-7"; this one would wake it\n',
      'contain-c2: 17 more wait for an event with a key of this one\n',
    ],
    json: [samples.explained],
  },
  'trigger explain (none)': {
    args: ['trigger', 'explain', SAMPLE('ocsf-malware-finding.json'), '--trigger', 'none'],
    answers: { [`POST ${ORG}/triggers/explain`]: data([], null) },
    code: 1,
    says: ['no active trigger of this name\n'],
    json: [],
  },
  'trigger explain (none at all)': {
    args: ['trigger', 'explain', SAMPLE('ocsf-malware-finding.json')],
    answers: { [`POST ${ORG}/triggers/explain`]: data([], null) },
    code: 1,
    says: ['no active trigger, and no step that waits for it\n'],
    json: [],
  },
  'trigger replay': {
    args: ['trigger', 'replay', '-', '--since', '24h'],
    input: 'name: contain-c2',
    answers: { [`POST ${ORG}/triggers/replay`]: data(samples.replay) },
    says: [
      'contain-c2: 412 events, 2026-11-23 14:33:40Z to 2026-11-23 16:00:00Z\n',
      'TRIGGER  RUNS      ABSORBED  SUPPRESSED  GAINED  LOST  SAME\nc2-seen  12 -> 14  3 -> 2    0 -> 1      4       3     12\n',
      `gained, for example:\n  EVENT`,
      `  ${EVENT_ID}  2026-11-23 14:33:40Z  c2-seen  absorbed  not_matched  /severity_id is not greaterThan 5\n`,
    ],
    json: samples.replay,
  },
  'trigger list': {
    args: ['trigger', 'list'],
    answers: { [`GET ${ORG}/triggers`]: data([samples.trigger, samples.schedule], null) },
    says: [
      'contain-c2/c2-seen  event     -                     2026-11-23 14:33:40Z  ' +
        'stopped by ann: noise of the new sensor; burst since 2026-11-23 14:33:40Z\n',
      'contain-c2/morning  schedule  2026-11-24 05:00:00Z  -\n',
    ],
    json: [samples.trigger, samples.schedule],
  },
  'trigger noisy': {
    args: ['trigger', 'noisy', '--limit', '5'],
    answers: { [`GET ${ORG}/triggers/noisy`]: data([samples.noisy], null) },
    says: ['contain-c2/c2-seen  40       4     30        burst 5, rate 1  90 %\n'],
    json: [samples.noisy],
  },
  'trigger stop': {
    args: ['trigger', 'stop', 'contain-c2/c2-seen', '--reason', 'noise'],
    answers: { [`POST ${ORG}/triggers/contain-c2/c2-seen/stop`]: data(samples.trigger) },
    sent: { reason: 'noise' },
    says: ['contain-c2/c2-seen is stopped\n'],
    json: samples.trigger,
  },
  'trigger resume': {
    args: ['trigger', 'resume', 'contain-c2/morning', '--reason', 'mended'],
    answers: { [`POST ${ORG}/triggers/contain-c2/morning/resume`]: data(samples.schedule) },
    sent: { reason: 'mended' },
    says: ['contain-c2/morning may start runs\n'],
    json: samples.schedule,
  },
});

test.each([
  ['the trigger', 'trigger', 'the trigger was stopped then; interlock trigger list says whether it still is'],
  ['the org', 'org', 'the org was stopped then; interlock stop show says whether it still is'],
  ['the machine', 'machine', 'the machine was stopped then; interlock stop show says whether it still is'],
  ['nobody knows whom', undefined, 'the trigger or the org was stopped then; interlock trigger list and'],
])('an event that came while %s was stopped says whose stop it was', async (_name, stop, says) => {
  const [first] = samples.storedEvent.triggers;
  const held = { ...first, outcome: 'suppressed', reason: 'stopped', run: null, stop };
  server.answers({ [`GET ${ORG}/events/${EVENT_ID}`]: data({ ...samples.storedEvent, triggers: [held] }) });
  expect((await run(['event', 'show', EVENT_ID])).stdout).toContain(says);
});

describe('trigger replay', () => {
  test('goes on from page to page, and says what came of all of them together', async () => {
    const route = `POST ${ORG}/triggers/replay`;
    server.answers({ [route]: [data({ ...samples.replay, next: 'c1' }), data(samples.replay)] as never });
    const { stdout, code } = await run(['trigger', 'replay', '-', '--since', '7d', '--json'], { input: 'name: x' });
    const both = JSON.parse(stdout);
    expect(both).toMatchObject({
      events: 824,
      next: null,
      triggers: [{ recorded: { runs: 24, absorbed: 6 }, lost: 6 }],
    });
    expect([code, both.gained.length]).toEqual([0, 2]);
    expect(server.asked.map(({ path }) => /limit=2000(&cursor=c1)?$/.test(path))).toEqual([true, true]);
  });

  test.each([
    [['--since', 'yesterday'], '--since takes a duration such as 24h, or an instant'],
    [['--limit', '0'], '--limit takes a whole number from 1.'],
  ])('%j asks nothing', async (more, why) => {
    server.answers({});
    const ran = await run(['trigger', 'replay', '-', ...more], { input: 'name: x' });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(why);
    expect(server.asked).toEqual([]);
  });
});
