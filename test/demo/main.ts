import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { startWorld, type World } from './world.ts';

/**
 * `npm run demo`: one governed run, told as it happens. Every line with a mark is a claim that is checked against the
 * outside (the API, the firewall's own log, the verifier); the exit code is 0 only if all of them held.
 */
const ROOT = join(import.meta.dirname, '..', '..');
const SAMPLE = join(ROOT, 'test/samples/falco-c2-connection.json');

let failed = 0;
const colour = (style: 'bold' | 'green' | 'red' | 'dim', text: string) =>
  styleText(style, text, { stream: process.stdout });
const tell = (text: string) => void process.stdout.write(`\n${colour('bold', text)}\n`);
const show = (text: string) => void process.stdout.write(colour('dim', `    ${text}\n`));
function claim(text: string, holds: boolean, instead?: unknown): void {
  if (!holds) failed++;
  process.stdout.write(`  ${holds ? colour('green', 'ok') : colour('red', 'NOT TRUE')}  ${text}\n`);
  if (!holds && instead !== undefined) show(JSON.stringify(instead).slice(0, 400));
}

type Answer<T> = { readonly status: number; readonly body: T };

try {
  parseArgs({ options: {} });
} catch {
  process.stderr.write('interlock: the demo takes no options. Usage: npm run demo\n');
  process.exit(2);
}

async function main(): Promise<void> {
  const started = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'interlock-demo-'));
  tell('Starting the kernel, a firewall and a reputation service on loopback');
  const world = await startWorld({ folder, port: 0 });
  show(`kernel ${world.url}, firewall ${world.firewall.url}`);
  try {
    await story(world, folder);
  } finally {
    await world.stop();
    await rm(folder, { recursive: true, force: true });
  }
  const seconds = ((performance.now() - started) / 1_000).toFixed(1);
  tell(failed === 0 ? `Every claim held (${seconds} s)` : `${failed} claims did not hold (${seconds} s)`);
}

