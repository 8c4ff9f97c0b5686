import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { SYSTEM_LAYERS, type SystemLayer, wrapperOf } from '../../kernel/adapter/extism/layers.ts';
import { probeLayers } from '../../kernel/adapter/extism/probe.ts';
import { LIMITS } from '../../kernel/base/limits.ts';
import type { CellLayer } from '../../kernel/port/cell-host.ts';
import { makeKernelFolder } from '../support/org-files.ts';
import { openBreakOut, STOPPED_BY } from './break-out.ts';
import { type Cells, LAYERS, openCells } from './cells.ts';
import { cellsOf, isAlive } from './processes.ts';

/**
 * The layers that the system puts around a cell, looked at from outside in a real cell, and what is left where the system
 * gives fewer. What a machine does not give cannot be tested on it: those rows are skipped, each under its name.
 */
const run = promisify(execFile);
const isOn = (layer: CellLayer) => LAYERS.on.includes(layer);
const isRoot = process.getuid?.() === 0;
/** Someone who is not root, and may read this checkout where the user of cells may. */
const USER = '12345';
const mayBeUser = isOn('own-user');

let opened: Cells[] = [];
afterEach(async () => {
  await Promise.all(opened.map((cells) => cells.close()));
  opened = [];
});

/** A cell that runs, and its process. */
async function openCell(wrapper = LAYERS.wrapper): Promise<{ readonly cells: Cells; readonly pid: number }> {
  const cells = openCells({ min: 1, max: 1, wrapper });
  opened.push(cells);
  const echo = await cells.load('echo');
  expect(await cells.call(echo, 'here')).toMatchObject({ kind: 'replied', reply: 'here' });
  return { cells, pid: cellsOf(process.pid)[0] ?? 0 };
}
const statusOf = async (pid: number, key: string) =>
  new RegExp(`^${key}:[ \\t]*(.*)$`, 'm').exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]?.split(/\s+/);

describe('a cell of this machine', () => {
  it('says which layers it has, and of every other one why not', () => {
    expect([...LAYERS.on, ...LAYERS.off.map(({ layer }) => layer)].toSorted()).toEqual(
      [
        ...['dies-with-kernel', 'empty-environment', 'network-namespace', 'no-new-privileges', 'own-proc', 'own-user'],
        ...['permission-model', 'process-namespace', 'resource-limits'],
      ].toSorted(),
    );
    for (const { why } of LAYERS.off) expect(why).not.toBe('');
  });

  it.runIf(isOn('network-namespace'))('is in a network of its own, in which there is nothing', async () => {
    const { pid } = await openCell();
    expect(await readlink(`/proc/${pid}/ns/net`)).not.toBe(await readlink('/proc/self/ns/net'));
    const interfaces = (await readFile(`/proc/${pid}/net/dev`, 'utf8')).split('\n').slice(2).filter(Boolean);
    expect(interfaces.map((line) => line.trim().split(':')[0])).toEqual(['lo']);
    // Loopback is down, so nothing that listens on it is there.
    expect((await readFile(`/proc/${pid}/net/route`, 'utf8')).trim().split('\n')).toHaveLength(1);
  });

  it.runIf(isOn('process-namespace'))('is the first of its processes', async () => {
    const { pid } = await openCell();
    expect(await statusOf(pid, 'NSpid')).toEqual([`${pid}`, '1']);
  });

  it.runIf(isOn('own-user'))('is of a user that is nobody else', async () => {
    const { pid } = await openCell();
    const uid = `${LAYERS.uid}`;
    expect(await statusOf(pid, 'Uid')).toEqual([uid, uid, uid, uid]);
    expect(await statusOf(pid, 'Gid')).toEqual([uid, uid, uid, uid]);
    expect(await statusOf(pid, 'Groups')).toEqual(['']);
  });

  it.runIf(isOn('no-new-privileges'))('has no capability, and gets none', async () => {
    const { pid } = await openCell();
    expect(await statusOf(pid, 'NoNewPrivs')).toEqual(['1']);
    for (const set of ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb'])
      expect(await statusOf(pid, set)).toEqual(['0000000000000000']);
  });

  it.runIf(isOn('resource-limits'))('is bounded by the system', async () => {
    const { pid } = await openCell();
    const limits = await readFile(`/proc/${pid}/limits`, 'utf8');
    const { value } = LIMITS.cellDataBytes;
    for (const [name, most] of [
      ['data size', value],
      ['open files', 64],
      ['core file size', 0],
      ['file size', 0],
    ])
      expect(limits).toMatch(new RegExp(`^Max ${name} +${most} +${most} `, 'm'));
    if (isOn('own-user')) expect(limits).toMatch(new RegExp(`^Max processes +${LIMITS.cellThreads.value} `, 'm'));
  });

  it('is gone within the call of its kill, with whatever is above it', async () => {
    const { cells, pid } = await openCell();
    const spinning = cells.call(await cells.load('endless-loop'), '{}', { hardDeadlineMs: 200 });
    expect(await spinning).toMatchObject({ kind: 'overran', deadline: 'hard' });
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 10_000 });
    expect(await cells.call(await cells.load('echo'), 'next')).toMatchObject({ kind: 'replied' });
  });
});

