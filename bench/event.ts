/**
 * The events of the workloads: an OCSF 1.8 detection finding of about 1 KB, as a sensor posts it. Its names have a fixed
 * width, so every event has the same size, and each event is new to the kernel.
 */
const NAME = 'NAME-OF-THE-FINDING';
const SEVERITY = 987_654;

const FINDING = {
  activity_id: 1,
  category_uid: 2,
  class_uid: 2004,
  type_uid: 200401,
  severity_id: SEVERITY,
  status_id: 1,
  confidence_score: 92,
  time: 1795185220101,
  message: 'Ransomware behaviour on FIN-WS-042: mass rename and shadow copy deletion',
  metadata: { version: '1.8.0', uid: NAME, product: { name: 'Example EDR', vendor_name: 'Example' } },
  finding_info: {
    uid: NAME,
    title: 'Ransomware.Generic behaviour',
    types: ['Malware'],
    attacks: [{ technique: { uid: 'T1486', name: 'Data Encrypted for Impact' }, tactics: [{ uid: 'TA0040' }] }],
  },
  device: { uid: 'dev-042', hostname: 'FIN-WS-042', ip: '192.0.2.42', type_id: 2, type: 'Desktop' },
  actor: {
    process: {
      name: 'invoice.exe',
      pid: 4711,
      cmd_line: 'invoice.exe -q',
      file: {
        name: 'invoice.exe',
        hashes: [{ algorithm_id: 3, value: '5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef' }],
      },
    },
    user: { name: 'a.example' },
  },
  observables: [
    { name: 'dst_endpoint.ip', type_id: 2, value: '203.0.113.77' },
    { name: 'dst_endpoint.domain', type_id: 1, value: 'c2.bad.example' },
  ],
};

/** What the trigger asks for. A finding below it is judged by the whole rule and turned down by its last condition. */
export const SEVERITY_WANTED = 4;
const SEVERITIES = { matching: 5, 'not-matching': 3 } as const;

/** What the step `shape` makes of an event with this name; the bench compares. */
export const shapeOf = (name: string) => ({
  finding: name,
  title: FINDING.finding_info.title,
  severity: 'critical',
  host: FINDING.device.hostname,
  user: FINDING.actor.user.name,
  techniques: ['T1486'],
  addresses: ['203.0.113.77'],
  seen: new Date(FINDING.time).toISOString(),
});

/** @returns the name of the n-th finding of a series (a letter and a digit or two, such as `c1`). */
export const findingName = (series: string, n: number): string =>
  `${series.padEnd(3, '-')}${String(n).padStart(8, '0')}`;

/** @returns a printer of event bodies: JSON text, ASCII, for a finding's name. */
export function eventPrinter(kind: keyof typeof SEVERITIES): (name: string) => string {
  const [head = '', middle = '', tail = ''] = JSON.stringify(FINDING)
    .replace(String(SEVERITY), String(SEVERITIES[kind]))
    .split(NAME);
  return (name) => `${head}${name}${middle}${name}${tail}`;
}
