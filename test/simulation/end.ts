import { openExport } from '../../kernel/flow/export.ts';
import type { Kernel } from '../../kernel/flow/kernel.ts';
import { closureOf } from '../../kernel/run/open-work.ts';
import { createVerifier } from '../../sdk/verify/verifier.ts';
import { BEHAVIOURS } from './orgs.ts';
import type { World } from './world.ts';

/** Troubles have ceased, and all time has passed. */
export function checkEnd(world: World, kernel: Kernel | undefined, checkSenders: () => void): void {
  const { fail, trace, watch, disk, deeds, orgs } = world;
  if (!kernel) {
    fail('R8', 'no kernel is up');
    return;
  }
  if (kernel.stats().inFlight > 0) fail('R8', `${kernel.stats().inFlight} calls are still under way`);
  for (const run of watch.runs()) {
    const name = trace.name(run.id);
    if (!run.ended) fail('R8', `${name} has not ended: it is ${run.state}`);
    const stored = kernel.query.run(run.org, run.id);
    if (JSON.stringify(stored) !== watch.textAt(run.id, run.version))
      fail('R3', `${name} is another run when it is read`);
  }
  checkSenders();
  for (const { org, message, done, wasDenied } of deeds.values()) {
    const run = watch.run(message.run);
    const step = run?.steps[message.step as never];
    const what = `${trace.name(message.run)} ${message.step} was done`;
    if (!run || run.org !== org) fail('R7', `${what} for another org`);
    else if (done > 0 && !wasDenied && step?.state !== 'succeeded' && !watch.isSettled(run.id, message.step)) {
      // BUG: of several requests, one may have been done and a later one refused: the plugin says that it failed, and the
      // run is closed. So this is asked of actions of one request alone.
      const isAlone = BEHAVIOURS[message.action].sends.filter((sent) => sent === 'POST').length === 1;
      if (isAlone && closureOf(run) === 'closed')
        fail('R8', `${what}, and the run is closed with the step ${step?.state}`);
    }
  }
  for (const { id, secret } of orgs) {
    const { head, lines } = openExport({ store: { ...disk } as never, clock: world.clock as never })(id);
    const verifier = createVerifier({ scope: 'org', log: head.log, org: id });
    for (const line of lines) verifier.push(line);
    const { verdict, findings } = verifier.end(head);
    if (verdict !== 'valid') fail('R5', `the log of ${id} is ${verdict}: ${findings[0]?.code} ${findings[0]?.text}`);
    const leak = disk.rows().find(({ value }) => value.includes(secret));
    if (leak) fail('secret', `the secret of ${id} is on the disk in ${leak.key.split('/')[1]}`);
  }
}