async function story(world: World, folder: string): Promise<void> {
  const call = async <T>(as: string, method: string, path: string, body?: string): Promise<Answer<T>> => {
    const response = await fetch(`${world.url}/v1/orgs/demo${path}`, {
      method,
      headers: { authorization: `Bearer ${world.tokens[as]}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body }),
      signal: AbortSignal.timeout(10_000),
    });
    return { status: response.status, body: (await response.json()) as T };
  };
  const sample = await readFile(SAMPLE, 'utf8');

  tell('A detection comes in: an outbound connection to a command-and-control server');
  const first = await call<Received>('operator', 'POST', '/events', sample);
  const trigger = first.body.data.events[0]?.triggers[0];
  claim(
    'the event is accepted and matches one trigger, which starts a run',
    first.status === 202 && trigger?.outcome === 'matched',
    first,
  );
  const run = trigger?.run ?? '';
  show(`run ${run}`);

  tell('The same detection comes in again');
  const second = await call<Received>('operator', 'POST', '/events', sample);
  const again = second.body.data.events[0]?.triggers[0];
  claim('it is absorbed by that run, and starts none', again?.outcome === 'absorbed' && again.run === run, second.body);

  tell('The playbook asks for the reputation of the address, and decides to ban it');
  const waiting = await until(
    () => call<RunAnswer>('operator', 'GET', `/runs/${run}`),
    ({ body }) => body.data.state === 'waiting',
  );
  const reputation = waiting.body.data.steps.find((step) => step.step === 'reputation');
  claim(
    'the enrichment ran in a cell and was answered',
    reputation?.state === 'succeeded' && world.reputation.requests() === 1,
    reputation,
  );
  const pending = await call<{ data: readonly Approval[] }>('operator', 'GET', '/approvals?state=pending');
  const approval = pending.body.data[0];
  claim(
    'the ban is held for approval: nothing has been banned',
    approval?.state === 'pending' && world.firewall.log().entries.length === 0,
    pending.body,
  );
  if (!approval) return;
  show(`approval ${approval.approval} of ${approval.uses}, subject ${approval.subject.slice(0, 23)}...`);

  tell('The operator, who caused the run, tries to approve it');
  const ballot = (rationale: string) => JSON.stringify({ decision: 'approve', rationale, subject: approval.subject });
  const votes = `/approvals/${approval.approval}/votes`;
  const own = await call<{ type: string; detail?: string }>('operator', 'POST', votes, ballot('it is mine'));
  claim('the vote of the requester is refused', own.status === 403 && world.firewall.log().entries.length === 0, own);
  show(own.body.detail ?? own.body.type);

  tell('Someone else approves exactly this action');
  const other = await call('approver', 'POST', votes, ballot('known C2 address, checked with the network team'));
  claim("the approver's vote counts", other.status === 200 || other.status === 201, other);
  const ended = await call<RunAnswer>('operator', 'GET', `/runs/${run}?wait=10s`);
  claim('the run completes', ended.body.data.state === 'completed', ended.body.data);
  const log = world.firewall.log().entries;
  claim(
    'the firewall’s own log shows exactly one ban, with its idempotency key',
    log.length === 1 &&
      log[0]?.effect === 'ban' &&
      log[0].ip === '203.0.113.77' &&
      (log[0].key ?? '').startsWith('ilk-'),
    log,
  );
  show(JSON.stringify(log[0]));
  const incident = await call<{ data: { state: string } }>(
    'operator',
    'GET',
    '/incidents/0c8e4a55-7a1e-4ae1-8a1d-bb1d4d7f3b20',
  );
  claim('the incident is contained', incident.body.data?.state === 'contained', incident.body);

  tell('An auditor exports the record and verifies it without the kernel');
  const bundle = join(folder, 'audit');
  const exported = await cli([
    'audit',
    'export',
    '--out',
    bundle,
    '--url',
    world.url,
    '--token-file',
    world.tokenFile('operator'),
  ]);
  const verified = await cli(['audit', 'verify', bundle]);
  claim('the export verifies', exported.code === 0 && verified.code === 0, { exported, verified });
  show(verified.stdout.trim().split('\n')[0] ?? '');

  tell('One byte of a copy is flipped');
  const forged = join(folder, 'forged');
  await cp(bundle, forged, { recursive: true });
  const lines = await readFile(join(forged, 'entries.ndjson'), 'utf8');
  const at = lines.indexOf('"kind":"approval.refused"');
  await writeFile(join(forged, 'entries.ndjson'), `${lines.slice(0, at + 8)}b${lines.slice(at + 9)}`);
  const refused = await cli(['audit', 'verify', forged]);
  claim(
    'the copy is refused, and the record is named',
    refused.code === 1 && /record \d+/.test(refused.stdout + refused.stderr),
    refused,
  );
  show(
    (refused.stdout + refused.stderr)
      .trim()
      .split('\n')
      .find((line) => /record \d+/.test(line)) ?? '',
  );
}

type Received = {
  readonly data: {
    readonly events: readonly {
      readonly triggers: readonly { readonly outcome: string; readonly run: string | null }[];
    }[];
  };
};
type RunAnswer = {
  readonly data: {
    readonly state: string;
    readonly steps: readonly { readonly step: string; readonly state: string }[];
  };
};
type Approval = { readonly approval: string; readonly state: string; readonly subject: string; readonly uses: string };

async function until<T>(ask: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const answer = await ask();
    if (holds(answer) || tries >= 100) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The real command line, as a user would run it. */
function cli(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(ROOT, 'sdk/cli/main.ts'), ...args], (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error ? 2 : 0;
      resolve({ code, stdout, stderr });
    });
  });
}

try {
  await main();
} catch (error) {
  failed++;
  process.stderr.write(`the demo broke off: ${error instanceof Error ? error.message : 'unknown'}\n`);
}
process.exit(failed === 0 ? 0 : 1);
