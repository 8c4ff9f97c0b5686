import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CellHostOptions } from '../../kernel/adapter/extism/cell-options.ts';
import { digestOf } from '../../kernel/base/digest.ts';
import type { Digest, OrgId } from '../../kernel/base/id.ts';
import { type Cells, LAYERS, openCells } from './cells.ts';
import { cellsOf, isAlive } from './processes.ts';

/** The kernel's side against a cell whose program the attacker owns, and cells without their kernel. */

let opened: Cells[] = [];
afterEach(async () => {
  await Promise.all(opened.map((cells) => cells.close()));
  opened = [];
});

const takenOver = (mode: string, options: Partial<CellHostOptions> = {}): Cells => {
  const cells = openCells({
    min: 1,
    max: 1,
    entry: join(import.meta.dirname, 'fake-cell.ts'),
    wrapper: [...LAYERS.wrapper, '/usr/bin/env', `MODE=${mode}`],
    ...options,
  });
  opened.push(cells);
  return cells;
};

describe('a cell that has gone over', () => {
  it('is answered when it behaves: the test below means something', async () => {
    const cells = takenOver('honest');
    expect(await cells.call(await cells.load('echo'), 'hello')).toMatchObject({ kind: 'replied', reply: 'hello' });
  });

  const PROTOCOL = /what no plugin call can send/;
  it.each([
    ['flood', PROTOCOL],
    ['four-gigabytes', PROTOCOL],
    ['too-large', PROTOCOL],
    ['garbage', PROTOCOL],
    ['broken-result', PROTOCOL],
    ['foreign-result', PROTOCOL],
    ['unknown-frame', PROTOCOL],
    ['ready-again', PROTOCOL],
    ['result-while-asking', PROTOCOL],
    ['two-requests', PROTOCOL],
    ['exit', /ended with code 3/],
    ['abort', /engine of the cell/],
  ])('%s: its call crashed, and the cell is replaced', async (mode, reason) => {
    const cells = takenOver(mode);
    const before = process.memoryUsage().rss;
    const module = await cells.load('echo');
    const outcome = await cells.call(module, '{}', { broker: () => new Promise(() => undefined) });
    expect(outcome).toMatchObject({ kind: 'crashed', reason: expect.stringMatching(reason) });
    expect(process.memoryUsage().rss - before).toBeLessThan(256e6);
    expect(cells.host.stats().respawns).toBe(1);
  });

  it('tells-loads: a cell that joins has compiled what the others run, before its first call', async () => {
    const cells = takenOver('tells-loads', { max: 2 });
    const [echo] = [await cells.load('echo'), await cells.load('variables')];
    void cells.call(echo, 'wait', { broker: () => new Promise(() => undefined) });
    const inTheNewCell = { org: 'globex' as OrgId };
    expect(await cells.call(echo, '', inTheNewCell)).toMatchObject({ kind: 'replied', reply: '2' });
  });

  it('tells-loads: a cell that joins compiles no more than it can hold', async () => {
    const cells = takenOver('tells-loads', { min: 2, max: 3 });
    for (const org of ['acme', 'globex'] as OrgId[]) {
      const names = Array.from({ length: 16 }, (_, i) => digestOf(`${org} ${i}`));
      for (const name of names) await cells.host.load(name, new Uint8Array(8), { sealed: false });
      const broker = vi.fn(() => new Promise<never>(() => undefined));
      void cells.call(names[15] as Digest, 'wait', { org, broker });
      await vi.waitFor(() => expect(broker).toHaveBeenCalled());
    }
    const other = { org: 'initech' as OrgId };
    expect(await cells.call(digestOf('globex 15'), '', other)).toMatchObject({ kind: 'replied', reply: '16' });
  });

  it('slow-to-load: a cell that joins does not compile what another took long over', async () => {
    const cells = takenOver('slow-to-load', { max: 2 });
    const [echo] = [await cells.load('echo'), await cells.load('variables')];
    void cells.call(echo, 'wait', { broker: () => new Promise(() => undefined) });
    expect(await cells.call(echo, '', { org: 'globex' as OrgId })).toMatchObject({ kind: 'replied', reply: '1' });
  });

  it('dies-warming-up: what a cell dies of before it serves is left out of the next, which comes all the same', async () => {
    const cells = takenOver('dies-warming-up', { max: 2 });
    const loaded = [await cells.load('echo')];
    await cells.call(loaded[0] as Digest, 'between');
    loaded.push(await cells.load('variables'));
    const held = cells.call(loaded[1] as Digest, 'wait', { broker: () => new Promise(() => undefined) });
    const globex = { org: 'globex' as OrgId };
    expect(await cells.call(loaded[0] as Digest, 'served', globex)).toMatchObject({ kind: 'replied', reply: 'served' });
    expect(cells.host.stats()).toMatchObject({ cells: 2, respawns: 1 });
    await cells.close();
    await held;
  });

  it('two-results: the first one counts, the cell is replaced', async () => {
    const cells = takenOver('two-results');
    const module = await cells.load('echo');
    expect(await cells.call(module, 'first')).toMatchObject({ kind: 'replied', reply: 'first' });
    await vi.waitFor(() => expect(cells.host.stats().respawns).toBe(1));
  });

  it('unasked-request: an idle cell that speaks is replaced', async () => {
    const cells = takenOver('unasked-request');
    await vi.waitFor(() => expect(cells.host.stats().respawns).toBeGreaterThan(0), { timeout: 10_000 });
  });

  it.each(['ignores-denial', 'asks-after-denial'])('%s: a denied call stays refused', async (mode) => {
    const cells = takenOver(mode);
    const broker = vi.fn(async () => ({ denied: 'no rule' }));
    const outcome = await cells.call(await cells.load('echo'), '{}', { broker });
    expect(outcome).toMatchObject({ kind: 'refused', reason: 'no rule' });
    expect(broker).toHaveBeenCalledTimes(1);
  });

  it('state-left: the next call moves to another cell, unharmed', async () => {
    const cells = takenOver('state-left');
    const module = await cells.load('echo');
    expect(await cells.call(module, 'one')).toMatchObject({ kind: 'replied' });
    expect(await cells.call(module, 'two')).toMatchObject({ kind: 'replied', reply: 'two' });
    expect(cells.host.stats().respawns).toBe(1);
  });

  it('reaches nothing: no file, no process, no thread, no network, no environment', async () => {
    const cells = takenOver('escape');
    expect(await cells.call(await cells.load('echo'), '{}')).toMatchObject({ kind: 'replied', reply: '[]' });
  });

  it('never-ready: calls end as unavailable and say why', async () => {
    const cells = takenOver('never-ready');
    await expect(cells.load('echo')).rejects.toThrow(/No cell can be started.*this cell cannot start/);
  });

  it('speaks-before-ready: it never got ready, and is not started again and again', async () => {
    const cells = takenOver('speaks-before-ready');
    await expect(cells.load('echo')).rejects.toThrow(/No cell can be started.*what no cell sends/);
  });

  it('that cannot even be spawned: the same', async () => {
    const cells = takenOver('honest', { wrapper: ['/nowhere/none'] });
    await expect(cells.load('echo')).rejects.toThrow(/No cell can be started.*ENOENT/);
  });
});

describe('when the kernel is killed', () => {
  it.each([
    ['waiting', 'echo', true],
    ['spinning', 'endless-loop', existsSync('/usr/bin/setpriv')],
  ])('a %s cell ends by itself', async (_, name, possible) => {
    if (!possible) return;
    const kernel = spawn(process.execPath, [join(import.meta.dirname, 'doomed-kernel.ts'), name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => kernel.stdout.once('data', resolve));
    const cells = cellsOf(kernel.pid ?? 0);
    expect(cells.length).toBeGreaterThan(0);
    expect(cells.every(isAlive)).toBe(true);
    kernel.kill('SIGKILL');
    await vi.waitFor(() => expect(cells.filter(isAlive)).toEqual([]), { timeout: 10_000 });
  });
});
