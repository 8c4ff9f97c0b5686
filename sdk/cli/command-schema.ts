import type { Command } from 'commander';
import { act, withExamples } from './act.ts';
import { complain } from './complain.ts';
import { cannot, type Ending, fine } from './ending.ts';
import { isName } from './form.ts';
import { clean, say, sayJson, table } from './print.ts';
import { type Globals, openSession } from './session.ts';
import { typed } from './typed.ts';

/** `interlock schema`: what programs before and behind the server may rely on. */
export function addSchema(program: Command): void {
  const schema = program.command('schema').description('schemas of what the server gives and takes');
  withExamples(schema, ['interlock schema list', 'interlock schema get run > run.schema.json']);

  withExamples(schema.command('list').description('all schemas, each with its version'), [
    'interlock schema list',
  ]).action((_options, command: Command) => act(listSchemas(command.optsWithGlobals())));

  withExamples(
    schema
      .command('get')
      .description('one schema, as JSON Schema 2020-12')
      .argument('<name>', 'as the list shows it, e.g. run or playbook'),
    ['interlock schema get playbook > playbook.schema.json'],
    'The document is printed alike with and without --json. Its $id ends in its version.',
  ).action((name: string, _options, command: Command) => act(getSchema(name, command.optsWithGlobals())));
}

async function listSchemas(options: Globals): Promise<Ending> {
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.schemas();
  if (!answer.ok) return complain(answer.error, session.value);
  const { data } = answer.value;
  if (options.json) sayJson(data);
  else
    say(
      table(
        ['NAME', 'VERSION', 'USE', 'OF'],
        data.map(({ name, version, use, title }) => [clean(name, 63), String(version), use, clean(title, 120)]),
      ),
    );
  return fine;
}

async function getSchema(name: string, options: Globals): Promise<Ending> {
  if (!isName(name))
    return cannot(typed('a schema is named by a word such as run; `interlock schema list` shows them.'));
  const session = await openSession(options);
  if (!session.ok) return session;
  const answer = await session.value.client.schema(name);
  if (!answer.ok) return complain(answer.error, session.value);
  sayJson(answer.value);
  return fine;
}
