import { describe, expect, test } from 'vitest';
import { lintPlaybook } from './lint.ts';

const END = 'id: gave-up, on: run, ends: [failed]';
const SEEN = '{ id: seen, on: event, where: { fact: event, path: /falure/step, operator: equal, value: 1 } }';
const asks = (path: string, fact = 'event') => `where: { fact: ${fact}, path: ${path}, operator: equal, value: x }`;

const issuesOf = (trigger: string, inputs = '{ run: /run }', others: readonly string[] = []) => {
  const text = `apiVersion: interlock/v1
kind: Playbook
name: p
title: P
owners: { technical: a, operational: b }
triggers:
${[`{ ${trigger} }`, ...others].map((one) => `  - ${one}`).join('\n')}
inputs: ${inputs}
steps:
  - { id: no, type: fail, message: no }
`;
  const checked = lintPlaybook(text, { plugins: new Map() });
  return checked.ok ? [] : checked.error.map(({ at, text: says, line }) => `${at}:${line} ${says}`);
};

const HAS =
  'it has run, playbook, trigger, event, state, reason, why, partial, closure, startedAt, endedAt, incident, failure, inputs, outputs, chain';
const NO = `the end of a run has no falure: ${HAS}`;
const OF_FAILURE = 'failure of the end of a run has step, class, message, where the failure of a step ended the run';

describe('a pointer into what the end of a run never has is refused', () => {
  test.each([
    ['in inputs', END, '{ step: /falure/step }', `/inputs/step:8 ${NO}`],
    ['in inputs, further in', END, '{ step: /failure/stepp }', `/inputs/step:8 ${OF_FAILURE}`],
    ['in inputs, too far in', END, '{ step: /failure/step/id }', `/inputs/step:8 ${OF_FAILURE}`],
    [
      'in what is one word',
      END,
      '{ name: /playbook/name }',
      '/inputs/name:8 playbook of the end of a run has nothing in it: use /playbook',
    ],
    ['that is not to be repeated', END, '{ a: "/a b" }', `/inputs/a:8 the end of a run has no ?: ${HAS}`],
    ['in requires', `${END}, requires: [/run, /falure]`, '{}', `/triggers/0/requires/1:7 ${NO}`],
    ['in where', `${END}, ${asks('/falure/step')}`, '{}', `/triggers/0/where:7 ${NO}`],
    [
      'within where',
      `${END}, where: { all: [{ not: { any: [{ ${asks('/falure').slice(9)}] } }] }`,
      '{}',
      `/triggers/0/where:7 ${NO}`,
    ],
    [
      'in dedup',
      `${END}, dedup: { key: [/falure], window: 1h, repeat: drop }`,
      '{}',
      `/triggers/0/dedup/key/0:7 ${NO}`,
    ],
    [
      'in a cooldown',
      `${END}, limits: { cooldown: { key: [/falure], for: 1h } }`,
      '{}',
      `/triggers/0/limits/cooldown/key/0:7 ${NO}`,
    ],
    ['as incident', `${END}, incident: /falure`, '{}', `/triggers/0/incident:7 ${NO}`],
  ])('%s', (_name, trigger, inputs, issue) => {
    expect(issuesOf(trigger, inputs)).toEqual([issue]);
  });
});

test.each([
  [
    'all that an end may have',
    END,
    '{ a: /failure/class, b: /failure, c: /inputs/host/name, d: /outputs/x, e: /why, f: /incident }',
    [],
  ],
  ['what another fact has', `${END}, ${asks('/falure', 'envelope')}`, '{}', []],
  ['an input that comes from another trigger', END, '{ step: /falure/step }', [SEEN]],
  ['what others ask for', `${END}, ${asks('/reason')}`, '{}', [SEEN]],
])('%s passes', (_name, trigger, inputs, others) => {
  expect(issuesOf(trigger, inputs, others)).toEqual([]);
});
