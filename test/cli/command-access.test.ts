import { ORG, openCommand } from './command.ts';
import { data } from './double.ts';
import * as samples from './samples.ts';

/** Secrets and tokens on the command line. */
const { table } = openCommand();

table({
  whoami: {
    args: ['whoami'],
    answers: { 'GET /v1/whoami': data(samples.whoami) },
    says: [
      'org     acme\n',
      'name    ann\n',
      'roles   approver, operator\n',
      'may     run.read, run.cancel\n        approval.vote\nserver  ',
    ],
    json: samples.whoami,
  },
  'token list': {
    args: ['token', 'list'],
    answers: { [`GET ${ORG}/tokens`]: data([samples.tokenRow], null) },
    says: ['fedcba9876543210  siem    source  2026-11-23 14:33:40Z  2026-11-23 14:33:40Z (past)\n'],
    json: [samples.tokenRow],
  },
  'secret list': {
    args: ['secret', 'list'],
    answers: { [`GET ${ORG}/secrets`]: data(samples.secrets, null) },
    says: ['crowdsec-key  2026-11-23 14:33:40Z\n'],
    json: samples.secrets,
  },
  'secret set': {
    args: ['secret', 'set', 'crowdsec-key'],
    answers: { [`PUT ${ORG}/secrets/crowdsec-key`]: data({ name: 'crowdsec-key' }) },
    input: 'correct horse\n',
    sent: { value: 'correct horse' },
    says: ['secret crowdsec-key is set in acme\n'],
    json: { name: 'crowdsec-key' },
  },
  'secret rotate': {
    args: ['secret', 'rotate', 'crowdsec-key', '--keep'],
    answers: { [`POST ${ORG}/secrets/crowdsec-key/rotate`]: data(samples.secretRotated) },
    input: 'correct horse\n',
    sent: { value: 'correct horse', keep: true },
    says: ['secret crowdsec-key is rotated in acme\n', 'edge-firewall', 'it answers 401'],
    json: samples.secretRotated,
  },
  'secret rotate (put back)': {
    args: ['secret', 'rotate', 'crowdsec-key'],
    answers: { [`POST ${ORG}/secrets/crowdsec-key/rotate`]: data({ ...samples.secretRotated, kept: 'former' }) },
    input: 'correct horse\n',
    sent: { value: 'correct horse' },
    code: 1,
    says: ['secret crowdsec-key is as before in acme: a target refused the new value\n'],
    json: { ...samples.secretRotated, kept: 'former' },
  },
  'secret remove': {
    args: ['secret', 'remove', 'crowdsec-key'],
    answers: { [`DELETE ${ORG}/secrets/crowdsec-key`]: data({ name: 'crowdsec-key' }) },
    says: ['secret crowdsec-key is removed from acme\n'],
    json: { name: 'crowdsec-key' },
  },
  'token create': {
    args: ['token', 'create', '--principal', 'siem', '--role', 'source', '--expires', '90d'],
    answers: { [`POST ${ORG}/tokens`]: data(samples.newToken) },
    sent: { principal: 'siem', roles: ['source'], expiresIn: '90d' },
    says: [`${samples.newToken.token}\n`],
    json: samples.newToken,
  },
  'token revoke': {
    args: ['token', 'revoke', '0123456789abcdef'],
    answers: { [`DELETE ${ORG}/tokens/0123456789abcdef`]: data({ tokenId: '0123456789abcdef' }) },
    says: ['token 0123456789abcdef is withdrawn\n'],
    json: { tokenId: '0123456789abcdef' },
  },
});
