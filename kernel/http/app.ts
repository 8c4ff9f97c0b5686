import { type Context, Hono } from 'hono';
import { KERNEL_VERSION } from '../base/version.ts';
import type { Kernel } from '../flow/kernel.ts';
import { data, newInstance, problem, text } from './answer.ts';
import { openGuard } from './guard.ts';
import type { LogEntry } from './log.ts';
import { toLogEntry } from './log.ts';
import { methodsOf } from './methods.ts';
import { OPEN_PATHS, openApiDocument } from './openapi.ts';
import { openSchemas } from './published.ts';
import { openRefusals } from './refusal.ts';
import { approvalRoutes } from './route/approvals.ts';
import { auditRoutes } from './route/audit.ts';
import { connectorRoutes } from './route/connectors.ts';
import { egressRoutes } from './route/egress.ts';
import { eventRoutes } from './route/events.ts';
import { explainRoutes } from './route/explain.ts';
import { incidentRoutes } from './route/incidents.ts';
import { lifecycleRoutes } from './route/lifecycle.ts';
import { openWorkRoutes } from './route/open-work.ts';
import { playbookRoutes } from './route/playbooks.ts';
import { pluginRoutes } from './route/plugins.ts';
import { runRoutes } from './route/runs.ts';
import { secretRoutes } from './route/secrets.ts';
import { stopRoutes } from './route/stop.ts';
import { tokenRoutes } from './route/tokens.ts';
import { triggerRoutes } from './route/triggers.ts';
import type { Route } from './route.ts';

/**
 * The HTTP front door. Each route is one handler and no middleware: who asks, may he, what does he send, then the flow.
 * Whatever goes wrong leaves as a problem of the table; what was not foreseen is logged without a word of the request.
 */
export type AppOptions = {
  /** Unix milliseconds. */
  readonly now?: () => number;
  /** Told of each defect that a request has met. */
  readonly log?: (entry: LogEntry) => void;
  /** Of the product, for the document. */
  readonly version?: string;
};

export function createApp(kernel: Kernel, options: AppOptions = {}): Hono {
  const { now = Date.now, log = logToStderr, version = KERNEL_VERSION } = options;
  const guard = openGuard({ kernel, refusals: openRefusals({ record: kernel.refuseAccess, now }) });
  const routes = routesOf(kernel, now);
  const app = new Hono();

  /** The record has failed and nothing is accepted any more, or there is a defect of ours. */
  const fail = (error: unknown, operation: string): Response => {
    if (!kernel.healthy()) return problem('record-unavailable', { headers: { 'retry-after': '5' } });
    const instance = newInstance();
    log(toLogEntry(error, operation, instance));
    return problem('internal', { instance });
  };
  const serve = (context: Context, route: Route): Response | Promise<Response> => {
    const by = guard(context, route);
    return by.ok ? route.serve({ by: by.value, context }) : by.error;
  };

  for (const route of routes)
    app.on(route.method, route.path.replaceAll(/\{(\w+)\}/g, ':$1'), (context) => {
      try {
        const answer = serve(context, route);
        return answer instanceof Promise ? answer.catch((error) => fail(error, route.operation)) : answer;
      } catch (error) {
        return fail(error, route.operation);
      }
    });

  let document: string | undefined;
  app.get(OPEN_PATHS.document, () => {
    document ??= JSON.stringify(openApiDocument(routes, version));
    return text(document, 200);
  });
  const schemas = openSchemas();
  const tagOf = (context: Context) => context.req.header('if-none-match');
  app.get(OPEN_PATHS.schemas, (context) => schemas.list(tagOf(context)));
  app.get(OPEN_PATHS.schema.replace('{schema}', ':schema'), (context) =>
    schemas.one(context.req.param('schema') ?? '', tagOf(context)),
  );
  app.get(OPEN_PATHS.health, () => (kernel.healthy() ? data({ status: 'ok' }) : fail(undefined, 'readHealth')));

  app.notFound((context) => {
    const allow = methodsOf(routes, context.req.path);
    return allow ? problem('method-not-allowed', { headers: { allow } }) : problem('not-found');
  });
  app.onError((error) => fail(error, 'unknown'));
  return app;
}

/** Every guarded route. */
const routesOf = (kernel: Kernel, now: () => number): readonly Route[] => [
  ...tokenRoutes({ kernel, now }),
  ...eventRoutes({ kernel }),
  ...explainRoutes({ kernel }),
  ...runRoutes({ kernel }),
  ...openWorkRoutes({ kernel }),
  ...approvalRoutes({ kernel }),
  ...playbookRoutes({ kernel }),
  ...triggerRoutes({ kernel }),
  ...pluginRoutes({ kernel }),
  ...connectorRoutes({ kernel }),
  ...egressRoutes({ kernel }),
  ...stopRoutes({ kernel }),
  ...incidentRoutes({ kernel }),
  ...lifecycleRoutes({ kernel }),
  ...auditRoutes({ kernel }),
  ...secretRoutes({ kernel }),
];

const logToStderr = (entry: LogEntry): void => console.error(JSON.stringify(entry));
