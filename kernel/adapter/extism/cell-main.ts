import { setPriority } from 'node:os';
import { CELL_ENTRIES } from '../../port/cell-host.ts';
import { CALL_HEAD_BYTES, KIND } from './frame.ts';
import { createHost } from './host-functions.ts';
import { openInstances } from './instances.ts';
import { openPipe } from './pipe.ts';
import { type CellSettings, EXIT } from './quota.ts';
import { type RawResult, resultFrameBytes, VERDICT, writeResultFrame } from './result-frame.ts';

/**
 * The program of a cell: reads a call, runs it, writes its result, puts state back, reads the next. One at a time.
 *
 * It runs under the permission model without network, files, environment, child processes or workers; the two pipes
 * are all that it has. It imports Extism, `node:fs` for the pipes, `node:os` for its priority, and its neighbours in this folder.
 */
const settings = JSON.parse(process.argv[2] ?? '') as CellSettings;
const pipe = openPipe(3, 4);
const CELL_NICE = 5;
let callId = 0;
/**
 * A request is out, or on its way. A module that asks at the end of its stack can leave the host no room to read the answer:
 * the call ends there, and the answer would be the next thing that is read, in the place of another call.
 */
let asking = false;

const host = createHost(settings.quota, (request) => {
  asking = true;
  pipe.send(KIND.http, callId, request);
  const { kind, id, payload } = pipe.receive();
  if (kind !== KIND.answer || id !== callId) process.exit(EXIT.protocol);
  asking = false;
  return payload.length > 0 ? payload : undefined;
});
const instances = openInstances(host, settings.checkRestoreEvery);

const NOT_COMPILED: RawResult = {
  verdict: VERDICT.crashed,
  logs: [],
  text: new TextEncoder().encode('The module does not compile.'),
};

async function call(id: number, payload: Buffer): Promise<void> {
  callId = id;
  const softDeadlineAt = performance.now() + payload.readUInt32LE(4);
  const entry = CELL_ENTRIES[payload.readUInt8(8)] ?? process.exit(EXIT.protocol);
  const input = payload.subarray(CALL_HEAD_BYTES);
  const result = (await instances.call(payload.readUInt32LE(0), entry, input, softDeadlineAt)) ?? NOT_COMPILED;
  if (asking) process.exit(EXIT.unread);
  pipe.sendWritten(resultFrameBytes(result), (target) => writeResultFrame(target, id, KIND.result, result));
  if (!instances.settle()) process.exit(EXIT.stateLeft);
}

try {
  // Where processors are short, the kernel goes first: it deals with everybody's work, a cell with one call.
  setPriority(CELL_NICE);
} catch {
  // The system does not have priorities.
}
pipe.send(KIND.ready, 0, new Uint8Array(0));
for (;;) {
  const { kind, id, payload } = pipe.receive();
  if (kind === KIND.call) await call(id, payload);
  else if (kind === KIND.load) {
    const fault = instances.load(id, payload.subarray(1), payload[0] === 1);
    pipe.send(KIND.loaded, id, Buffer.from(fault));
  } else if (kind === KIND.unload) instances.unload(id);
  else process.exit(EXIT.protocol);
}
