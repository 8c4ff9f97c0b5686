import { expect, test } from 'vitest';
import { lintPlaybook } from './lint.ts';

const of = (repeat: string, more = '') => `apiVersion: interlock/v1
kind: Playbook
name: p
title: P
owners: { technical: a, operational: b }
triggers: [{ id: t, on: event, where: { fact: event, path: /x, operator: equal, value: 1 } }]
inputs: { ip: /ip, hosts: /hosts }
steps:
  - { id: poll, type: repeat, ${repeat} }
${more}`;
const UNTIL = 'until: { fact: steps.say, path: /to, operator: equal, value: x }';
const say = (text: string) => `{ id: say, type: wait, event: { match: { /x: "${text}" }, take: { to: /to } } }`;
const SAY = say('{{ inputs.ip }}');
const each = (inner: string) =>
  of(`times: 2, until: { fact: inputs, path: /ip, operator: equal, value: x },
      steps: [{ id: hosts, type: foreach, over: "{{ inputs.hosts }}", steps: [${inner}] }]`);
const after = (text: string) => `  - { id: after, type: wait, event: { match: { /x: "${text}" } } }`;

test.each<[string, string, RegExp]>([
  ['is fine', of(`${UNTIL}, steps: [${SAY}]`), /^$/],
  [
    'is fine with all that it may say',
    of(`${UNTIL}, times: 256, pause: 30d, collect: "{{ steps.say.to }}", onFailure: manual, steps: [${SAY}]`),
    /^$/,
  ],
  [
    'gives rounds, and what it collects',
    of(
      `${UNTIL}, collect: "{{ steps.say.to }}", steps: [${SAY}]`,
      after('{{ steps.poll.rounds }}{{ steps.poll.result }}'),
    ),
    /^$/,
  ],
  [
    'gives no result without collect',
    of(`${UNTIL}, steps: [${SAY}]`, after('{{ steps.poll.result }}')),
    /has no result/,
  ],
  [
    'keeps what its steps give',
    of(`${UNTIL}, steps: [${SAY}]`, after('{{ steps.say.to }}')),
    /has not run on every path/,
  ],
  ['tells the number of its round', of(`${UNTIL}, steps: [${say('{{ each.poll.index }}')}]`), /^$/],
  ['has no item', of(`${UNTIL}, steps: [${say('{{ each.poll.item }}')}]`), /each\.poll has index alone/],
  [
    'has no item of its own',
    of(`${UNTIL}, steps: [${say('{{ item }}')}]`),
    /item is there only within a foreach; the number of the round is each\.poll\.index/,
  ],
  ['leaves the item of a foreach in it', each(say('{{ item }}{{ index }}{{ each.poll.index }}')), /^$/],
  [
    'asks for a step of the round',
    of(`until: { fact: steps.other, path: /to, operator: equal, value: x }, steps: [${SAY}]`),
    /\/steps\/0\/until:\d+ steps\.other has not run on every path to the end of poll/,
  ],
  [
    'asks for a fact that there is',
    of(`until: { fact: item, operator: equal, value: x }, steps: [${SAY}]`),
    /\/steps\/0\/until:\d+ item is not a fact here/,
  ],
  ['may have a round that only fails', of(`${UNTIL}, steps: [${SAY}, { id: no, type: fail, message: no }]`), /^$/],
  ['has rounds', of(`${UNTIL}, times: 0, steps: [${SAY}]`), /\/steps\/0\/times/],
  ['has not too many rounds', of(`${UNTIL}, times: 257, steps: [${SAY}]`), /\/steps\/0\/times/],
  ['has a rule', of(`steps: [${SAY}]`), /\/steps\/0\/until/],
  ['has steps', of(`${UNTIL}, steps: []`), /\/steps\/0\/steps/],
  [
    'keeps to its block',
    of(`${UNTIL}, steps: [${SAY}, ${SAY.replace('id: say', 'id: b, next: after')}]`, after('x')),
    /after stands in another block/,
  ],
])('a repeat %s', (_, text, expected) => {
  const checked = lintPlaybook(text, { plugins: new Map() });
  const issues = checked.ok ? [] : checked.error.map(({ at, line, text: says }) => `${at}:${line} ${says}`);
  expect(issues.join('\n')).toMatch(expected);
});
