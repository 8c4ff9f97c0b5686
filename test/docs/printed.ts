import { LIMITS } from '../../kernel/base/limits.ts';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import { createApp } from '../../kernel/http/app.ts';
import { mayDo, PERMISSIONS, ROLES } from '../../kernel/org/role.ts';
import { CELL_LAYERS } from '../../kernel/port/cell-host.ts';
import { ERROR_CLASSES } from '../../sdk/contract/error.ts';
import { LIFECYCLE } from '../../sdk/contract/lifecycle.ts';
import { PROBLEMS } from '../../sdk/contract/problem.ts';
import { ROWS } from '../attack/rows.ts';
import { PACKAGES, ROOMS } from '../layout/rules.ts';

/**
 * The tables that documents print from the code, by the name that stands in the document:
 * `<!-- printed: limits -->` ... `<!-- /printed -->`.
 */
export const PRINTED: Readonly<Record<string, () => string | Promise<string>>> = {
  limits: () =>
    table(
      ['limit', 'value', 'unit', 'why', 'what happens there'],
      Object.entries(LIMITS).map(([name, { value, unit, why, what }]) => [code(name), `${value}`, unit, why, what]),
    ),
  attacks: () =>
    table(
      ['id', 'it tries', 'must happen', 'faults'],
      ROWS.map((row) => [row.id, row.tries, row.must, `${row.faults.length}`]),
    ),
  problems: () =>
    table(
      ['kind', 'status', 'means', 'what to do'],
      Object.entries(PROBLEMS).map(([kind, { status, title, detail }]) => [code(kind), `${status}`, title, detail]),
    ),
  'error-classes': () =>
    table(
      ['class', 'tried again'],
      Object.entries(ERROR_CLASSES).map(([name, { transient }]) => [code(name), transient ? 'yes (transient)' : 'no']),
    ),
  permissions: () =>
    table(
      ['permission', ...ROLES.map(code)],
      PERMISSIONS.map((permission) => [
        code(permission),
        ...ROLES.map((role) => (mayDo([role], permission) ? 'yes' : '')),
      ]),
    ),
  layers: () =>
    table(
      ['layer', 'what it stops'],
      Object.entries(CELL_LAYERS).map(([layer, stops]) => [code(layer), stops]),
    ),
  lifecycle: () =>
    table(
      ['type', 'means', 'data beside `seq`'],
      Object.entries(LIFECYCLE).map(([type, { means, data }]) => [
        code(type),
        means,
        Object.keys(data.entries)
          .filter((name) => name !== 'seq')
          .map(code)
          .join(' '),
      ]),
    ),
  rooms: () =>
    table(
      ['room', 'may import'],
      Object.entries(ROOMS).map(([room, others]) => [code(room), others.map(code).join(' ') || 'nothing']),
    ),
  packages: () =>
    table(
      ['package', 'enters in'],
      Object.entries(PACKAGES).map(([name, room]) => [code(name), code(room)]),
    ),
  routes: async () =>
    table(
      ['operation', 'needs', 'does'],
      (await operations()).map(({ method, path, permission, summary }) => [
        code(`${method} ${path}`),
        permission,
        summary,
      ]),
    ),
};

const code = (text: string): string => `\`${text}\``;
const cell = (text: string): string => text.replaceAll('|', '\\|');
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

type Operation = { readonly summary?: string; readonly 'x-permission'?: string; readonly security?: unknown[] };

/** From the document that the API itself serves. Nothing of a kernel is asked for while it is made. */
async function operations() {
  const answer = await createApp({} as Kernel).request('/openapi.json');
  const { paths } = (await answer.json()) as { paths: Record<string, Record<string, Operation>> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      permission: operation['x-permission']
        ? code(operation['x-permission'])
        : operation.security
          ? 'nothing'
          : 'a token',
      summary: operation.summary ?? '',
    })),
  );
}

export const PLACE = /(<!-- printed: ([a-z-]+) -->\n)([\s\S]*?)(<!-- \/printed -->)/g;