describe('a cell of which Node itself has gone over', () => {
  let out: Awaited<ReturnType<typeof openBreakOut>>;
  beforeAll(async () => {
    out = await openBreakOut();
  });
  afterAll(() => out.close());
  const reached = (wrapper: readonly string[]) => out.reached(wrapper);

  it('reaches all of it without a layer: the tests below mean something', async () => {
    const worked = await reached([]);
    for (const attempt of worked) expect(STOPPED_BY).toHaveProperty([attempt]);
    expect(worked).toEqual(expect.arrayContaining(['connect to the kernel', 'signal the kernel', 'write a file']));
    expect(worked).toEqual(expect.arrayContaining(['read the arguments of the kernel', 'read a file of the kernel']));
  });

  it.runIf(LAYERS.off.length === 0)('reaches nothing with all of them', async () => {
    expect(await reached(LAYERS.wrapper)).toEqual([]);
  });

  const all = SYSTEM_LAYERS.filter(isOn);
  it.runIf(LAYERS.off.length === 0).each<[SystemLayer[], string[]]>([
    [['network-namespace'], ['connect to the kernel', 'see an interface']],
    [['resource-limits'], ['write a file']],
    [['own-user'], ['read a file of the kernel']],
    [['own-proc'], ['read the arguments of the kernel']],
    [['own-proc', 'process-namespace', 'own-user'], ['signal the kernel']],
    [['own-user', 'no-new-privileges'], ['become root by a program']],
  ])('without %j it reaches what those are for', async (without, then) => {
    const rest = new Set(all.filter((layer) => !without.includes(layer)));
    const wrapper = wrapperOf(rest, { isRoot, uid: LAYERS.uid ?? 65_534 });
    expect(await reached(wrapper)).toEqual(expect.arrayContaining(then));
  });

  it.runIf(isRoot && isOn('process-namespace'))('is gone when it is killed while it is still set up', async () => {
    // Below the process that was started stands one that has not yet asked to die with it, and does not get round to it.
    const slow = ['/usr/bin/unshare', '--pid', '--fork', '--', '/bin/sh', '-c', 'sleep 3600; exec "$@"', 'sh'];
    const cells = openCells({ min: 1, max: 1, wrapper: slow });
    const below = await vi.waitFor(() => {
      const [pid = 0, ...more] = cellsOf(process.pid);
      expect([isAlive(pid), more]).toEqual([true, []]);
      return pid;
    });
    // Settles when no process holds a pipe of a cell any more.
    await cells.close();
    await vi.waitFor(() => expect(isAlive(below)).toBe(false));
  });
});

/** Runs a probe and one call in a cell, in a process that is started as `command` says. */
async function elsewhere(command: readonly string[]) {
  const [file = '', ...args] = [...command, process.execPath, join(import.meta.dirname, 'probed-cell.ts')];
  const { stdout } = await run(file, args, { env: {} });
  return JSON.parse(stdout) as { on: CellLayer[]; off: { layer: CellLayer; why: string }[]; reply: string };
}

