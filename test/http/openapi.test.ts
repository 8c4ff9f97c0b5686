import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createApp } from '../../kernel/http/app.ts';
import { ROLES } from '../../kernel/org/role.ts';
import { TIERS } from '../../kernel/playbook/step.ts';
import { PROBLEM_KINDS, PROBLEMS, problemType } from '../../sdk/contract/problem.ts';
import { operationsOf } from './contract.ts';
import { type House, openHouse } from './kit.ts';

/** The document is valid, complete, and says what the app does. That answers fit it is checked in every other test. */
let house: House;
// biome-ignore lint/suspicious/noExplicitAny: a document of that size is read, not typed.
let document: any;
beforeAll(async () => {
  house = await openHouse();
  document = (await house.ask(null, 'GET', '/openapi.json')).json;
});
afterAll(() => house.close());

test('it is valid OpenAPI 3.1', async () => {
  const validator = new Validator();
  const result = await validator.validate(structuredClone(document));
  expect(result.errors).toBeUndefined();
  expect([result.valid, validator.version]).toEqual([true, '3.1']);
});

test('every reference in it leads somewhere, and every named schema is used', () => {
  const references = new Set([...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, name]) => name));
  const known = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
  expect([...references].sort()).toEqual(known.sort());
});

test('every route of the app is in it, and the reverse', () => {
  const routes = createApp(house.kernel).routes.map(
    ({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`,
  );
  expect(routes.length).toBeGreaterThan(20);
  expect(
    operationsOf(document)
      .map(({ method, path }) => `${method} ${path}`)
      .sort(),
  ).toEqual(routes.sort());
});

test('every operation has a name of its own, names its org, and says what it needs', () => {
  const operations = operationsOf(document);
  expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length);
  const open = operations.filter(({ spec }) => spec.security?.length === 0);
  expect(open.map(({ path }) => path)).toEqual(['/healthz', '/openapi.json', '/v1/schemas', '/v1/schemas/{schema}']);
  const withoutOrg = operations.filter(({ path }) => !path.startsWith('/v1/orgs/{org}/'));
  expect(withoutOrg.map(({ id }) => id)).toEqual(['readHealth', 'readOpenApi', 'listSchemas', 'readSchema', 'whoami']);
  expect(operations.filter(({ spec }) => !spec['x-permission']).map(({ id }) => id)).toEqual(
    withoutOrg.map(({ id }) => id),
  );
});

test('a problem has one type, one status and a way to mend it', () => {
  for (const kind of PROBLEM_KINDS) {
    const { status, title, detail } = PROBLEMS[kind];
    expect(problemType(kind)).toMatch(/^urn:interlock:problem:[a-z]+(?:-[a-z]+)*$/);
    expect(status).toSatisfy((code: number) => code >= 400 && code < 600);
    expect(title).toMatch(/^[A-Z].*[^.]$/);
    expect(detail).toMatch(/^[A-Z].*\.$/);
  }
  expect(document.components.schemas.Problem.properties.type.enum).toEqual(PROBLEM_KINDS.map(problemType));
});

test('roles and tiers are those of the kernel', () => {
  const { TokenForm, Step } = document.components.schemas;
  expect(TokenForm.properties.roles.items.enum).toEqual(ROLES);
  expect(Step.properties.tier.anyOf[0].enum).toEqual(TIERS);
});
