import { expect, it } from 'vitest';
import { ADMISSION } from '../../cell/admission-policy.ts';
import { createHost } from './host-functions.ts';
import { QUOTA } from './quota.ts';
import { VERDICT } from './result-frame.ts';

const open = () => createHost(QUOTA, () => undefined);
function whatItThrows(act: () => void): unknown {
  try {
    act();
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}
const bytes = (text: string) => Buffer.from(text);

it('has a function for every import that admission grants, and no other', () => {
  const names = Object.entries(open().functions).flatMap(([module, of]) =>
    Object.keys(of).map((name) => `${module}.${name}`),
  );
  expect(names.toSorted()).toEqual([...ADMISSION.imports.keys()].toSorted());
});

it('is closed between calls: a module that is being set up reaches nothing, and its result shows nothing of the last call', () => {
  const host = open();
  const log = host.functions['extism:host/env']?.['log_info'] as unknown as (context: null, address: bigint) => void;
  host.begin(bytes('of another org'), Number.POSITIVE_INFINITY);
  log(null, 8n);
  expect(host.end({ code: 1 }).logs).toHaveLength(1);
  const thrown = whatItThrows(() => log(null, 8n));
  expect(thrown).toMatchObject({ message: 'the call was stopped by its host' });
  const result = host.end({ thrown });
  expect(result).toMatchObject({ verdict: VERDICT.crashed, logs: [] });
  expect(Buffer.from(result.text).toString()).toMatch(/while it was being set up/);
});
