import { readFileSync, writeSync } from 'node:fs';
import { CALL_HEAD_BYTES, FROM_CELL_BYTES_MAX, frameOf, KIND } from '../../kernel/adapter/extism/frame.ts';
import { openPipe } from '../../kernel/adapter/extism/pipe.ts';
import { EXIT } from '../../kernel/adapter/extism/quota.ts';
import { resultFrameBytes, VERDICT, writeResultFrame } from '../../kernel/adapter/extism/result-frame.ts';

/**
 * A cell whose program an attacker took over: what it sends when it gets a call is chosen by the variable MODE.
 * Started like a real one, so it also shows what such a program can reach.
 */
const mode = process.env['MODE'];
const pipe = openPipe(3, 4);
const raw = (bytes: Uint8Array) => {
  for (let at = 0; at < bytes.length; ) at += writeSync(4, bytes, at);
};
const announce = (bytes: number) => {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(bytes);
  raw(head);
};
const reply = (id: number, text: string, verdict: number = VERDICT.replied) => {
  const result = { verdict, logs: [], text: Buffer.from(text) };
  pipe.sendWritten(resultFrameBytes(result), (target) => writeResultFrame(target, id, KIND.result, result));
};
const request = (id: number) =>
  pipe.send(KIND.http, id, Buffer.from('{"url":"https://a.example/","method":"GET","headers":{},"body":null}'));

let calls = 0;
let loads = 0;
/** Loads since the last call. */
let inARow = 0;
/** What each takeover does with a call. */
const MODES: Readonly<Record<string, (id: number, envelope: string) => unknown>> = {
  honest: (id, envelope) => reply(id, envelope),
  flood() {
    announce(0xffff_ffff);
    for (;;) raw(new Uint8Array(1 << 20));
  },
  'four-gigabytes': () => announce(0xffff_ffff),
  'too-large': () => announce(FROM_CELL_BYTES_MAX + 1),
  garbage: () => raw(Uint8Array.from({ length: 4_096 }, (_, i) => (i * 197 + 31) % 256)),
  'broken-result': (id) => pipe.send(KIND.result, id, Uint8Array.of(0, 255, 255)),
  'foreign-result': (id) => reply(id + 1, 'for somebody else'),
  'unknown-frame': (id) => raw(frameOf(99, id, 0, '')),
  'ready-again': () => pipe.send(KIND.ready, 0, new Uint8Array(0)),
  'two-results'(id, envelope) {
    reply(id, envelope);
    reply(id, 'once more');
  },
  'result-while-asking'(id) {
    request(id);
    reply(id, 'did not wait');
  },
  'two-requests'(id) {
    request(id);
    request(id);
  },
  'ignores-denial'(id) {
    request(id);
    pipe.receive();
    reply(id, 'I was allowed');
  },
  'asks-after-denial'(id) {
    request(id);
    pipe.receive();
    request(id);
  },
  exit: () => process.exit(3),
  abort: () => process.abort(),
  'state-left'(id, envelope) {
    if (calls > 1) process.exit(EXIT.stateLeft);
    reply(id, envelope);
  },
  'tells-loads'(id, envelope) {
    if (envelope === 'wait') {
      request(id);
      pipe.receive();
    }
    reply(id, `${loads}`);
  },
  async 'slow-to-load'(id, envelope) {
    if (envelope === 'wait') {
      request(id);
      pipe.receive();
    }
    reply(id, `${loads}`);
  },
  async 'dies-warming-up'(id, envelope) {
    if (envelope === 'wait') {
      request(id);
      pipe.receive();
    }
    reply(id, envelope);
  },
  escape: async (id) => reply(id, JSON.stringify(await reach())),
};

/** Tries what the wall must stop; tells what worked. */
async function reach(): Promise<string[]> {
  const attempts: Readonly<Record<string, () => unknown>> = {
    'read the kernel': () => readFileSync(`${import.meta.dirname}/../../kernel/main.ts`),
    'read /etc/passwd': () => readFileSync('/etc/passwd'),
    'write a file': async () => (await import('node:fs')).writeFileSync('/tmp/interlock-escape', ''),
    'start a process': async () => (await import('node:child_process')).execFileSync('/bin/true'),
    'start a thread': async () => new (await import('node:worker_threads')).Worker('0', { eval: true }),
    'load an addon': async () => process.dlopen({ exports: {} }, '/tmp/none.node'),
    'compile text': () => new Function('return 1')(),
    'fetch from this machine': () => fetch('http://127.0.0.1:4321/'),
    'see the environment': () => {
      if (Object.keys(process.env).some((name) => name !== 'MODE')) return;
      throw new Error('empty');
    },
  };
  const worked: string[] = [];
  for (const [name, attempt] of Object.entries(attempts)) {
    const fault = await Promise.try(attempt).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    // A refused connection is a connection that was tried: only the permission model's own refusal counts.
    const cause = fault instanceof Error ? (fault.cause ?? fault) : fault;
    const denied = name.startsWith('fetch')
      ? String((cause as { code?: unknown })?.code) === 'ERR_ACCESS_DENIED'
      : fault !== undefined;
    if (!denied) worked.push(name);
  }
  return worked;
}

if (mode === 'never-ready') throw new Error('this cell cannot start');
if (mode === 'speaks-before-ready') request(1);
pipe.send(KIND.ready, 0, new Uint8Array(0));
if (mode === 'unasked-request') request(1);
for (;;) {
  const frame = pipe.receive();
  const payload = Buffer.from(frame.payload);
  if (frame.kind === KIND.load) {
    loads++;
    if (mode === 'slow-to-load' && loads === 2) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
    if (mode === 'dies-warming-up' && ++inARow > 1) process.exit(3);
    pipe.send(KIND.loaded, frame.id, new Uint8Array(0));
  } else if (frame.kind === KIND.call) {
    calls++;
    inARow = 0;
    await MODES[mode ?? 'honest']?.(frame.id, payload.toString('utf8', CALL_HEAD_BYTES));
  }
}
