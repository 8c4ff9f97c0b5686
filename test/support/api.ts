import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Published } from '../../sdk/contract/api.ts';
import type { Approval, ApprovalSummary, Run, RunSummary } from '../../sdk/contract/api-run.ts';
import type { AuditRecord } from '../../sdk/contract/audit.ts';
import { type BundleOptions, verifyBundle } from '../../sdk/verify/bundle.ts';
import type { Verdict } from '../../sdk/verify/verdict.ts';

/** The HTTP API, asked plainly: what came back is what is judged. */
export type Answer<T = unknown> = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The part `data` of a JSON answer. */
  readonly data: T;
  /** Kind of the problem, e.g. `not-found`; empty for anything else. */
  readonly problem: string;
};

export type Api = ReturnType<typeof apiOf>;

const PATIENCE_MS = 20_000;

/** @param url read anew for each request: a kernel that was started again has another address. */
export function apiOf(url: string | (() => string), org: string, token: string) {
  const base = () => (typeof url === 'string' ? url : url());
  const ask = async <T>(method: string, path: string, body?: unknown, type = 'application/json') => {
    const response = await fetch(`${base()}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': type }) },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') ? JSON.parse(text.split('\n', 1)[0] ?? '') : {};
    const problem = typeof json.type === 'string' ? json.type.replace('urn:interlock:problem:', '') : '';
    const answer: Answer<T> = { status: response.status, headers: response.headers, text, data: json.data, problem };
    return answer;
  };
  const at = (path: string) => `/v1/orgs/${org}${path}`;

  return {
    org,
    token,
    ask,
    get: <T = unknown>(path: string) => ask<T>('GET', at(path)),
    post: <T = unknown>(path: string, body: unknown) => ask<T>('POST', at(path), body),
    put: <T = unknown>(path: string, body: unknown) => ask<T>('PUT', at(path), body),
    delete: <T = unknown>(path: string) => ask<T>('DELETE', at(path)),

    publish: (event: object) => ask<Published>('POST', at('/events'), event, 'application/cloudevents+json'),
    putPlaybook: (yaml: string) => ask<{ digest: string }>('POST', at('/playbooks'), yaml, 'application/yaml'),
    run: (id: string, wait = '') => ask<Run>('GET', at(`/runs/${id}${wait && `?wait=${wait}`}`)),
    runs: (query = '') => ask<readonly RunSummary[]>('GET', at(`/runs${query}`)),
    approvals: (query = '') => ask<readonly ApprovalSummary[]>('GET', at(`/approvals${query}`)),
    approval: (id: string) => ask<Approval>('GET', at(`/approvals/${id}`)),
    vote: (id: string, decision: 'approve' | 'reject', subject: string) =>
      ask<Approval>('POST', at(`/approvals/${id}/votes`), { decision, subject, rationale: 'seen and judged' }),
    exportAudit: () => ask('GET', at('/audit/export')),
  };
}

/** Asks until it is so. The bound only ends what hangs; the failure shows what was last seen. */
export async function until<T>(ask: () => Promise<T>, isSo: (value: T) => boolean, patienceMs = 15_000): Promise<T> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const value = await ask();
    if (isSo(value)) return value;
    if (performance.now() > end) throw new Error(`it did not come to be so: ${JSON.stringify(value).slice(0, 2_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A CloudEvent whose data is `data`. */
export const cloudEvent = (id: string, data: object, source = 'urn:test:detector') => ({
  specversion: '1.0',
  id,
  source,
  type: 'test.detection',
  data,
});

export type CheckedExport = { readonly verdict: Verdict; readonly records: () => readonly AuditRecord[] };

/** Takes the audit export of the org, writes it as a bundle and has it verified, state checks included. */
export async function verifyExport(api: Api, folder: string, options: BundleOptions = {}): Promise<CheckedExport> {
  const answer = await api.exportAudit();
  if (answer.status !== 200) throw new Error(`no export: ${answer.status} ${answer.text}`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'entries.ndjson'), answer.text);
  const head = Buffer.from(answer.headers.get('interlock-audit-head') ?? '', 'base64url');
  await writeFile(join(folder, 'head.json'), head);
  const verdict = await verifyBundle(folder, { org: api.org, ...options });
  const records = () => answer.text.split('\n', verdict.records).map((line) => JSON.parse(line) as AuditRecord);
  return { verdict, records };
}
