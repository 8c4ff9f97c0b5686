import { admit } from '../../kernel/cell/admit.ts';
import { moduleOf, text, vector } from '../../kernel/cell/wasm-fixture.ts';
import { type Row, verdict } from './row.ts';

/** S: where a module comes from. */

const WAITS = 'waits for the lock file and signatures of plugins';

export const SUPPLY_ROWS: readonly Row[] = [
  { id: 'S1', tries: 'another byte, digest, signer or predicate', must: 'not loaded, nothing compiled', notRun: WAITS },
  {
    id: 'S2',
    tries: 'an upgrade that asks for more',
    must: 'held until approved; the difference is shown',
    notRun: WAITS,
  },
  {
    id: 'S3',
    tries: 'an import that is not granted',
    must: 'admission refuses, whatever a manifest says',
    run: async () => {
      const admitted = admit(moduleOf({ 2: vector([...text('interlock:host/v2'), ...text('shell'), 0, 0]) }));
      const code = admitted.ok ? 'admitted' : admitted.error.code;
      return verdict(code === 'import_refused', code);
    },
  },
  { id: 'S4', tries: 'a source that gives another digest', must: 'a rebuild says so', notRun: WAITS },
];
