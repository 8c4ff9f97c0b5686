import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createProgram } from '../../sdk/cli/program.ts';
import { type Double, data, openDouble } from './double.ts';
import { interlock } from './run.ts';
import * as samples from './samples.ts';

/** What the command says to type can be typed: by whoever started it as `interlock`, by npx, or by npm from elsewhere. */
vi.setConfig({ testTimeout: 30_000 });

let server: Double;
beforeAll(async () => {
  server = await openDouble();
});
afterAll(() => server.close());

/** As npm and npx tell it; seen with npm 11. */
const npx = { npm_command: 'exec', npm_config_local_prefix: '/srv/interlock' };

test.each<[string, Readonly<Record<string, string>>, string]>([
  ['by its name', {}, 'interlock'],
  ['by npx', { ...npx, INIT_CWD: '/srv/interlock' }, 'npx interlock'],
  ['by npx, further in', { ...npx, INIT_CWD: '/srv/interlock/policies' }, 'npx interlock'],
  ['by npm, from elsewhere', { ...npx, INIT_CWD: '/root' }, 'npm --prefix /srv/interlock exec interlock --'],
  [
    'by npm, of a folder that a shell would take apart',
    { ...npx, npm_config_local_prefix: '/srv/a $(b)', INIT_CWD: '/root' },
    'npx interlock',
  ],
  ['by a script of some project', { npm_command: 'run-script' }, 'interlock'],
])('started %s', async (_name, env, command) => {
  server.answers({ 'GET /v1/orgs/acme/runs': data([samples.summary], null) });
  const told = async (...args: string[]) => {
    const { stdout, stderr } = await interlock(args, { url: server.url, env });
    return stdout + stderr;
  };
  expect(await told('run', 'list')).toContain(`\`${command} run open\` shows what each run waits for\n`);
  expect(await told('run', 'show', 'x')).toContain(`\`${command} run list\` shows them.\n`);
  const help = await told('audit', '--help');
  expect(help).toContain(`  $ ${command} audit verify ./evidence\n`);
  expect(await told('--help')).toContain(
    `${command} audit export --out ./evidence && ${command} audit verify ./evidence\n`,
  );
});

test('what a server or a playbook says is shown as it came', async () => {
  const message = 'interlock run list';
  const failed = { ...samples.endedByFail, failure: { step: 'no', class: 'conflict', message } };
  server.answers({ 'GET /v1/orgs/acme/runs': data([failed], null) });
  const { stdout } = await interlock(['run', 'list'], { url: server.url, env: { ...npx, INIT_CWD: '/srv/interlock' } });
  expect(stdout).toContain('; no: interlock run list\n');
});

describe('--help', () => {
  const mandatory = createProgram()
    .commands.flatMap((group) => [group, ...group.commands])
    .flatMap((command) =>
      command.options
        .filter((option) => option.mandatory)
        .map((option) => [`${command.parent?.name()} ${command.name()}`, option.long ?? '', command] as const),
    );

  test.each(mandatory)('%s marks %s as required', (_name, flag, command) => {
    expect(command.helpInformation().replaceAll(/\s+/g, ' ')).toMatch(new RegExp(`${flag} <[^>]+> \\(required\\) `));
  });

  test('there are such options, and others are not marked', () => {
    expect(mandatory.length).toBeGreaterThan(8);
    const list = createProgram()
      .commands.find((group) => group.name() === 'run')
      ?.commands.find((command) => command.name() === 'list');
    expect(list?.helpInformation()).not.toContain('(required)');
  });
});