describe('where the system gives less', () => {
  it.runIf(isRoot && mayBeUser)('a kernel that is not root has all but a user for its cells', async () => {
    const { on, off, reply } = await elsewhere([
      '/usr/bin/setpriv',
      '--reuid',
      USER,
      '--regid',
      USER,
      '--clear-groups',
      '--',
    ]);
    expect(reply).toBe('here');
    expect(off).toEqual([{ layer: 'own-user', why: expect.stringContaining('not root') }]);
    expect(on).toEqual(expect.arrayContaining(['network-namespace', 'process-namespace', 'no-new-privileges']));
  });

  it.runIf(isRoot && mayBeUser)('a kernel that could not end them has no cells of another user', async () => {
    const { on, off, reply } = await elsewhere(['/usr/bin/setpriv', '--bounding-set=-sys_admin,-kill', '--']);
    expect(reply).toBe('here');
    expect(off.find(({ layer }) => layer === 'own-user')?.why).toMatch(/may not end a process.*CAP_KILL/);
    expect(on).toEqual(expect.arrayContaining(['resource-limits', 'no-new-privileges', 'dies-with-kernel']));
  });

  it.runIf(isRoot && isOn('network-namespace'))('without the right to make namespaces the others stay', async () => {
    const { on, off, reply } = await elsewhere(['/usr/bin/setpriv', '--bounding-set=-sys_admin', '--']);
    expect(reply).toBe('here');
    expect(off.map(({ layer }) => layer)).toEqual(['network-namespace', 'process-namespace', 'own-proc']);
    for (const { why } of off) expect(why).toMatch(/unshare.*not permitted/i);
    expect(on).toEqual(expect.arrayContaining(['resource-limits', 'no-new-privileges', 'dies-with-kernel']));
  });

  it.each([
    ['/usr/bin/unshare', ['network-namespace', 'process-namespace', 'own-proc']],
    ['/usr/bin/prlimit', ['resource-limits']],
    ['/usr/bin/setpriv', ['own-user', 'no-new-privileges', 'dies-with-kernel']],
  ])('without %s the cell runs with what is left', async (tool, missing) => {
    const layers = await probeLayers({ hasTool: (path) => path !== tool });
    for (const layer of missing) expect(layers.off.find((one) => one.layer === layer)?.why).toMatch(/is not there/);
    await openCell(layers.wrapper);
  });

  it.runIf(mayBeUser)(
    'where another user may not read the program of cells they are of the user of the kernel',
    async () => {
      const program = join(await mkdtemp(join(tmpdir(), 'interlock-unreadable-')), 'cell.mjs');
      await writeFile(program, '', { mode: 0o600 });
      const layers = await probeLayers({ program });
      await rm(dirname(program), { recursive: true });
      expect(layers.off).toEqual([
        { layer: 'own-user', why: expect.stringMatching(/may not read.*put this checkout/) },
      ]);
      expect(layers.uid).toBeUndefined();
      await openCell(layers.wrapper);
    },
  );

  it('on another system it runs with what Node has', async () => {
    const layers = await probeLayers({ platform: 'darwin' });
    expect(layers.wrapper).toEqual([]);
    expect(layers.on).toEqual(['permission-model', 'empty-environment']);
    await openCell(layers.wrapper);
  });
});

it.runIf(isRoot && mayBeUser)('a kernel that must have a layer does not start without it, and says why', async () => {
  const files = await makeKernelFolder('layers', [{ id: 'acme', plugins: ['webhook'], egress: [] }], {
    cells: { require: ['own-user'] },
  });
  await run('/bin/chown', ['-R', `${USER}:${USER}`, files.path]);
  await chmod(files.path, 0o700);
  const main = join(import.meta.dirname, '../../kernel/main.ts');
  const user = ['--reuid', USER, '--regid', USER, '--clear-groups', '--'];
  const ended = run('/usr/bin/setpriv', [...user, process.execPath, main, '--config', files.config], { env: {} });
  await expect(ended).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/cells\.require asks for layers that are not here:\n {2}own-user: .*not root/),
  });
  await files.remove();
});
