import { describe, expect, it } from 'vitest';
import { admit } from '../../kernel/cell/admit.ts';
import { openCells } from './cells.ts';
import { hostileModule } from './hostile-module.ts';
import { cellsOf, peakBytes } from './processes.ts';

/** What modules try, beside the rows of the attack suite (`test/attack`). */

describe('admission turns away', () => {
  it.each([
    ['wasi-import', /proc_raise is not granted.*no files, sockets, sleep or signals/],
    ['extism-http', /interlock:host\/v1\.http/],
    ['imported-memory', /shares nothing/],
  ])('%s', async (name, says) => {
    const admitted = admit(await hostileModule(name));
    expect(admitted).toMatchObject({ ok: false, error: { code: 'import_refused' } });
    if (!admitted.ok) expect(admitted.error.text).toMatch(says);
  });
});

describe('memory stays bounded', () => {
  it('over many instances that grew to the limit', async () => {
    const cells = openCells({ min: 1, max: 1 });
    const bomb = await cells.load('memory-bomb');
    for (let i = 0; i < 150; i++) expect(await cells.call(bomb, '{}')).toMatchObject({ kind: 'replied' });
    // 150 x 32 MiB were touched; the engine alone takes about 100 MB.
    const peaks = cellsOf(process.pid).map(peakBytes);
    expect(peaks.length).toBeGreaterThan(0);
    expect(Math.max(...peaks)).toBeLessThan(300e6);
    await cells.close();
  });
});
