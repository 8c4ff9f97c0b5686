import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { callPlugin } from '../../../sdk/author/test-host.ts';
import plugin from './plugin.ts';

const samples = join(import.meta.dirname, '../../../test/samples');
const shape = (event: unknown) => callPlugin(plugin, { action: 'shape', input: { event } });

test('keeps what a responder needs', async () => {
  const event = JSON.parse(readFileSync(join(samples, 'ocsf-malware-finding.json'), 'utf8'));
  expect(await shape(event)).toEqual({
    ok: true,
    output: {
      finding: 'edr-9f1b7c52',
      title: 'Ransomware.Generic behaviour',
      severity: 'critical',
      host: 'FIN-WS-042',
      user: 'a.example',
      techniques: ['T1486'],
      addresses: ['203.0.113.78'],
      seen: '2026-11-20T14:33:40.101Z',
    },
  });
});

test.each([[{}], [{ observables: 'x', finding_info: null, time: 1e300, severity_id: -1 }]])(
  'takes %j',
  async (event) => {
    expect(await shape(event)).toMatchObject({ ok: true, output: { severity: 'unknown', addresses: [], seen: null } });
  },
);
